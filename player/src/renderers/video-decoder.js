/**
 * Decodes frames and writes them to a track or a canvas. Runs in a worker (decode-worker.js) or, where there can be none, in the
 * page. Knows nothing of MP4.
 */

/**
 * @typedef {{type: "target", target: OffscreenCanvas | WritableStream<VideoFrame>}
 *   | {type: "configure", config: VideoDecoderConfig, turn: number, hidden: Hidden}
 *   | {type: "frame", timestamp: number, isKeyframe: boolean, data: Uint8Array<ArrayBuffer>}
 *   | {type: "freeze", isFrozen: boolean}
 *   | {type: "close"}} WorkerRequest timestamps in microseconds, `turn` in degrees clockwise
 * @typedef {{left: number, top: number}} Hidden columns and rows that are decoded but not shown
 * @typedef {{type: "drawn", timestamp: number, at: number}
 *   | {type: "size", width: number, height: number}
 *   | {type: "ready"}
 *   | {type: "waiting"}
 *   | {type: "failed", reason: string}} WorkerResponse `at` in milliseconds of Unix time, as performance has it;
 *   ready: the first frame since `configure` is decoded; waiting: nothing is decoded before the next keyframe
 */

/** Frames in the queue of a decoder that will not catch up: it continues at the next keyframe. */
const MAX_QUEUE_SIZE = 90;
/** Time from the first frame in which the server sends what came before: all frames since a keyframe that is long ago. */
const REPLAY_MS = 1000;

export class Decoder {
  #respond;
  /** @type {OffscreenCanvasRenderingContext2D | null} */
  #canvas = null;
  /**
   * Canvas that rotates frames on their way to a track.
   * @type {OffscreenCanvasRenderingContext2D | null}
   */
  #scratch = null;
  /** @type {WritableStreamDefaultWriter<VideoFrame> | null} */
  #writer = null;
  /** @type {VideoDecoder | null} */
  #decoder = null;
  #turn = 0;
  /** @type {Hidden} */
  #hidden = { left: 0, top: 0 };
  #isFrozen = false;
  #isReady = false;
  #isWaitingForKeyframe = true;
  #beganAt = 0;
  /** Frames of the replay that may still be in the queue. They do not count against it. */
  #replayed = 0;

  /** @param {(response: WorkerResponse) => void} respond */
  constructor(respond) {
    this.#respond = respond;
  }

  /** @param {WorkerRequest} request */
  handle(request) {
    switch (request.type) {
      case "target":
        if (request.target instanceof WritableStream) this.#writer = request.target.getWriter();
        else this.#canvas = contextOf(request.target);
        break;
      case "configure":
        this.#configure(request.config, request.turn, request.hidden);
        break;
      case "frame":
        this.#decode(request);
        break;
      case "freeze":
        this.#isFrozen = request.isFrozen;
        break;
      case "close":
        this.#close();
        break;
    }
  }

  /** @param {VideoDecoderConfig} config @param {number} turn @param {Hidden} hidden */
  #configure(config, turn, hidden) {
    this.#close();
    this.#turn = turn;
    this.#hidden = hidden;
    this.#isReady = false;
    this.#isWaitingForKeyframe = true;
    const decoder = new VideoDecoder({
      output: (frame) => this.#show(frame),
      error: (error) => {
        // Browsers take a decoder away that was not used for long, in a hidden tab.
        if (error.name === "QuotaExceededError") this.#configure(config, turn, hidden);
        else this.#respond({ type: "failed", reason: String(error) });
      },
    });
    this.#decoder = decoder;
    try {
      decoder.configure(config);
    } catch (error) {
      this.#respond({ type: "failed", reason: String(error) });
    }
  }

  /** @param {{timestamp: number, isKeyframe: boolean, data: Uint8Array<ArrayBuffer>}} frame */
  #decode({ timestamp, isKeyframe, data }) {
    const decoder = this.#decoder;
    if (decoder?.state !== "configured") return;
    const now = performance.now();
    if (this.#isWaitingForKeyframe && isKeyframe) [this.#beganAt, this.#replayed] = [now, 0];
    this.#replayed = now < this.#beganAt + REPLAY_MS ? this.#replayed + 1 : Math.min(this.#replayed, decoder.decodeQueueSize);
    if (!this.#isWaitingForKeyframe && !isKeyframe && decoder.decodeQueueSize > MAX_QUEUE_SIZE + this.#replayed) {
      this.#isWaitingForKeyframe = true;
      this.#respond({ type: "waiting" });
    }
    if (this.#isWaitingForKeyframe && !isKeyframe) return;
    this.#isWaitingForKeyframe = false;
    decoder.decode(new EncodedVideoChunk({ type: isKeyframe ? "key" : "delta", timestamp, data }));
  }

  /** @param {VideoFrame} decoded */
  #show(decoded) {
    const { left, top } = this.#hidden;
    const frame = left || top ? cropped(decoded, left, top) : decoded;
    const { timestamp } = frame;
    if (!this.#isReady) this.#respond({ type: "ready" });
    this.#isReady = true;
    if (this.#isFrozen) {
      frame.close();
    } else if (this.#writer) {
      const turned = this.#turn ? this.#turned(frame) : frame;
      // A track that has ended takes nothing. The page sees that by itself.
      this.#writer.write(turned).catch(() => turned.close());
    } else if (this.#canvas) {
      this.#draw(frame, this.#canvas);
      this.#respond({ type: "drawn", timestamp, at: performance.timeOrigin + performance.now() });
    }
  }

  /** @param {VideoFrame} frame */
  #turned(frame) {
    this.#scratch ??= contextOf(new OffscreenCanvas(1, 1));
    if (!this.#scratch) return frame;
    const { timestamp } = frame;
    this.#draw(frame, this.#scratch);
    return new VideoFrame(this.#scratch.canvas, { timestamp });
  }

  /** @param {VideoFrame} frame @param {OffscreenCanvasRenderingContext2D} context */
  #draw(frame, context) {
    const { canvas } = context;
    const { displayWidth, displayHeight } = frame;
    const isOnSide = this.#turn % 180 !== 0;
    const [width, height] = isOnSide ? [displayHeight, displayWidth] : [displayWidth, displayHeight];
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
      this.#respond({ type: "size", width, height });
    }
    context.setTransform(1, 0, 0, 1, width / 2, height / 2);
    context.rotate(this.#turn * Math.PI / 180);
    context.drawImage(frame, -displayWidth / 2, -displayHeight / 2);
    frame.close();
  }

  #close() {
    if (this.#decoder && this.#decoder.state !== "closed") this.#decoder.close();
    this.#decoder = null;
  }
}

/**
 * Returns the frame without that many columns at the left and rows at the top.
 * @param {VideoFrame} frame @param {number} left @param {number} top
 */
function cropped(frame, left, top) {
  const { visibleRect, displayWidth, displayHeight } = frame;
  if (!visibleRect || left >= visibleRect.width || top >= visibleRect.height) return frame;
  const { x, y, width, height } = visibleRect;
  const rest = new VideoFrame(frame, {
    visibleRect: { x: x + left, y: y + top, width: width - left, height: height - top },
    displayWidth: Math.round(displayWidth * (1 - left / width)),
    displayHeight: Math.round(displayHeight * (1 - top / height)),
  });
  frame.close();
  return rest;
}

/**
 * Returns the context of a canvas. To be called once: Firefox refuses a second time.
 * @param {OffscreenCanvas} canvas
 */
function contextOf(canvas) {
  return canvas.getContext("2d", { alpha: false, desynchronized: true });
}
