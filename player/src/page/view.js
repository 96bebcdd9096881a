/**
 * What the address asks of the page: `?camera=NAME` shows one camera, `&kiosk=1` nothing but video, `?embed` the same with controls, for
 * frames of other pages; `#NAME` is the camera that is enlarged, with an entry in the history.
 */

const query = new URLSearchParams(globalThis.location?.search);
const isOn = (/** @type {string} */ key) => query.has(key) && query.get(key) !== "0";

/** Name of the only camera to show, null: all. */
export const onlyCamera = query.get("camera");
export const isKiosk = isOn("kiosk");
export const isEmbedded = isOn("embed");
/** True without header and captions. */
export const isBare = isKiosk || isEmbedded;

/** Fragment of a camera without a name. */
const NAMELESS = "camera";

/** Returns the name of the camera in the fragment, null: none. */
export function enlargedName() {
  try {
    return decodeURIComponent(location.hash.slice(1)) || null;
  } catch {
    return null;
  }
}

/** @param {string} name @returns {string} the name as the fragment has it */
export function fragmentName(name) {
  return name || NAMELESS;
}

/** Enlarges a camera. Back leads to all. @param {string} name @param {() => void} apply */
export function enter(name, apply) {
  const isNew = enlargedName() === null;
  const to = `#${encodeURIComponent(fragmentName(name))}`;
  if (isNew) history.pushState({ isEnlarged: true }, "", to);
  else history.replaceState(history.state, "", to);
  apply();
}

/** Shows all cameras again. @param {() => void} apply */
export function leave(apply) {
  if (enlargedName() === null) return;
  // The page was opened with the fragment.
  if (!history.state?.isEnlarged) history.replaceState(null, "", location.pathname + location.search);
  else history.back();
  apply();
}
