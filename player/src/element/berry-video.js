/**
 * Defines <berry-video src="…">. This file has the shadow DOM and the attributes. player.js plays, overlay.js shows text, controls.js
 * has the buttons.
 *
 * Each attribute is a property, too (showDelay, restAfter).
 *
 * @attr src         WebSocket of the camera, relative to the page; default "video_websocket"
 * @attr controls    shows buttons, and a slider to look back
 * @attr show-delay  shows the age of the frame on the screen: "84 ms"
 * @attr latency     "min" (default): as near to live as possible; "smooth": about 100 ms for steadier motion; or seconds
 * @attr renderer    "auto" (default), "mse" (Media Source Extensions) or "webcodecs"
 * @attr lookback    seconds that the person can look back; default 15
 * @attr token       proves the right to watch, from the next connection on; the property may also be a function that returns it,
 *                   or a promise of it
 * @attr rest-after  seconds after which a hidden page closes its connection until it is seen again; default 60
 * @attr rest-below  share of the element (0 to 1) below which, out of sight, it closes its connection until it is seen again
 * @attr preload     "none": connects at the first `play`, and shows `poster` and a button until then
 * @attr poster      image until the first frame
 * @fires delay    detail: {delay, shown}, once per second: the property, and the number of frames shown
 * @fires state    detail: {tone, text, seconds} whenever the status changes; seconds behind or late
 * @fires error    detail: {code, message} when the server or the browser refuses
 * @fires resize   detail: {width, height} when the frames have another size
 * @slot           lies over the video and lets clicks through to it
 * @csspart video, state, age, delay, note, play, controls, live, lookback, pause, pip, fullscreen
 * @cssproperty --berry-video-accent, --berry-video-fit (contain, cover)
 *
 * There is no sound in these streams, so the video is always muted and browsers let it start by itself.
 */

import { socketUrl } from "../net/connection.js";
import { parseLatency } from "../playback/latency.js";
import { Player } from "../playback/player.js";
import { adopt, element, emit, setText } from "../ui/dom.js";
import { LazyPart } from "../net/lazy-part.js";

const LOOKBACK_SECONDS = 15;
const REST_AFTER_SECONDS = 60;
/** Time without a frame after which the status is shown. Most streams take less. */
const OVERLAY_AFTER_MS = 250;

const CSS = `
:host { display: block; position: relative; overflow: hidden; background: #0c0b10; }
:host([hidden]), [hidden] { display: none !important; }
.video { display: block; width: 100%; height: 100%; aspect-ratio: auto 16 / 9; object-fit: var(--berry-video-fit, contain); }
.video + .video { position: absolute; inset: 0; aspect-ratio: auto; }
slot { position: absolute; inset: 0; display: block; pointer-events: none; }
.frame { position: relative; width: 100%; height: 100%; }
`;

/** Base class of the element. Next and Nuxt also evaluate modules on a server, which has no elements. */
const Base = /** @type {typeof HTMLElement} */ (globalThis.HTMLElement ?? class {});

export class BerryVideo extends Base {
  static observedAttributes = ["src", "renderer", "controls", "latency", "lookback", "rest-after", "poster", "rest-below"];

  #frame = element("div", "frame");
  #video = element("video", "video");
  #overlay = new LazyPart(async () => new (await import("../ui/overlay.js")).Overlay(this, this.#root, this.#frame));
  #controls = new LazyPart(async () => new (await import("../ui/controls.js")).MediaControls(this, this.#root, this.#frame));

  #media = new LazyPart(async () => new (await import("./media-element.js")).MediaElement(this, this.#root, () => this.#player));

