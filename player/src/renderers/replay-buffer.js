/** Keeps the last messages, for a new start. Pure. Times are ticks of the media timeline. */

/** @typedef {import("../net/mp4.js").Init | import("./renderer.js").Fragment} Message */

/** Messages between two checks without a keyframe, when there is seldom anything to remove. */
const CHECK_INTERVAL = 64;

/**
 * Returns the replay with one more message, without those older than `keep`. It begins with the init segment of its first keyframe.
 * @param {Message[]} replay is changed
 * @param {Message} message
 * @param {{keep: number, most: number}} limits a replay longer than `most` has no keyframe to begin with, and is removed
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
