/**
 * Writes what the person in front of the video must know. Pure, so that the texts can be tested and translated in one place.
 */

/** @typedef {import("../playback/player-state.js").PlayerState} PlayerState */

/**
 * Returns the status. `tone`: live (nothing to say), behind (the person looks back), late (frames are old when they are shown), paused (by the person, or
 * until the click that the browser needs), busy (wait), trouble (something is wrong).
 * @param {PlayerState} state
 * @returns {{tone: "live" | "behind" | "late" | "paused" | "busy" | "trouble", text: string, seconds?: number}}
 *   `seconds` behind or late, whole
 */
export function statusText(state) {
  const { connection, camera, ageMs, delay, isFrozen, isPaused, isAutoplayBlocked, behindLive } = state;
  const { message } = errorOf(state);
  if (message) return { tone: "trouble", text: message };
  if (connection === "connecting") return { tone: "busy", text: "Connecting…" };
  if (connection === "gone") return { tone: "trouble", text: "Server gone, trying again…" };
  if ((isPaused || isAutoplayBlocked) && ageMs !== null) return { tone: "paused", text: "" };
  if (ageMs !== null && !isFrozen) {
    const seconds = Math.round(behindLive || Number(delay) / 1000);
    return seconds < LATE_SECONDS ? { tone: "live", text: "" } : { tone: behindLive ? "behind" : "late", text: "", seconds };
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

/**
 * Returns the error of the server or the browser; message "": none.
 * @param {PlayerState} state
 */
export function errorOf({ error, unsupported }) {
  if (unsupported === null) return error;
  const message = unsupported ? `This browser cannot decode this video (${unsupported}).` : "This browser cannot play live video, or by https only.";
  return { code: "unsupported", message };
}

/** @param {string} what @param {string} reason @param {string} otherwise */
function because(what, reason, otherwise = "") {
  return reason ? `${what}: ${reason}` : what + otherwise;
}

/**
 * Returns the text in the corner of a frame that is not live, "" for a live one.
 * @param {PlayerState} state
 */
export function overlayText({ ageMs, isFrozen, hasLongInterval, isPaused, behindLive }) {
  if (ageMs === null) return "";
  if (isPaused) return "Paused";
  if (isFrozen) return `Picture is ${ageText(ageMs)}`;
  if (behindLive > 0) return `${Math.round(behindLive)} s ago`;
  return hasLongInterval ? ageText(ageMs) : "";
}

/**
 * Returns the age of a frame: "4 s old", "3 min old", "2 h old".
 * @param {number} ageMs
 */
export function ageText(ageMs) {
  const seconds = Math.floor(ageMs / 1000);
  if (seconds < 120) return `${seconds} s old`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min old`;
  return `${Math.floor(seconds / 3600)} h old`;
}

/** Age from which a frame is not live. */
const LATE_SECONDS = 2;

/** Difference that nobody needs to see. */
const NEARLY_MS = 3;

/**
 * Returns the delay to show after `told`. It stays the same while it is nearly right, so that the text stands still.
 * @param {number | null} told @param {number | null} delay
 */
export function holdDelay(told, delay) {
  return told !== null && delay !== null && Math.abs(delay - told) < NEARLY_MS ? told : delay;
}

/**
 * Returns the delay of a live frame: "84 ms", "1.2 s"; "" if there is none.
 * @param {PlayerState} state
 */
export function delayText({ delay, isFrozen, isPaused, behindLive }) {
  if (delay === null || isFrozen || isPaused || behindLive > 0) return "";
  return delay < 1000 ? `${Math.round(delay)} ms` : `${(delay / 1000).toFixed(1)} s`;
}

/**
 * @param {number} count of frames that the server skipped because this viewer did not keep up
 */
export function skippedText(count) {
  return `Too slow: ${count} ${count === 1 ? "picture" : "pictures"} skipped`;
}
