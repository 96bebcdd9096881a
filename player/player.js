/**
 * Plays one camera in one video element and keeps it live: joins connection, media pipeline and the rules for
 * the live edge, and answers to what the browser does (hidden tab, standby, refused autoplay, decode errors).
 * Shows nothing itself: whoever owns it is told the facts.
 */

import { Connection, backOffMs } from "./connection.js";
import { Shown } from "./delay.js";
import { FrameWatch } from "./frame-watch.js";
import { edge, engineOf, nextJitter, steer } from "./live-edge.js";
import { Media, canPlay, isSupported } from "./media.js";
import { readMessage } from "./mp4.js";
import { Pace } from "./pace.js";

/** Of the protocol's media times. */
const TICKS_PER_MS = 90;
const TICK_MS = 250;
const REPORT_TICKS = 4;
const KEEP_SECONDS = 5;
/** What a 2022 page gets that switches staying live off. */
const LOOK_BACK_SECONDS = 60;
const AT_EDGE_SECONDS = 0.25;
/** Jitter is that of the line; a step longer than this is an outage. */
const LONGEST_STEP_SECONDS = 0.5;

export class Player {
  #video;
  #on;
  #connection;
  #media;
  #frames;
  #engine = engineOf(navigator.userAgent);
  #undo = null;

  #link = "connecting";
  #camera = { state: "", reason: "" };
  #refusal = "";
  #unplayable = "";
  #isPaused = false;
  #isRefused = false;

  #wasAtEdge = false;
  #jitterSeconds = 0;
  #lastArrival = null;
  #dataAt = null;
  #playingSince = null;
  #verdict = "fine";
  #rebuilding = 0;

  #autoSkip = true;

  #shown = new Shown();
  #isShown = false;
  #delay = null;
  #ticks = 0;
  #arrived = 0;
  #pace;
  #lookback = 0;
  #isResting = false;
  #resting = 0;

  /** Hidden for so many seconds, the page lets go of the server until it is seen again. */
  restAfter = Infinity;
  /** The server's clock at media time 0, milliseconds. */
  #mediaZero = null;

