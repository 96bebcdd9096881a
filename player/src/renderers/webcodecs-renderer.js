/**
 * Renders by WebCodecs: VideoDecoder in a worker (video-decoder.js), into a track for the <video> where the browser has
 * MediaStreamTrackGenerator (Chromium), else onto a canvas over it. Each frame is shown when it is decoded, without a buffer.
 * Browsers have WebCodecs on secure pages only.
 */

import { TIMESCALE } from "../net/mp4.js";
import { CaptureTimeMap } from "./capture-time-map.js";

/** Time until a worker counts as failed: a content security policy may forbid it. */
const READY_MS = 2000;

/** @typedef {import("./renderer.js").Listener} Listener */

export class WebCodecsRenderer {
  #video;
  #on;
  /** @type {(message: import("./video-decoder.js").WorkerRequest, transfer?: Transferable[]) => void} */
  #send = () => {};
  #terminate = () => {};
  /**
   * Newest init segment.
   * @type {import("../net/mp4.js").Init | null}
   */
  init = null;
  isWaiting = true;
  isSeekable = true;
  #time = 0;

  captureTimes = new CaptureTimeMap();
  frameSeconds = 0;
  keepSeconds = 0;

  /** Null: each frame is shown at once, so nothing is buffered. */
  range = null;

  /** @type {HTMLVideoElement | HTMLCanvasElement} */
  surface;

  /**
   * Starts a renderer. Fails where WebCodecs are missing. Nothing is seen before `attach`.
   * @param {HTMLVideoElement} video
   * @param {Listener} on
   * @param {boolean} needsWorker else the page decodes where there can be none
   */
  static async on(video, on, needsWorker) {
    if (!("VideoDecoder" in globalThis)) throw new Error("this browser has them only on secure pages, if at all");
    const codecs = new WebCodecsRenderer(video, on);
    try {
      await codecs.#begin(needsWorker);
    } catch (error) {
      codecs.close();
      throw error;
    }
    return codecs;
  }

  /** @param {HTMLVideoElement} video @param {Listener} on */
  constructor(video, on) {
    this.#video = this.surface = video;
    this.#on = on;
    const Generator = Reflect.get(globalThis, "MediaStreamTrackGenerator");
    if (Generator) this.#track = new Generator({ kind: "video" });
    else this.surface = document.createElement("canvas");
  }

  /** @type {MediaStreamTrack & {writable: WritableStream<VideoFrame>} | null} */
  #track = null;

