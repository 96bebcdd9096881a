/**
 * Is the picture alive? Judged by pictures really shown, not by counters of the browser, some of which
 * count every picture as dropped while all are seen. Pure, no DOM; times are milliseconds of one monotonic clock.
 */

/** From here on a picture is marked as old. */
const FROZEN_MS = 1000;
/** Data come and nothing is shown for this long: only a new MediaSource helps. */
const STUCK_MS = 3000;
const LONGEST_PATIENCE_MS = 60_000;

/**
 * @param {object} seen
 * @param {number} seen.now
 * @param {number | null} seen.shownAt when a picture was last seen to change; null: never
 * @param {number} seen.awakeSince when the page came into sight
 * @param {number | null} seen.playingSince when the first keyframe went into the present buffer; null: not yet
 * @param {number | null} seen.dataAt when the last fragment was appended
 * @param {boolean} seen.canShow visible, painted by the browser, and meant to play
 * @param {number} seen.rebuilds how often in a row nothing helped
 * @returns {"fine" | "frozen" | "stuck"}
 */
export function judge({ now, shownAt, awakeSince, playingSince, dataAt, canShow, rebuilds }) {
  if (!canShow) return "fine";
  const isFlowing = dataAt !== null && now - dataAt < FROZEN_MS;
  if (playingSince !== null && isFlowing) {
    const since = Math.max(playingSince, awakeSince, shownAt ?? 0);
    const patience = Math.min(STUCK_MS * 2 ** rebuilds, LONGEST_PATIENCE_MS);
    if (now - since > patience) return "stuck";
  }
  if (shownAt !== null && now - Math.max(shownAt, awakeSince) > FROZEN_MS) return "frozen";
  return "fine";
}
