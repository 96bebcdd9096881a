/** Shows text over the frame: status, age, delay, notes. Reports changes of the status as events. */

import { adopt, emit, setText } from "./dom.js";
import { errorOf, holdDelay, overlayText, delayText, skippedText, statusText } from "./status-text.js";

const NOTE_MS = 3000;
/** Errors after which only a person connects again. */
const ENDED_CODES = ["ended", "session_ended"];

const CSS = `
:host { color: #fff; font: 500 1rem/1.4 system-ui, sans-serif; }
.video { transition: filter .3s; }
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
`;

export class Overlay {
  #host;
  #frame;
  #part;
  /** @type {number | null} milliseconds */
  #lastDelay = null;
  #lastStatus = "";
  #lastError = "";
  #lastCode = "";
  #noteTimer = 0;

  /** @param {ShadowRoot} root that has moved to another document */
  dress(root) {
    adopt(root, CSS);
  }

  /**
   * @param {import("../element/berry-video.js").BerryVideo} host
   * @param {ShadowRoot} root
   * @param {HTMLElement} frame with the elements that get the text
   */
  constructor(host, root, frame) {
    this.#host = host;
    this.#frame = frame;
    const [state, age, delay, note] = ["state", "age", "delay", "note"].map((name) => /** @type {HTMLElement} */ (frame.querySelector(`.${name}`)));
    this.#part = { state, age, delay, note };
    this.dress(root);
    // Set in again, the element connects again.
    host.addEventListener("click", () => ENDED_CODES.includes(this.#lastCode) && host.after(host));
  }

  /**
   * Called several times a second: touches the page only where something changed.
   * @param {import("../playback/player-state.js").PlayerState} state
   */
  show(state) {
    const status = statusText(state);
    const { tone, text } = status;
    const { age, delay } = this.#part;
    this.#frame.classList.toggle("frozen", state.isFrozen);
    setText(age, overlayText(state));
    this.#lastDelay = holdDelay(this.#lastDelay, state.delay);
    setText(delay, this.#host.showDelay ? delayText({ ...state, delay: this.#lastDelay }) : "");
    setText(this.#part.state, state.isAutoplayBlocked ? "" : text);
    this.#part.state.dataset.tone = tone;
    this.#frame.ariaLabel = text || "Live video";
    const { code, message } = errorOf(state);
    this.#lastCode = code;
    if (message && message !== this.#lastError) emit(this.#host, "error", { code, message });
    this.#lastError = message;
    const summary = Object.values(status).join();
    if (summary === this.#lastStatus) return;
    this.#lastStatus = summary;
    emit(this.#host, "state", status);
  }

  /** @param {number} count of frames */
  showSkipped(count) {
    const { note } = this.#part;
    setText(note, skippedText(count));
    clearTimeout(this.#noteTimer);
    this.#noteTimer = setTimeout(() => setText(note, ""), NOTE_MS);
  }
}
