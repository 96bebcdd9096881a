/**
 * Defines <berry-video src="…">: a live camera as an element like any other. This file is the shell: shadow DOM and words
 * over the picture. What plays is in player.js, buttons are in controls.js.
 *
 * Each attribute is a property, too (showDelay, restAfter).
 *
 * @attr src         WebSocket of the camera, relative to the page; default "video_websocket"
 * @attr controls    shows buttons, and a slider to look back
 * @attr show-delay  shows how old the picture is when it is seen: "84 ms"
 * @attr latency     "min" (default): as near to live as goes; "smooth": some 100 ms for a steadier picture; or seconds
 * @attr renderer    "auto" (default), "mse" (Media Source Extensions) or "webcodecs"
 * @attr lookback    seconds that can be looked back; default 15
 * @attr rest-after  hidden for so many seconds, the page leaves the server until it is seen again; default 60
 * @fires delay    detail: {delay, shown}, once a second: see the property, and how many pictures were shown
 * @fires state    detail: {tone, text, seconds} whenever what is said about the picture changes; so many seconds behind or late
 * @fires error    detail: {code, message} when the server or the browser refuses
 * @fires resize   detail: {width, height} when the picture has another size
 * @slot           lies over the picture and lets clicks through to it
 * @csspart video, state, age, delay, note, play, controls, live, lookback, pause, pip, fullscreen
 * @cssproperty --berry-video-accent, --berry-video-fit (contain, cover)
 *
 * There is no sound in these streams, so the picture is always muted and browsers let it start by itself.
 */

import { socketUrl } from "../net/connection.js";
import { latencyOf } from "../playback/latency.js";
import { Player } from "../playback/player.js";
import { adopt, element, setText } from "../ui/dom.js";
import { calm, cornerWords, delayWords, skippedWords, words } from "../ui/status-text.js";

const NOTE_MS = 3000;
const LOOKBACK_SECONDS = 15;
const REST_AFTER_SECONDS = 60;
/** A server that is gone is not asked for a file of the player each time something changes. */
const RELOAD_MS = 3000;

const CSS = `
:host { display: block; position: relative; overflow: hidden; background: #0c0b10; color: #fff;
  font: 500 1rem/1.4 system-ui, sans-serif; }
:host([hidden]), [hidden] { display: none !important; }
.video { display: block; width: 100%; height: 100%; aspect-ratio: auto 16 / 9; object-fit: var(--berry-video-fit, contain);
  transition: filter .3s; }
.video + .video { position: absolute; inset: 0; aspect-ratio: auto; }
.frozen .video { filter: grayscale(1) brightness(.6); }
.state { position: absolute; inset: 0; display: grid; place-content: center; justify-items: center; gap: 1em; padding: 1em;
  box-sizing: border-box; text-align: center; overflow-wrap: anywhere; text-shadow: 0 1px 3px #000; pointer-events: none; }
.state::before { content: ""; width: 1.6em; height: 1.6em; border-radius: 50%; box-sizing: border-box;
  border: .2em solid #fff3; border-top-color: var(--berry-video-accent, #ff4d6d); animation: turn 1s linear infinite; }
.state[data-tone=trouble]::before { content: "!"; border-color: #ffb454; color: #ffb454; animation: none; line-height: 1.2em; font-weight: 700; }
@keyframes turn { to { transform: rotate(1turn); } }
@media (prefers-reduced-motion: reduce) { .state::before { animation: none; } }
.corner { position: absolute; inset: auto auto .6em .6em; display: flex; flex-wrap: wrap; gap: .4em; pointer-events: none;
  font-size: .8rem; }
.corner > * { padding: .2em .6em; border-radius: .6em; background: #000a; font-variant-numeric: tabular-nums; }
.age { color: #ffb454; }
slot { position: absolute; inset: 0; display: block; pointer-events: none; }
.frame { position: relative; width: 100%; height: 100%; }
`;

/** A module that imports this one may also be evaluated on a server, which has no elements. */
const Base = /** @type {typeof HTMLElement} */ (globalThis.HTMLElement ?? class {});

export class BerryVideo extends Base {
  static observedAttributes = ["src", "renderer", "controls", "latency", "lookback", "rest-after"];

  #frame = element("div", "frame");
  #video = element("video", "video");
  #state = element("div", "state");
  #age = element("span", "age");
  #delay = element("span", "delay");
  #note = element("span", "note");

