/**
 * Plays one camera in one video element and keeps it live: joins connection, media pipeline and the rules for
 * the live edge, and answers to what the browser does (hidden tab, standby, refused autoplay, decode errors).
 * Shows nothing itself: whoever owns it is told the facts.
 */

import { Connection, backOffMs } from "../net/connection.js";
import { Shown } from "./frame-stats.js";
import { FrameWatch, flowOn } from "./stall-detector.js";
import { engineOf } from "./engine.js";
import { Jitter } from "./jitter.js";
import { edge, steer } from "./live-edge.js";
import { Media, isSupported } from "../renderers/mse-renderer.js";
import { TIMESCALE, readMessage } from "../net/mp4.js";

const TICKS_PER_MS = TIMESCALE / 1000;
const TICK_MS = 250;
const REPORT_TICKS = 4;
const KEEP_SECONDS = 5;
/** What a 2022 page gets that switches staying live off. */
const LOOK_BACK_SECONDS = 60;
const AT_EDGE_SECONDS = 0.25;
const SELDOM_MS = 2000;
/** A line and a screen that are better than this need no distance. */
const CALM = 0.015;
const CALM_SHARE = 0.9;
/** A file that did not come is asked for again: after so long, then after twice that, and so on. */
const RELOAD_TICKS = 40;
/** Without a keyframe to begin with the player joins again: after so long, and not more often than below. */
const WAITING_TICKS = 8;
const REJOIN_TICKS = 20;

/** @typedef {"auto" | "mse" | "webcodecs"} RendererName */

export class Player {
  #video;
  #on;
  #connection;
  /** @type {import("../renderers/renderer.js").Renderer} */
  #media;
  #frames;
  #engine = engineOf(navigator.userAgent);
  /** @type {AbortController | null} */
  #undo = null;

  /** @type {import("./player-state.js").PlayerState["connection"]} */
  #link = "connecting";
  #camera = { state: "", reason: "" };
  #trouble = "";
  #error = { code: "", message: "" };
  #isPaused = false;
  #isRefused = false;

  #wasAtEdge = false;
  #jitter = new Jitter();
  /** @type {import("./stall-detector.js").Flow | null} */
  #flow = null;
  #verdict = "fine";
  #rebuilding = 0;

  #autoSkip = true;

  #shown = new Shown();
  #isShown = false;
  /** @type {number | null} */
  #delay = null;
  #ticks = 0;
  #arrived = 0;
  /** @type {number | null} the tick at which the other way to show pictures is loaded again */
  #reloadAt = null;
  #reloadTicks = RELOAD_TICKS;
  /** @type {import("./latency-controller.js").Pace | null} null: there was nothing to absorb so far */
  #pace = null;
  /** @type {"min" | "smooth" | number} */
  #latency = "min";
  #isPaceAsked = false;
  #lookback = 0;
  #isResting = false;
  #resting = 0;
  #waitingTicks = 0;
  #rejoinAt = 0;

  /** Hidden for so many seconds, the page lets go of the server until it is seen again. */
  restAfter = Infinity;
  /**
   * What decodes and shows, from the next start on. "auto": Media Source Extensions have the first picture soonest. Then WebCodecs
   * take over where they were measured to be quicker, and half the work: in Chromium. A page's own <video> stays as it is.
   * @type {RendererName}
   */
  renderer = "auto";
  /**
   * The server's clock at media time 0, milliseconds.
   * @type {number | null}
   */
  #mediaZero = null;