  /** Makes its frames seen. */
  attach() {
    const { surface } = this;
    const video = this.#video;
    if (this.#track) {
      video.srcObject = new MediaStream([this.#track]);
      video.removeAttribute("src");
    } else {
      surface.className = video.className;
      surface.setAttribute("part", "video");
      video.after(surface);
      video.removeAttribute("src");
      video.load();
    }
    surface.style.scale = this.init?.isMirrored ? "-1 1" : "";
  }

  /** @param {boolean} needsWorker */
  async #begin(needsWorker) {
    const answer = (/** @type {import("./video-decoder.js").WorkerResponse} */ given) => this.#receive(given);
    const { surface } = this;
    const target = surface instanceof HTMLCanvasElement ? surface.transferControlToOffscreen() : this.#track?.writable;
    if (!target) return;
    try {
      const worker = startWorker();
      this.#send = (request, objects = []) => worker.postMessage(request, objects);
      this.#terminate = () => worker.terminate();
      await new Promise((resolve, reject) => {
        worker.onmessage = resolve;
        worker.onerror = () => reject(new Error("no worker"));
        setTimeout(() => reject(new Error("the worker does not start")), READY_MS);
      });
      worker.onmessage = ({ data }) => answer(data);
    } catch (error) {
      this.#terminate();
      if (needsWorker) throw error;
      // Workers come from the page's own server only. With the player from another one, the page decodes.
      const { Decoder } = await import("./video-decoder.js");
      const decoder = new Decoder(answer);
      this.#send = (request) => decoder.handle(request);
      this.#terminate = () => decoder.handle({ type: "close" });
    }
    this.#send({ type: "target", target }, [target]);
  }

  /** Returns true: only a try shows whether it can. */
  canPlay() {
    return true;
  }

  /** @param {import("../net/mp4.js").Init | import("./renderer.js").Fragment} message */
  push(message) {
    if (message.kind === "init") {
      this.init = message;
      this.#configure();
      return;
    }
    if (!this.init || (this.isWaiting && !message.isKeyframe)) return;
    this.isWaiting = false;
    this.isSeekable = message.isKeyframe || (this.isSeekable && !message.isRecoveryPoint);
    this.frameSeconds = message.durationTicks / TIMESCALE;
    const shown = this.#time + message.offsetTicks / TIMESCALE;
    this.captureTimes.add(shown, message.captured);
    this.captureTimes.forgetBefore(this.#time - 2);
    const data = dataOf(message.bytes);
    const timestamp = Math.round(shown * 1e6);
    this.#send({ type: "frame", timestamp, isKeyframe: message.isKeyframe, data }, [data.buffer]);
    // The server's times may jump, these do not.
    this.#time += this.frameSeconds;
    this.#on.appended();
  }

  /** Begins again at the next keyframe. */
  rebuild() {
    if (this.init) this.#configure();
  }

  /** @param {boolean} isFrozen */
  freeze(isFrozen) {
    this.#send({ type: "freeze", isFrozen });
    return this.#track === null;
  }

  close() {
    this.#terminate();
    this.#send = () => {};
    this.init = null;
    const [video, track] = [this.#video, this.#track];
    if (!track) {
      this.surface.remove();
      video.style.aspectRatio = "";
      return;
    }
    if (video.srcObject instanceof MediaStream && video.srcObject.getTracks().includes(track)) video.srcObject = null;
    track.stop();
  }

  #configure() {
    const init = this.init;
    if (!init) return;
    this.isWaiting = true;
    const config = { codec: init.codec, description: init.avcC.slice(), optimizeForLatency: true };
    const { clap } = init;
    const offset = new DataView((clap ?? new Uint8Array(32)).buffer, clap?.byteOffset);
    const hidden = { left: offset.getUint32(16), top: offset.getUint32(24) };
    this.#send({ type: "configure", config, turn: rotationOf(init.matrix), hidden });
    if (this.#track === null || this.#video.srcObject) this.surface.style.scale = init.isMirrored ? "-1 1" : "";
  }

  /** @param {import("./video-decoder.js").WorkerResponse} answer */
  #receive(answer) {
    switch (answer.type) {
      case "drawn":
        this.#on.shown({ mediaTime: answer.timestamp / 1e6, presentationTime: answer.at - performance.timeOrigin });
        break;
      case "size":
        this.#resized(answer.width, answer.height);
        break;
      case "ready":
        this.#on.ready?.();
        break;
      case "waiting":
        this.isWaiting = true;
        break;
      case "failed":
        this.#on.failed(answer.reason);
        break;
    }
  }

  /** @param {number} width @param {number} height */
  #resized(width, height) {
    if (!width || !height) return;
    // The <video> below the canvas gives the element its shape.
    this.#video.style.aspectRatio = `${width} / ${height}`;
    this.#on.resized(width, height);
  }
}

/** True if the file has the name that the server sends: no bundler was at work. */
const IS_AS_SERVED = /^https?:[^?#]*\/renderer-switch\.js/.test(import.meta.url);

/** @type {{createScriptURL: (name: string) => string} | undefined} */
let policy;

/**
 * Starts the worker. Bundlers find its file by the literal URL inside of `new Worker`. A page that demands Trusted Types refuses
 * that, so where no bundler was at work the URL comes from a policy, which knows only this folder.
 */
function startWorker() {
  if (IS_AS_SERVED) {
    const createScriptURL = (/** @type {string} */ file) => new URL(file, import.meta.url).href;
    policy ??= Reflect.get(globalThis, "trustedTypes")?.createPolicy("berrymse", { createScriptURL });
    if (policy) return new Worker(policy.createScriptURL("decode-worker.js"), { type: "module" });
  }
  return new Worker(new URL("./decode-worker.js", import.meta.url), { type: "module" });
}

/**
 * Returns the frame in a fragment: the content of its second box.
 * @param {Uint8Array<ArrayBuffer>} bytes
 */
function dataOf(bytes) {
  const HEADER = 8;
  const moof = new DataView(bytes.buffer).getUint32(0);
  return bytes.slice(moof + HEADER);
}

/**
 * Returns the clockwise rotation of a track's matrix, in degrees.
 * @param {number[]} matrix
 */
export function rotationOf([a = 1, b = 0]) {
  return (Math.round(Math.atan2(b, a) / (Math.PI / 2)) * 90 + 360) % 360;
}
