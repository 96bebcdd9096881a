/**
 * Two ways to show pictures in one <video>, and the change from one to the other: WebCodecs to a track, which are quicker and half the
 * work in Chromium, and Media Source Extensions for all that needs a timeline (a wanted latency, a jittery line, looking back) or where
 * the former fail. What was pushed last is kept, so that a change begins with pictures and not with waiting for them, and a still of
 * the last picture lies over the <video> until the other way shows one. Loaded when WebCodecs are wanted.
 */

import { TIMESCALE } from "../net/mp4.js";
import { Media, isSupported } from "./mse-renderer.js";
import { drawExactly } from "./chromium-pixel-snap.js";
import { remembered } from "./replay-buffer.js";
import { Codecs, turnOf } from "./webcodecs-renderer.js";

/** So often in a row a decoder of WebCodecs may be made anew without a picture before the other way is taken. */
const CODECS_TRIES = 2;
/** Where WebCodecs failed or did not come they are tried again: after so long, then after twice that, and so on. */
const RETRY_MS = 10_000;
/** When not all that was kept is in the timeline by then, it will not be. */
const PATIENCE_MS = 1000;
/** A past without a keyframe to begin it with is of no use, and must not grow for ever. */
const LONGEST_SECONDS = 60;

/** @typedef {import("./replay-buffer.js").Message} Message */

export class Either {
  #video;
  #on;
  #isForced;
  /** @type {import("./renderer.js").Renderer} what is seen */
  #shown;
  /** @type {Codecs | null} seen, or made ready to be */
  #codecs = null;
  /** @type {Message[]} */
  #past = [];
  /** @type {HTMLCanvasElement | null} */
  #cover = null;
  /** @type {number | null} where a timeline that has no pictures yet is to begin: seconds ago */
  #beginsAt = null;
  /** So long are the pictures that such a timeline is given at once, seconds. */
  #ahead = 0;
  #beginsBy = 0;
  #keepSeconds = 5;
  #retryAt = 0;
  #retryMs = RETRY_MS;
  #isLoading = false;
  #isWanted = false;
  /** WebCodecs said why there was no picture. */
  #hasTold = false;
  #isClosed = false;

