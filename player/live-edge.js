/**
 * Where to be on the timeline: pure decisions, no DOM. Times are seconds on the video element's timeline.
 *
 * The idea behind the smallest delay: play faster than the pictures come, so that the clock always runs into
 * the end of the buffer and stands there. The next picture that is appended ends the wait and is painted at
 * once. Nothing has to be estimated and nothing can accumulate: after any stall the player is at the edge again.
 */

/** @typedef {"chromium" | "gecko" | "webkit"} Engine */

/**
 * Per engine, as measured:
 * - `rate`: Chromium shows every picture up to 2 and drops above; Firefox does best with 1.5; WebKit
 *   drops most pictures at any rate above 1, so it plays at 1 some way behind the edge.
 * - `catchUpRate`: for the burst that a joining viewer gets; pictures may be dropped there.
 * - `landing`: how far behind the edge to land after a jump.
 * - `jump`: further behind than this is not made up by playing faster, but by a jump; WebKit has nothing else.
 */
const TUNING = {
  chromium: { rate: 2, catchUpRate: 8, landing: 0.03, jump: 1 },
  gecko: { rate: 1.5, catchUpRate: 4, landing: 0.03, jump: 1 },
  webkit: { rate: 1, catchUpRate: 1, landing: 0.05, jump: 0.3 },
};

/** Chromium's clock runs on without pictures in a hidden tab, far past the end of the buffer. */
const PAST_THE_END_SECONDS = 0.25;
/**
 * The burst at a join may be a whole keyframe interval: playing through it is quicker than a seek, which decodes it, too; but
 * not than one to a newer keyframe, such as the camera makes for who joins. (Seen in Chromium; not measured elsewhere.)
 */
const CATCH_UP_SECONDS = 0.25;

/** Without a place to seek to: a keyframe is new for so long, and further behind than below nothing is made up for by playing faster. */
const SEEK_BACK_SECONDS = 1;
const LOST_SECONDS = 5;

/** Firefox: frames longer than this are walked through in the time below, as far as its fastest clock can. */
const GECKO_SLOW_SECONDS = 0.05;
const GECKO_WALK_SECONDS = 0.015;
const GECKO_MOST_RATE = 16;

/** What an author may ask for at most. */
const MOST_SECONDS = 60;

/** Jitter is that of the line; a step longer than this is an outage. */
const LONGEST_STEP_SECONDS = 0.5;

/**
 * The engine under a browser. On iOS every browser is WebKit, whatever its name.
 * @param {string} userAgent
 * @returns {Engine}
 */
