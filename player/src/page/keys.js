/** Keys anywhere on the page, for the camera that is enlarged, focused, under the pointer, or alone. */

const STEP_SECONDS = 5;
const PAN_PX = 60;
const ZOOM_STEP = 1.5;
/** Elements that have keys of their own. */
const OWN_KEYS = "input, textarea, select, [contenteditable], dialog";
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/**
 * @typedef {object} Target
 * @property {any} video the <berry-video>
 * @property {import("./zoom.js").Zoom | null} zoom
 */

/**
 * @param {() => Target | null} target of the keys now
 * @param {{escape: () => void, next: (step: number) => void}} actions
 */
export function listenForKeys(target, { escape, next }) {
  addEventListener("keydown", (event) => {
    const { key, shiftKey } = event;
    const [inner] = event.composedPath();
    const has = (/** @type {string} */ selector) => inner instanceof Element && inner.matches(`:is(${selector}), :is(${selector}) *`);
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || has(OWN_KEYS)) return;
    const found = target();
    if (key === "Escape") return found?.zoom?.isZoomed ? found.zoom.reset() : escape();
    if (!found || (key === " " && has("button, a, summary"))) return;
    if (press(found, key, shiftKey, next)) event.preventDefault();
  });
}

/**
 * Returns true if the key means something.
 * @param {Target} target @param {string} key @param {boolean} isShifted @param {(step: number) => void} next
 */
function press({ video, zoom }, key, isShifted, next) {
  const arrow = ARROWS[/** @type {keyof typeof ARROWS} */ (key)];
  if (arrow && zoom && (zoom.isZoomed || isShifted)) {
    const [x, y] = arrow;
    zoom.panBy(x * PAN_PX, y * PAN_PX);
    return true;
  }
  switch (key) {
    case "f":
    case "F":
      if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
      else video.requestFullscreen().catch(() => {});
      return true;
    case " ":
      if (video.paused) video.play();
      else video.pause();
      return true;
    case "ArrowLeft": video.currentTime -= STEP_SECONDS;
      return true;
    case "ArrowRight": video.currentTime += STEP_SECONDS;
      return true;
    case "ArrowUp": next(-1);
      return true;
    case "ArrowDown": next(1);
      return true;
    case "+":
    case "=": zoom?.zoomBy(ZOOM_STEP);
      return true;
    case "-": zoom?.zoomBy(1 / ZOOM_STEP);
      return true;
    case "0": zoom?.reset();
      return true;
  }
  return false;
}
