/**
 * A page that stays open while something goes wrong, and what is measured of it. Other programs may keep the machine busy: what is
 * demanded is that a good second comes, not that every second is good, and that it is as good as before the trouble.
 */

import assert from "node:assert/strict";
import { browserName } from "./browser.mjs";
import { installClock, isLive, quantile } from "./clock.mjs";
import { patience } from "./driven-page.mjs";

/** Real troubles last longer than tests may: FULL_LENGTH=1 gives them their time. */
export const seconds = (full, short) => (process.env.FULL_LENGTH ? full : short);

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Older than before by so much is still "as before": a busy machine does that. A player that does not catch up is 300 and more. */
const AS_BEFORE_MS = 150;
const GOOD_WITHIN_MS = 15_000;
const WINDOW_MS = 1500;

/**
 * Firefox tells of five pictures in six.
 */
export const isFirefox = browserName === "firefox";

/** Runs in the page: keeps what is shown, for `windowOf`; and counts moments without any picture. */
function keepShown() {
  const element = document.querySelector("berry-video");
  const { video } = element;
  window.sameDocument = true;
  window.without = 0;
  window.pictures = [];
  const shown = (_, { presentationTime }) => {
    video.requestVideoFrameCallback(shown);
    const made = clock.of(video);
    if (made === null) return;
    window.pictures.push({ at: presentationTime, delay: (performance.timeOrigin + presentationTime) % 2 ** 32 - made });
    if (window.pictures.length > 1000) window.pictures.splice(0, 500);
  };
  video.requestVideoFrameCallback(shown);
  // An element that is given a new source has no picture until the next: black, but for a still over it.
  const look = () => {
    const hasStill = element.shadowRoot.querySelector("canvas.video");
    if (!hasStill && (video.readyState === 0 || video.videoWidth === 0)) window.without += 1;
    requestAnimationFrame(look);
  };
  look();
}

/** Runs in the page: what was shown in the last milliseconds, this many. */
function windowOf(ms) {
  const now = performance.now();
  const pictures = window.pictures.filter(({ at }) => at > now - ms);
  return { delays: pictures.map(({ delay }) => delay), times: pictures.map(({ at }) => at) };
}

/** Figures of what was shown: how many, how old (ms), and the pauses between (ms). */
function figuresOf({ delays, times }) {
  const pauses = times.slice(1).map((time, i) => time - times[i]);
  return {
    shown: times.length,
    median: quantile(delays, 0.5) ?? Infinity,
    pause90: quantile(pauses, 0.9) ?? Infinity,
    longestPause: Math.max(0, ...pauses),
  };
}

export const inWords = ({ shown, median, pause90, longestPause }) =>
  `${shown} shown, delay ${median.toFixed(0)} ms, pauses ${pause90.toFixed(0)} (90 %) and ${longestPause.toFixed(0)} ms (longest)`;

export class Viewing {
  page;
  /** Delay before any trouble, in milliseconds. */
  before = 0;

  /** Opens the page and waits for a live picture. */
  static async open(browser, url) {
    const viewing = new Viewing();
    viewing.page = await browser.newPage();
    await viewing.page.before(installClock);
    await viewing.page.goto(url);
    await viewing.untilLive();
    await viewing.page.evaluate(keepShown);
    viewing.before = (await viewing.bestOf(4)).median;
    return viewing;
  }

  /** The next milliseconds, this many. */
  async watch(ms) {
    await pause(ms);
    return figuresOf(await this.page.evaluate(windowOf, ms));
  }

  /** The youngest of this many looks: what the machine can do now. */
  async bestOf(looks) {
    let best = { median: Infinity };
    for (let i = 0; i < looks; i += 1) {
      const figures = await this.watch(WINDOW_MS / 2);
      if (figures.median < best.median) best = figures;
    }
    return best;
  }

  /** Milliseconds until the picture is live, of which 250 are spent on seeing that it moves. */
  async untilLive(within = 20_000) {
    const from = Date.now();
    await this.page.until("a live picture", isLive, { given: ["berry-video"], within });
    return Date.now() - from;
  }

  /** Waits for a window for which `isGood` holds, and gives its figures. */
  async untilGood(what, isGood, { within = GOOD_WITHIN_MS, ms = WINDOW_MS } = {}) {
    const deadline = Date.now() + patience(within);
    for (;;) {
      const figures = await this.watch(ms);
      if (isGood(figures)) return figures;
      if (Date.now() > deadline) assert.fail(`not within ${within} ms: ${what}; the last was ${inWords(figures)}; before: ${this.before.toFixed(0)} ms`);
    }
  }

  /**
   * Live again within the time, as young as before soon, in the same document, and, where the buffer lives on, without black
   * between. Gives words for the report.
   */
  async assertHealed({ within, keepsBuffer = true }) {
    const live = await this.untilLive(within);
    const figures = await this.untilGood("as young as before", ({ median }) => median < this.before + AS_BEFORE_MS);
    const { same, without } = await this.page.evaluate(() => ({ same: window.sameDocument, without: window.without }));
    assert.equal(same, true, "the page was loaded again");
    if (keepsBuffer) assert.equal(without, 0, "there were moments without any picture");
    return `live after ${live} ms; then ${inWords(figures)}; before: ${this.before.toFixed(0)} ms`;
  }

  /** Waits until the page says that the picture is old. */
  async untilMarkedOld() {
    await this.page.until("the age of the picture", () => !document.querySelector("berry-video").shadowRoot.querySelector(".age").hidden);
  }

  close() {
    return this.page.close();
  }
}
