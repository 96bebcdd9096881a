/** What tests do with a browser and its pages, by puppeteer-core; each driver adds what differs. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer-core";
import { signalFamily } from "./processes.mjs";

const PATIENCE_MS = 20_000;
const START_MS = 60_000;
const END_MS = 8000;
/** Tests have deadlines of their own. */
const NO_TIMEOUT = 0;

/** Time that something may take which takes `ms` at most on a quiet machine: bench/ has the figures, tests have none. */
export function patience(ms) {
  return 3 * ms * Math.max(1, loadavg()[0] / availableParallelism());
}

/** Measures until `isGood`, at most `attempts` times: a busy machine spoils some of them, a fault all. Gives the good result. */
export async function inOneOf(attempts, measure, isGood) {
  const results = [];
  while (results.length < attempts) {
    results.push(await measure());
    if (isGood(results.at(-1))) return results.at(-1);
  }
  throw new Error(`not in ${attempts} attempts: ${JSON.stringify(results)}`);
}

export class DrivenBrowser {
  #browser;
  #profile;

  /** Starts it with a profile of its own. @param {(profile: string) => object} options those of puppeteer's `launch` */
  static async launch(name, options) {
    const profile = await mkdtemp(join(tmpdir(), `berrymse-${name}-`));
    const common = { defaultViewport: null, timeout: START_MS, protocolTimeout: NO_TIMEOUT, handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false };
    const browser = await puppeteer.launch({ ...common, ...options(profile) });
    return new this(browser, profile);
  }

  constructor(browser, profile) {
    this.#browser = browser;
    this.#profile = profile;
    this.ended = new Promise((resolve) => browser.process().once("close", resolve));
  }

  get pid() {
    return this.#browser.process().pid;
  }

  /** A page in a window of its own, so that none is hidden by another. */
  async newPage({ newWindow = true } = {}) {
    return this.drive(await this.#browser.newPage({ type: newWindow ? "window" : "tab" }));
  }

  /** Returns what drives a page. */
  async drive(page) {
    throw new Error(`no driver for ${page}`);
  }

  /** SIGSTOP and SIGCONT: all its processes stand still. */
  signal(name) {
    signalFamily(this.pid, name);
  }

  async close() {
    const killer = setTimeout(() => signalFamily(this.pid, "SIGKILL"), END_MS);
    this.#browser.close().catch(() => {});
    await this.ended;
    clearTimeout(killer);
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

export class DrivenPage {
  #browser;
  /** What the page wrote to its console or the browser complained about. */
  messages = [];

  constructor(browser, page) {
    this.#browser = browser;
    this.page = page;
  }

  async goto(url) {
    await this.page.goto(url, { waitUntil: "load", timeout: NO_TIMEOUT });
  }

  /** Back to the page before. One that was kept in memory has no load event. */
  async back() {
    const from = await this.evaluate(() => location.href);
    await this.page.evaluate(() => history.back());
    const isThere = (old) => location.href !== old && document.readyState === "complete";
    // While it changes its document nothing can be asked.
    while (!await this.evaluate(isThere, from).catch(() => false)) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Runs before any script of every page loaded from now on. */
  async before(action) {
    await this.page.evaluateOnNewDocument(action);
  }

  /** Opens another tab over this one; to be closed by the caller. */
  async cover() {
    // A tab goes into the window that is in front.
    await this.page.bringToFront();
    return this.#browser.newPage({ newWindow: false });
  }

  /** The page as a PNG in base64, which also goes into `file` if one is named. */
  async screenshot(file = "") {
    const data = await this.capture();
    if (file) await writeFile(file, Buffer.from(data, "base64"));
    return data;
  }

  /** Returns a PNG in base64. */
  async capture() {
    throw new Error("no driver captures the page");
  }

  async close() {
    await this.page.close();
  }

  /**
   * Runs a function in the page and gives its result, which is what JSON can hold.
   * @param {Function} action has nothing of its surroundings here; what it needs comes as arguments
   */
  async evaluate(action, ...given) {
    throw new Error(`no driver evaluates ${action} with ${given}`);
  }

  /** Asks the page until the answer is truthy, and gives that. */
  async until(what, action, { within = PATIENCE_MS, given = [] } = {}) {
    const deadline = Date.now() + patience(within);
    for (;;) {
      const answer = await this.evaluate(action, ...given);
      if (answer) return answer;
      if (Date.now() > deadline) {
        const said = this.messages.map((line) => `\n  ${line}`).join("");
        throw new Error(`not within ${patience(within)} ms: ${what}; the page's console:${said || " nothing"}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
