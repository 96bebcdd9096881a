/**
 * Decides where to be on the timeline. Pure, no DOM. Times are seconds on the video element's timeline.
 *
 * The smallest delay comes from playing faster than frames arrive: the clock runs into the end of the buffer and waits there.
 * The next frame that is appended ends the wait and is painted at once. Nothing must be estimated and nothing accumulates:
 * after any stall the player is at the edge again.
 */

/** @typedef {import("./engine.js").Engine} Engine */

/**
 * Values per engine, as measured:
 * - `rate`: Chromium shows every frame up to 2 and drops above; Firefox does best with 1.5; WebKit
 *   drops most frames at any rate above 1, so it plays at 1 some way behind the edge.
 * - `catchUpRate`: for the burst that a joining viewer gets; frames may be dropped there.
 * - `landing`: how far behind the edge to land after a jump.
 * - `jump`: a larger distance is made up by a jump and not by playing faster; WebKit has nothing else.
 */
const TUNING = {
  chromium: { rate: 2, catchUpRate: 8, landing: 0.03, jump: 1 },
  gecko: { rate: 1.5, catchUpRate: 4, landing: 0.03, jump: 1 },
  webkit: { rate: 1, catchUpRate: 1, landing: 0.05, jump: 0.3 },
};

/** Chromium's clock runs on without frames in a hidden tab, far past the end of the buffer. */
const PAST_THE_END_SECONDS = 0.25;
/**
 * A burst at a join may be a whole keyframe interval. Playing through it is faster than a seek, which decodes it, too. A seek to
 * a newer keyframe, such as the camera makes for a viewer who joins, is faster still. (Seen in Chromium only.)
 */
const CATCH_UP_SECONDS = 0.25;

/** Without a place to seek to: age up to which a keyframe is new, and distance above which playing faster is useless. */
const SEEK_BACK_SECONDS = 1;
const LOST_SECONDS = 5;

/** Firefox: frames longer than this are played in the time below, as far as its fastest clock can. */
const GECKO_SLOW_SECONDS = 0.05;
const GECKO_WALK_SECONDS = 0.015;
const GECKO_MOST_RATE = 16;

/**
 * Decides what to do with the play head.
 * @param {{engine: Engine, position: number, start: number, end: number, keyframe: number, frameSeconds: number,
 *   jitterSeconds: number, target: number | null, isSeekable: boolean}} now
 *   `start` and `end` are those of the newest buffered range, `keyframe` its newest, `jitterSeconds` the mean deviation of
 *   arrivals, `target` how far behind the end to stay; null: run into it; `isSeekable`: the newest frames can be decoded after a seek.
 * @returns {{rate: number, seekTo: number | null, isLost?: boolean}} isLost: only a new keyframe helps
 */
export function computeCorrection({ engine, position, start, end, keyframe, frameSeconds, jitterSeconds, target, isSeekable }) {
  const { catchUpRate, jump } = TUNING[engine];
  const rate = edgeRate(engine, frameSeconds);
  const excess = end - position - (target ?? 0);
  const isInHole = position < start || position > end + PAST_THE_END_SECONDS;
  const isCatchingUp = excess > Math.max(CATCH_UP_SECONDS, 3 * frameSeconds);
  const isShortened = engine === "chromium" && isCatchingUp && target === null && keyframe > position;
  // A camera with a frame every 2 s, or a link that delivers in bursts, must not cause a jump each time.
  const isLongWay = isShortened || excess > jump + 2 * frameSeconds + 3 * jitterSeconds;
  if ((isInHole || isLongWay) && !isSeekable) {
    // After a recovery point there is one place to seek to, if any.
    const isNear = end - keyframe < SEEK_BACK_SECONDS && (isInHole || keyframe > position);
    const isLost = !isNear && (isInHole || excess > LOST_SECONDS);
    return { rate: Math.max(rate, catchUpRate), seekTo: isNear ? keyframe : null, isLost };
  }
  if (isInHole || isLongWay) {
    return { rate: target === null ? rate : 1, seekTo: computeSeekTarget({ engine, start, end, keyframe, jitterSeconds, target }) };
  }
  if (isCatchingUp) return { rate: Math.max(rate, catchUpRate), seekTo: null };
  return { rate: target === null || rate === 1 ? rate : steadyRate(excess), seekTo: null };
}

/**
 * Returns the rate at which to run into the end of the buffer. Firefox shows a frame when its clock has passed the one before, so
 * the clock must be fast with long frames; 16 is its maximum. With short frames it drops some at any rate above 1.5.
 * @param {Engine} engine @param {number} frameSeconds
 */
function edgeRate(engine, frameSeconds) {
  const isSlow = engine === "gecko" && frameSeconds > GECKO_SLOW_SECONDS;
  return isSlow ? Math.min(frameSeconds / GECKO_WALK_SECONDS, GECKO_MOST_RATE) : TUNING[engine].rate;
}

/**
 * Returns a rate that corrects the distance within two seconds. It has steps, so that the usual jitter changes nothing.
 * @param {number} excess seconds
 */
function steadyRate(excess) {
  const STEPS = 20;
  return Math.round((1 + Math.max(-0.5, Math.min(excess, 0.5))) * STEPS) / STEPS;
}

/**
 * Returns where a jump lands.
 * @param {{engine: Engine, start: number, end: number, keyframe: number, jitterSeconds: number, target: number | null}} now
 *   as for `computeCorrection`
 */
export function computeSeekTarget({ engine, start, end, keyframe, jitterSeconds, target }) {
  const { rate, landing } = TUNING[engine];
  // Without a faster clock only the distance can absorb late frames.
  const distance = target ?? (rate > 1 ? landing : landing + 3 * jitterSeconds);
  const at = Math.max(start, end - distance);
  // Frames before a keyframe are decoded from the keyframe before it.
  return target === null && keyframe > at ? keyframe : at;
}
