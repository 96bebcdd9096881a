/** Measures how unevenly frames arrive. Pure; seconds. */

/** A step longer than this is an outage, not jitter. */
const LONGEST_STEP_SECONDS = 0.5;

/**
 * Calculates the mean deviation of arrival times from media times, smoothed as in RFC 3550, 6.4.1. After skipped frames the usual
 * interval is no jitter either: on a congested link that would cost distance for nothing.
 */
export class Jitter {
  seconds = 0;
  #now = NaN;
  #media = NaN;

  /**
   * @param {number} now arrival of a fragment, seconds
   * @param {number} media its time on the server's timeline, seconds; frames before it may have been skipped
   * @param {number} frameSeconds duration of a frame
   */
  add(now, media, frameSeconds) {
    const [step, mediaStep] = [now - this.#now, Math.abs(media - this.#media)];
    [this.#now, this.#media] = [now, media];
    if (!(Math.max(step, mediaStep) < LONGEST_STEP_SECONDS)) return;
    const off = Math.min(Math.abs(step - mediaStep), Math.abs(step - frameSeconds));
    this.seconds += (off - this.seconds) / 16;
  }

  /** Separates the next fragment from the last one. */
  reset() {
    this.#now = NaN;
  }
}
