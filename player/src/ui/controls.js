/**
 * Shows the buttons and the slider of `controls`, and a large button where the browser blocks autoplay. Loaded when it is needed.
 */

import { adopt, element } from "./dom.js";
import { icon } from "./icons.js";

const CSS = `
button { font: inherit; color: #fff; border: 1px solid #fff3; cursor: pointer; background: #1a1720c0; }
button:hover { background: #322c3dd0; }
:is(button, input):focus-visible { outline: 2px solid #fff; outline-offset: 1px; }
.play { position: absolute; inset: 0; margin: auto; width: 5.5em; height: 5.5em; border-radius: 50%; padding: 0; }
.play svg { width: 2.4em; height: 2.4em; margin-left: .3em; }
.controls { position: absolute; inset: auto .6em .6em auto; display: flex; align-items: center; gap: .4em; opacity: 0; transition: opacity .2s; }
:host(:hover) .controls, .controls:focus-within { opacity: 1; }
@media (hover: none) { .controls { opacity: .8; } }
.controls button { display: grid; place-items: center; width: 2.6em; height: 2.6em; border-radius: .5em; padding: 0; }
.controls .live { width: auto; padding: 0 .8em; }
.lookback { width: 8em; min-width: 3em; accent-color: var(--berry-video-accent, #ff4d6d); }
svg { width: 1.3em; height: 1.3em; fill: currentColor; }
`;

const ICONS = {
  play: "M8 5v14l11-7z",
  pause: "M6 5h4v14H6zM14 5h4v14h-4z",
  pip: "M3 5h18v14H3zM5 7v10h14V7zM12 11h6v5h-6z",
  fullscreen: "M4 4h6v2H6v4H4zM14 4h6v6h-2V6h-4zM4 14h2v4h4v2H4zM18 14h2v6h-6v-2h4z",
  window: "M8 4h2v6H4V8h4zM14 4h2v4h4v2h-6zM4 14h6v6H8v-4H4zM14 14h6v2h-4v4h-2z",
};

export class MediaControls {
  #host;
  #group = element("div", "controls");
  #play = element("button", "play");
  #live = element("button", "live");
  #lookback = element("input", "lookback");
  #pause = element("button", "pause");
  #pip = element("button", "pip");
  #fullscreen = element("button", "fullscreen");

  /** @param {ShadowRoot} root that has moved to another document */
  dress(root) {
    adopt(root, CSS);
  }

  /**
   * @param {import("../element/berry-video.js").BerryVideo} host
   * @param {ShadowRoot} root
   * @param {HTMLElement} frame
   */
  constructor(host, root, frame) {
    this.#host = host;
    this.dress(root);
    const [group, play, live, lookback] = [this.#group, this.#play, this.#live, this.#lookback];
    group.role = "group";
    group.ariaLabel = "Video";
    group.hidden = play.hidden = true;
    live.textContent = "Live";
    live.title = "Back to the present";
    lookback.type = "range";
    lookback.max = "0";
    lookback.step = "0.1";
    lookback.title = lookback.ariaLabel = "Look back";
    this.#pip.hidden = !document.pictureInPictureEnabled;
    setIcon(play, "play", "Play");
    setIcon(this.#pip, "pip", "Picture in picture");
    this.#showFullscreen();
    play.addEventListener("click", () => host.play());
    live.addEventListener("click", () => host.live());
    lookback.addEventListener("input", () => host.lookBack(-Number(lookback.value)));
    this.#pause.addEventListener("click", () => (host.paused ? host.play() : host.pause()));
    this.#pip.addEventListener("click", () => this.#togglePictureInPicture(root));
    this.#fullscreen.addEventListener("click", () => this.#toggleFullscreen());
    host.addEventListener("fullscreenchange", () => this.#showFullscreen());
    group.append(live, lookback, this.#pause, this.#pip, this.#fullscreen);
    frame.append(group, play);
  }

  /** @param {import("../playback/player-state.js").PlayerState} facts */
  show({ ageMs, isAutoplayBlocked, isPaused, behindLive, canSeekBack }) {
    const lookback = this.#lookback;
    this.#play.hidden = !isAutoplayBlocked;
    this.#group.hidden = ageMs === null || !this.#host.controls;
    this.#live.hidden = behindLive === 0;
    lookback.hidden = !canSeekBack;
    lookback.min = String(-this.#host.lookback);
    if (!lookback.matches(":active")) lookback.value = String(-behindLive);
    lookback.ariaValueText = behindLive > 0 ? `${Math.round(behindLive)} seconds ago` : "live";
    setIcon(this.#pause, isPaused ? "play" : "pause", isPaused ? "Play" : "Pause");
  }

  #showFullscreen() {
    const isFull = this.#host.ownerDocument.fullscreenElement === this.#host;
    setIcon(this.#fullscreen, isFull ? "window" : "fullscreen", isFull ? "Leave full screen" : "Full screen");
  }

  /** A browser may refuse either. Then nothing changes. */
  #toggleFullscreen() {
    const { ownerDocument: document } = this.#host;
    const isFull = document.fullscreenElement === this.#host;
    (isFull ? document.exitFullscreen() : this.#host.requestFullscreen()).catch(() => {});
  }

  /** @param {ShadowRoot} root */
  #togglePictureInPicture(root) {
    const { ownerDocument: document, pictureInPictureElement: isOut } = root;
    (isOut ? document.exitPictureInPicture() : this.#host.requestPictureInPicture()).catch(() => {});
  }
}

/** @param {HTMLElement} button @param {keyof typeof ICONS} name @param {string} label */
function setIcon(button, name, label) {
  if (button.title === label) return;
  button.replaceChildren(icon(ICONS[name]));
  button.title = button.ariaLabel = label;
}
