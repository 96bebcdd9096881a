/**
 * Switches between two renderers of one <video>. WebCodecs with a track are faster and half the work in Chromium. Media Source
 * Extensions are for what needs a timeline (a wanted latency, a jittery link, looking back) and for when WebCodecs fail. The last
 * messages are kept, so that a switch begins with frames. A freeze frame covers the <video> until the other renderer
 * shows one. Loaded when WebCodecs are wanted.
 */

import { TIMESCALE } from "../net/mp4.js";
import { snapToPixels } from "./chromium-pixel-snap.js";
import { pushAndTrim } from "./replay-buffer.js";
import { WebCodecsRenderer, rotationOf } from "./webcodecs-renderer.js";

/** Rebuilds of a WebCodecs decoder in a row, without a frame, before the switch to MSE. */
const MAX_WEBCODECS_RETRIES = 2;
/** Time until WebCodecs are tried again after a failure. It doubles. */
const RETRY_MS = 10_000;
/** Time until a seek does not wait for the whole replay any more. */
const SEEK_TIMEOUT_MS = 1000;
/** Bound of a replay without a keyframe, which is useless. */
const MAX_REPLAY_SECONDS = 60;

/** @typedef {import("./replay-buffer.js").Message} Message */

export class RendererSwitch {
  #video;
  #on;
  #isForced;
  #createMse;
  /** @type {import("./renderer.js").Renderer} what is seen now */
  #current;
  /** @type {WebCodecsRenderer | null} seen now, or standby */
  #webCodecs = null;
  /** @type {Message[]} */
  #replay = [];
  /** @type {HTMLCanvasElement | null} */
  #freezeFrame = null;
  /** @type {number | null} where a timeline without frames must begin: seconds ago */
  #seekBackSeconds = null;
  /** Duration of the frames that such a timeline receives at once, seconds. */
  #replaySeconds = 0;
  #seekDeadline = 0;
  #keepSeconds = 5;
  #retryAt = 0;
  #retryMs = RETRY_MS;
  #isLoading = false;
  #isWanted = false;
  /** True after WebCodecs reported why there was no frame. */
  #hasReportedFailure = false;
  #isClosed = false;