  /**
   * @param {HTMLVideoElement} video
   * @param {string} url of the WebSocket
   * @param {{change?: (facts: import("./player-state.js").PlayerState) => void, skipped?: (count: number) => void,
   *   delay?: (seen: {delay: number | null, shown: number}) => void, resized?: (width: number, height: number) => void}} on
   */
  constructor(video, url, on = {}) {
    this.#video = video;
    this.#on = on;
    this.#connection = new Connection(url, {
      state: (state) => this.#setLink(state),
      text: (message) => this.#receiveText(message),
      binary: (message) => this.#receiveMedia(message),
    });
    this.#media = new Media(this.#video, this.#listener);
    this.#frames = new FrameWatch(video, (...seen) => this.#noteShown(...seen));
  }

  async start() {
    if (this.#undo) return;
    const video = this.#video;
    video.muted = true;
    video.playsInline = true;
    video.loop = false;
    const { signal } = this.#undo = new AbortController();
    this.#listen(signal);
    this.#frames.start(signal);
    const ticker = setInterval(() => this.#tick(), TICK_MS);
    signal.addEventListener("abort", () => clearInterval(ticker));
    if (this.#needsCodecs) await this.#useCodecs();
    if (signal.aborted) return;
    if (isSupported || this.#media.choose) return this.#connection.open();
    this.#trouble = "This browser cannot play live video, or by https only.";
    this.#tell();
  }

  /** Ends everything; `start` begins anew. */
  stop() {
    if (!this.#undo) return;
    this.#undo.abort();
    this.#undo = null;
    clearTimeout(this.#rebuilding);
    clearTimeout(this.#resting);
    this.#rebuilding = this.#resting = 0;
    this.#isResting = false;
    this.#connection.close();
    this.#media.close();
    this.#media = new Media(this.#video, this.#listener);
    this.#video.removeAttribute("src");
    this.#video.load();
    this.#camera = { state: "", reason: "" };
    this.#wasAtEdge = this.#isShown = false;
    this.#delay = this.#flow = this.#reloadAt = null;
    this.#jitter.restart();
  }

  reset() {
    this.stop();
    this.start();
  }

  /** Plays, at the live edge. Called from a click it also gets past a browser that refuses autoplay. */
  play() {
    this.#isPaused = this.#isRefused = false;
    if (this.autoSkip) this.toLiveEdge();
    return this.#play();
  }

  pause() {
    this.#isPaused = true;
    this.#media.hold?.(true);
    // A track that stands without a pause keeps its colours in Chromium: a paused <video> shows a copy in other ones.
    if (!this.#video.srcObject) this.#video.pause();
    this.#tell();
  }

  /** Stay at the live edge; false lets a person look back, and stay there. */
  get autoSkip() {
    return this.#autoSkip;
  }

  set autoSkip(wanted) {
    this.#autoSkip = wanted;
    this.#keep();
    this.#choose();
  }

  /** @param {"min" | "smooth" | number} wanted how far behind to play, see `latencyOf` */
  set latency(wanted) {
    this.#latency = wanted;
    if (this.#pace) this.#pace.latency = wanted;
    else if (wanted === "smooth") this.#loadPace();
    this.#choose();
  }

  /** @param {number} seconds of the past that can be looked at */
  set lookback(seconds) {
    this.#lookback = seconds;
    this.#keep();
  }

  /**
   * Shows what was then and goes on from there, until `live`.
   * @param {number} seconds ago
   */
  lookBack(seconds) {
    if (!this.#media.isSeekable) return;
    const isOnTheWay = this.#media.lookBack?.(seconds);
    const { range } = this.#media;
    if (!range && !isOnTheWay) return;
    this.#wasAtEdge = true;
    this.autoSkip = false;
    if (range) this.#video.currentTime = Math.max(range.start, range.end - seconds);
  }

  /** Back from looking back. */
  live() {
    this.autoSkip = true;
    return this.play();
  }

  /** Seconds behind the newest picture. */
  get behind() {
    const { range } = this.#media;
    return range ? Math.max(range.end - this.#video.currentTime, 0) : 0;
  }

  /** What the pictures are seen in. */
  get surface() {
    return this.#media.surface;
  }

  #keep() {
    this.#media.keepSeconds = Math.max(this.#autoSkip ? KEEP_SECONDS : LOOK_BACK_SECONDS, this.#lookback);
  }

  /** How old the pictures of the last second were when they were shown, milliseconds; null: not known. */
  get delay() {
    return this.#delay;
  }

  get isPaused() {
    return this.#isPaused;
  }

  toLiveEdge() {
    if (!this.#isResting) this.#connection.retryNow();
    const { range } = this.#media;
    if (!range) return;
    // Else the next frame tells what helps.
    if (!this.#media.isSeekable) return;
    const to = edge({ ...this.#line, ...range });
    const { currentTime } = this.#video;
    if (currentTime < to || currentTime > range.end) this.#video.currentTime = to;
  }

  /** For a keyframe, which the server gives to each viewer who joins. */
  #rejoin() {
    if (this.#ticks < this.#rejoinAt || this.#isResting) return;
    this.#rejoinAt = this.#ticks + REJOIN_TICKS;
    this.#connection.open();
  }

  // ---- what decodes and shows

  /** @type {import("../renderers/renderer.js").Listener} */
  #listener = {
    appended: () => this.#appended(),
    failed: (reason) => this.#rebuild(reason),
    shown: (picture) => this.#frames.shown(picture),
    resized: (width, height) => this.#on.resized?.(width, height),
    lost: () => this.#connection.open(),
    refused: (init) => this.#refuse(init),
  };

  get #needsCodecs() {
    return this.renderer === "webcodecs" || (this.renderer === "auto" && !isSupported);
  }

  async #useCodecs() {
    const before = this.#media;
    try {
      const { Either } = await import("../renderers/renderer-switch.js");
      if (before !== this.#media) return;
      const either = this.#media = new Either(this.#video, this.#listener, before, this.#needsCodecs);
      this.#keep();
      await either.choose(this.#line.target, this.#autoSkip);
    } catch (error) {
      console.warn(`berrymse: ${error}`);
      this.#reloadAt = this.#ticks + this.#reloadTicks;
      this.#reloadTicks *= 2;
    }
  }

  #choose() {
    if (!this.#isPaused) this.#media.choose?.(this.#line.target, this.#autoSkip);
  }

  // ---- what the server says

  /** @param {import("./player-state.js").PlayerState["connection"]} state */
  #setLink(state) {
    this.#link = state;
    this.#jitter.restart();
    this.#tell();
  }

  /** @param {import("../net/connection.js").Message} message */
  #receiveText(message) {
    switch (message.type) {
      case "hello":
        this.#error = { code: "", message: "" };
        this.#mediaZero = null;
        break;
      case "state":
        this.#camera = { state: String(message.state), reason: String(message.reason ?? "") };
        break;
      case "timing":
        this.#mediaZero = message.captured_us / 1000 - message.media / TICKS_PER_MS;
        break;
      case "skipped":
        this.#on.skipped?.(+message.count || 0);
        break;
      case "error":
        this.#error = { code: String(message.code ?? ""), message: String(message.message ?? "") };
        break;
    }
    this.#tell();
  }

  /** @param {ArrayBuffer} buffer */
  #receiveMedia(buffer) {
    const message = readMessage(buffer);
    if (!message) return;
    if (message.kind === "init") {
      const canPlay = this.#media.canPlay(message);
      this.#trouble = "";
      if (canPlay) this.#media.push(message);
      else this.#refuse(message);
    } else if (!this.#trouble) {
      this.#error.message = "";
      this.#arrived += 1;
      const media = message.decodeTicks / TICKS_PER_MS;
      this.#jitter.arrived(performance.now() / 1000, media / 1000, this.#media.frameSeconds);
      const captured = this.#mediaZero === null ? null : this.#mediaZero + media;
      this.#media.push({ ...message, captured });
    }
  }

  /** @param {import("../net/mp4.js").Init} init */
  #refuse({ codec }) {
    this.#trouble = `This browser cannot decode this video (${codec}).`;
    this.#media.close();
    this.#tell();
  }

  // ---- the live edge

  #appended() {
    this.#flow = flowOn(this.#flow, performance.now(), this.#frameMs);
    const video = this.#video;
    if (this.#isPaused && !video.srcObject) video.pause();
    if (this.#isUnseen || this.#isPaused || this.#isRefused) return;
    if (video.paused) this.#play();
    const { range } = this.#media;
    if (!range || video.seeking) return;
    const { rate, seekTo, isLost } = this.#steer(range);
    if (seekTo !== null) video.currentTime = seekTo;
    if (isLost) this.#rejoin();
    if (video.playbackRate !== rate) video.playbackRate = rate;
  }

  /**
   * @param {import("../renderers/renderer.js").Range} range
   * @returns {ReturnType<typeof steer>}
   */
  #steer(range) {
    const position = this.#video.currentTime;
    this.#wasAtEdge ||= range.end - position < AT_EDGE_SECONDS;
    // Who looks back stays where they are, but nobody wants to begin in the past.
    if (!this.autoSkip && this.#wasAtEdge) return { rate: 1, seekTo: position < range.start ? range.start : null };
    return steer({ ...this.#line, position, ...range, isSeekable: this.#media.isSeekable });
  }

  get #line() {
    const { frameSeconds, reorderSeconds } = this.#media;
    const line = { engine: this.#engine, frameSeconds, reorderSeconds, jitterSeconds: this.#jitter.seconds };
    const wanted = typeof this.#latency === "number" ? this.#latency : null;
    return { ...line, target: this.#pace ? this.#pace.target(line) : wanted };
  }

  /** The element may be in another window than its script. */
  get #isHidden() {
    return this.#video.ownerDocument.hidden;
  }

  get #frameMs() {
    return this.#media.frameSeconds * 1000;
  }

  /** Picture in picture is seen while the page is not. */
  get #isUnseen() {
    const root = /** @type {Document | ShadowRoot} */ (this.#video.getRootNode());
    return this.#isHidden && root.pictureInPictureElement !== this.#video;
  }

  async #play() {
    if (!this.#undo) return;
    if (!this.#media.hold?.(false) && this.#video.paused) {
      try {
        await this.#video.play();
        this.#isRefused = false;
      } catch (error) {
        // AbortError only says that a new source came in between.
        if (Object(error).name === "NotAllowedError") this.#isRefused = true;
      }
    }
    this.#tell();
  }

  /** Stands still at the next picture of a track, which has its colours again then. */
  #stand() {
    this.#isPaused = true;
    this.#video.requestVideoFrameCallback(() => {
      if (this.#isPaused) this.#media.hold?.(true);
    });
    this.#video.play().catch(() => {});
  }

  // ---- what the browser does

  /** @param {AbortSignal} signal */
  #listen(signal) {
    const video = this.#video;
    video.addEventListener("error", () => this.#rebuild(`${video.error?.message}`), { signal });
    video.addEventListener("resize", () => this.#on.resized?.(video.videoWidth, video.videoHeight), { signal });
    // Browsers also pause by themselves, a hidden tab and a video that failed; only the rest is somebody's wish.
    video.addEventListener("pause", () => {
      const isBroken = video.error || this.#rebuilding || video.readyState === HTMLMediaElement.HAVE_NOTHING;
      const isMeant = !this.#isHidden && video.isConnected && !isBroken;
      // The browser's own button, of picture in picture for example: a second time it means to play on.
      if (isMeant && video.srcObject) this.#isPaused ? this.play() : this.#stand();
      else if (isMeant) this.#isPaused = true;
      this.#tell();
    }, { signal });
    video.addEventListener("play", () => {
      if (this.#isPaused && !video.srcObject) this.play();
      else this.#tell();
    }, { signal });
    video.ownerDocument.addEventListener("visibilitychange", () => {
      clearTimeout(this.#resting);
      if (!this.#isHidden) this.#wakeUp();
      else if (this.restAfter < Infinity) this.#resting = setTimeout(() => this.#rest(), this.restAfter * 1000);
    }, { signal });
    addEventListener("pageshow", ({ persisted }) => {
      if (persisted) this.#wakeUp();
    }, { signal });
    addEventListener("online", () => {
      if (!this.#isResting) this.#connection.retryNow();
    }, { signal });
  }

  #rest() {
    if (!this.#isUnseen) return;
    this.#isResting = true;
    this.#connection.close();
  }

  #wakeUp() {
    this.#frames.awake();
    if (this.#isResting) {
      this.#isResting = false;
      this.#connection.open();
    }
    // Who paused, or looks back, finds the picture where it was left.
    if (!this.#isPaused) this.play();
  }

  /** @param {import("../renderers/renderer.js").Picture} [picture] @param {number} [count] */
  #noteShown(picture, count) {
    if (picture) {
      const { mediaTime, presentationTime, expectedDisplayTime } = picture;
      // Of the two this is nearer to the pixels of a screen: by 10 ms in Firefox; for a track Chromium expects 50 ms too much.
      const at = this.#engine === "gecko" && expectedDisplayTime || presentationTime;
      const captured = this.#media.captures.at(mediaTime);
      const offset = this.#connection.clock.offset(at);
      const isKnown = captured !== null && offset !== null;
      this.#shown.add(at, isKnown ? at + offset - captured : null, count);
    }
    if (this.#isShown) return;
    this.#isShown = true;
    this.#tell();
    if (this.renderer === "auto" && this.#video.getRootNode() !== document
      && isSecureContext && "MediaStreamTrackGenerator" in window) this.#useCodecs();
  }

  async #loadPace() {
    if (this.#isPaceAsked) return;
    this.#isPaceAsked = true;
    try {
      const { Pace } = await import("./latency-controller.js");
      this.#pace = new Pace(this.#engine);
      this.#pace.latency = this.#latency;
      this.#choose();
    } catch {
      // The line failed just then: it is asked for again.
      this.#isPaceAsked = false;
    }
  }

  #report() {
    const seen = this.#shown.look(performance.now());
    this.#delay = seen.delay;
    // Nothing shown at all is a picture out of sight, or one for the watchdog.
    const canTell = seen.shown > 0 && !this.#isHidden && !this.#isPaused && this.#autoSkip;
    if (canTell) {
      const line = this.#line;
      if (this.#pace) this.#pace.look({ ...line, arrived: this.#arrived, shown: seen.shown });
      else if (line.reorderSeconds || line.jitterSeconds > CALM || seen.shown < CALM_SHARE * this.#arrived) this.#loadPace();
      this.#choose();
    }
    this.#arrived = 0;
    this.#tell();
    this.#connection.send({ type: "report", delay_ms: seen.delay, shown: seen.shown });
    this.#on.delay?.(seen);
  }

  #tick() {
    this.#ticks += 1;
    if (this.#ticks === this.#reloadAt) isSupported ? this.#useCodecs() : this.reset();
    if (this.#ticks % REPORT_TICKS === 0) this.#report();
    this.#verdict = this.#frames.look({
      flow: this.#flow,
      frameMs: this.#frameMs,
      isPlaying: !this.#isPaused && !this.#isRefused,
    });
    this.#waitingTicks = this.#media.init && this.#media.isWaiting ? this.#waitingTicks + 1 : 0;
    if (this.#waitingTicks >= WAITING_TICKS && this.#arrived > 0) this.#rejoin();
    if (this.#verdict === "stuck") this.#rebuild("pictures come but are not shown");
    this.#tell();
  }

  /** @param {string} reason */
  #rebuild(reason) {
    if (!this.#undo || this.#rebuilding) return;
    console.warn(`berrymse: starting the video anew (${reason})`);
    // A stream that breaks every decoder must not keep the page busy.
    const wait = backOffMs(this.#frames.rebuilds, Math.random());
    this.#frames.rebuilds += 1;
    this.#rebuilding = setTimeout(() => {
      this.#rebuilding = 0;
      this.#flow = null;
      this.#wasAtEdge = false;
      const { isSeekable } = this.#media;
      this.#media.rebuild(this.#frames.rebuilds);
      if (!isSeekable) this.#rejoin();
    }, wait);
  }

  #tell() {
    const { ageMs } = this.#frames;
    this.#on.change?.({
      connection: this.#link,
      camera: this.#camera,
      trouble: this.#trouble || this.#error.message,
      code: this.#trouble ? "unsupported" : this.#error.code,
      ageMs,
      isSeldom: Math.max(this.#frameMs, this.#flow?.usual ?? 0) >= SELDOM_MS,
      isFrozen: this.#verdict !== "fine" && ageMs !== null,
      delay: this.#delay,
      isPaused: this.#isPaused,
      behind: this.#autoSkip ? 0 : this.behind,
      canLookBack: this.#lookback > 0 && isSupported && this.#media.isSeekable,
      isRefused: this.#isRefused,
    });
  }
}
