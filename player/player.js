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

/** Of the protocol's media times. */
const TICKS_PER_MS = 90;
const TICK_MS = 250;
const REPORT_TICKS = 4;
const KEEP_SECONDS = 5;
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
    this.#rebuilding = 0;
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
    this.#media.keepSeconds = wanted ? KEEP_SECONDS : LOOK_BACK_SECONDS;
  }

  /** How old the pictures of the last second were when they were shown, milliseconds; null: not known. */
  get delay() {
    return this.#delay;
  }

  get isPaused() {
    return this.#isPaused;
  }

  toLiveEdge() {
    this.#connection.retryNow();
    const range = this.#media.range;
    if (!range) return;
    const to = edge({ engine: this.#engine, jitterSeconds: this.#jitterSeconds, ...range });
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
    if (document.hidden || this.#isPaused || this.#isRefused) return;
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
    return steer({
      engine: this.#engine,
      position,
      frameSeconds: this.#media.frameSeconds,
      jitterSeconds: this.#jitterSeconds,
      ...range,
    });
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
      if (!document.hidden) this.#wakeUp();
    }, { signal });
    addEventListener("pageshow", ({ persisted }) => {
      if (persisted) this.#wakeUp();
    }, { signal });
    addEventListener("online", () => this.#connection.retryNow(), { signal });
  }

  #wakeUp() {
    this.#frames.awake();
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
      isRefused: this.#isRefused,
    });
  }
}
