/**
 * Plays one camera in one video element and keeps it live. Joins connection, renderer and live edge, and answers to what the
 * browser does: hidden tab, standby, blocked autoplay, decode errors. Shows nothing itself but reports its state.
 */

import { Connection, backOffMs } from "../net/connection.js";
import { LazyPart } from "../net/lazy-part.js";
import { TICKS_PER_MS, readMessage } from "../net/mp4.js";
import { MseRenderer, isSupported } from "../renderers/mse-renderer.js";
import { LiveSync } from "./live-sync.js";
import { ServerState } from "./server-state.js";
import { StallDetector, updateFeed } from "./stall-detector.js";

const TICK_MS = 250;
const REPORT_TICKS = 4;
const KEEP_SECONDS = 5;
/** What a 2022 page keeps that switches staying live off. */
const SEEK_BACK_SECONDS = 60;
const LONG_INTERVAL_MS = 2000;
/** Time until a file that failed to load is requested again. It doubles. */
const SWITCH_RETRY_TICKS = 40;
/** Without a keyframe the player joins again: after the first time, and not more often than the second says. */
const KEYFRAME_TIMEOUT_TICKS = 8;
const REJOIN_INTERVAL_TICKS = 20;

/** @typedef {"auto" | "mse" | "webcodecs"} RendererName */

export class Player {
  #video;
  #on;
  #connection;
  /** @type {import("../renderers/renderer.js").Renderer} */
  #renderer;
  #sync;
  #stallDetector;
  /** @type {AbortController | null} */
  #abort = null;

  /** @type {import("./player-state.js").PlayerState["connection"]} */
  #connectionState = "connecting";
  #server = new ServerState();
  /** @type {string | null} the codec that this browser cannot decode, "" for all */
  #unsupported = null;
  #isPaused = false;
  #isAutoplayBlocked = false;

  /** @type {import("./stall-detector.js").FeedActivity | null} */
  #feed = null;
  #health = "fine";
  #rebuildTimer = 0;

  #autoSkip = true;

