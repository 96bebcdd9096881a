/**
 * How close to the edge to play: as close as possible, or at a distance that absorbs what the line does to the pictures'
 * rhythm. Pure; asked once a second. Loaded when there is something to absorb.
 */

/** Mean deviations of arrivals: judder that people see, and none. In seconds, or frames where these are long. */
const JITTERY = 0.015;
const JITTERY_FRAMES = 0.4;
const CALM_SHARE = 0.67;
/** So many bad seconds in a row are no accident. */
const BAD_SECONDS = 3;
const FIRST_REST_SECONDS = 10;
const LONGEST_REST_SECONDS = 600;
/** Firefox shows five sixths of the pictures whatever one does. */
const ENOUGH = { chromium: 0.9, gecko: 0.65, webkit: 0 };
const LEAST_TARGET = 0.05;
const SMOOTH_TARGET = 0.1;
/**
 * Firefox drains its decoder when it has nothing to decode, and shows none then of the frames that had to wait for others. It
 * decodes so many frames ahead, and the rest is for lines that are not even.
 */
const GECKO_FRAMES_AHEAD = 15;
/**
 * Once it drains it shows one frame of three (two B frames), so what it decodes ahead is three times as long and it goes on
 * draining. With this distance it stops, and then the one above is enough.
 */
const GECKO_FRAMES_TO_FILL = 45;
/** Shares of the frames that are shown when it does not drain, and when it does. */
const FILLED_SHARE = 0.8;
const DRAINED_SHARE = 0.6;
const FILLED_SECONDS = 2;
/** A computer that is too slow shows few frames at any distance. */
const VAIN_SECONDS = 12;

export class Pace {
  #engine;
  #isSteady = false;
  #bad = 0;
  #rest = 0;
  #nextRest = FIRST_REST_SECONDS;
  #steadyFor = 0;
  #shareAtEdge = NaN;
  #blindFor = 0;
  /** Firefox has enough ahead to decode reordered frames without draining. */
  #isFilled = false;
  #filledFor = 0;
  #fillingFor = 0;

  /** @type {"min" | "smooth" | number} */
  latency = "min";

  /** @param {import("./engine.js").Engine} engine */
  constructor(engine) {
    this.#engine = engine;
  }

  /**
   * How many seconds to stay behind the edge; null: none, run into it.
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
    // Four mean deviations: nearly every picture is there when its time comes.
    return Math.max(latency === "smooth" ? SMOOTH_TARGET : LEAST_TARGET, frameSeconds + 4 * jitterSeconds);
  }

  get #framesAhead() {
    return this.#isFilled ? GECKO_FRAMES_AHEAD : GECKO_FRAMES_TO_FILL;
  }

  /** @param {number} share of the frames of the last second that was shown */
  #fill(share) {
    this.#filledFor = share >= FILLED_SHARE ? this.#filledFor + 1 : 0;
    this.#fillingFor = share < DRAINED_SHARE || !this.#isFilled ? this.#fillingFor + 1 : 0;
    if (this.#filledFor >= FILLED_SECONDS || (!this.#isFilled && this.#fillingFor >= VAIN_SECONDS)) {
      this.#isFilled = true;
      this.#fillingFor = this.#filledFor >= FILLED_SECONDS ? 0 : -LONGEST_REST_SECONDS;
    } else if (this.#isFilled && this.#fillingFor >= BAD_SECONDS) {
      this.#isFilled = false;
      this.#fillingFor = 0;
    }
  }

  /**
   * What the last second was like, while the picture could be seen.
   * @param {{arrived: number, shown: number, jitterSeconds: number, frameSeconds: number, reorderSeconds?: number}} second
   */
  look({ arrived, shown, jitterSeconds, frameSeconds, reorderSeconds = 0 }) {
    // NaN is less than nothing: what cannot be told is no reason for anything.
    const share = arrived >= 5 ? shown / arrived : NaN;
    if (this.#engine === "gecko" && reorderSeconds > 0) this.#fill(share);
    const most = Math.max(JITTERY, JITTERY_FRAMES * frameSeconds);
    const isJittery = jitterSeconds > most;
    this.#blindFor -= 1;
    if (!this.#isSteady) {
      const isDropping = share < ENOUGH[this.#engine] && this.#blindFor <= 0;
      this.#bad = isJittery || isDropping ? this.#bad + 1 : 0;
      if (this.#bad < BAD_SECONDS) return;
      this.#isSteady = true;
      this.#shareAtEdge = isJittery ? NaN : share;
      this.#rest = this.#nextRest;
      this.#nextRest = Math.min(this.#nextRest * 2, LONGEST_REST_SECONDS);
      this.#steadyFor = this.#bad = 0;
      return;
    }
    this.#steadyFor += 1;
    if (jitterSeconds < CALM_SHARE * most) this.#rest -= 1;
    // A screen or a computer that is too slow for the pictures is so at any distance.
    const isVain = this.#steadyFor >= 5 && share < this.#shareAtEdge + 0.05;
    if (isVain) this.#blindFor = LONGEST_REST_SECONDS;
    if (isVain || this.#rest <= 0) this.#isSteady = false;
  }
}
