/**
 * Defines <berry-video src="…">: a live camera as an element like any other. This file is the shell: shadow DOM, words
 * over the picture, buttons. What plays is in player.js.
 *
 * Each attribute is a property, too (showDelay, restAfter).
 *
 * @attr src         WebSocket of the camera, relative to the page; default "video_websocket"
 * @attr controls    shows buttons, and a slider to look back
 * @attr show-delay  shows how old the picture is when it is seen: "84 ms"
 * @attr latency     "min" (default): as near to live as goes; "smooth": some 100 ms for a steadier picture; or seconds
 * @attr lookback    seconds that can be looked back; default 15
 * @attr rest-after  hidden for so many seconds, the page leaves the server until it is seen again; default 60
 * @fires delay    detail: {delay, shown}, once a second: see the property, and how many pictures were shown
 * @fires state    detail: {tone, text} whenever what is said about the picture changes
 * @fires error    detail: {message} when the server or the browser refuses for good
 * @fires resize   detail: {width, height} when the picture has another size
 * @slot           lies over the picture and lets clicks through to it
 * @csspart video, state, age, delay, note, play, controls, live, lookback, pause, pip, fullscreen
 * @cssproperty --berry-video-accent, --berry-video-fit (contain, cover)
 *
 * There is no sound in these streams, so the picture is always muted and browsers let it start by itself.
 */

import { socketUrl } from "./connection.js";
import { latencyOf } from "./pace.js";
import { Player } from "./player.js";
import { cornerWords, delayWords, skippedWords, words } from "./words.js";

const NOTE_MS = 3000;
const LOOKBACK_SECONDS = 15;
const REST_AFTER_SECONDS = 60;

/** A constructed sheet needs no permission from a page's content security policy; a <style> would. */
const sheet = new CSSStyleSheet();
sheet.replaceSync(`
:host { display: block; position: relative; overflow: hidden; background: #0c0b10; color: #fff;
  font: 500 1rem/1.4 system-ui, sans-serif; }
:host([hidden]) { display: none; }
video { display: block; width: 100%; height: 100%; aspect-ratio: auto 16 / 9; object-fit: var(--berry-video-fit, contain);
  transition: filter .3s; }
.frozen video { filter: grayscale(1) brightness(.6); }
[hidden] { display: none !important; }
.state { position: absolute; inset: 0; display: flex; flex-direction: column; align-items: center; justify-content: center;
  gap: .9em; padding: 1.5em; box-sizing: border-box; text-align: center; text-wrap: balance; overflow-wrap: anywhere;
  text-shadow: 0 1px 3px #000; pointer-events: none; }
.state::before { content: ""; width: 1.6em; height: 1.6em; border-radius: 50%; box-sizing: border-box;
  border: .2em solid #ffffff38; border-top-color: var(--berry-video-accent, #ff4d6d); animation: turn 1s linear infinite; }
.state[data-tone=trouble]::before { animation-duration: 2.5s; border-top-color: #ffb454; }
@keyframes turn { to { transform: rotate(1turn); } }
@media (prefers-reduced-motion: reduce) { .state::before { animation: none; } }
.corner { position: absolute; inset: auto auto .6em .6em; display: flex; flex-wrap: wrap; gap: .4em; pointer-events: none;
  font-size: .8rem; }
.corner > * { padding: .15em .6em; border-radius: .4em; background: #000a; font-variant-numeric: tabular-nums; }
.age { color: #ffcf8a; }
button { font: inherit; color: inherit; border: 1px solid #fff3; cursor: pointer; background: #1a1720c0; }
button:focus-visible { outline: 2px solid #fff; outline-offset: -4px; }
.play { position: absolute; inset: 0; margin: auto; width: 5.5em; height: 5.5em; border-radius: 50%; padding: 0; }
.play svg { width: 2.4em; height: 2.4em; margin-left: .3em; }
.controls { position: absolute; inset: auto .6em .6em auto; display: flex; align-items: center; gap: .4em; opacity: 0; transition: opacity .2s; }
:host(:hover) .controls, .controls:focus-within { opacity: 1; }
@media (hover: none) { .controls { opacity: .8; } }
.controls button { display: grid; place-items: center; width: 2.6em; height: 2.6em; border-radius: .5em; padding: 0; }
.controls .live { width: auto; padding: 0 .8em; }
.lookback { width: 8em; accent-color: var(--berry-video-accent, #ff4d6d); }
slot { position: absolute; inset: 0; display: block; pointer-events: none; }
svg { width: 1.3em; height: 1.3em; fill: currentColor; }
.frame { position: relative; width: 100%; height: 100%; }
`);

