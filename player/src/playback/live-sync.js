/** Keeps the play head at the live edge: joins the rules of live-edge.js with what the link is like. */

import { LazyPart } from "../net/lazy-part.js";
import { detectEngine } from "./engine.js";
import { Jitter } from "./jitter.js";
import { computeCorrection, computeSeekTarget } from "./live-edge.js";

const AT_EDGE_SECONDS = 0.25;
/** A link and a screen that are better than this need no distance to the edge. */
const MAX_JITTER_SECONDS = 0.015;
const MIN_SHOWN_RATIO = 0.9;

/** @typedef {import("../renderers/renderer.js").Renderer} Renderer */
/** @typedef {import("../renderers/renderer.js").Range} Range */

export class LiveSync {
  #video;
  #wasAtEdge = false;
  /** @type {"min" | "smooth" | number} */
  #latency = "min";
  /** There is nothing to control on an even link. */
  #controller = new LazyPart(async () => {
    const { LatencyController } = await import("./latency-controller.js");
    const controller = new LatencyController(this.engine);
    controller.latency = this.#latency;
    return controller;
  });

  engine = detectEngine(globalThis.navigator?.userAgent ?? "");
  jitter = new Jitter();

  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this.#video = video;
  }

  /** @param {"min" | "smooth" | number} wanted how far behind to play, see `parseLatency` */
  async setLatency(wanted) {
    this.#latency = wanted;
    if (wanted === "smooth") await this.#controller.load();
    if (this.#controller.loaded) this.#controller.loaded.latency = wanted;
  }

  /** Begins at the live edge again, also for a viewer who looked back. */
  restart() {
    this.#wasAtEdge = false;
  }

  /** A viewer who looks back is not brought to the live edge, even if none was reached before. */
  allowSeekBack() {
    this.#wasAtEdge = true;
  }

  /** Returns how frames arrive and how far behind to play. @param {Renderer} renderer */
  link({ frameSeconds, reorderSeconds }) {
    const link = { engine: this.engine, frameSeconds, reorderSeconds, jitterSeconds: this.jitter.seconds };
    const wanted = typeof this.#latency === "number" ? this.#latency : null;
    return { ...link, target: this.#controller.loaded?.target(link) ?? wanted };
  }

  /**
   * Returns what to do with the play head.
   * @param {Renderer} renderer @param {Range} range @param {boolean} isLive false: the viewer looks back
   * @returns {ReturnType<typeof computeCorrection>}
   */
  correction(renderer, range, isLive) {
    const position = this.#video.currentTime;
    this.#wasAtEdge ||= range.end - position < AT_EDGE_SECONDS;
    // A viewer who looks back stays there, but nobody wants to begin in the past.
    if (!isLive && this.#wasAtEdge) return { rate: 1, seekTo: position < range.start ? range.start : null };
    return computeCorrection({ ...this.link(renderer), position, ...range, isSeekable: renderer.isSeekable });
  }

  /** @param {Renderer} renderer @param {Range} range */
  seekToEdge(renderer, range) {
    const to = computeSeekTarget({ ...this.link(renderer), ...range });
    const { currentTime } = this.#video;
    if (currentTime < to || currentTime > range.end) this.#video.currentTime = to;
  }

  /**
   * Reports the last second, in which the video could be seen.
   * @param {Renderer} renderer @param {number} arrived @param {number} shown
   */
  update(renderer, arrived, shown) {
    const link = this.link(renderer);
    const isUneven = link.reorderSeconds || link.jitterSeconds > MAX_JITTER_SECONDS || shown < MIN_SHOWN_RATIO * arrived;
    if (this.#controller.loaded) this.#controller.loaded.update({ ...link, arrived, shown });
    else if (isUneven) this.#controller.load();
  }
}
