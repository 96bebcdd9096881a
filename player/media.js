/**
 * The browser's media pipeline for one video element: MediaSource, SourceBuffer and the queue before it. Takes
 * messages, joins them into one timeline without holes, forgets the past. Where to play is not decided here.
 */

import { Captures } from "./delay.js";
import { spliceOffset, trimPoint } from "./live-edge.js";
import { TIMESCALE } from "./mp4.js";

/**
 * iPhones have only the managed one; elsewhere the plain one behaves the same in all browsers.
 * @type {typeof MediaSource | undefined}
 */
const Source = globalThis.MediaSource ?? Reflect.get(globalThis, "ManagedMediaSource");

/** Nobody sees what is further behind than this when a keyframe is waiting after it. */
const BACKLOG_SECONDS = 1;

/** Whether this browser has Media Source Extensions: iPhones before iOS 17.1 do not. */
export const isSupported = Source !== undefined;

/** @param {string} codec */
const mimeOf = (codec) => `video/mp4; codecs="${codec}"`;

/**
 * @typedef {{start: number, end: number, keyframe: number}} Range seconds of the element's timeline
 * @typedef {import("./mp4.js").Init} Init
 * @typedef {import("./mp4.js").Fragment & {captured: number | null}} Fragment `captured`: milliseconds of the server's clock
 * @typedef {{kind: "fragment", isKeyframe: boolean, captured: number | null, start: number, duration: number,
 *   bytes: Uint8Array<ArrayBuffer>}} Waiting times in seconds of the server
 */

/**
 * @typedef {object} Renderer what decodes and shows: Media (Media Source Extensions), Codecs (WebCodecs), or Either
 * @property {number} frameSeconds the duration of the newest picture
 * @property {number} keepSeconds of the past, where there is one
 * @property {import("./delay.js").Captures} captures
 * @property {Range | null} range what is buffered; null: nothing, or this renderer shows each picture at once
 * @property {HTMLVideoElement | HTMLCanvasElement} surface what the pictures are seen in
 * @property {Init | null} init the newest
 * @property {(init: Init) => boolean} canPlay
 * @property {(message: Init | Fragment) => void} push
 * @property {(tries: number) => void} rebuild
 * @property {() => void} close
 * @property {((isHeld: boolean) => boolean)=} hold what is shown stays; true: that is all, because it is not the video element that plays
 * @property {import("./either.js").Either["choose"]} [choose]
 * @property {import("./either.js").Either["lookBack"]} [lookBack]
 */

export class Media {
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
  #waitsForKeyframe = true;
  /** @type {number[]} */
  #keyframes = [];
  #end = 0;
  #objectUrl = "";
  #isHeld = false;

  captures = new Captures();

  /** Seconds of the past that stay in the buffer. */
  keepSeconds = 5;

  /**
   * @param {HTMLVideoElement} video
   * @param {{appended: () => void, failed: (reason: string) => void}} on
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

  /** The newest buffered range and keyframe on the element's timeline; null before the first picture. */
  get range() {
    const buffered = this.#video.buffered;
    const last = buffered.length - 1;
    const keyframe = this.#keyframes.at(-1) ?? 0;
    return last < 0 ? null : { start: buffered.start(last), end: buffered.end(last), keyframe };
  }

  /** @param {Init} init */
  canPlay({ codec }) {
    return Boolean(Source?.isTypeSupported(mimeOf(codec)));
  }

  /** @param {Init | Fragment} message */
  push(message) {
    if (message.kind === "init") {
      this.init = message;
      this.#waitsForKeyframe = true;
      if (!this.#source) this.#open();
      this.#queue.push(message);
    } else {
      if (!this.init || (this.#waitsForKeyframe && !message.isKeyframe)) return;
      this.#waitsForKeyframe = false;
      if (message.isKeyframe) this.#dropBacklog();
      const { decodeTicks, durationTicks } = message;
      this.#queue.push({ ...message, start: decodeTicks / TIMESCALE, duration: durationTicks / TIMESCALE });
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
    this.#keyframes = [];
    this.#end = 0;
    this.#waitsForKeyframe = true;
    if (this.#objectUrl) URL.revokeObjectURL(this.#objectUrl);
    this.#objectUrl = "";
  }

  #open() {
    if (!Source) return;
    const source = new Source();
    this.#source = source;
    this.#isHeld = false;
    this.#objectUrl = URL.createObjectURL(source);
    source.addEventListener("sourceopen", () => {
      if (source !== this.#source || this.#buffer) return;
      this.#guard(() => this.#addBuffer(source));
    });
    // A managed source says when it wants nothing more, to save power; what waits meanwhile is dropped at keyframes.
    for (const name of ["endstreaming", "startstreaming"]) {
      source.addEventListener(name, () => {
        if (source !== this.#source) return;
        this.#isHeld = name === "endstreaming";
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
    this.#mime = mimeOf(this.init.codec);
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
    this.#guard(() => {
      const next = this.#queue[0];
      if (!next) this.#trim(buffer);
      else if (next.kind === "init") this.#appendInit(buffer, next);
      else if (!this.#isHeld) this.#appendFragments(buffer);
    });
  }

  /** @param {SourceBuffer} buffer @param {Init} init */
  #appendInit(buffer, init) {
    const mime = mimeOf(init.codec);
    if (mime !== this.#mime && buffer.changeType) {
      buffer.changeType(mime);
      this.#mime = mime;
    }
    this.#queue.shift();
    buffer.appendBuffer(init.bytes);
    // A property of its own: the page's `transform` is left alone.
    this.#video.style.scale = init.isMirrored ? "-1 1" : "";
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
      const { start, duration } = next;
      const offset = spliceOffset({ offset: buffer.timestampOffset, end: this.#end, start, duration });
      if (offset !== buffer.timestampOffset) {
        if (batch.length > 0) break;
        buffer.timestampOffset = offset;
      }
      if (next.isKeyframe) this.#keyframes.push(start + offset);
      this.#end = start + offset + duration;
      this.frameSeconds = duration;
      this.captures.add(start + offset, next.captured);
      batch.push(next.bytes);
      this.#queue.shift();
    }
    buffer.appendBuffer(joined(batch));
  }

  /** @param {SourceBuffer} buffer */
  #trim(buffer) {
    const point = trimPoint({
      position: this.#video.currentTime,
      end: this.#end,
      keyframes: this.#keyframes,
      keepSeconds: this.keepSeconds,
    });
    if (point === null) return;
    this.#keyframes = this.#keyframes.filter((time) => time >= point);
    this.captures.forget(point);
    buffer.remove(0, point);
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
  #guard(action) {
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