const ICONS = {
  play: "M8 5v14l11-7z",
  pause: "M6 5h4v14H6zM14 5h4v14h-4z",
  pip: "M3 5h18v14H3zM5 7v10h14V7zM12 11h6v5h-6z",
  fullscreen: "M4 4h6v2H6v4H4zM14 4h6v6h-2V6h-4zM4 14h2v4h4v2H4zM18 14h2v6h-6v-2h4z",
};

export class BerryVideo extends HTMLElement {
  static observedAttributes = ["src", "latency", "lookback", "rest-after"];

  #parts;
  #player = null;
  #said = "";
  #trouble = "";
  #noteTimer = 0;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    this.#parts = build(root);
    const { video, play, live, lookback, pause, pip, fullscreen } = this.#parts;
    play.addEventListener("click", () => this.play());
    pause.addEventListener("click", () => (this.#player?.isPaused ? this.play() : this.pause()));
    live.addEventListener("click", () => this.#player?.live());
    lookback.addEventListener("input", () => this.#player?.lookBack(-lookback.value));
    pip.addEventListener("click", () => this.#togglePictureInPicture());
    fullscreen.addEventListener("click", () => this.#toggleFullscreen());
    video.addEventListener("resize", () => this.#emit("resize", { width: video.videoWidth, height: video.videoHeight }));
  }

  connectedCallback() {
    // What a page gave to the element before this class was there hides the properties.
    for (const name of ["src", "controls", "showDelay", "latency", "lookback", "restAfter"]) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete this[name];
      this[name] = value;
    }
    this.#start();
  }

  disconnectedCallback() {
    this.#stop();
  }

  attributeChangedCallback(name, before, now) {
    if (before === now || !this.#player) return;
    if (name === "src") this.#start();
    else this.#configure();
  }

  /** The WebSocket as the page wrote it. */
  get src() {
    return this.getAttribute("src") ?? "video_websocket";
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

  /** "min", "smooth" or seconds. */
  get latency() {
    return latencyOf(this.getAttribute("latency"));
  }

  set latency(wanted) {
    this.setAttribute("latency", wanted);
  }

  get lookback() {
    return secondsOf(this.getAttribute("lookback"), LOOKBACK_SECONDS);
  }

  set lookback(seconds) {
    this.setAttribute("lookback", seconds);
  }

  get restAfter() {
    return secondsOf(this.getAttribute("rest-after"), REST_AFTER_SECONDS);
  }

  set restAfter(seconds) {
    this.setAttribute("rest-after", seconds);
  }

  /** The <video> inside, for what this element has no word for. */
  get video() {
    return this.#parts.video;
  }

  /** From camera to screen: milliseconds from a picture being taken to its being shown, median of a second; null: not known. */
  get delay() {
    return this.#player?.delay ?? null;
  }

  /** Plays on at the live edge. */
  play() {
    return this.#player?.play();
  }

  pause() {
    this.#player?.pause();
  }

  /** The picture as it is now; null before the first. @returns {Promise<Blob | null>} */
  async snapshot(type = "image/jpeg", quality = 0.92) {
    const { video } = this;
    if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return null;
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    const context = canvas.getContext("2d");
    if (video.style.scale) {
      // Mirrored by the page and not by the browser, see media.js.
      context.translate(canvas.width, 0);
      context.scale(-1, 1);
    }
    context.drawImage(video, 0, 0);
    return new Promise((resolve) => canvas.toBlob(resolve, type, quality));
  }

  requestPictureInPicture() {
    return this.video.requestPictureInPicture();
  }

  async requestFullscreen(options) {
    // iPhones let only the <video> itself fill the screen.
    if (super.requestFullscreen) await super.requestFullscreen(options);
    else this.video.webkitEnterFullscreen();
  }

  #start() {
    this.#stop();
    const url = socketUrl(this.src, document.baseURI);
    this.#player = new Player(this.#parts.video, url, {
      change: (facts) => this.#show(facts),
      skipped: (count) => this.#note(skippedWords(count)),
      delay: (seen) => this.#emit("delay", seen),
    });
    this.#configure();
    this.#player.start();
  }

  #configure() {
    const { lookback, latency, restAfter } = this;
    Object.assign(this.#player, { lookback, latency, restAfter });
    this.#parts.lookback.min = -lookback;
  }

  #stop() {
    this.#player?.stop();
    this.#player = null;
  }

  /** Called several times a second: touches the page only where something changed. */
  #show(facts) {
    const { frame, state, age, delay, play, controls, live, lookback, pause, video } = this.#parts;
    const { tone, text } = words(facts);
    frame.classList.toggle("frozen", facts.isFrozen);
    setText(age, cornerWords(facts));
    setText(delay, this.showDelay ? delayWords(facts) : "");
    play.hidden = !facts.isRefused;
    controls.hidden = facts.ageMs === null || !this.controls;
    live.hidden = facts.behind === 0;
    lookback.hidden = this.lookback === 0;
    if (!lookback.matches(":active")) lookback.value = -facts.behind;
    setIcon(pause, facts.isPaused ? "play" : "pause", facts.isPaused ? "Play" : "Pause");
    setText(state, facts.isRefused ? "" : text);
    state.dataset.tone = tone;
    video.setAttribute("aria-label", text || "Live video");
    if (facts.trouble && facts.trouble !== this.#trouble) this.#emit("error", { message: facts.trouble });
    this.#trouble = facts.trouble;
    const said = `${tone} ${text}`;
    if (said === this.#said) return;
    this.#said = said;
    this.#emit("state", { tone, text });
  }

  #note(text) {
    const { note } = this.#parts;
    setText(note, text);
    clearTimeout(this.#noteTimer);
    this.#noteTimer = setTimeout(() => setText(note, ""), NOTE_MS);
  }

  #toggleFullscreen() {
    if (document.fullscreenElement === this) document.exitFullscreen();
    else this.requestFullscreen();
  }

  #togglePictureInPicture() {
    if (this.shadowRoot.pictureInPictureElement) document.exitPictureInPicture();
    else this.requestPictureInPicture();
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** By hand and not from HTML text, which pages with Trusted Types forbid. */
function build(root) {
  const frame = element("div", "frame");
  const video = element("video", "video");
  video.muted = video.playsInline = video.disableRemotePlayback = true;
  const state = element("div", "state");
  state.setAttribute("role", "status");
  const corner = element("div", "corner");
  const age = element("span", "age");
  const delay = element("span", "delay");
  const note = element("span", "note");
  const play = element("button", "play");
  const controls = element("div", "controls");
  controls.hidden = true;
  const live = element("button", "live");
  live.textContent = "Live";
  const lookback = element("input", "lookback");
  lookback.type = "range";
  lookback.max = 0;
  lookback.step = 0.1;
  lookback.setAttribute("aria-label", "Look back, in seconds");
  const [pause, pip, fullscreen] = ["pause", "pip", "fullscreen"].map((name) => element("button", name));
  pip.hidden = !document.pictureInPictureEnabled;
  for (const hidden of [state, age, delay, note, play]) hidden.hidden = true;
  setIcon(play, "play", "Play");
  setIcon(pause, "pause", "Pause");
  setIcon(pip, "pip", "Picture in picture");
  setIcon(fullscreen, "fullscreen", "Full screen");
  corner.append(age, delay, note);
  controls.append(live, lookback, pause, pip, fullscreen);
  frame.append(video, document.createElement("slot"), state, corner, controls, play);
  root.append(frame);
  return { frame, video, state, age, delay, note, play, controls, live, lookback, pause, pip, fullscreen };
}

function element(tag, name) {
  const made = document.createElement(tag);
  made.className = name;
  made.setAttribute("part", name);
  if (tag === "button") made.type = "button";
  return made;
}

function secondsOf(written, otherwise) {
  const seconds = Number.parseFloat(written ?? "");
  return seconds >= 0 ? seconds : otherwise;
}

function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
  target.hidden = text === "";
}

function setIcon(button, icon, label) {
  if (button.title === label) return;
  const SVG = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[icon]);
  svg.append(path);
  button.replaceChildren(svg);
  button.title = label;
  button.setAttribute("aria-label", label);
}

// A page may load this module twice under two URLs; the first one keeps the name.
if (!customElements.get("berry-video")) customElements.define("berry-video", BerryVideo);
