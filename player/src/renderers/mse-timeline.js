/** Decides what a SourceBuffer gets and forgets. Pure; seconds of the timeline of the video element. */

/** Browsers round times to microseconds. */
const ROUNDING_SECONDS = 0.001;

/**
 * Returns the newest buffered range, null if there is none. A frame that is shown after later ones is appended before them. Until
 * these arrive there is a gap, which is no end of the range.
 * @param {TimeRanges} buffered
 * @param {number} reorderSeconds between the frames that are shown soonest and latest after decoding
 */
export function newestRange(buffered, reorderSeconds) {
  let first = buffered.length - 1;
  if (first < 0) return null;
  const end = buffered.end(first);
  // Frames that arrived meanwhile would have filled an open gap.
  const isOpen = (/** @type {number} */ gapEnd) => end - gapEnd <= reorderSeconds;
  while (first > 0 && isOpen(buffered.start(first))) first -= 1;
  return { start: buffered.start(first), end };
}

/**
 * Returns the timestampOffset that makes a fragment follow the buffered media. The server's times start anywhere for a late viewer,
 * start again after a restart, and jump after skipped frames or when a clock was set. On the element's timeline all joins
 * without a gap, so there is nothing to seek over and no black frame between.
 * @param {{offset: number, end: number, start: number, duration: number, shift?: number}} fragment
 *   `end`: of the buffered media on the element's timeline, 0 if there are none; `start`: on the server's; `shift`: from decoding
 *   to presentation.
 */
export function computeTimestampOffset({ offset, end, start, duration, shift = 0 }) {
  const TOLERANCE_IN_FRAMES = 2;
  // A browser drops a frame that is shown before 0, and with a keyframe all that refer to it.
  if (end === 0 && shift < 0) return ROUNDING_SECONDS - shift - start;
  const isContiguous = Math.abs(start + offset - end) <= TOLERANCE_IN_FRAMES * duration;
  return isContiguous ? offset : end - start;
}

/**
 * Returns the time up to which the buffer may be removed, null if that is too little. It is always a keyframe: by the rules of MSE
 * a removal that ends between keyframes takes everything up to the next one.
 * @param {{position: number, end: number, keyframes: number[], keepSeconds: number}} buffered
 */
export function computeEvictionEnd({ position, end, keyframes, keepSeconds }) {
  // While the play head stands (pause, hidden tab) the buffer must stay bounded.
  const LONGEST_SECONDS = Math.max(60, keepSeconds);
  const limit = Math.max(Math.min(position, end) - keepSeconds, end - LONGEST_SECONDS);
  const found = keyframes.findLast((time) => time <= limit);
  const isWorthIt = found !== undefined && found - keyframes[0] >= keepSeconds / 2;
  return isWorthIt ? found : null;
}
