/**
 * Renders by Media Source Extensions: MediaSource, SourceBuffer and the queue before it. Joins messages into one timeline without
 * gaps and removes old media. Where to play is not decided here.
 */

import { CaptureTimeMap } from "./capture-time-map.js";
import { newestRange, computeTimestampOffset, computeEvictionEnd } from "./mse-timeline.js";
import { TIMESCALE } from "../net/mp4.js";

/**
 * MediaSource, or ManagedMediaSource on iPhones, which have only that.
 * @type {typeof MediaSource | undefined}
 */
const Source = globalThis.MediaSource ?? Reflect.get(globalThis, "ManagedMediaSource");

/** Queued seconds that are dropped when a keyframe is queued after them. */
const BACKLOG_SECONDS = 1;

/** Bytes without a keyframe after which a frame is marked as one, so that old media can be removed: browsers keep 150 MiB. */
const MARK_AFTER_BYTES = 16_000_000;
const ROUNDING_SECONDS = 0.001;
/** A seek decodes all frames since the keyframe. With more than these another keyframe is faster. */
const MAX_FRAMES_TO_DECODE = 900;
/** Frames in the queue. Without a keyframe nothing else bounds them. */
const MAX_QUEUED_FRAMES = 5000;

/** True if this browser has Media Source Extensions. iPhones before iOS 17.1 do not. */
export const isSupported = Source !== undefined;

/** @param {string} codec */
const mimeOf = (codec) => `video/mp4; codecs="${codec}"`;

/**
 * Returns the MIME type for a codec, null if the browser cannot decode it. Firefox decodes 4:2:2, 4:4:4 and 10 bits, but accepts them
 * only by the name of High profile. The profile that counts is in the init segment.
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
 *   bytes: Uint8Array<ArrayBuffer>}} QueuedFragment times in seconds of the server; `shift` is from decoding to presentation
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
   * Newest init segment.
   * @type {Init | null}
   */
  init = null;
  /** @type {(Init | QueuedFragment)[]} */
  #queue = [];
  isWaiting = true;
  isSeekable = true;
  #keyframe = 0;
  /**
   * Times at which the buffer can be cut: keyframes, and frames marked as such.
   * @type {number[]}
   */
  #cutTimes = [];
  #bytesSinceCut = 0;
  #sinceKeyframe = 0;
  /** @type {((bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>) | null} */
  #markAsKeyframe = null;
  #end = 0;
  #objectUrl = "";
  #isPausedByBrowser = false;

  captureTimes = new CaptureTimeMap();

  /** Seconds of played media that stay in the buffer. */
  keepSeconds = 5;

  /**
   * @param {HTMLVideoElement} video
   * @param {{appended: () => void, failed: (reason: string) => void, resized?: (width: number, height: number) => void}} on
   */
  constructor(video, on) {
    this.#video = video;
    this.#on = on;
  }

  /** Where the frames are seen. */
  get surface() {
    return this.#video;
  }

  /** Duration of the newest frame, seconds. */
  frameSeconds = 0;

  /** Shortest and longest time from decoding to presentation in this stream, seconds. */
  #shifts = [0, 0];

  get reorderSeconds() {
    const [shortest, longest] = this.#shifts;
    return longest - shortest;
  }

  /** Newest buffered range and keyframe on the element's timeline; null before the first frame. */
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
      if (this.#queue.length > MAX_QUEUED_FRAMES) {
        this.#queue = [this.init];
        this.isWaiting = true;
      }
    }
    this.#pump();
  }

  /** Starts again with the same video, the only way out after a decode error. The last frame is lost. */
  rebuild() {
    const { init } = this;
    this.close();
    if (init) this.push(init);
  }

  close() {
    this.#source = this.#buffer = this.init = null;
    this.#queue = [];
    this.#cutTimes = [];
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
    // A managed source says when it wants no more data, to save power. The queue is dropped at keyframes meanwhile.
    for (const name of ["endstreaming", "startstreaming"]) {
      source.addEventListener(name, () => {
        if (source !== this.#source) return;
        this.#isPausedByBrowser = name === "endstreaming";
        this.#pump();
      });
    }
    // A managed source stays closed while remote playback is possible.
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
    // Not `transform`, which belongs to the page.
    const { style } = this.#video;
    style.scale = init.isMirrored ? "-1 1" : "";
    if (init.clap || style.getPropertyValue("--berry-crop")) {
      import("./crop.js").then(({ crop }) => crop(this.#video, init, this.#on.resized), console.warn);
    }
  }

  /**
   * Appends all queued fragments that join at once: the burst of a join costs one append instead of sixty.
   * @param {SourceBuffer} buffer
   */
  #appendFragments(buffer) {
    /** @type {Uint8Array<ArrayBuffer>[]} */
    const batch = [];
    for (;;) {
      const next = this.#queue[0];
      if (next?.kind !== "fragment") break;
      const { start, duration, shift } = next;
      const offset = computeTimestampOffset({ offset: buffer.timestampOffset, end: this.#end, start, duration, shift });
      if (offset !== buffer.timestampOffset) {
        if (batch.length > 0) break;
        buffer.timestampOffset = offset;
      }
      const shown = start + offset + shift;
      const bytes = next.isKeyframe ? next.bytes : this.#cuttable(next);
      if (next.isKeyframe || bytes !== next.bytes) {
        this.#cutTimes.push(shown);
        this.#bytesSinceCut = 0;
      }
      if (next.isKeyframe) this.#keyframe = shown;
      this.#sinceKeyframe = next.isKeyframe ? 0 : this.#sinceKeyframe + 1;
      const isNear = this.#sinceKeyframe < MAX_FRAMES_TO_DECODE && !next.isRecoveryPoint && bytes === next.bytes;
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
   * Returns the bytes of a frame, marked as a keyframe if one is due. A frame that is shown before earlier ones cannot be marked.
   * @param {QueuedFragment} frame
   */
  #cuttable({ bytes, shift }) {
    if (this.#bytesSinceCut < MARK_AFTER_BYTES || shift < this.#shifts[1]) return bytes;
    if (this.#markAsKeyframe) return this.#markAsKeyframe(bytes);
    this.#bytesSinceCut -= MARK_AFTER_BYTES / 16;
    import("./keyframe-marker.js").then(({ markAsKeyframe }) => { this.#markAsKeyframe = markAsKeyframe; }, console.warn);
    return bytes;
  }

  /** @param {SourceBuffer} buffer */
  #trim(buffer) {
    const point = computeEvictionEnd({
      position: this.#video.currentTime,
      end: this.#end,
      keyframes: this.#cutTimes,
      keepSeconds: this.keepSeconds,
    });
    if (point === null) return;
    this.#cutTimes = this.#cutTimes.filter((time) => time >= point);
    this.captureTimes.forgetBefore(point);
    // Rounding must not remove the keyframe itself, and with it all up to the next one.
    buffer.remove(0, point - ROUNDING_SECONDS);
  }

  /** Drops the queue at a new keyframe: its frames are too old to be shown, except those to begin with. */
  #dropBacklog() {
    const seconds = this.#queue.reduce((sum, one) => sum + (one.kind === "init" ? 0 : one.duration), 0);
    if (seconds > (this.#buffer ? BACKLOG_SECONDS : 120)) this.#queue = this.#queue.filter(({ kind }) => kind === "init");
  }

  /**
   * Runs an action. Whatever the browser throws (quota, a failed decoder, a closed source), a rebuild helps.
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