  /** @type {Player | null | undefined} null: the URL is invalid; undefined: the element is in no page */
  #player;
  /**
   * A page may have set it before this class was defined.
   * @type {import("../net/connection.js").TokenSource}
   */
  token = /** @type {any} */ (this).token;
  #startedAt = 0;
  #wasPaused = false;
  #isAutoplayBlocked = false;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    const corner = element("div", "corner");
    const status = element("div", "state");
    // Screen readers announce changes of an element, so it must exist before.
    status.role = "status";
    corner.append(...["age", "delay", "note"].map((name) => element("span", name)));
    for (const one of [status, ...corner.children]) setText(/** @type {HTMLElement} */ (one), "");
    this.#frame.append(this.#video, document.createElement("slot"), status, corner);
    root.append(this.#frame);
    this.addEventListener("click", () => {
      if (this.#isAutoplayBlocked) this.play();
    });
  }

  connectedCallback() {
    // Properties that a page set before this class was defined hide those of the class.
    const given = { ...this };
    for (const name in given) delete this[name];
    Object.assign(this, given);
    const root = this.#root;
    if (root.adoptedStyleSheets.length === 0) {
      adopt(root, CSS);
      for (const part of this.#parts) part.loaded?.dress(root);
    }
    this.#start();
    if (this.#wasPaused) this.pause();
  }

  disconnectedCallback() {
    // An element that moves is removed first.
    this.#wasPaused = this.#player?.isPaused ?? false;
    this.#stop();
  }

  /** @param {string} name @param {string | null} before @param {string | null} now */
  attributeChangedCallback(name, before, now) {
    if (before === now || this.#player === undefined) return;
    if (name === "src" || name === "renderer") this.#start();
    else this.#configure();
  }

  /** URL of the WebSocket as the page wrote it. */
  get src() {
    return this.getAttribute("src") || "video_websocket";
  }

  set src(url) {
    this.setAttribute("src", url);
  }

  get controls() {
    return this.hasAttribute("controls");
  }

  set controls(wanted) {
    this.toggleAttribute("controls", Boolean(wanted));
  }

  get showDelay() {
    return this.hasAttribute("show-delay");
  }

  set showDelay(wanted) {
    this.toggleAttribute("show-delay", Boolean(wanted));
  }

  /**
   * "min", "smooth" or seconds.
   * @returns {"min" | "smooth" | number}
   */
  get latency() {
    return parseLatency(this.getAttribute("latency"));
  }

  set latency(wanted) {
    this.setAttribute("latency", String(wanted));
  }

  /**
   * Wanted renderer: Media Source Extensions or WebCodecs.
   * @returns {import("../playback/player.js").RendererName}
   */
  get renderer() {
    const written = this.getAttribute("renderer");
    return written === "mse" || written === "webcodecs" ? written : "auto";
  }

  set renderer(wanted) {
    this.setAttribute("renderer", wanted);
  }

  get lookback() {
    return this.#seconds("lookback", LOOKBACK_SECONDS);
  }

  set lookback(seconds) {
    this.setAttribute("lookback", String(seconds));
  }

  get restAfter() {
    return this.#seconds("rest-after", REST_AFTER_SECONDS);
  }

  set restAfter(seconds) {
    this.setAttribute("rest-after", String(seconds));
  }

  /** The <video> inside, for what this element does not offer. */
  get video() {
    const surface = this.#player?.surface;
    return surface instanceof HTMLVideoElement ? surface : this.#video;
  }

  /** Milliseconds from capture to display, median of a second; null: not known. */
  get delay() {
    return this.#player?.delay ?? null;
  }

  get paused() {
    return this.#player?.isPaused ?? true;
  }

  /** Continues at the live edge. */
  async play() {
    await this.#player?.start();
    await this.#player?.play();
  }

  pause() {
    this.#player?.pause();
  }

  /**
   * Goes back in time and plays on from there, until `live`.
   * @param {number} seconds ago, up to `lookback`
   */
  lookBack(seconds) {
    this.#player?.seekBack(seconds);
  }

  /** Jumps to live. */
  live() {
    return this.#player?.seekToLive();
  }

  /**
   * Returns the frame as it is now; null before the first.
   * @param {string} [type] JPEG without it
   * @param {number} [quality] 0 to 1
   * @returns {Promise<Blob | null>}
   */
  async snapshot(type, quality) {
    const { snapshot } = await import("../renderers/snapshot.js");
    return snapshot(this.#player?.surface ?? this.#video, type, quality);
  }

  async requestPictureInPicture() {
    const { requestPictureInPicture } = await import("../ui/picture-in-picture.js");
    return requestPictureInPicture(this.video);
  }

  /** @param {FullscreenOptions} [options] */
  async requestFullscreen(options) {
    // iPhones let only the <video> itself fill the screen.
    if ("requestFullscreen" in HTMLElement.prototype) await super.requestFullscreen(options);
    else Reflect.get(this.video, "webkitEnterFullscreen").call(this.video);
  }

  #start() {
    this.#stop();
    this.#player = null;
    const url = socketUrl(this.src, document.baseURI);
    this.#player = new Player(this.#video, url, {
      change: (facts) => this.#show(facts),
      token: () => this.token || this.getAttribute("token"),
      skipped: (count) => this.#overlay.loaded?.showSkipped(count),
      delay: (seen) => emit(this, "delay", seen),
      resized: (width, height) => emit(this, "resize", { width, height }),
    });
    this.#player.rendererName = this.renderer;
    this.#startedAt = performance.now();
    this.#media.load();
    this.#media.loaded?.started();
    const player = this.#player;
    if (this.getAttribute("preload") === "none") {
      this.#controls.load().then(() => player.hold());
      player.hold();
    } else player.start();
    this.#configure();
  }

  #configure() {
    const { lookback, latency, restAfter: hiddenTimeout } = this;
    if (this.#player) Object.assign(this.#player, { lookback, latency, hiddenTimeout });
    if (this.controls) this.#controls.load();
    this.#video.poster = this.getAttribute("poster") ?? "";
    this.#media.loaded?.watch();
  }

  #stop() {
    this.#player?.stop();
    this.#player = undefined;
  }

  get #root() {
    return /** @type {ShadowRoot} */ (this.shadowRoot);
  }

  get #parts() {
    return [this.#overlay, this.#controls, this.#media];
  }

  /**
   * Called several times a second.
   * @param {import("../playback/player-state.js").PlayerState} state
   */
  #show(state) {
    this.#isAutoplayBlocked = state.isAutoplayBlocked;
    if (this.controls || state.isAutoplayBlocked) this.#controls.load();
    if (state.ageMs !== null || state.error.message || state.unsupported !== null || performance.now() - this.#startedAt > OVERLAY_AFTER_MS) this.#overlay.load();
    for (const part of this.#parts) part.loaded?.show(state);
  }

  /** @param {string} attribute @param {number} otherwise */
  #seconds(attribute, otherwise) {
    const seconds = parseFloat(String(this.getAttribute(attribute)));
    return seconds >= 0 ? seconds : otherwise;
  }
}

/** For the scripts of 2022 pages. */
export { Player, socketUrl };

// A page may load this module twice under two URLs; the first one keeps the name.
if (globalThis.customElements?.get("berry-video") === undefined) globalThis.customElements?.define("berry-video", BerryVideo);