  /**
   * @param {HTMLVideoElement} video
   * @param {string} url of the WebSocket
   * @param {{change?: (facts: import("./words.js").Facts) => void, skipped?: (count: number) => void,
   *   delay?: (seen: {delay: number | null, shown: number}) => void}} on
   */
  constructor(video, url, on = {}) {
    this.#video = video;
    this.#on = on;
    this.#connection = new Connection(url, {
      state: (state) => this.#setLink(state),
      text: (message) => this.#receiveText(message),
      binary: (message) => this.#receiveMedia(message),
    });
    this.#media = new Media(video, {
      appended: () => this.#appended(),
      failed: (reason) => this.#rebuild(reason),
    });
    this.#pace = new Pace(this.#engine);
    this.#frames = new FrameWatch(video, (picture) => this.#noteShown(picture));
  }

  start() {
    if (this.#undo) return;
    const video = this.#video;
    video.muted = true;
    video.playsInline = true;
    video.loop = false;
    this.#undo = new AbortController();
    this.#listen(this.#undo.signal);
    if (!isSupported) {
      this.#unplayable = "This browser cannot play live video (it has no Media Source Extensions).";
      this.#tell();
      return;
    }
    this.#frames.start(this.#undo.signal);
    const ticker = setInterval(() => this.#tick(), TICK_MS);
    this.#undo.signal.addEventListener("abort", () => clearInterval(ticker));
    this.#connection.open();
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
    this.#video.removeAttribute("src");
    this.#video.load();
    this.#camera = { state: "", reason: "" };
    this.#wasAtEdge = this.#isShown = false;
    this.#delay = null;
    this.#dataAt = this.#playingSince = this.#lastArrival = null;
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
    this.#video.pause();
    this.#tell();
  }

  /** Stay at the live edge; false lets a person look back, and stay there. */
  get autoSkip() {
    return this.#autoSkip;
  }

  set autoSkip(wanted) {
    this.#autoSkip = wanted;
    this.#keep();
  }

  /** @param {"min" | "smooth" | number} wanted how far behind to play, see `latencyOf` */
  set latency(wanted) {
    this.#pace.latency = wanted;
  }

  /** @param {number} seconds of the past that can be looked at */
  set lookback(seconds) {
    this.#lookback = seconds;
    this.#keep();
  }

  /** Shows what was `seconds` ago and goes on from there, until `live`. */
  lookBack(seconds) {
    const range = this.#media.range;
    if (!range) return;
    this.autoSkip = false;
    this.#video.currentTime = Math.max(range.start, range.end - seconds);
  }

  /** Back from looking back. */
  live() {
    this.autoSkip = true;
    return this.play();
  }

  /** Seconds behind the newest picture. */
  get behind() {
    const range = this.#media.range;
    return range ? Math.max(range.end - this.#video.currentTime, 0) : 0;
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
    const range = this.#media.range;
    if (!range) return;
    const to = edge({ ...this.#line, ...range });
    const { currentTime } = this.#video;
    if (currentTime < to || currentTime > range.end) this.#video.currentTime = to;
  }

  // ---- what the server says

  #setLink(state) {
    this.#link = state;
    this.#mediaZero = null;
    this.#lastArrival = null;
    this.#tell();
  }

  #receiveText(message) {
    switch (message.type) {
      case "hello":
        this.#refusal = "";
        break;
      case "state":
        this.#camera = { state: String(message.state), reason: String(message.reason ?? "") };
        break;
      case "timing":
        this.#mediaZero = message.captured_us / 1000 - message.media / TICKS_PER_MS;
        break;
      case "skipped":
        this.#on.skipped?.(Number(message.count) || 0);
        break;
      case "error":
        this.#refusal = String(message.message ?? message.code ?? "The server refuses.");
        break;
    }
    this.#tell();
  }

  #receiveMedia(buffer) {
    const message = readMessage(buffer);
    if (!message) return;
    this.#connection.isGood();
    if (message.kind === "init") {
      this.#unplayable = canPlay(message.codec) ? "" : `This browser cannot decode this video (${message.codec}).`;
      if (this.#unplayable) this.#media.close();
    } else {
      this.#refusal = "";
      this.#arrived += 1;
      this.#measureJitter();
      message.captured = this.#mediaZero === null ? null : this.#mediaZero + message.decodeTicks / TICKS_PER_MS;
    }
    if (!this.#unplayable) this.#media.push(message);
  }

  #measureJitter() {
    const now = performance.now() / 1000;
    const step = this.#lastArrival === null ? null : now - this.#lastArrival;
    this.#lastArrival = now;
    if (step === null || step > LONGEST_STEP_SECONDS) return;
    this.#jitterSeconds = nextJitter(this.#jitterSeconds, step, this.#media.frameSeconds);
  }

  // ---- the live edge

  #appended() {
    const range = this.#media.range;
    if (!range) return;
    this.#dataAt = performance.now();
    this.#playingSince ??= this.#dataAt;
    const video = this.#video;
    if (this.#isUnseen || this.#isPaused || this.#isRefused) return;
    if (video.paused) this.#play();
    if (video.seeking) return;
    const { rate, seekTo } = this.#steer(range);
    if (seekTo !== null) video.currentTime = seekTo;
    if (video.playbackRate !== rate) video.playbackRate = rate;
  }

  #steer(range) {
    const position = this.#video.currentTime;
    this.#wasAtEdge ||= range.end - position < AT_EDGE_SECONDS;
    // Who looks back stays where they are, but nobody wants to begin in the past.
    if (!this.autoSkip && this.#wasAtEdge) return { rate: 1, seekTo: position < range.start ? range.start : null };
    return steer({ ...this.#line, position, ...range });
  }

  get #line() {
    const line = { engine: this.#engine, frameSeconds: this.#media.frameSeconds, jitterSeconds: this.#jitterSeconds };
    return { ...line, target: this.#pace.target(line) };
  }

  /** Picture in picture is seen while the page is not. */
  get #isUnseen() {
    const video = this.#video;
    return document.hidden && video.getRootNode().pictureInPictureElement !== video;
  }

  async #play() {
    if (!this.#undo || !this.#video.paused) return;
    try {
      await this.#video.play();
      this.#isRefused = false;
    } catch (error) {
      // AbortError only says that a new source came in between.
      if (error.name === "NotAllowedError") this.#isRefused = true;
    }
    this.#tell();
  }

  // ---- what the browser does

  #listen(signal) {
    const video = this.#video;
    video.addEventListener("error", () => this.#rebuild(video.error?.message ?? "unknown"), { signal });
    // Browsers also pause by themselves, a hidden tab and a video that failed; only the rest is somebody's wish.
    video.addEventListener("pause", () => {
      const isBroken = video.error || this.#rebuilding || video.readyState === HTMLMediaElement.HAVE_NOTHING;
      if (!document.hidden && video.isConnected && !isBroken) this.#isPaused = true;
      this.#tell();
    }, { signal });
    video.addEventListener("play", () => {
      if (this.#isPaused) this.play();
      this.#tell();
    }, { signal });
    document.addEventListener("visibilitychange", () => {
      clearTimeout(this.#resting);
      if (!document.hidden) this.#wakeUp();
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
    this.toLiveEdge();
    if (!this.#isPaused) this.#play();
  }

  #noteShown(picture) {
    if (picture) {
      const { mediaTime, presentationTime } = picture;
      const captured = this.#media.captures.at(mediaTime);
      const offset = this.#connection.clock.offset(presentationTime);
      const isKnown = captured !== null && offset !== null;
      this.#shown.add(presentationTime, isKnown ? presentationTime + offset - captured : null);
    }
    if (this.#isShown) return;
    this.#isShown = true;
    this.#tell();
  }

  #report() {
    const seen = this.#shown.look(performance.now());
    this.#delay = seen.delay;
    // Nothing shown at all is a picture out of sight, or one for the watchdog.
    const canTell = seen.shown > 0 && !document.hidden && !this.#isPaused && this.#autoSkip;
    if (canTell) this.#pace.look({ arrived: this.#arrived, shown: seen.shown, jitterSeconds: this.#jitterSeconds });
    this.#arrived = 0;
    this.#tell();
    this.#connection.send({ type: "report", delay_ms: seen.delay, shown: seen.shown });
    this.#on.delay?.(seen);
  }

  #tick() {
    this.#ticks += 1;
    if (this.#ticks % REPORT_TICKS === 0) this.#report();
    this.#verdict = this.#frames.look({
      dataAt: this.#dataAt,
      playingSince: this.#playingSince,
      isPlaying: !this.#isPaused && !this.#isRefused,
    });
    if (this.#verdict === "stuck") this.#rebuild("pictures come but are not shown");
    this.#tell();
  }

  #rebuild(reason) {
    if (!this.#undo || this.#rebuilding) return;
    console.warn(`berrymse: starting the video anew (${reason})`);
    // A stream that breaks every decoder must not keep the page busy.
    const wait = backOffMs(this.#frames.rebuilds, Math.random());
    this.#frames.rebuilds += 1;
    this.#rebuilding = setTimeout(() => {
      this.#rebuilding = 0;
      this.#playingSince = null;
      this.#wasAtEdge = false;
      this.#media.rebuild();
    }, wait);
  }

  #tell() {
    const { ageMs } = this.#frames;
    this.#on.change?.({
      connection: this.#link,
      camera: this.#camera,
      trouble: this.#unplayable || this.#refusal,
      ageMs,
      isFrozen: this.#verdict !== "fine" && ageMs !== null,
      delay: this.#delay,
      isPaused: this.#isPaused,
      behind: this.#autoSkip ? 0 : this.behind,
      isRefused: this.#isRefused,
    });
  }
}
