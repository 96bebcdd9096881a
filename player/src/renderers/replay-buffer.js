/** What was received last, to begin anew with: pure. Times are ticks of the media timeline. */

/** @typedef {import("../net/mp4.js").Init | import("./renderer.js").Fragment} Message */

/** Without a keyframe there is seldom anything to be forgotten. */
const CHECK_INTERVAL = 64;

/**
 * The replay with one more message, and without what is older than `keep`; begins with the init segment of its first keyframe.
 * @param {Message[]} replay is changed
 * @param {Message} message
 * @param {{keep: number, most: number}} limits what is longer than `most` has no keyframe to begin with, and is forgotten
 * @returns {Message[]}
 */
export function pushAndTrim(replay, message, { keep, most }) {
  replay.push(message);
  const isDue = message.kind === "fragment" && (message.isKeyframe || replay.length % CHECK_INTERVAL === 0);
  if (!isDue) return replay;
  let length = 0;
  for (let i = replay.length - 1; i > 0; i -= 1) {
    const one = replay[i];
    if (one.kind === "init") continue;
    length += one.durationTicks;
    if (length <= keep) continue;
    const newestInit = (/** @type {Message[]} */ list) => list.filter(({ kind }) => kind === "init").slice(-1);
    if (one.isKeyframe) return [...newestInit(replay.slice(0, i)), ...replay.slice(i)];
    if (length > most) return newestInit(replay);
  }
  return replay;
}
