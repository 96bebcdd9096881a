/**
 * The browser's media pipeline for one video element: MediaSource, SourceBuffer and the queue before it. Takes
 * messages, joins them into one timeline without holes, forgets the past. Where to play is not decided here.
 */

import { CaptureTimeMap } from "./capture-time-map.js";
import { newestRange, computeTimestampOffset, computeEvictionEnd } from "./mse-timeline.js";
import { TIMESCALE } from "../net/mp4.js";

/**
 * iPhones have only the managed one; elsewhere the plain one behaves the same in all browsers.
 * @type {typeof MediaSource | undefined}
 */
const Source = globalThis.MediaSource ?? Reflect.get(globalThis, "ManagedMediaSource");

/** Nobody sees what is further behind than this when a keyframe is waiting after it. */
const BACKLOG_SECONDS = 1;

/** Without a keyframe for so many bytes a frame is marked as one, so that the past can be forgotten: browsers keep 150 MiB. */
const MARK_BYTES = 16_000_000;
const ROUNDING_SECONDS = 0.001;
/** A seek decodes all frames since the keyframe: of more than these another keyframe is quicker. */
const MOST_TO_DECODE = 900;
/** Frames that wait for the browser; without a keyframe nothing else bounds them. */
const MOST_WAITING = 5000;

/** Whether this browser has Media Source Extensions: iPhones before iOS 17.1 do not. */
export const isSupported = Source !== undefined;

/** @param {string} codec */
const mimeOf = (codec) => `video/mp4; codecs="${codec}"`;

/**
 * The type to ask for; null where the browser cannot. Firefox decodes 4:2:2, 4:4:4 and 10 bits, but takes them only by the name of
 * High profile: the profile that counts is in the init segment.
 * @param {string} codec
 */
function typeFor(codec) {
  const asHigh = codec.replace(/^avc1\.(6e|7a|f4)../, "avc1.6400");
  return [codec, asHigh].map(mimeOf).find((type) => Source?.isTypeSupported(type)) ?? null;
}

/**
 * @typedef {import("../net/mp4.js").Init} Init
 * @typedef {import("./renderer.js").Fragment} Fragment
 * @typedef {{kind: "fragment", isKeyframe: boolean, isRecoveryPoint: boolean, captured: number | null, start: number, duration: number, shift: number,
 *   bytes: Uint8Array<ArrayBuffer>}} Waiting times in seconds of the server; `shift` is from decoding to presentation
 */

export class MseRenderer {
  #video;
  #on;
  /** @type {MediaSource | null} */
  #source = null;
  /** @type {SourceBuffer | null} */
  #buffer = null;
  #mime = "";
  /**
   * The newest.
   * @type {Init | null}
   */
  init = null;
  /** @type {(Init | Waiting)[]} */
  #queue = [];
  isWaiting = true;
  isSeekable = true;
  #keyframe = 0;
  /**
   * Where the buffer can be cut: keyframes, and what is marked as one.
   * @type {number[]}
   */
  #cuts = [];
  #bytesSinceCut = 0;
  #sinceKeyframe = 0;
  /** @type {((bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>) | null} */
  #markAsKeyframe = null;
  #end = 0;
  #objectUrl = "";
  #isPausedByBrowser = false;

  captureTimes = new CaptureTimeMap();

  /** Seconds of the past that stay in the buffer. */
  keepSeconds = 5;

  /**
   * @param {HTMLVideoElement} video
   * @param {{appended: () => void, failed: (reason: string) => void, resized?: (width: number, height: number) => void}} on
   */
  constructor(video, on) {
    this.#video = video;
    this.#on = on;
  }

  /** What the pictures are seen in. */
  get surface() {
    return this.#video;
  }

  /** The duration of the newest picture, seconds. */
  frameSeconds = 0;

  /** The shortest and the longest way from decoding to presentation in this stream, seconds. */
  #shifts = [0, 0];

