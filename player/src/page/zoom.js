/**
 * Digital zoom and pan of one element: wheel, two fingers, drag, double click. The keyboard is in keys.js. The video is moved and
 * scaled inside the element, so its controls stay.
 */

import { adopt } from "../ui/dom.js";

const MAX_SCALE = 10;
const DOUBLE_CLICK_SCALE = 2.5;
/** Pixels of the wheel that double the size. */
const WHEEL_DOUBLING = 300;
/** Movement in pixels from which a click is a drag. */
const DRAG_PX = 5;

const CSS = `
.video { transform: translate(var(--zoom-x, 0), var(--zoom-y, 0)) scale(var(--zoom-scale, 1)); transform-origin: 0 0; }
`;

/**
 * Returns the offset at which nothing beside the video is seen.
 * @param {number} offset @param {number} size of the element @param {number} scale
 */
export function clampOffset(offset, size, scale) {
  return Math.min(0, Math.max(size * (1 - scale), offset));
}

export class Zoom {
  #video;
  #isWanted;
  #scale = 1;
  #x = 0;
  #y = 0;
  /** @type {Map<number, {x: number, y: number}>} */
  #pointers = new Map();
  #moved = 0;
  #hasStyle = false;

  /** @param {HTMLElement} video @param {() => boolean} isWanted true while a wheel or a drag is for the video, not for the page */
  constructor(video, isWanted) {
    this.#video = video;
    this.#isWanted = isWanted;
    video.addEventListener("wheel", (event) => this.#onWheel(event), { passive: false });
    video.addEventListener("dblclick", (event) => this.#onDoubleClick(event));
    video.addEventListener("pointerdown", (event) => this.#onDown(event));
    video.addEventListener("pointermove", (event) => this.#onMove(event));
    for (const type of /** @type {const} */ (["pointerup", "pointercancel"])) {
      video.addEventListener(type, ({ pointerId }) => this.#pointers.delete(pointerId));
    }
    // The end of a drag is no click.
    video.addEventListener("click", (event) => {
      if (this.#moved > DRAG_PX) event.stopImmediatePropagation();
    }, { capture: true });
    new ResizeObserver(() => this.#apply()).observe(video);
    this.#apply();
  }

  get isZoomed() {
    return this.#scale > 1;
  }

  reset() {
    this.#scale = 1;
    this.#apply();
  }

  /** @param {number} factor @param {{x: number, y: number}} [point] of the element that stays where it is */
  zoomBy(factor, point = { x: this.#video.clientWidth / 2, y: this.#video.clientHeight / 2 }) {
    const root = this.#video.shadowRoot;
    // The element adopts its own style when it is connected, and only into an empty list.
    if (root && !this.#hasStyle) adopt(root, CSS);
    this.#hasStyle = true;
    const scale = Math.min(Math.max(this.#scale * factor, 1), MAX_SCALE);
    const change = scale / this.#scale;
    this.#x = point.x - (point.x - this.#x) * change;
    this.#y = point.y - (point.y - this.#y) * change;
    this.#scale = scale;
    this.#apply();
  }

  /** @param {number} x @param {number} y pixels */
  panBy(x, y) {
    this.#x += x;
    this.#y += y;
    this.#apply();
  }

  #apply() {
    const { clientWidth, clientHeight, style } = this.#video;
    this.#x = clampOffset(this.#x, clientWidth, this.#scale);
    this.#y = clampOffset(this.#y, clientHeight, this.#scale);
    style.setProperty("--zoom-scale", String(this.#scale));
    style.setProperty("--zoom-x", `${this.#x}px`);
    style.setProperty("--zoom-y", `${this.#y}px`);
    // Else the browser takes two fingers for its own zoom, and one for scrolling.
    style.touchAction = this.isZoomed ? "none" : "pan-x pan-y";
    style.cursor = this.isZoomed ? "grab" : "";
  }

  /** @param {MouseEvent} event */
  #pointOf({ clientX, clientY }) {
    const { left, top } = this.#video.getBoundingClientRect();
    return { x: clientX - left, y: clientY - top };
  }

  /** @param {WheelEvent} event */
  #onWheel(event) {
    // A pinch on a touchpad comes as a wheel with the control key.
    if (!this.isZoomed && !event.ctrlKey && !this.#isWanted()) return;
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : 20) * (event.ctrlKey ? 4 : 1);
    this.zoomBy(2 ** (-pixels / WHEEL_DOUBLING), this.#pointOf(event));
  }

  /** @param {MouseEvent} event */
  #onDoubleClick(event) {
    if (isOnControl(event)) return;
    if (this.isZoomed) this.reset();
    else this.zoomBy(DOUBLE_CLICK_SCALE, this.#pointOf(event));
  }

  /** @param {PointerEvent} event */
  #onDown(event) {
    if (this.#pointers.size === 0) this.#moved = 0;
    if (isOnControl(event)) return;
    this.#pointers.set(event.pointerId, this.#pointOf(event));
  }

  /** Keeps a drag that leaves the element. @param {number} pointer */
  #capture(pointer) {
    try {
      this.#video.setPointerCapture(pointer);
    } catch {
      // It is gone already.
    }
  }

  /** @param {PointerEvent} event */
  #onMove(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const now = this.#pointOf(event);
    this.#pointers.set(event.pointerId, now);
    const [x, y] = [now.x - before.x, now.y - before.y];
    const others = [...this.#pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    if (others.length === 0 && !this.isZoomed) return;
    this.#moved += Math.hypot(x, y);
    if (this.#moved > DRAG_PX) this.#capture(event.pointerId);
    if (others.length === 0) return this.panBy(x, y);
    const [other] = others;
    const distance = (/** @type {{x: number, y: number}} */ point) => Math.max(Math.hypot(point.x - other.x, point.y - other.y), 1);
    this.panBy(x / 2, y / 2);
    this.zoomBy(distance(now) / distance(before), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
  }
}

/** True for buttons and the slider inside the element. @param {Event} event */
export function isOnControl(event) {
  return event.composedPath().some((one) => one instanceof Element && (one.localName === "button" || one.localName === "input"));
}
