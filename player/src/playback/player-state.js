/** What a player reports to its owner. */

/**
 * @typedef {object} PlayerState
 * @property {"connecting" | "open" | "gone"} connection
 * @property {{state: string, reason: string}} camera as the server last said it; state "" before that
 * @property {{code: string, message: string}} error of the server; message "": none
 * @property {string | null} unsupported the codec that this browser cannot decode, "" for all; null: it can
 * @property {number | null} ageMs since the last shown frame; null: none yet
 * @property {number | null} delay age of frames when they are shown, milliseconds; null: not known
 * @property {boolean} isFrozen
 * @property {boolean=} hasLongInterval the camera sends a frame every few seconds, so the age of the last one is shown
 * @property {boolean} isPaused by the person
 * @property {number} behindLive seconds that a person looks back; 0: live
 * @property {boolean} canSeekBack there are older frames to look at
 * @property {boolean} isAutoplayBlocked the browser needs a click before it plays
 */

export {};