  get reorderSeconds() {
    const [shortest, longest] = this.#shifts;
    return longest - shortest;
  }

  /** The newest buffered range and keyframe on the element's timeline; null before the first picture. */
  get range() {
    const found = newestRange(this.#video.buffered, this.reorderSeconds);
    return found && { ...found, keyframe: this.#keyframe };
  }

  /** @param {Init} init */
  canPlay({ codec }) {
    return typeFor(codec) !== null;
  }

  /** @param {Init | Fragment} message */
  push(message) {
    if (message.kind === "init") {
      this.init = message;
      this.isWaiting = true;
      if (!this.#source) this.#open();
      this.#queue.push(message);
    } else {
      if (!this.init || (this.isWaiting && !message.isKeyframe)) return;
      this.isWaiting = false;
      if (message.isKeyframe) this.#dropBacklog();
      const [start, duration, shift] = [message.decodeTicks, message.durationTicks, message.offsetTicks].map((ticks) => ticks / TIMESCALE);
      this.#queue.push({ ...message, start, duration, shift });
      if (this.#queue.length > MOST_WAITING) {
        this.#queue = [this.init];
        this.isWaiting = true;
      }
    }
    this.#pump();
  }

  /** Starts over with the same video: the only way out after a decode error. The last picture is lost. */
  rebuild() {
    const { init } = this;
    this.close();
    if (init) this.push(init);
  }

  close() {
    this.#source = this.#buffer = this.init = null;
    this.#queue = [];
    this.#cuts = [];
    this.#bytesSinceCut = this.#keyframe = this.#end = 0;
    this.isSeekable = true;
    this.#shifts = [0, 0];
    this.captureTimes = new CaptureTimeMap();
    this.isWaiting = true;
    if (this.#objectUrl) URL.revokeObjectURL(this.#objectUrl);
    this.#objectUrl = "";
  }

  #open() {
    if (!Source) return;
    const source = new Source();
    this.#source = source;
    this.#isPausedByBrowser = false;
    this.#objectUrl = URL.createObjectURL(source);
    source.addEventListener("sourceopen", () => {
      if (source !== this.#source || this.#buffer) return;
      this.#rebuildOnError(() => this.#addBuffer(source));
    });
    // A managed source says when it wants nothing more, to save power; what waits meanwhile is dropped at keyframes.
    for (const name of ["endstreaming", "startstreaming"]) {
      source.addEventListener(name, () => {
        if (source !== this.#source) return;
        this.#isPausedByBrowser = name === "endstreaming";
        this.#pump();
      });
    }
    // It stays closed as long as the picture could be sent to another device.
    this.#video.disableRemotePlayback = true;
    this.#video.src = this.#objectUrl;
  }

  /** @param {MediaSource} source */
  #addBuffer(source) {
    if (!this.init) return;
    this.#mime = typeFor(this.init.codec) ?? "";
    const buffer = source.addSourceBuffer(this.#mime);
    buffer.addEventListener("updateend", () => {
      if (buffer !== this.#buffer) return;
      this.#on.appended();
      this.#pump();
    });
    this.#buffer = buffer;
    this.#pump();
  }

  #pump() {
    const buffer = this.#buffer;
    if (!buffer || buffer.updating) return;
    this.#rebuildOnError(() => {
      const next = this.#queue[0];
      if (!next) this.#trim(buffer);
      else if (next.kind === "init") this.#appendInit(buffer, next);
      else if (!this.#isPausedByBrowser) this.#appendFragments(buffer);
    });
  }

  /** @param {SourceBuffer} buffer @param {Init} init */
  #appendInit(buffer, init) {
    const mime = typeFor(init.codec) ?? "";
    if (mime !== this.#mime && buffer.changeType) {
      buffer.changeType(mime);
      this.#mime = mime;
    }
    this.#queue.shift();
    buffer.appendBuffer(init.bytes);
    // A property of its own: the page's `transform` is left alone.
    const { style } = this.#video;
    style.scale = init.isMirrored ? "-1 1" : "";
    if (init.clap || style.getPropertyValue("--berry-crop")) {
      import("./crop.js").then(({ crop }) => crop(this.#video, init, this.#on.resized), console.warn);
    }
  }

  /**
   * All that waits and joins goes in at once: a joining viewer's burst costs one turn instead of sixty.
   * @param {SourceBuffer} buffer
   */
  #appendFragments(buffer) {
    /** @type {Uint8Array<ArrayBuffer>[]} */
    const batch = [];
    for (;;) {
      const next = this.#queue[0];
      if (next?.kind !== "fragment") break;
      const { start, duration, shift } = next;
      const offset = computeTimestampOffset({ offset: buffer.timestampOffset, end: this.#end, start, duration });
      if (offset !== buffer.timestampOffset) {
        if (batch.length > 0) break;
        buffer.timestampOffset = offset;
      }
      const shown = start + offset + shift;
      const bytes = next.isKeyframe ? next.bytes : this.#cuttable(next);
      if (next.isKeyframe || bytes !== next.bytes) {
        this.#cuts.push(shown);
        this.#bytesSinceCut = 0;
      }
      if (next.isKeyframe) this.#keyframe = shown;
      this.#sinceKeyframe = next.isKeyframe ? 0 : this.#sinceKeyframe + 1;
      const isNear = this.#sinceKeyframe < MOST_TO_DECODE && !next.isRecoveryPoint && bytes === next.bytes;
      this.isSeekable = next.isKeyframe || (this.isSeekable && isNear);
      this.#bytesSinceCut += bytes.length;
      this.#shifts = [Math.min(this.#shifts[0], shift), Math.max(this.#shifts[1], shift)];
      this.#end = start + offset + duration;
      this.frameSeconds = duration;
      this.captureTimes.add(shown, next.captured);
      batch.push(bytes);
      this.#queue.shift();
    }
    buffer.appendBuffer(joined(batch));
  }

  /**
   * The bytes of a frame, marked as a keyframe where one is missing. One that is shown before others that came before it cannot be.
   * @param {Waiting} frame
   */
  #cuttable({ bytes, shift }) {
    if (this.#bytesSinceCut < MARK_BYTES || shift < this.#shifts[1]) return bytes;
    if (this.#markAsKeyframe) return this.#markAsKeyframe(bytes);
    this.#bytesSinceCut -= MARK_BYTES / 16;
    import("./keyframe-marker.js").then(({ markAsKeyframe }) => { this.#markAsKeyframe = markAsKeyframe; }, console.warn);
    return bytes;
  }

  /** @param {SourceBuffer} buffer */
  #trim(buffer) {
    const point = computeEvictionEnd({
      position: this.#video.currentTime,
      end: this.#end,
      keyframes: this.#cuts,
      keepSeconds: this.keepSeconds,
    });
    if (point === null) return;
    this.#cuts = this.#cuts.filter((time) => time >= point);
    this.captureTimes.forgetBefore(point);
    // Rounded to less than the keyframe's own time it would take that, too, and all up to the next one.
    buffer.remove(0, point - ROUNDING_SECONDS);
  }

  /** At a new keyframe: pictures that could not even be appended are not worth showing any more; those to begin with are. */
  #dropBacklog() {
    const seconds = this.#queue.reduce((sum, one) => sum + (one.kind === "init" ? 0 : one.duration), 0);
    if (seconds > (this.#buffer ? BACKLOG_SECONDS : 120)) this.#queue = this.#queue.filter(({ kind }) => kind === "init");
  }

  /**
   * Whatever the browser throws here (quota, a decoder that gave up, a source that is gone) has one cure.
   * @param {() => void} action
   */
  #rebuildOnError(action) {
    try {
      action();
    } catch (error) {
      this.#on.failed(String(error));
    }
  }
}

/** @param {Uint8Array[]} parts */
function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
