/** Maps times of the video element to capture times. */
export class CaptureTimeMap {
  /**
   * In order of `time`, seconds of the element; `captured` is the server's clock.
   * @type {{time: number, captured: number | null}[]}
   */
  #known = [];

  /** @param {number} time @param {number | null} captured */
  add(time, captured) {
    const known = this.#known;
    // Where frames are reordered a new one may belong before the last ones.
    known.splice(known.findLastIndex((one) => one.time <= time) + 1, 0, { time, captured });
  }

  /** @param {number} before */
  forgetBefore(before) {
    this.#known = this.#known.filter(({ time }) => time >= before);
  }

  /**
   * @param {number} time
   * @returns {number | null} of the frame at that time
   */
  capturedAt(time) {
    // Half a millisecond, because browsers round.
    return this.#known.findLast((one) => one.time <= time + 0.0005)?.captured ?? null;
  }
}
