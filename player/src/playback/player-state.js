/** What a player reports to its owner. */

/**
 * @typedef {object} PlayerState
 * @property {"connecting" | "open" | "gone"} connection
 * @property {{state: string, reason: string}} camera as the server last said it; state "" before that
 * @property {{code: string, message: string}} error of the server; message "": none
 * @property {string | null} unsupported the codec that this browser cannot decode, "" for all; null: it can
 * @property {number | null} ageMs since a picture was last shown; null: none yet
 * @property {number | null} delay how old pictures are when they are shown, milliseconds; null: not known
 * @property {boolean} isFrozen
 * @property {boolean=} hasLongInterval the camera sends a frame every few seconds, so that the age of the last one is worth telling
 * @property {boolean} isPaused by the person
 * @property {number} behindLive seconds that a person looks back; 0: live
 * @property {boolean} canSeekBack there is a past to look at
 * @property {boolean} isAutoplayBlocked the browser wants a click before it plays
 */

export {};
