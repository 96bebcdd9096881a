/** Counts shown frames and measures how old they are. Pure; milliseconds of performance.now(). */

import { ServerClock } from "../net/clock-sync.js";

/** Time after a frame during which the next one is not missing. */
const UNSEEN_MS = 200;

/** Keeps the frames of the last second. */
export class FrameStats {
  /** @type {{at: number, age: number | null}[]} */
  #recent = [];
  #clock = new ServerClock();

  /**
   * @param {number} at
   * @param {number | null} age null: not known
   * @param {number} [count] of frames with those since the last call
   */
  add(at, age, count = 1) {
    const step = (at - (this.#recent.at(-1)?.at ?? at)) / count;
    while (count-- > 0) this.#recent.push({ at: at - count * step, age });
  }

  /**
   * Adds a frame whose age is calculated.
   * @param {import("../renderers/renderer.js").ShownFrame} frame @param {number | undefined} count as for `add`
   * @param {{captureTimes: import("../renderers/capture-time-map.js").CaptureTimeMap, exchanges: import("../net/connection.js").ClockExchange[],
   *   engine: import("./engine.js").Engine}} of
   */
  addFrame({ mediaTime, presentationTime, expectedDisplayTime }, count, { captureTimes, exchanges, engine }) {
    // Of the two this is nearer to the pixels of a screen: by 10 ms in Firefox; for a track Chromium expects 50 ms too much.
    const at = engine === "gecko" && expectedDisplayTime || presentationTime;
    const captured = captureTimes.capturedAt(mediaTime);
    this.#clock.follow(exchanges);
    const offset = this.#clock.offset(at);
    const isKnown = captured !== null && offset !== null;
    this.add(at, isKnown ? at + offset - captured : null, count);
  }

  /**
   * @param {number} now
   * @returns {{delay: number | null, shown: number}} the median age when shown, and the number
   */
  lastSecond(now) {
    const newest = this.#recent.at(-1)?.at ?? 0;
    const since = Math.max(newest, now - UNSEEN_MS) - 1000;
    this.#recent = this.#recent.filter(({ at }) => at > since);
    const ages = this.#recent.map(({ age }) => age).filter((age) => age !== null).sort((a, b) => a - b);
    // Clocks that are compared over a network differ by a little: no frame is shown before it was taken.
    return { delay: ages.length > 0 ? Math.max(ages[ages.length >> 1], 0) : null, shown: this.#recent.length };
  }
}