  /**
   * @param {HTMLVideoElement} video
   * @param {import("./renderer.js").Listener} on
   * @param {import("./renderer.js").Renderer} mse what shows the pictures now
   * @param {boolean} isForced WebCodecs wherever they are possible, else only where that is quicker
   */
  constructor(video, on, mse, isForced) {
    this.#video = video;
    this.#on = on;
    this.#isForced = isForced;
    this.#shown = mse;
    if (mse.init) this.#past.push(mse.init);
    addEventListener("pagehide", this.#hide);
    drawExactly(video.getRootNode());
  }

  get surface() {
    return this.#cover ?? this.#shown.surface;
  }

  get frameSeconds() {
    return this.#shown.frameSeconds;
  }

  get init() {
    return this.#shown.init;
  }

  get isWaiting() {
    return this.#shown.isWaiting;
  }

  get isSeekable() {
    return this.#shown.isSeekable;
  }

  get reorderSeconds() {
    return this.#shown.reorderSeconds;
  }

  get captures() {
    return this.#shown.captures;
  }

  get range() {
    return this.#shown.range;
  }

  get keepSeconds() {
    return this.#keepSeconds;
  }

  set keepSeconds(seconds) {
    this.#keepSeconds = this.#shown.keepSeconds = seconds;
  }

  /** @param {import("../net/mp4.js").Init} init */
  canPlay(init) {
    return this.#shown.canPlay(init);
  }

  /** @param {Message} message */
  push(message) {
    const keep = this.#keepSeconds * TIMESCALE;
    this.#past = remembered(this.#past, message, { keep, most: keep + LONGEST_SECONDS * TIMESCALE });
    // Turning costs a copy of each picture.
    const isTurned = message.kind === "init" && turnOf(message.matrix) !== 0;
    if (isTurned && this.#isByCodecs && !this.#isForced) this.#toMse([], null);
    this.#shown.push(message);
    if (!this.#isByCodecs) this.#codecs?.push(message);
  }

  /** @param {number} tries in a row without a picture */
  rebuild(tries) {
    // Who fails without a word is not there any more: another try would be as silent.
    const isWorthIt = tries <= CODECS_TRIES && this.#hasTold;
    this.#hasTold = false;
    if (!isSupported || !this.#isByCodecs || isWorthIt) return this.#shown.rebuild(tries);
    this.#giveUp();
    this.#toMse(this.#newestGroup, null);
  }

  /** @param {boolean} isHeld */
  hold(isHeld) {
    return this.#shown.hold?.(isHeld) ?? false;
  }

  close() {
    this.#isClosed = true;
    removeEventListener("pagehide", this.#hide);
    this.#shown.close();
    this.#drop();
    this.#uncover();
  }

  /**
   * To be asked now and then: which way is the better one for what is wanted.
   * @param {number | null} target seconds to stay behind the newest picture; null: each is to be seen when it comes
   * @param {boolean} isLive false: somebody looks back
   */
  async choose(target, isLive) {
    const isBest = target === null && isLive && !this.#isTurned;
    const wantsCodecs = this.#isWanted = this.#isForced ? isLive || !isSupported : isBest;
    if (wantsCodecs && !this.#codecs) await this.#load();
    else if (!wantsCodecs && this.#isByCodecs) this.#toMse(this.#newestGroup, target ?? 0);
    else if (!wantsCodecs) this.#drop();
  }

  /**
   * @param {number} seconds
   * @returns {boolean} whether the timeline will begin so many seconds ago
   */
  lookBack(seconds) {
    const isOnTheWay = this.#beginsAt !== null;
    if (isOnTheWay) this.#beginsAt = seconds;
    else if (isSupported && this.#isByCodecs) this.#toMse(this.#past, seconds);
    else return false;
    return true;
  }

  get #isByCodecs() {
    return this.#shown === this.#codecs;
  }

  get #isTurned() {
    return this.init !== null && turnOf(this.init.matrix) !== 0;
  }

  get #newestGroup() {
    const newest = this.#past.findLastIndex((one) => one.kind === "fragment" && (one.isKeyframe || one.isRecoveryPoint));
    const found = this.#past[newest];
    // Behind a recovery point there is nothing to begin with.
    const first = found?.kind === "fragment" && found.isKeyframe ? newest : -1;
    const init = this.#past.findLast((one, place) => one.kind === "init" && (first < 0 || place < first));
    return init ? [init, ...(first < 0 ? [] : this.#past.slice(first))] : [];
  }

  #mse() {
    const mse = new Media(this.#video, {
      appended: () => {
        this.#goThere();
        this.#on.appended();
      },
      failed: (reason) => this.#on.failed(reason),
      resized: (width, height) => this.#on.resized(width, height),
    });
    mse.keepSeconds = this.#keepSeconds;
    return mse;
  }

  /** Chromium keeps no page with a track for the way back. */
  #hide = () => {
    if (isSupported && this.#isByCodecs) this.#toMse([], null);
    else this.#drop();
  };

  async #load() {
    if (this.#isLoading || this.#isClosed || this.#hasGivenUp) return;
    this.#isLoading = true;
    try {
      const codecs = await Codecs.on(this.#video, {
        ...this.#on,
        // Only a canvas tells, a <video> is asked.
        shown: (picture) => {
          if (this.#shown !== codecs) return;
          this.#uncover();
          this.#on.shown(picture);
        },
        appended: () => {
          if (this.#shown === codecs) this.#on.appended();
        },
        failed: (reason) => {
          this.#hasTold = true;
          const isVain = isSupported && reason.startsWith("NotSupportedError");
          if (this.#shown === codecs && !isVain) return this.#on.failed(reason);
          this.#giveUp();
          if (this.#shown === codecs) this.#toMse(this.#newestGroup, null);
          else this.#drop();
        },
        ready: () => {
          // A picture that stands is to stay as it is.
          if (this.#video.paused) this.#drop();
          else this.#toCodecs();
        },
      }, !this.#isForced);
      if (this.#isClosed || this.#hasGivenUp || !this.#isWanted) return codecs.close();
      this.#codecs = codecs;
      // With nothing on show there is nothing to keep until they have a picture.
      if (this.init) codecs.push(this.init);
      else this.#toCodecs();
    } catch (error) {
      this.#giveUp();
      // Else it is no trouble: such pages are from another server, or forbid workers.
      if (this.#isForced) console.warn(`berrymse: no WebCodecs (${error})`);
    } finally {
      this.#isLoading = false;
    }
  }

  #giveUp() {
    this.#retryAt = performance.now() + this.#retryMs;
    this.#retryMs *= 2;
  }

  get #hasGivenUp() {
    return performance.now() < this.#retryAt;
  }

  #toCodecs() {
    const codecs = this.#codecs;
    if (!codecs || this.#isByCodecs) return;
    this.#coverUp();
    this.#shown.close();
    this.#beginsAt = null;
    this.#shown = codecs;
    codecs.attach();
  }

  /** @param {Message[]} messages to begin with; none: those that come @param {number | null} beginsAt */
  #toMse(messages, beginsAt) {
    this.#coverUp();
    this.#shown.close();
    this.#codecs = null;
    this.#beginsAt = beginsAt;
    this.#beginsBy = performance.now() + PATIENCE_MS;
    this.#ahead = secondsFromKeyframe(messages);
    this.#shown = this.#mse();
    for (const message of messages) {
      if (message.kind === "init" && !this.#shown.canPlay(message)) return this.#on.refused?.(message);
      this.#shown.push(message);
    }
    const hasKeyframe = messages.some((one) => one.kind === "fragment" && one.isKeyframe);
    if (messages.length > 0 && !hasKeyframe) this.#on.lost?.();
  }

  /** What was kept is appended in several pieces if the picture or the media times changed meanwhile: the end is waited for. */
  #goThere() {
    const { range } = this;
    if (!range || this.#beginsAt === null) return;
    const to = range.start + this.#ahead - this.#beginsAt;
    if (range.end < to && performance.now() < this.#beginsBy) return;
    this.#video.currentTime = Math.max(range.start, Math.min(to, range.end - this.#beginsAt));
    this.#beginsAt = null;
    // One that is paused shows no picture after the one that it is at.
    this.#video.addEventListener("seeked", () => this.#uncoverSoon(), { once: true });
  }

  /** WebCodecs that are not seen yet are not wanted any more. */
  #drop() {
    if (this.#isByCodecs) return;
    this.#codecs?.close();
    this.#codecs = null;
  }

  #coverUp() {
    const { surface } = this.#shown;
    const isVideo = surface instanceof HTMLVideoElement;
    if (this.#cover || (isVideo && surface.readyState < HTMLMediaElement.HAVE_CURRENT_DATA)) return;
    const cover = document.createElement("canvas");
    [cover.width, cover.height] = isVideo ? [surface.videoWidth, surface.videoHeight] : [surface.width, surface.height];
    const context = cover.getContext("2d");
    context?.drawImage(surface, 0, 0);
    // The colours of the screen, see snapshot.js, which come a moment later.
    createImageBitmap(surface, { colorSpaceConversion: "none" }).then((still) => {
      context?.drawImage(still, 0, 0);
      still.close();
    }, () => {});
    cover.className = surface.className;
    cover.setAttribute("part", "video");
    // Mirrored and cropped alike.
    cover.style.cssText = surface.style.cssText;
    surface.after(cover);
    this.#cover = cover;
    this.#awaitPicture();
  }

  /** The still goes with the first picture that was wanted: not with one on the way there. */
  #awaitPicture() {
    this.#video.requestVideoFrameCallback(() => {
      if (!this.#cover) return;
      this.#uncoverSoon();
      this.#awaitPicture();
    });
  }

  #uncoverSoon() {
    const cover = this.#cover;
    // In a hidden page this is when it is seen, and the picture is sought anew.
    requestAnimationFrame(() => {
      const isThere = !this.#video.seeking && this.#video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
      if (isThere && this.#beginsAt === null && cover === this.#cover) this.#uncover();
    });
  }

  #uncover() {
    this.#cover?.remove();
    this.#cover = null;
  }
}

/** @param {Message[]} messages */
function secondsFromKeyframe(messages) {
  const fragments = messages.flatMap((one) => (one.kind === "fragment" ? [one] : []));
  const first = fragments.findIndex(({ isKeyframe }) => isKeyframe);
  const ticks = fragments.slice(Math.max(first, 0)).reduce((sum, { decodeTicks, durationTicks }, place, all) => {
    // A picture may be left out between two; what is longer is no step of the timeline.
    const step = (all[place + 1]?.decodeTicks ?? 0) - decodeTicks;
    return sum + (step > 0 && step <= 2 * durationTicks ? step : durationTicks);
  }, 0);
  return ticks / TIMESCALE;
}
