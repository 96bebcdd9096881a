/**
 * What to tell the person in front of the picture. Pure: the facts in, words out, so that what is said can
 * be tested and translated in one place.
 */

/** @typedef {import("../playback/player-state.js").PlayerState} PlayerState */

/**
 * `tone`: live (nothing to say), behind (the person looks back), late (frames are old when they are shown), paused (by the person, or
 * until the click that the browser wants), busy (wait), trouble (something is wrong).
 * @param {PlayerState} facts
 * @returns {{tone: "live" | "behind" | "late" | "paused" | "busy" | "trouble", text: string, seconds?: number}}
 *   `seconds` behind or late, whole
 */
export function words({ connection, camera, trouble, ageMs, delay, isFrozen, isPaused, isRefused, behind }) {
  if (trouble) return { tone: "trouble", text: trouble };
  if (connection === "connecting") return { tone: "busy", text: "Connecting…" };
  if (connection === "gone") return { tone: "trouble", text: "Server gone, trying again…" };
  if ((isPaused || isRefused) && ageMs !== null) return { tone: "paused", text: "" };
  if (ageMs !== null && !isFrozen) {
    const seconds = Math.round(behind || Number(delay) / 1000);
    return seconds < LATE_SECONDS ? { tone: "live", text: "" } : { tone: behind ? "behind" : "late", text: "", seconds };
  }
  switch (camera.state) {
    case "starting": return { tone: "busy", text: because("Camera is starting", camera.reason, "…") };
    case "waiting": return { tone: "trouble", text: because("No signal", camera.reason) };
    case "live": if (ageMs === null && camera.reason) return { tone: "trouble", text: because("No picture", camera.reason) };
      break;
    case "lost": return { tone: "trouble", text: because("Camera lost", camera.reason) };
  }
  if (ageMs === null) return { tone: "busy", text: "Waiting for the first picture…" };
  return { tone: "trouble", text: "No new pictures" };
}

/** @param {string} what @param {string} reason @param {string} otherwise */
function because(what, reason, otherwise = "") {
  return reason ? `${what}: ${reason}` : what + otherwise;
}

/**
 * What stands in the corner of a picture that is not live; "" for one that is.
 * @param {PlayerState} facts
 */
export function cornerWords({ ageMs, isFrozen, isSeldom, isPaused, behind }) {
  if (ageMs === null) return "";
  if (isPaused) return "Paused";
  if (isFrozen) return `Picture is ${ageWords(ageMs)}`;
  if (behind > 0) return `${Math.round(behind)} s ago`;
  return isSeldom ? ageWords(ageMs) : "";
}

/**
 * The age of a picture: "4 s old", "3 min old", "2 h old".
 * @param {number} ageMs
 */
export function ageWords(ageMs) {
  const seconds = Math.floor(ageMs / 1000);
  if (seconds < 120) return `${seconds} s old`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min old`;
  return `${Math.floor(seconds / 3600)} h old`;
}

/** A frame that is this old is not live for anybody. */
const LATE_SECONDS = 2;

/** What differs by less is the same to who reads it. */
const NEARLY_MS = 3;

/**
 * The delay to tell when `told` was told before: the same while it is nearly true, so that the words stand still.
 * @param {number | null} told @param {number | null} delay
 */
export function calm(told, delay) {
  return told !== null && delay !== null && Math.abs(delay - told) < NEARLY_MS ? told : delay;
}

/**
 * The delay of a live picture: "84 ms", "1.2 s"; "" when there is none to tell.
 * @param {PlayerState} facts
 */
export function delayWords({ delay, isFrozen, isPaused, behind }) {
  if (delay === null || isFrozen || isPaused || behind > 0) return "";
  return delay < 1000 ? `${Math.round(delay)} ms` : `${(delay / 1000).toFixed(1)} s`;
}

/**
 * @param {number} count of pictures that the server left out because this viewer did not keep up
 */
export function skippedWords(count) {
  return `Too slow: ${count} ${count === 1 ? "picture" : "pictures"} skipped`;
}
