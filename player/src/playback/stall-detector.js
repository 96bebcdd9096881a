/**
 * Detects that frames are no longer shown. Counters of the browser are no evidence: some count every frame as dropped while all
 * are seen. `judgeHealth` is pure. `StallDetector` gathers the evidence, which depends on the engine. Times are milliseconds of performance.now().
 */

/** Age from which a frame is marked as old. Slow cameras have more. */
const FROZEN_MS = 1000;
const FROZEN_FRAMES = 2.5;
/** Time without a shown frame, while data arrive, after which only a new pipeline helps. */
const STUCK_MS = 3000;
const MAX_STUCK_MS = 60_000;
/** Chromium may show the first frame of a pipeline only after the fourth has arrived. Usually it needs one. */
const FIRST_FRAMES = 4;
const NEXT_FRAMES = 2;
/** Checks without a painted frame after which nobody sees the page. A busy machine misses one now and then. */
const MAX_UNPAINTED_CHECKS = 3;
/** A track is polled for its frame this seldom, and says how many there were meanwhile. */
const TRACK_POLL_INTERVAL_MS = 100;
/** A larger number is from a time when nobody saw the page. */
const MAX_FRAMES_AT_ONCE = 30;

/**
 * @typedef {object} FeedActivity frames on their way to the decoder
 * @property {number} at of the last one
 * @property {number} since of the first one: in the present pipeline, and after an outage
 * @property {number} interval before the last one
 * @property {number} usual interval of a slow camera: the shorter one of the last two
 */

/**
 * @param {object} seen
 * @param {number} seen.now
 * @param {number | null} seen.shownAt when the last frame was shown; null: none
 * @param {number} seen.visibleSince when the page became visible
 * @param {FeedActivity | null} seen.feed null: none yet in the present pipeline
 * @param {number} seen.frameMs from one frame to the next
 * @param {boolean} seen.canShow visible, painted by the browser, and meant to play
 * @param {number} seen.rebuilds rebuilds in a row without a frame
 * @returns {"fine" | "frozen" | "stuck"}
 */
export function judgeHealth({ now, shownAt, visibleSince, feed, frameMs, canShow, rebuilds }) {
  if (!canShow) return "fine";
  const stepMs = Math.max(frameMs, feed?.usual ?? 0);
  const old = oldMs(stepMs);
  // All frames that arrived are shown.
  if (feed && now - feed.at < old && !(shownAt !== null && shownAt > feed.at)) {
    const since = Math.max(feed.since, visibleSince, shownAt ?? 0);
    const isFirst = !(shownAt !== null && shownAt >= feed.since);
    const least = STUCK_MS + (isFirst ? FIRST_FRAMES : NEXT_FRAMES) * stepMs;
    const timeout = Math.min(least * 2 ** rebuilds, Math.max(MAX_STUCK_MS, least));
    if (now - since > timeout) return "stuck";
  }
  if (shownAt !== null && now - Math.max(shownAt, visibleSince) > old) return "frozen";
  return "fine";
}

/**
 * Adds a frame that is on its way to the decoder.
 * @param {FeedActivity | null} feed @param {number} now @param {number} frameMs
 * @returns {FeedActivity}
 */
export function updateFeed(feed, now, frameMs) {
  const interval = feed ? now - feed.at : 0;
  const usual = Math.min(interval, feed?.interval ?? 0);
  // After an outage the decoder has its time again, whatever the age of the last frame.
  const isGoingOn = feed && interval < oldMs(Math.max(frameMs, feed.usual));
  return { at: now, since: isGoingOn ? feed.since : now, interval, usual };
}

/** @param {number} frameMs */
function oldMs(frameMs) {
  return Math.max(FROZEN_MS, FROZEN_FRAMES * frameMs);
}

export class StallDetector {
  #video;
  #onShown;
  /** @type {number | null} */
  #shownAt = null;
  #visibleSince = 0;
  #position = -1;
  #hasCallback = false;
  /** Checks since the browser last painted the page. */
  #unpainted = MAX_UNPAINTED_CHECKS;
  #painting = 0;

  /** Rebuilds in a row without a frame. */
  rebuilds = 0;

  /**
   * @param {HTMLVideoElement} video
   * @param {(frame?: import("../renderers/renderer.js").ShownFrame, count?: number) => void} onShown
   */
  constructor(video, onShown) {
    this.#video = video;
    this.#onShown = onShown;
  }

  /** @param {AbortSignal} signal ends it */
  start(signal) {
    this.#shownAt = null;
    this.noteVisible();
    const video = this.#video;
    if (!video.requestVideoFrameCallback) return;
    const ask = () => video.requestVideoFrameCallback(shown);
    let total = 0;
    /** @type {VideoFrameRequestCallback} */
    const shown = (_, frame) => {
      if (signal.aborted) return;
      const before = total;
      total = frame.presentedFrames;
      const isTrack = video.srcObject;
      this.noteShown(frame, isTrack ? Math.min(total - before, MAX_FRAMES_AT_ONCE) : 1);
      // Each callback renders the page, and frames wait for that: at 60/s many of them until the next refresh of the screen.
      isTrack ? setTimeout(ask, TRACK_POLL_INTERVAL_MS) : ask();
    };
    ask();
  }

  /** Notes that the page is visible again. Frames that were not shown until now do not count. */
  noteVisible() {
    this.#visibleSince = performance.now();
  }

  /** Milliseconds since the last shown frame; null: none yet. */
  get ageMs() {
    return this.#shownAt === null ? null : performance.now() - this.#shownAt;
  }

  /**
   * Judges the present state. To be called a few times per second.
   * @param {{feed: FeedActivity | null, frameMs: number, isPlaying: boolean}} pipeline
   */
  check({ feed, frameMs, isPlaying }) {
    const { currentTime, readyState } = this.#video;
    // Some engines have no callbacks for frames. There a moving play head is the best evidence.
    const hasMoved = currentTime !== this.#position && readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
    if (!this.#hasCallback && hasMoved) this.noteShown();
    this.#position = currentTime;
    const verdict = judgeHealth({
      now: performance.now(),
      shownAt: this.#shownAt,
      visibleSince: this.#visibleSince,
      feed,
      frameMs,
      canShow: isPlaying && !document.hidden && this.#unpainted < MAX_UNPAINTED_CHECKS,
      rebuilds: this.rebuilds,
    });
    // A frame far down a page, or in a window under another, is not painted although the tab is in front.
    this.#unpainted += 1;
    cancelAnimationFrame(this.#painting);
    this.#painting = requestAnimationFrame(() => { this.#unpainted = 0; });
    return verdict;
  }

  /**
   * Notes a shown frame.
   * @param {import("../renderers/renderer.js").ShownFrame} [frame] unknown in engines without callbacks
   * @param {number} [count] number since the last one
   */
  noteShown(frame, count) {
    this.#hasCallback ||= frame !== undefined;
    this.#shownAt = performance.now();
    this.rebuilds = 0;
    this.#onShown(frame, count);
  }
}
