/** What a player reports to its owner. */

/**
 * @typedef {object} PlayerState
 * @property {"connecting" | "open" | "gone"} connection
 * @property {{state: string, reason: string}} camera as the server last said it; state "" before that
 * @property {string} trouble an error of the server, or what keeps the browser from playing, in words; else ""
 * @property {string} code of that trouble, for programs; else ""
 * @property {number | null} ageMs since a picture was last shown; null: none yet
 * @property {number | null} delay how old pictures are when they are shown, milliseconds; null: not known
 * @property {boolean} isFrozen
 * @property {boolean=} isSeldom the camera sends a frame every few seconds, so that the age of the last one is worth telling
 * @property {boolean} isPaused by the person
 * @property {number} behind seconds that a person looks back; 0: live
 * @property {boolean} canLookBack there is a past to look at
 * @property {boolean} isRefused the browser wants a click before it plays
 */

export {};
