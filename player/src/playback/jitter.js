/** Measures how unevenly frames arrive. Pure; seconds. */

/** Jitter is that of the line; a step longer than this is an outage. */
const LONGEST_STEP_SECONDS = 0.5;

/**
 * The mean deviation of arrival times from media times, smoothed as RFC 3550, 6.4.1 does it. Where pictures are left out, what
 * comes at the usual pace is no jitter either: on a line that is full that would cost a distance for nothing.
 */
export class Jitter {
  seconds = 0;
  #now = NaN;
  #media = NaN;

  /**
   * @param {number} now when a fragment came, seconds
   * @param {number} media its time on the server's timeline, where pictures may have been left out since the one before, seconds
   * @param {number} frameSeconds what pictures take
   */
  add(now, media, frameSeconds) {
    const [step, mediaStep] = [now - this.#now, Math.abs(media - this.#media)];
    [this.#now, this.#media] = [now, media];
    if (!(Math.max(step, mediaStep) < LONGEST_STEP_SECONDS)) return;
    const off = Math.min(Math.abs(step - mediaStep), Math.abs(step - frameSeconds));
    this.seconds += (off - this.seconds) / 16;
  }

  /** What comes next has nothing to do with what came last. */
  reset() {
    this.#now = NaN;
  }
}
