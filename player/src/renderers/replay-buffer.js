/** What was received last, to begin anew with: pure. Times are ticks of the media timeline. */

/** @typedef {import("../net/mp4.js").Init | import("./renderer.js").Fragment} Message */

/** Without a keyframe there is seldom anything to be forgotten. */
const LOOK_EVERY = 64;

/**
 * The past with one more message, and without what is older than `keep`; begins with the init segment of its first keyframe.
 * @param {Message[]} past is changed
 * @param {Message} message
 * @param {{keep: number, most: number}} limits what is longer than `most` has no keyframe to begin with, and is forgotten
 * @returns {Message[]}
 */
export function remembered(past, message, { keep, most }) {
  past.push(message);
  const isTimeToLook = message.kind === "fragment" && (message.isKeyframe || past.length % LOOK_EVERY === 0);
  if (!isTimeToLook) return past;
  let length = 0;
  for (let i = past.length - 1; i > 0; i -= 1) {
    const one = past[i];
    if (one.kind === "init") continue;
    length += one.durationTicks;
    if (length <= keep) continue;
    const newestInit = (/** @type {Message[]} */ list) => list.filter(({ kind }) => kind === "init").slice(-1);
    if (one.isKeyframe) return [...newestInit(past.slice(0, i)), ...past.slice(i)];
    if (length > most) return newestInit(past);
  }
  return past;
}