  #stats = new LazyPart(async () => {
    const { FrameStats } = await import("./frame-stats.js");
    // Frames of before were not counted.
    this.#arrived = 0;
    return new FrameStats();
  });
  #hasShownFrame = false;
  /** @type {number | null} */
  #delay = null;
  #ticks = 0;
  /** Frames since the last report. */
  #arrived = 0;
  /** @type {number | null} */
  #switchRetryTick = null;
  #switchRetryTicks = SWITCH_RETRY_TICKS;
  #lookback = 0;
  #isSuspended = false;
  #suspendTimer = 0;
  #waitingTicks = 0;
  #rejoinTick = 0;

  /** Seconds hidden after which the page leaves the server until it is seen again. */
  hiddenTimeout = Infinity;
  /**
   * What decodes and shows, from the next start on. "auto": Media Source Extensions show the first frame soonest. Then WebCodecs
   * take over where they were measured to be quicker, and half the work: in Chromium. A page's own <video> stays as it is.
   * @type {RendererName}
   */
  rendererName = "auto";

  /**
   * @param {HTMLVideoElement} video
   * @param {string} url of the WebSocket
   * @param {{change?: (state: import("./player-state.js").PlayerState) => void, skipped?: (count: number) => void,
   *   delay?: (seen: {delay: number | null, shown: number}) => void, resized?: (width: number, height: number) => void,
   *   token?: () => import("../net/connection.js").TokenSource}} on `token` is no event
   */
  constructor(video, url, on = {}) {
    this.#video = video;
    this.#on = on;
    this.#connection = new Connection(url, {
      state: (state) => this.#setConnectionState(state),
      text: (message) => this.#receiveText(message),
      binary: (message) => this.#receiveMedia(message),
    }, on.token);
    this.#sync = new LiveSync(video);
    this.#renderer = new MseRenderer(video, this.#listener);
    this.#stallDetector = new StallDetector(video, (...seen) => this.#noteShown(...seen));
  }

  async start() {
    if (this.#abort) return;
    const video = this.#video;
    video.muted = true;
    video.playsInline = true;
    video.loop = false;
    const { signal } = this.#abort = new AbortController();
    this.#listen(signal);
    this.#stallDetector.start(signal);
    const ticker = setInterval(() => this.#tick(), TICK_MS);
    signal.addEventListener("abort", () => clearInterval(ticker));
    if (this.#needsWebCodecs) await this.#loadSwitch();
    if (signal.aborted) return;
    if (isSupported || this.#renderer.selectRenderer) return this.#connection.open();
    this.#unsupported = "";
    this.#notify();
  }

  /** Ends everything; `start` begins again. */
  stop() {
    if (!this.#abort) return;
    this.#abort.abort();
    this.#abort = null;
    for (const timer of [this.#rebuildTimer, this.#suspendTimer]) clearTimeout(timer);
    this.#rebuildTimer = this.#suspendTimer = 0;
    this.#isSuspended = false;
    this.#connection.close();
    this.#renderer.close();
    this.#renderer = new MseRenderer(this.#video, this.#listener);
    this.#video.removeAttribute("src");
    this.#video.load();
    this.#server = new ServerState();
    this.#sync.restart();
    this.#sync.jitter.reset();
    this.#hasShownFrame = false;
    this.#delay = this.#feed = this.#switchRetryTick = null;
  }

  reset() {
    this.stop();
    this.start();
  }

  /** In place of `start`: waits for `play` after it, as where the browser blocks autoplay. */
  hold() {
    if (!this.#abort) this.#isAutoplayBlocked = true;
    this.#notify();
  }

  /** Plays, at the live edge. Called from a click it also starts where the browser blocks autoplay. */
  play() {
    this.#isPaused = this.#isAutoplayBlocked = false;
    if (this.autoSkip) this.#seekToEdge();
    return this.#play();
  }

  pause() {
    this.#isPaused = true;
    this.#renderer.freeze?.(true);
    // A track that stands without a pause keeps its colours in Chromium: a paused <video> shows a copy in other ones.
    if (!this.#video.srcObject) this.#video.pause();
    this.#notify();
  }

  /** Stay at the live edge; false lets a person look back, and stay there. */
  get autoSkip() {
    return this.#autoSkip;
  }

  set autoSkip(wanted) {
    this.#autoSkip = wanted;
    this.#updateRetention();
    this.#selectRenderer();
  }

  /** @param {"min" | "smooth" | number} wanted how far behind to play, see `parseLatency` */
  set latency(wanted) {
    this.#sync.setLatency(wanted).then(() => this.#selectRenderer());
  }

  /** @param {number} seconds of the past that can be looked at */
  set lookback(seconds) {
    this.#lookback = seconds;
    this.#updateRetention();
  }

  /**
   * Goes back in time and plays on from there, until `seekToLive`.
   * @param {number} seconds ago
   */
  seekBack(seconds) {
    if (!this.#renderer.isSeekable) return;
    const isStarted = this.#renderer.seekBack?.(seconds);
    const { range } = this.#renderer;
    if (!range && !isStarted) return;
    this.#sync.allowSeekBack();
    this.autoSkip = false;
    if (range) this.#video.currentTime = Math.max(range.start, range.end - seconds);
  }

  seekToLive() {
    this.autoSkip = true;
    return this.play();
  }

  /** Seconds behind the newest frame. */
  get #behindLive() {
    const { range } = this.#renderer;
    return range ? Math.max(range.end - this.#video.currentTime, 0) : 0;
  }

  /** Where the frames are seen. */
  get surface() {
    return this.#renderer.surface;
  }

  #updateRetention() {
    this.#renderer.keepSeconds = Math.max(this.#autoSkip ? KEEP_SECONDS : SEEK_BACK_SECONDS, this.#lookback);
  }

  /** Age of the frames of the last second when they were shown, milliseconds; null: not known. */
  get delay() {
    return this.#delay;
  }

  get isPaused() {
    return this.#isPaused || this.#isAutoplayBlocked;
  }

  #seekToEdge() {
    if (!this.#isSuspended) this.#connection.reconnectNow();
    const { range } = this.#renderer;
    // Else the next frame tells what helps.
    if (range && this.#renderer.isSeekable) this.#sync.seekToEdge(this.#renderer, range);
  }

  /** Joins again, because the server sends a keyframe to each viewer who joins. */
  #rejoin() {
    if (this.#ticks < this.#rejoinTick || this.#isSuspended) return;
    this.#rejoinTick = this.#ticks + REJOIN_INTERVAL_TICKS;
    this.#connection.open();
  }

  // ---- what decodes and shows

  /** @type {import("../renderers/renderer.js").Listener} */
  #listener = {
    appended: () => this.#appended(),
    failed: (reason) => this.#rebuild(reason),
    shown: (frame) => this.#stallDetector.noteShown(frame),
    resized: (width, height) => this.#on.resized?.(width, height),
    keyframeMissing: () => this.#connection.open(),
    codecRejected: (init) => this.#rejectCodec(init),
  };

  get #needsWebCodecs() {
    return this.rendererName === "webcodecs" || (this.rendererName === "auto" && !isSupported);
  }

  async #loadSwitch() {
    const before = this.#renderer;
    try {
      const { RendererSwitch } = await import("../renderers/renderer-switch.js");
      if (before !== this.#renderer) return;
      /** @param {ConstructorParameters<typeof MseRenderer>[1]} on */
      const createMse = (on) => new MseRenderer(this.#video, on);
      const isForced = this.#needsWebCodecs;
      const renderer = this.#renderer = new RendererSwitch(this.#video, this.#listener, before, { isForced, createMse: isSupported ? createMse : null });
      this.#updateRetention();
      await renderer.selectRenderer(this.#sync.link(this.#renderer).target, this.#autoSkip);
    } catch (error) {
      console.warn(`berrymse: ${error}`);
      this.#switchRetryTick = this.#ticks + this.#switchRetryTicks;
      this.#switchRetryTicks *= 2;
    }
  }

  #selectRenderer() {
    if (!this.#isPaused) this.#renderer.selectRenderer?.(this.#sync.link(this.#renderer).target, this.#autoSkip);
  }

  /** @param {import("./player-state.js").PlayerState["connection"]} state */
  #setConnectionState(state) {
    this.#connectionState = state;
    this.#sync.jitter.reset();
    this.#notify();
  }

  /** @param {import("../net/connection.js").Message} message */
  #receiveText(message) {
    this.#server.receive(message);
    if (message.type === "skipped") this.#on.skipped?.(+message.count || 0);
    this.#notify();
  }

  /** @param {ArrayBuffer} buffer */
  #receiveMedia(buffer) {
    const message = readMessage(buffer);
    if (!message) return;
    if (message.kind === "init") {
      const canPlay = this.#renderer.canPlay(message);
      this.#unsupported = null;
      if (canPlay) this.#renderer.push(message);
      else this.#rejectCodec(message);
    } else if (this.#unsupported === null) {
      this.#server.error.message = "";
      this.#arrived += 1;
      const media = message.decodeTicks / TICKS_PER_MS;
      this.#sync.jitter.add(performance.now() / 1000, media / 1000, this.#renderer.frameSeconds);
      this.#renderer.push({ ...message, captured: this.#server.capturedAt(media) });
    }
  }

  /** @param {import("../net/mp4.js").Init} init */
  #rejectCodec({ codec }) {
    this.#unsupported = codec;
    this.#renderer.close();
    this.#notify();
  }

  // ---- the live edge

  #appended() {
    this.#feed = updateFeed(this.#feed, performance.now(), this.#frameMs);
    const video = this.#video;
    if (this.#isPaused && !video.srcObject) video.pause();
    if (this.#isUnseen || this.#isPaused || this.#isAutoplayBlocked) return;
    if (video.paused) this.#play();
    const { range } = this.#renderer;
    if (!range || video.seeking) return;
    const { rate, seekTo, isLost } = this.#sync.correction(this.#renderer, range, this.autoSkip);
    if (seekTo !== null) video.currentTime = seekTo;
    if (isLost) this.#rejoin();
    if (video.playbackRate !== rate) video.playbackRate = rate;
  }

  /** The element may be in another window than its script. */
  get #isHidden() {
    return this.#video.ownerDocument.hidden;
  }

  get #frameMs() {
    return this.#renderer.frameSeconds * 1000;
  }

  /** Picture in picture is seen while the page is not. */
  get #isUnseen() {
    const root = /** @type {Document | ShadowRoot} */ (this.#video.getRootNode());
    return this.#isHidden && root.pictureInPictureElement !== this.#video;
  }

  async #play() {
    if (!this.#abort) return;
    if (!this.#renderer.freeze?.(false) && this.#video.paused) {
      try {
        await this.#video.play();
        this.#isAutoplayBlocked = false;
      } catch (error) {
        // AbortError only says that a new source came in between.
        if (Object(error).name === "NotAllowedError") this.#isAutoplayBlocked = true;
      }
    }
    this.#notify();
  }

  /** Freezes a track once its colours are back; the first frame after a pause may still be the paused copy. */
  async #pauseAtNextFrame() {
    const video = this.#video;
    this.#isPaused = true;
    await video.play().catch(() => {});
    video.requestVideoFrameCallback(() => video.requestVideoFrameCallback(() => {
      if (this.#isPaused) this.#renderer.freeze?.(true);
    }));
  }

  // ---- what the browser does

  /** @param {AbortSignal} signal */
  #listen(signal) {
    const video = this.#video;
    video.addEventListener("error", () => this.#rebuild(`${video.error?.message}`), { signal });
    video.addEventListener("resize", () => this.#on.resized?.(video.videoWidth, video.videoHeight), { signal });
    // Browsers also pause by themselves, a hidden tab and a video that failed; only the rest is somebody's wish.
    video.addEventListener("pause", () => {
      const isBroken = video.error || this.#rebuildTimer || video.readyState === HTMLMediaElement.HAVE_NOTHING;
      const isMeant = !this.#isHidden && video.isConnected && !isBroken;
      // The browser's own button, of picture in picture for example: a second time it means to play on.
      if (isMeant && video.srcObject) this.#isPaused ? this.play() : this.#pauseAtNextFrame();
      else if (isMeant) this.#isPaused = true;
      this.#notify();
    }, { signal });
    video.addEventListener("play", () => {
      if (this.#isPaused && !video.srcObject) this.play();
      else this.#notify();
    }, { signal });
    video.ownerDocument.addEventListener("visibilitychange", () => {
      clearTimeout(this.#suspendTimer);
      if (!this.#isHidden) this.resume();
      else if (this.hiddenTimeout < Infinity) this.#suspendTimer = setTimeout(() => this.#isUnseen && this.suspend(), this.hiddenTimeout * 1000);
    }, { signal });
    addEventListener("pageshow", ({ persisted }) => persisted && this.resume(), { signal });
    addEventListener("online", () => this.#isSuspended || this.#connection.reconnectNow(), { signal });
  }

  /** Leaves the server until `resume`. */
  suspend() {
    this.#isSuspended = true;
    this.#connection.close();
  }

  resume() {
    if (!this.#abort) return;
    this.#stallDetector.noteVisible();
    if (this.#isSuspended) {
      this.#isSuspended = false;
      this.#connection.open();
    }
    // A viewer who paused, or looks back, finds the frame where it was left.
    if (!this.#isPaused) this.play();
  }

  /** @param {import("../renderers/renderer.js").ShownFrame} [frame] @param {number} [count] */
  #noteShown(frame, count) {
    const { captureTimes } = this.#renderer;
    if (frame) this.#stats.loaded?.addFrame(frame, count, { captureTimes, exchanges: this.#connection.exchanges, engine: this.#sync.engine });
    if (this.#hasShownFrame) return;
    this.#hasShownFrame = true;
    this.#notify();
    this.#stats.load();
    if (this.rendererName === "auto" && this.#video.getRootNode() !== document
      && isSecureContext && "MediaStreamTrackGenerator" in window) this.#loadSwitch();
  }

  #report() {
    const stats = this.#stats.loaded;
    // The file may have failed to load.
    if (!stats) return this.#hasShownFrame && this.#stats.load();
    const seen = stats.lastSecond(performance.now());
    this.#delay = seen.delay;
    // Nothing shown at all is a video out of sight, or one for the stall detector.
    if (seen.shown > 0 && !this.#isHidden && !this.#isPaused && this.#autoSkip) {
      this.#sync.update(this.#renderer, this.#arrived, seen.shown);
      this.#selectRenderer();
    }
    this.#arrived = 0;
    this.#notify();
    this.#connection.send({ type: "report", delay_ms: seen.delay, shown: seen.shown });
    this.#on.delay?.(seen);
  }

  #tick() {
    this.#ticks += 1;
    if (this.#ticks === this.#switchRetryTick) isSupported ? this.#loadSwitch() : this.reset();
    if (this.#ticks % REPORT_TICKS === 0) this.#report();
    const isPlaying = !this.#isPaused && !this.#isAutoplayBlocked;
    this.#health = this.#stallDetector.check({ feed: this.#feed, frameMs: this.#frameMs, isPlaying });
    this.#waitingTicks = this.#renderer.init && this.#renderer.isWaiting ? this.#waitingTicks + 1 : 0;
    if (this.#waitingTicks >= KEYFRAME_TIMEOUT_TICKS && this.#arrived > 0) this.#rejoin();
    if (this.#health === "stuck") this.#rebuild("frames arrive but are not shown");
    this.#notify();
  }

  /** @param {string} reason */
  #rebuild(reason) {
    if (!this.#abort || this.#rebuildTimer) return;
    console.warn(`berrymse: starting the video again (${reason})`);
    // A stream that breaks every decoder must not keep the page busy.
    const wait = backOffMs(this.#stallDetector.rebuilds, Math.random());
    this.#stallDetector.rebuilds += 1;
    this.#rebuildTimer = setTimeout(() => {
      this.#rebuildTimer = 0;
      this.#feed = null;
      this.#sync.restart();
      const { isSeekable } = this.#renderer;
      this.#renderer.rebuild(this.#stallDetector.rebuilds);
      if (!isSeekable) this.#rejoin();
    }, wait);
  }

  #notify() {
    const { ageMs } = this.#stallDetector;
    this.#on.change?.({
      connection: this.#connectionState,
      camera: this.#server.camera,
      error: this.#server.error,
      unsupported: this.#unsupported,
      ageMs,
      hasLongInterval: Math.max(this.#frameMs, this.#feed?.usual ?? 0) >= LONG_INTERVAL_MS,
      isFrozen: this.#health !== "fine" && ageMs !== null,
      delay: this.#delay,
      isPaused: this.#isPaused,
      behindLive: this.#autoSkip ? 0 : this.#behindLive,
      canSeekBack: this.#lookback > 0 && isSupported && this.#renderer.isSeekable,
      isAutoplayBlocked: this.#isAutoplayBlocked,
    });
  }
}