export function engineOf(userAgent) {
  if (/Firefox\//.test(userAgent)) return "gecko";
  if (/Chrom(e|ium)\//.test(userAgent)) return "chromium";
  return "webkit";
}

/**
 * What to do with the play head.
 * @param {{engine: Engine, position: number, start: number, end: number, keyframe: number, frameSeconds: number,
 *   jitterSeconds: number, target: number | null, isSeekable: boolean}} now
 *   `start` and `end` are those of the newest buffered range, `keyframe` its newest, `jitterSeconds` the mean deviation of
 *   arrivals, `target` how far behind the end to stay; null: run into it; `isSeekable`: the newest frames can be decoded after a seek.
 * @returns {{rate: number, seekTo: number | null, isLost?: boolean}} isLost: only a new keyframe helps
 */
export function steer({ engine, position, start, end, keyframe, frameSeconds, jitterSeconds, target, isSeekable }) {
  const { catchUpRate, jump } = TUNING[engine];
  const rate = edgeRate(engine, frameSeconds);
  const excess = end - position - (target ?? 0);
  const isInHole = position < start || position > end + PAST_THE_END_SECONDS;
  const isCatchingUp = excess > Math.max(CATCH_UP_SECONDS, 3 * frameSeconds);
  const isShortened = engine === "chromium" && isCatchingUp && target === null && keyframe > position;
  // A camera of one picture in two seconds, or a line that delivers in lumps, must not cause a jump each time.
  const isLongWay = isShortened || excess > jump + 2 * frameSeconds + 3 * jitterSeconds;
  if ((isInHole || isLongWay) && !isSeekable) {
    // Behind a recovery point there is one place to seek to, if any.
    const isNear = end - keyframe < SEEK_BACK_SECONDS && (isInHole || keyframe > position);
    const isLost = !isNear && (isInHole || excess > LOST_SECONDS);
    return { rate: Math.max(rate, catchUpRate), seekTo: isNear ? keyframe : null, isLost };
  }
  if (isInHole || isLongWay) {
    return { rate: target === null ? rate : 1, seekTo: edge({ engine, start, end, keyframe, jitterSeconds, target }) };
  }
  if (isCatchingUp) return { rate: Math.max(rate, catchUpRate), seekTo: null };
  return { rate: target === null || rate === 1 ? rate : steadyRate(excess), seekTo: null };
}

/**
 * How fast to run into the end of the buffer. Firefox shows a frame when its clock has walked through the one before, so with
 * long frames the clock must run; 16 is the most that it can. With short frames it drops some at any rate above 1.5.
 * @param {Engine} engine @param {number} frameSeconds
 */
function edgeRate(engine, frameSeconds) {
  const isSlow = engine === "gecko" && frameSeconds > GECKO_SLOW_SECONDS;
  return isSlow ? Math.min(frameSeconds / GECKO_WALK_SECONDS, GECKO_MOST_RATE) : TUNING[engine].rate;
}

/**
 * Makes up for a wrong distance within a second or two; in steps, so that the usual unrest of arrivals changes nothing.
 * @param {number} excess seconds
 */
function steadyRate(excess) {
  const STEPS = 20;
  return Math.round((1 + Math.max(-0.5, Math.min(excess, 0.5))) * STEPS) / STEPS;
}

/**
 * Where a jump lands.
 * @param {{engine: Engine, start: number, end: number, keyframe: number, jitterSeconds: number, target: number | null}} now
 *   as for `steer`
 */
export function edge({ engine, start, end, keyframe, jitterSeconds, target }) {
  const { rate, landing } = TUNING[engine];
  // Without a faster clock only the distance kept can absorb late pictures.
  const distance = target ?? (rate > 1 ? landing : landing + 3 * jitterSeconds);
  const at = Math.max(start, end - distance);
  // What comes before a keyframe is decoded from the one before that.
  return target === null && keyframe > at ? keyframe : at;
}

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
  arrived(now, media, frameSeconds) {
    const [step, mediaStep] = [now - this.#now, Math.abs(media - this.#media)];
    [this.#now, this.#media] = [now, media];
    if (!(Math.max(step, mediaStep) < LONGEST_STEP_SECONDS)) return;
    const off = Math.min(Math.abs(step - mediaStep), Math.abs(step - frameSeconds));
    this.seconds += (off - this.seconds) / 16;
  }

  /** What comes next has nothing to do with what came last. */
  restart() {
    this.#now = NaN;
  }
}

/**
 * The newest buffered range, null where there is none. A picture that is shown after later ones is appended before them: until
 * these come there is a gap, which is no end of the range.
 * @param {TimeRanges} buffered
 * @param {number} reorderSeconds between the pictures that are shown soonest and latest after they are decoded
 */
export function newestRange(buffered, reorderSeconds) {
  let first = buffered.length - 1;
  if (first < 0) return null;
  const end = buffered.end(first);
  // What has come meanwhile would have filled it.
  const isOpen = (/** @type {number} */ gapEnd) => end - gapEnd <= reorderSeconds;
  while (first > 0 && isOpen(buffered.start(first))) first -= 1;
  return { start: buffered.start(first), end };
}

/**
 * The timestampOffset that makes a fragment follow what is buffered. The server's times start anywhere
 * for a late viewer, anew after its restart, and jump where pictures were left out or a clock was set; on the element's timeline
 * all that joins without a hole, so there is nothing to seek over and no black between.
 * @param {{offset: number, end: number, start: number, duration: number}} fragment
 *   `end` is where the buffered media end on the element's timeline, `start` is on the server's.
 */
export function spliceOffset({ offset, end, start, duration }) {
  const TOLERANCE_IN_FRAMES = 2;
  const isContiguous = Math.abs(start + offset - end) <= TOLERANCE_IN_FRAMES * duration;
  return isContiguous ? offset : end - start;
}

/**
 * Up to where the buffer may be forgotten; null when it is not worth it. Always a keyframe: by MSE's rules
 * a removal that ends between keyframes takes everything up to the next one with it.
 * @param {{position: number, end: number, keyframes: number[], keepSeconds: number}} buffered
 */
export function trimPoint({ position, end, keyframes, keepSeconds }) {
  // A play head that stands (a pause, a hidden tab) must not make the buffer grow for ever.
  const LONGEST_SECONDS = Math.max(60, keepSeconds);
  const limit = Math.max(Math.min(position, end) - keepSeconds, end - LONGEST_SECONDS);
  const found = keyframes.findLast((time) => time <= limit);
  const isWorthIt = found !== undefined && found - keyframes[0] >= keepSeconds / 2;
  return isWorthIt ? found : null;
}

/**
 * What a page's author wrote: "min", "smooth", or the seconds to stay behind.
 * @param {string | null} written
 * @returns {"min" | "smooth" | number}
 */
export function latencyOf(written) {
  if (written === "smooth") return "smooth";
  const seconds = parseFloat(written ?? "");
  return seconds > 0 ? Math.min(seconds, MOST_SECONDS) : "min";
}
