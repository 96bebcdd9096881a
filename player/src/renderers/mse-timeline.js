/** Decides what a SourceBuffer gets and forgets. Pure; seconds of the timeline of the video element. */

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
export function computeTimestampOffset({ offset, end, start, duration }) {
  const TOLERANCE_IN_FRAMES = 2;
  const isContiguous = Math.abs(start + offset - end) <= TOLERANCE_IN_FRAMES * duration;
  return isContiguous ? offset : end - start;
}

/**
 * Up to where the buffer may be forgotten; null when it is not worth it. Always a keyframe: by MSE's rules
 * a removal that ends between keyframes takes everything up to the next one with it.
 * @param {{position: number, end: number, keyframes: number[], keepSeconds: number}} buffered
 */
export function computeEvictionEnd({ position, end, keyframes, keepSeconds }) {
  // A play head that stands (a pause, a hidden tab) must not make the buffer grow for ever.
  const LONGEST_SECONDS = Math.max(60, keepSeconds);
  const limit = Math.max(Math.min(position, end) - keepSeconds, end - LONGEST_SECONDS);
  const found = keyframes.findLast((time) => time <= limit);
  const isWorthIt = found !== undefined && found - keyframes[0] >= keepSeconds / 2;
  return isWorthIt ? found : null;
}
