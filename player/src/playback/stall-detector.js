/**
 * Is the picture alive? Judged by pictures really shown, not by counters of the browser, some of which count every picture
 * as dropped while all are seen. `judgeHealth` is pure; `StallDetector` gathers the evidence, which every engine gives in
 * another way. Times are milliseconds of performance.now().
 */

/** From here on a picture is marked as old; a camera may be slower than that. */
const FROZEN_MS = 1000;
const FROZEN_FRAMES = 2.5;
/** Data come and nothing is shown for this long: only a new pipeline helps. */
const STUCK_MS = 3000;
const MAX_STUCK_MS = 60_000;
/** Chromium may show the first frame of a pipeline only when the fourth is there; usually it takes no longer than one. */
const FIRST_FRAMES = 4;
const NEXT_FRAMES = 2;
/** After so many looks without one painted frame nobody sees the page. A busy machine misses one now and then. */
const MAX_UNPAINTED_CHECKS = 3;
/** A track is asked for its picture so seldom, and tells how many there were meanwhile. */
const TRACK_POLL_INTERVAL_MS = 100;
/** More than those were while nobody saw the page. */
const MAX_FRAMES_AT_ONCE = 30;

/**
 * @typedef {object} FeedActivity pictures on their way to the decoder
 * @property {number} at when the last one went
 * @property {number} since when they began to come: in the present pipeline, and after an outage
 * @property {number} interval before the last one
 * @property {number} usual interval of a camera that sends seldom: the shorter one of the last two
 */

/**
 * @param {object} seen
 * @param {number} seen.now
 * @param {number | null} seen.shownAt when a picture was last seen to change; null: never
 * @param {number} seen.visibleSince when the page came into sight
 * @param {FeedActivity | null} seen.feed null: none yet in the present pipeline
 * @param {number} seen.frameMs from one picture to the next
 * @param {boolean} seen.canShow visible, painted by the browser, and meant to play
 * @param {number} seen.rebuilds how often in a row nothing helped
 * @returns {"fine" | "frozen" | "stuck"}
 */
export function judgeHealth({ now, shownAt, visibleSince, feed, frameMs, canShow, rebuilds }) {
  if (!canShow) return "fine";
  const stepMs = Math.max(frameMs, feed?.usual ?? 0);
  const old = oldMs(stepMs);
  // What was shown after the last one came is all that there is.
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
 * Another picture is on its way.
 * @param {FeedActivity | null} feed @param {number} now @param {number} frameMs
 * @returns {FeedActivity}
 */
export function updateFeed(feed, now, frameMs) {
  const interval = feed ? now - feed.at : 0;
  const usual = Math.min(interval, feed?.interval ?? 0);
  // After an outage the decoder has its time again, however old the last picture is.
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
  /** Looks since the browser last painted the page. */
  #unpainted = MAX_UNPAINTED_CHECKS;
  #painting = 0;

  /** How often in a row the pipeline was rebuilt without a picture since. */
  rebuilds = 0;

  /**
   * @param {HTMLVideoElement} video
   * @param {(picture?: import("../renderers/renderer.js").ShownFrame, count?: number) => void} onShown
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
    const shown = (_, picture) => {
      if (signal.aborted) return;
      const before = total;
      total = picture.presentedFrames;
      const isTrack = video.srcObject;
      this.noteShown(picture, isTrack ? Math.min(total - before, MAX_FRAMES_AT_ONCE) : 1);
      // Each callback runs a frame of the page, and pictures wait for that: at 60/s many of them until the screen's next refresh.
      isTrack ? setTimeout(ask, TRACK_POLL_INTERVAL_MS) : ask();
    };
    ask();
  }

  /** The page is seen again: what was not shown until now was nobody's fault. */
  noteVisible() {
    this.#visibleSince = performance.now();
  }

  /** Milliseconds since a picture was last seen to change; null: none yet. */
  get ageMs() {
    return this.#shownAt === null ? null : performance.now() - this.#shownAt;
  }

  /**
   * To be called a few times a second.
   * @param {{feed: FeedActivity | null, frameMs: number, isPlaying: boolean}} pipeline
   */
  check({ feed, frameMs, isPlaying }) {
    const { currentTime, readyState } = this.#video;
    // Not every engine calls back for frames: there a moving play head is the best evidence.
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
   * A picture was shown.
   * @param {import("../renderers/renderer.js").ShownFrame} [picture] nothing is known of it in engines that do not call back
   * @param {number} [count] how many since the last one
   */
  noteShown(picture, count) {
    this.#hasCallback ||= picture !== undefined;
    this.#shownAt = performance.now();
    this.rebuilds = 0;
    this.#onShown(picture, count);
  }
}
