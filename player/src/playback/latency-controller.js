/**
 * Controls the distance to the live edge: none, or enough to absorb jitter. Pure, updated once per second. Loaded when there is
 * jitter to absorb.
 */

/** Mean deviations of arrivals that people see, and that they do not. In seconds, or in frames if these are long. */
const JITTER_HIGH_SECONDS = 0.015;
const JITTER_HIGH_FRAMES = 0.4;
const JITTER_LOW_RATIO = 0.67;
/** Bad seconds in a row after which a distance is kept. */
const MAX_BAD_SECONDS = 3;
const STEADY_MIN_SECONDS = 10;
const STEADY_MAX_SECONDS = 600;
/** Firefox shows five sixths of the frames at most. */
const MIN_SHOWN_RATIO = { chromium: 0.9, gecko: 0.65, webkit: 0 };
const MIN_TARGET_SECONDS = 0.05;
const SMOOTH_TARGET_SECONDS = 0.1;
/**
 * Firefox drains its decoder when it has nothing to decode, and shows none then of the frames that had to wait for others. It
 * decodes that many frames ahead, and the rest is for uneven links.
 */
const GECKO_FRAMES_AHEAD = 15;
/**
 * Once it drains it shows one frame of three (two B frames), so what it decodes ahead is three times as long and it goes on
 * draining. With this distance it stops, and then the one above is enough.
 */
const GECKO_FRAMES_TO_FILL = 45;
/** Shares of the frames that are shown when it does not drain, and when it does. */
const FILLED_RATIO = 0.8;
const DRAINED_RATIO = 0.6;
const FILLED_SECONDS = 2;
/** A computer that is too slow shows few frames at any distance. */
const MAX_FILLING_SECONDS = 12;

export class LatencyController {
  #engine;
  #isSteady = false;
  #badSeconds = 0;
  #steadyRemaining = 0;
  #nextSteadySeconds = STEADY_MIN_SECONDS;
  #steadySeconds = 0;
  #shownRatioAtEdge = NaN;
  #ignoreDropsSeconds = 0;
  /** Firefox has enough ahead to decode reordered frames without draining. */
  #isFilled = false;
  #filledSeconds = 0;
  #fillingSeconds = 0;

  /** @type {"min" | "smooth" | number} */
  latency = "min";

  /** @param {import("./engine.js").Engine} engine */
  constructor(engine) {
    this.#engine = engine;
  }

  /**
   * Returns the distance to the edge in seconds; null: none, run into it.
   * @param {{frameSeconds: number, jitterSeconds: number, reorderSeconds?: number}} line
   * @returns {number | null}
   */
  target({ frameSeconds, jitterSeconds, reorderSeconds = 0 }) {
    const { latency } = this;
    const isReordered = this.#engine === "gecko" && reorderSeconds > 0;
    const least = isReordered ? reorderSeconds + this.#framesAhead * frameSeconds : 0;
    if (typeof latency === "number") return Math.max(latency, least);
    if (least > 0) return least + 4 * jitterSeconds;
    if (latency === "min" && !this.#isSteady) return null;
    // Four mean deviations: nearly every frame is there in time.
    return Math.max(latency === "smooth" ? SMOOTH_TARGET_SECONDS : MIN_TARGET_SECONDS, frameSeconds + 4 * jitterSeconds);
  }

  get #framesAhead() {
    return this.#isFilled ? GECKO_FRAMES_AHEAD : GECKO_FRAMES_TO_FILL;
  }

  /** @param {number} shownRatio of the frames of the last second that was shown */
  #fill(shownRatio) {
    this.#filledSeconds = shownRatio >= FILLED_RATIO ? this.#filledSeconds + 1 : 0;
    this.#fillingSeconds = shownRatio < DRAINED_RATIO || !this.#isFilled ? this.#fillingSeconds + 1 : 0;
    if (this.#filledSeconds >= FILLED_SECONDS || (!this.#isFilled && this.#fillingSeconds >= MAX_FILLING_SECONDS)) {
      this.#isFilled = true;
      this.#fillingSeconds = this.#filledSeconds >= FILLED_SECONDS ? 0 : -STEADY_MAX_SECONDS;
    } else if (this.#isFilled && this.#fillingSeconds >= MAX_BAD_SECONDS) {
      this.#isFilled = false;
      this.#fillingSeconds = 0;
    }
  }

  /**
   * Adds the last second, in which the frames could be seen.
   * @param {{arrived: number, shown: number, jitterSeconds: number, frameSeconds: number, reorderSeconds?: number}} second
   */
  update({ arrived, shown, jitterSeconds, frameSeconds, reorderSeconds = 0 }) {
    // NaN compares as false, so an unknown ratio changes nothing.
    const shownRatio = arrived >= 5 ? shown / arrived : NaN;
    if (this.#engine === "gecko" && reorderSeconds > 0) this.#fill(shownRatio);
    const most = Math.max(JITTER_HIGH_SECONDS, JITTER_HIGH_FRAMES * frameSeconds);
    const isJittery = jitterSeconds > most;
    this.#ignoreDropsSeconds -= 1;
    if (!this.#isSteady) {
      const isDropping = shownRatio < MIN_SHOWN_RATIO[this.#engine] && this.#ignoreDropsSeconds <= 0;
      this.#badSeconds = isJittery || isDropping ? this.#badSeconds + 1 : 0;
      if (this.#badSeconds < MAX_BAD_SECONDS) return;
      this.#isSteady = true;
      this.#shownRatioAtEdge = isJittery ? NaN : shownRatio;
      this.#steadyRemaining = this.#nextSteadySeconds;
      this.#nextSteadySeconds = Math.min(this.#nextSteadySeconds * 2, STEADY_MAX_SECONDS);
      this.#steadySeconds = this.#badSeconds = 0;
      return;
    }
    this.#steadySeconds += 1;
    if (jitterSeconds < JITTER_LOW_RATIO * most) this.#steadyRemaining -= 1;
    // A screen or a computer that is too slow for the frames is so at any distance.
    const isUseless = this.#steadySeconds >= 5 && shownRatio < this.#shownRatioAtEdge + 0.05;
    if (isUseless) this.#ignoreDropsSeconds = STEADY_MAX_SECONDS;
    if (isUseless || this.#steadyRemaining <= 0) this.#isSteady = false;
  }
}
