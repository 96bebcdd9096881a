/**
 * Sees whether pictures really appear in a video element. The judgement is in watchdog.js; here is the evidence for it,
 * which every engine gives in another way.
 */

import { judge } from "./watchdog.js";

export class FrameWatch {
  #video;
  #onShown;
  #shownAt = null;
  #awakeSince = 0;
  #position = -1;
  #hasCallback = false;
  #isPainting = false;

  /** How often in a row the pipeline was rebuilt without a picture since. */
  rebuilds = 0;

  /**
   * @param {HTMLVideoElement} video
   * @param {(picture: VideoFrameCallbackMetadata | undefined) => void} onShown
   */
  constructor(video, onShown) {
    this.#video = video;
    this.#onShown = onShown;
  }

  /** @param {AbortSignal} signal ends it */
  start(signal) {
    this.#shownAt = null;
    this.awake();
    const video = this.#video;
    if (!video.requestVideoFrameCallback) return;
    const shown = (_, picture) => {
      if (signal.aborted) return;
      this.#hasCallback = true;
      this.#shown(picture);
      video.requestVideoFrameCallback(shown);
    };
    video.requestVideoFrameCallback(shown);
  }

  /** The page is seen again: what was not shown until now was nobody's fault. */
  awake() {
    this.#awakeSince = performance.now();
  }

  /** Milliseconds since a picture was last seen to change; null: none yet. */
  get ageMs() {
    return this.#shownAt === null ? null : performance.now() - this.#shownAt;
  }

  /**
   * To be called a few times a second.
   * @param {{dataAt: number | null, playingSince: number | null, isPlaying: boolean}} pipeline
   */
  look({ dataAt, playingSince, isPlaying }) {
    const { currentTime, readyState } = this.#video;
    // Not every engine calls back for frames: there a moving play head is the best evidence.
    const hasMoved = currentTime !== this.#position && readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
    if (!this.#hasCallback && hasMoved) this.#shown();
    this.#position = currentTime;
    const verdict = judge({
      now: performance.now(),
      shownAt: this.#shownAt,
      awakeSince: this.#awakeSince,
      playingSince,
      dataAt,
      canShow: isPlaying && !document.hidden && this.#isPainting,
      rebuilds: this.rebuilds,
    });
    // A frame far down a page, or in a window under another, is not painted although the tab is in front.
    this.#isPainting = false;
    requestAnimationFrame(() => { this.#isPainting = true; });
    return verdict;
  }

  #shown(picture) {
    this.#shownAt = performance.now();
    this.rebuilds = 0;
    this.#onShown(picture);
  }
}
