/**
 * The browser's media pipeline for one video element: MediaSource, SourceBuffer and the queue before it. Takes
 * messages, joins them into one timeline without holes, forgets the past. Where to play is not decided here.
 */

import { Captures } from "./delay.js";
import { spliceOffset, trimPoint } from "./live-edge.js";

/** iPhones have only the managed one; elsewhere the plain one behaves the same in all browsers. */
const Source = globalThis.MediaSource ?? globalThis.ManagedMediaSource;

/** Nobody sees what is further behind than this when a keyframe is waiting after it. */
const BACKLOG_SECONDS = 1;

/** Whether this browser can play at all: iPhones before iOS 17.1 cannot. */
export const isSupported = Source !== undefined;

/** @param {string} codec */
export function canPlay(codec) {
  return isSupported && Source.isTypeSupported(mimeOf(codec));
}

function mimeOf(codec) {
  return `video/mp4; codecs="${codec}"`;
}

export class Media {
  #video;
  #on;
  #source = null;
  #buffer = null;
  #mime = "";
  #init = null;
  #queue = [];
  #waitsForKeyframe = true;
  #keyframes = [];
  #end = 0;
  #objectUrl = "";

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

  /** The duration of the newest picture, seconds. */
  frameSeconds = 0;

  /** The newest buffered range on the element's timeline; null before the first picture. */
  get range() {
    const buffered = this.#video.buffered;
    const last = buffered.length - 1;
    return last < 0 ? null : { start: buffered.start(last), end: buffered.end(last) };
  }

  /** @param {import("./mp4.js").Init | (import("./mp4.js").Fragment & {captured: number | null})} message */
  push(message) {
    if (message.kind === "init") {
      this.#init = message;
      this.#waitsForKeyframe = true;
      if (!this.#source) this.#open();
      this.#queue.push(message);
    } else {
      if (!this.#init || (this.#waitsForKeyframe && !message.isKeyframe)) return;
      this.#waitsForKeyframe = false;
      if (message.isKeyframe) this.#dropBacklog();
      const { kind, isKeyframe, captured, bytes } = message;
      const [start, duration] = [message.decodeTicks, message.durationTicks].map((ticks) => ticks / this.#init.timescale);
      this.#queue.push({ kind, isKeyframe, captured, start, duration, bytes });
    }
    this.#pump();
  }

  /** Starts over with the same video: the only way out after a decode error. The last picture is lost. */
  rebuild() {
    const init = this.#init;
    this.close();
    this.#init = init;
    if (!init) return;
    this.#open();
    this.#queue.push(init);
  }

  close() {
    this.#source = this.#buffer = this.#init = null;
    this.#queue = [];
    this.#keyframes = [];
    this.#end = 0;
    this.#waitsForKeyframe = true;
    if (this.#objectUrl) URL.revokeObjectURL(this.#objectUrl);
    this.#objectUrl = "";
  }

  #open() {
    const source = new Source();
    this.#source = source;
    this.#objectUrl = URL.createObjectURL(source);
    source.addEventListener("sourceopen", () => {
      if (source !== this.#source || this.#buffer) return;
      this.#guard(() => this.#addBuffer(source));
    });
    // A managed source stays closed as long as the picture could be sent to another device.
    this.#video.disableRemotePlayback = true;
    this.#video.src = this.#objectUrl;
  }

  #addBuffer(source) {
    this.#mime = mimeOf(this.#init.codec);
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
      if (!next) this.#trim();
      else if (next.kind === "init") this.#appendInit(buffer, this.#queue.shift());
      else this.#appendFragments(buffer);
    });
  }

  #appendInit(buffer, init) {
    const mime = mimeOf(init.codec);
    if (mime !== this.#mime && buffer.changeType) {
      buffer.changeType(mime);
      this.#mime = mime;
    }
    buffer.appendBuffer(init.bytes);
    // A property of its own: the page's `transform` is left alone.
    this.#video.style.scale = init.isMirrored ? "-1 1" : "";
  }

  /** All that waits and joins goes in at once: a joining viewer's burst costs one turn instead of sixty. */
  #appendFragments(buffer) {
    const batch = [];
    while (this.#queue[0]?.kind === "fragment") {
      const { start, duration, isKeyframe, captured, bytes } = this.#queue[0];
      const offset = spliceOffset({ offset: buffer.timestampOffset, end: this.#end, start, duration, isKeyframe });
      if (offset === null) {
        this.#queue.shift();
        continue;
      }
      if (offset !== buffer.timestampOffset) {
        if (batch.length > 0) break;
        buffer.timestampOffset = offset;
      }
      if (isKeyframe) this.#keyframes.push(start + offset);
      this.#end = start + offset + duration;
      this.frameSeconds = duration;
      this.captures.add(start + offset, captured);
      batch.push(bytes);
      this.#queue.shift();
    }
    if (batch.length > 0) buffer.appendBuffer(batch.length === 1 ? batch[0] : joined(batch));
  }

  #trim() {
    const point = trimPoint({
      position: this.#video.currentTime,
      end: this.#end,
      keyframes: this.#keyframes,
      keepSeconds: this.keepSeconds,
    });
    if (point === null) return;
    this.#keyframes = this.#keyframes.filter((time) => time >= point);
    this.captures.forget(point);
    this.#buffer.remove(0, point);
  }

  /** At a new keyframe: pictures that could not even be appended are not worth showing any more. */
  #dropBacklog() {
    const waiting = this.#queue.filter(({ kind }) => kind === "fragment");
    const seconds = waiting.reduce((sum, { duration }) => sum + duration, 0);
    if (seconds > BACKLOG_SECONDS) this.#queue = this.#queue.filter(({ kind }) => kind === "init");
  }

  /** Whatever the browser throws here (quota, a decoder that gave up, a source that is gone) has one cure. */
  #guard(action) {
    try {
      action();
    } catch (error) {
      this.#on.failed(`${error.name}: ${error.message}`);
    }
  }
}

function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.byteLength;
  }
  return all;
}