  /**
   * @param {HTMLVideoElement} video
   * @param {import("./renderer.js").Listener} on
   * @param {import("./renderer.js").Renderer} mse the renderer of before
   * @param {{isForced: boolean, createMse: ((on: {appended: () => void, failed: (reason: string) => void,
   *   resized: (width: number, height: number) => void}) => import("./renderer.js").Renderer) | null}} options `isForced`: WebCodecs
   *   wherever they are possible, else only where that is quicker; `createMse` null: this browser has no Media Source Extensions
   */
  constructor(video, on, mse, { isForced, createMse }) {
    this.#video = video;
    this.#on = on;
    this.#isForced = isForced;
    this.#createMse = createMse;
    this.#current = mse;
    if (mse.init) this.#replay.push(mse.init);
    addEventListener("pagehide", this.#onPageHide);
    snapToPixels(video.getRootNode());
  }

  get surface() {
    return this.#freezeFrame ?? this.#current.surface;
  }

  get frameSeconds() {
    return this.#current.frameSeconds;
  }

  get init() {
    return this.#current.init;
  }

  get isWaiting() {
    return this.#current.isWaiting;
  }

  get isSeekable() {
    return this.#current.isSeekable;
  }

  get reorderSeconds() {
    return this.#current.reorderSeconds;
  }

  get captureTimes() {
    return this.#current.captureTimes;
  }

  get range() {
    return this.#current.range;
  }

  get keepSeconds() {
    return this.#keepSeconds;
  }

  set keepSeconds(seconds) {
    this.#keepSeconds = this.#current.keepSeconds = seconds;
  }

  /** @param {import("../net/mp4.js").Init} init */
  canPlay(init) {
    return this.#current.canPlay(init);
  }

  /** @param {Message} message */
  push(message) {
    const keep = this.#keepSeconds * TIMESCALE;
    this.#replay = pushAndTrim(this.#replay, message, { keep, most: keep + MAX_REPLAY_SECONDS * TIMESCALE });
    // Rotation costs a copy of each frame.
    const isTurned = message.kind === "init" && rotationOf(message.matrix) !== 0;
    if (isTurned && this.#isByWebCodecs && !this.#isForced) this.#switchToMse([], null);
    this.#current.push(message);
    if (!this.#isByWebCodecs) this.#webCodecs?.push(message);
  }

  /** @param {number} tries in a row without a frame */
  rebuild(tries) {
    // A decoder that fails silently is gone. Another try would fail as silently.
    const canRetry = tries <= MAX_WEBCODECS_RETRIES && this.#hasReportedFailure;
    this.#hasReportedFailure = false;
    if (!this.#createMse || !this.#isByWebCodecs || canRetry) return this.#current.rebuild(tries);
    this.#postponeRetry();
    this.#switchToMse(this.#newestGop, null);
  }

  /** @param {boolean} isFrozen */
  freeze(isFrozen) {
    return this.#current.freeze?.(isFrozen) ?? false;
  }

  close() {
    this.#isClosed = true;
    removeEventListener("pagehide", this.#onPageHide);
    this.#current.close();
    this.#discardStandby();
    this.#removeFreezeFrame();
  }

  /**
   * Switches to the better renderer. To be called about once per second.
   * @param {number | null} target seconds to stay behind the newest frame; null: show each one on arrival
   * @param {boolean} isLive false: the viewer looks back
   */
  async selectRenderer(target, isLive) {
    const isBest = target === null && isLive && !this.#isTurned;
    const wantsCodecs = this.#isWanted = this.#isForced ? isLive || this.#createMse === null : isBest;
    if (wantsCodecs && !this.#webCodecs) await this.#load();
    else if (!wantsCodecs && this.#isByWebCodecs) this.#switchToMse(this.#newestGop, target ?? 0);
    else if (!wantsCodecs) this.#discardStandby();
  }

  /**
   * @param {number} seconds
   * @returns {boolean} true if the timeline will begin that many seconds ago
   */
  seekBack(seconds) {
    const isOnTheWay = this.#seekBackSeconds !== null;
    if (isOnTheWay) this.#seekBackSeconds = seconds;
    else if (this.#createMse && this.#isByWebCodecs) this.#switchToMse(this.#replay, seconds);
    else return false;
    return true;
  }

  get #isByWebCodecs() {
    return this.#current === this.#webCodecs;
  }

  get #isTurned() {
    return this.init !== null && rotationOf(this.init.matrix) !== 0;
  }

  get #newestGop() {
    const newest = this.#replay.findLastIndex((one) => one.kind === "fragment" && (one.isKeyframe || one.isRecoveryPoint));
    const found = this.#replay[newest];
    // After a recovery point there is no keyframe to begin with.
    const first = found?.kind === "fragment" && found.isKeyframe ? newest : -1;
    const init = this.#replay.findLast((one, place) => one.kind === "init" && (first < 0 || place < first));
    return init ? [init, ...(first < 0 ? [] : this.#replay.slice(first))] : [];
  }

  /** Chromium does not keep a page with a track in its back/forward cache. */
  #onPageHide = () => {
    if (this.#createMse && this.#isByWebCodecs) this.#switchToMse([], null);
    else this.#discardStandby();
  };

  async #load() {
    if (this.#isLoading || this.#isClosed || this.#isRetryPostponed) return;
    this.#isLoading = true;
    try {
      const codecs = await WebCodecsRenderer.on(this.#video, {
        ...this.#on,
        // Only a canvas reports frames, a <video> is polled.
        shown: (frame) => {
          if (this.#current !== codecs) return;
          this.#removeFreezeFrame();
          this.#on.shown(frame);
        },
        appended: () => {
          if (this.#current === codecs) this.#on.appended();
        },
        failed: (reason) => {
          this.#hasReportedFailure = true;
          const isFinal = this.#createMse !== null && reason.startsWith("NotSupportedError");
          if (this.#current === codecs && !isFinal) return this.#on.failed(reason);
          this.#postponeRetry();
          if (this.#current === codecs) this.#switchToMse(this.#newestGop, null);
          else this.#discardStandby();
        },
        ready: () => this.#afterSeek(() => {
          if (this.#webCodecs !== codecs) return;
          // A paused frame must stay as it is.
          if (this.#video.paused) this.#discardStandby();
          else this.#switchToWebCodecs();
        }),
      }, !this.#isForced);
      if (this.#isClosed || this.#isRetryPostponed || !this.#isWanted) return codecs.close();
      this.#webCodecs = codecs;
      // With no frame shown there is nothing to keep meanwhile.
      if (this.init) codecs.push(this.init);
      else this.#switchToWebCodecs();
    } catch (error) {
      this.#postponeRetry();
      // Else it is no error: such pages are from another server, or forbid workers.
      if (this.#isForced) console.warn(`berrymse: no WebCodecs (${error})`);
    } finally {
      this.#isLoading = false;
    }
  }

  #postponeRetry() {
    this.#retryAt = performance.now() + this.#retryMs;
    this.#retryMs *= 2;
  }

  get #isRetryPostponed() {
    return performance.now() < this.#retryAt;
  }

  #switchToWebCodecs() {
    const codecs = this.#webCodecs;
    if (!codecs || this.#isByWebCodecs) return;
    this.#showFreezeFrame();
    this.#current.close();
    this.#seekBackSeconds = null;
    this.#current = codecs;
    codecs.attach();
  }

  /** @param {Message[]} messages to begin with; none: those that arrive @param {number | null} beginsAt */
  #switchToMse(messages, beginsAt) {
    if (!this.#createMse) return;
    this.#showFreezeFrame();
    this.#current.close();
    this.#webCodecs = null;
    this.#seekBackSeconds = beginsAt;
    this.#seekDeadline = performance.now() + SEEK_TIMEOUT_MS;
    this.#replaySeconds = secondsFromKeyframe(messages);
    this.#current = this.#createMse({
      appended: () => {
        this.#seekIntoReplay();
        this.#on.appended();
      },
      failed: (reason) => this.#on.failed(reason),
      resized: (width, height) => this.#on.resized(width, height),
    });
    this.#current.keepSeconds = this.#keepSeconds;
    for (const message of messages) {
      if (message.kind === "init" && !this.#current.canPlay(message)) return this.#on.codecRejected?.(message);
      this.#current.push(message);
    }
    const hasKeyframe = messages.some((one) => one.kind === "fragment" && one.isKeyframe);
    if (messages.length > 0 && !hasKeyframe) this.#on.keyframeMissing?.();
  }

  /** Seeks when the replay is appended. That takes several pieces if the format or the media times changed in it. */
  #seekIntoReplay() {
    const { range } = this;
    if (!range || this.#seekBackSeconds === null) return;
    const to = range.start + this.#replaySeconds - this.#seekBackSeconds;
    if (range.end < to && performance.now() < this.#seekDeadline) return;
    this.#video.currentTime = Math.max(range.start, Math.min(to, range.end - this.#seekBackSeconds));
    this.#seekBackSeconds = null;
    // A paused video shows no frame after the one that it is at.
    this.#video.addEventListener("seeked", () => this.#removeFreezeFrameSoon(), { once: true });
  }

  /**
   * Runs an action once the <video> gives its frame to a freeze frame. While it seeks it does not.
   * @param {() => void} action
   */
  #afterSeek(action) {
    if (!this.#video.seeking) action();
    else this.#video.addEventListener("seeked", () => this.#afterSeek(action), { once: true });
  }

  /** Closes WebCodecs that are not seen yet. */
  #discardStandby() {
    if (this.#isByWebCodecs) return;
    this.#webCodecs?.close();
    this.#webCodecs = null;
  }

  #showFreezeFrame() {
    const { surface } = this.#current;
    const isVideo = surface instanceof HTMLVideoElement;
    if (this.#freezeFrame || (isVideo && surface.readyState < HTMLMediaElement.HAVE_CURRENT_DATA)) return;
    const cover = document.createElement("canvas");
    [cover.width, cover.height] = isVideo ? [surface.videoWidth, surface.videoHeight] : [surface.width, surface.height];
    const context = cover.getContext("2d");
    context?.drawImage(surface, 0, 0);
    // Colours as on the screen, see snapshot.js. They take some milliseconds.
    createImageBitmap(surface, { colorSpaceConversion: "none" }).then((still) => {
      context?.drawImage(still, 0, 0);
      still.close();
    }, () => {});
    cover.className = surface.className;
    cover.setAttribute("part", "video");
    // Mirrored and cropped in the same way.
    cover.style.cssText = surface.style.cssText;
    surface.after(cover);
    this.#freezeFrame = cover;
    this.#awaitFrame();
  }

  /** Removes the freeze frame at the first wanted frame, not at one on the way there. */
  #awaitFrame() {
    this.#video.requestVideoFrameCallback(() => {
      if (!this.#freezeFrame) return;
      this.#removeFreezeFrameSoon();
      this.#awaitFrame();
    });
  }

  #removeFreezeFrameSoon() {
    const cover = this.#freezeFrame;
    // In a hidden page this runs when it is seen, and the video seeks again.
    requestAnimationFrame(() => {
      const isThere = !this.#video.seeking && this.#video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
      if (isThere && this.#seekBackSeconds === null && cover === this.#freezeFrame) this.#removeFreezeFrame();
    });
  }

  #removeFreezeFrame() {
    this.#freezeFrame?.remove();
    this.#freezeFrame = null;
  }
}

/** @param {Message[]} messages */
function secondsFromKeyframe(messages) {
  const fragments = messages.flatMap((one) => (one.kind === "fragment" ? [one] : []));
  const first = fragments.findIndex(({ isKeyframe }) => isKeyframe);
  const ticks = fragments.slice(Math.max(first, 0)).reduce((sum, { decodeTicks, durationTicks }, place, all) => {
    // One frame may be skipped between two. A longer step is no step of the timeline.
    const step = (all[place + 1]?.decodeTicks ?? 0) - decodeTicks;
    return sum + (step > 0 && step <= 2 * durationTicks ? step : durationTicks);
  }, 0);
  return ticks / TIMESCALE;
}