  /** @type {Player | null | undefined} null: the address is none; undefined: the element is in no page */
  #player;
  /** @type {import("../ui/controls.js").Controls | null} */
  #controls = null;
  #controlsAskedAt = -Infinity;
  #wasPaused = false;
  /** @type {number | null} milliseconds */
  #told = null;
  #isRefused = false;
  #said = "";
  #trouble = "";
  #noteTimer = 0;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    this.#state.role = "status";
    const corner = element("div", "corner");
    corner.append(this.#age, this.#delay, this.#note);
    for (const one of [this.#state, ...corner.children]) setText(/** @type {HTMLElement} */ (one), "");
    this.#frame.append(this.#video, document.createElement("slot"), this.#state, corner);
    root.append(this.#frame);
    this.addEventListener("click", () => {
      if (this.#isRefused) this.play();
    });
  }

  connectedCallback() {
    // What a page gave to the element before this class was there hides the properties.
    const given = { ...this };
    for (const name in given) delete this[name];
    Object.assign(this, given);
    const root = /** @type {ShadowRoot} */ (this.shadowRoot);
    if (root.adoptedStyleSheets.length === 0) {
      adopt(root, CSS);
      this.#controls?.dress(root);
    }
    this.#start();
    if (this.#wasPaused) this.pause();
  }

  disconnectedCallback() {
    // What is moved to another place is taken away and put there.
    this.#wasPaused = this.#player?.isPaused ?? false;
    this.#stop();
  }

  /** @param {string} name @param {string | null} before @param {string | null} now */
  attributeChangedCallback(name, before, now) {
    if (before === now || this.#player === undefined) return;
    if (name === "src" || name === "renderer") this.#start();
    else this.#configure();
  }

  /** The WebSocket as the page wrote it. */
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
    return latencyOf(this.getAttribute("latency"));
  }

  set latency(wanted) {
    this.setAttribute("latency", String(wanted));
  }

  /**
   * What decodes: Media Source Extensions or WebCodecs.
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

  /** The <video> inside, for what this element has no word for. */
  get video() {
    const surface = this.#player?.surface;
    return surface instanceof HTMLVideoElement ? surface : this.#video;
  }

  /** From camera to screen: milliseconds from a picture being taken to its being shown, median of a second; null: not known. */
  get delay() {
    return this.#player?.delay ?? null;
  }

  get paused() {
    return this.#player?.isPaused ?? true;
  }

  /** Plays on at the live edge. */
  play() {
    return this.#player?.play();
  }

  pause() {
    this.#player?.pause();
  }

  /**
   * Shows what was then and goes on from there, until `live`.
   * @param {number} seconds ago, up to `lookback`
   */
  lookBack(seconds) {
    this.#player?.lookBack(seconds);
  }

  /** Back from looking back. */
  live() {
    return this.#player?.live();
  }

  /**
   * The picture as it is now; null before the first.
   * @returns {Promise<Blob | null>}
   */
  async snapshot(type = "image/jpeg", quality = 0.92) {
    const { snapshot } = await import("../renderers/snapshot.js");
    return snapshot(this.#player?.surface ?? this.#video, type, quality);
  }

  async requestPictureInPicture() {
    const { video } = this;
    // After a change of the way to show pictures there is none for a moment, and a click counts for some seconds.
    if (!video.readyState) {
      await new Promise((resolve) => {
        video.addEventListener("loadedmetadata", resolve, { once: true });
        setTimeout(resolve, 1000);
      });
    }
    return video.requestPictureInPicture();
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
      skipped: (count) => this.#tellNote(skippedWords(count)),
      delay: (seen) => this.#emit("delay", seen),
      resized: (width, height) => this.#emit("resize", { width, height }),
    });
    this.#player.renderer = this.renderer;
    this.#configure();
    this.#player.start();
  }

  #configure() {
    const { lookback, latency, restAfter } = this;
    if (this.#player) Object.assign(this.#player, { lookback, latency, restAfter });
    if (this.controls) this.#loadControls();
  }

  async #loadControls() {
    if (performance.now() - this.#controlsAskedAt < RELOAD_MS) return;
    this.#controlsAskedAt = Infinity;
    try {
      const { Controls } = await import("../ui/controls.js");
      this.#controls = new Controls(this, /** @type {ShadowRoot} */ (this.shadowRoot), this.#frame);
    } catch {
      this.#controlsAskedAt = performance.now();
    }
  }

  #stop() {
    this.#player?.stop();
    this.#player = undefined;
  }

  /**
   * Called several times a second: touches the page only where something changed.
   * @param {import("../playback/player-state.js").PlayerState} facts
   */
  #show(facts) {
    const state = words(facts);
    const { tone, text } = state;
    this.#isRefused = facts.isRefused;
    if (this.controls || facts.isRefused) this.#loadControls();
    this.#controls?.show(facts);
    this.#frame.classList.toggle("frozen", facts.isFrozen);
    setText(this.#age, cornerWords(facts));
    const delay = this.#told = calm(this.#told, facts.delay);
    setText(this.#delay, this.showDelay ? delayWords({ ...facts, delay }) : "");
    setText(this.#state, facts.isRefused ? "" : text);
    this.#state.dataset.tone = tone;
    this.#frame.ariaLabel = text || "Live video";
    const { trouble: message, code } = facts;
    if (message && message !== this.#trouble) this.#emit("error", { code, message });
    this.#trouble = message;
    const said = Object.values(state).join();
    if (said === this.#said) return;
    this.#said = said;
    this.#emit("state", state);
  }

  /** @param {string} text */
  #tellNote(text) {
    setText(this.#note, text);
    clearTimeout(this.#noteTimer);
    this.#noteTimer = setTimeout(() => setText(this.#note, ""), NOTE_MS);
  }

  /** @param {string} type @param {object} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
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
