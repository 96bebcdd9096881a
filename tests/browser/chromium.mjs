/**
 * A real Chromium, driven over its debugging pipe (file descriptors 3 and 4, JSON messages that end in a NUL): no
 * package and no port is needed, and node 18 is enough.
 */

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Calls } from "./calls.mjs";
import { noTracks } from "./clock.mjs";
import { DrivenPage } from "./driven-page.mjs";
import { PLAIN_NAME } from "./host.mjs";
import { family, signalFamily } from "./processes.mjs";

const BINARY = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--remote-debugging-pipe",
  `--host-resolver-rules=MAP ${PLAIN_NAME} 127.0.0.1`,
];

export async function launch() {
  const profile = await mkdtemp(join(tmpdir(), "berrymse-chromium-"));
  const child = spawn(BINARY, [...FLAGS, `--user-data-dir=${profile}`, "about:blank"], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  return new Browser(child, profile);
}

class Browser {
  #child;
  #profile;
  #calls = new Calls();
  #pages = new Map();
  #rest = "";

  constructor(child, profile) {
    this.#child = child;
    this.#profile = profile;
    const ended = new Promise((resolve) => child.once("close", resolve));
    this.ended = ended;
    child.once("error", (error) => this.#calls.failAll(new Error(`${BINARY}: ${error.message}`)));
    child.stdio[3].on("error", () => {});
    child.stdio[4].setEncoding("utf8");
    child.stdio[4].on("data", (text) => this.#receive(text));
    ended.then(() => this.#calls.failAll(new Error("Chromium has ended")));
  }

  send(method, params = {}, sessionId = undefined) {
    return this.#calls.begin(method, (id) => this.#child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`));
  }

  /** A page in a window of its own, so that none is hidden by another. */
  async newPage({ newWindow = true } = {}) {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank", newWindow });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, targetId, sessionId);
    this.#pages.set(sessionId, page);
    await Promise.all([page.send("Page.enable"), page.send("Runtime.enable"), page.send("Log.enable")]);
    if (process.env.RENDERER === "mse") await page.before(noTracks);
    return page;
  }

  /** SIGSTOP and SIGCONT: all its processes stand still. */
  signal(name) {
    signalFamily(this.#child.pid, name);
  }

  /** Its processes as they are now, with what each is for: "browser", "renderer", "gpu-process", … */
  processes() {
    return family(this.#child.pid).flatMap((pid) => {
      try {
        const type = readFileSync(`/proc/${pid}/cmdline`, "latin1").match(/--type=([\w-]+)/)?.[1] ?? "browser";
        return [{ pid, type }];
      } catch {
        // It has ended since.
        return [];
      }
    });
  }

  async close() {
    this.send("Browser.close").catch(() => {});
    const killer = setTimeout(() => this.#child.kill("SIGKILL"), 5000);
    await this.ended;
    clearTimeout(killer);
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #receive(text) {
    const parts = (this.#rest + text).split("\0");
    this.#rest = parts.pop();
    for (const part of parts) this.#dispatch(JSON.parse(part));
  }

  #dispatch({ id, result, error, method, params, sessionId }) {
    if (id === undefined) {
      this.#pages.get(sessionId)?.event(method, params);
      return;
    }
    this.#calls.end(id, error?.message, result);
  }
}

class Page extends DrivenPage {
  #browser;
  #targetId;
  #sessionId;
  #loaded = null;

  constructor(browser, targetId, sessionId) {
    super();
    this.#browser = browser;
    this.#targetId = targetId;
    this.#sessionId = sessionId;
  }

  send(method, params) {
    return this.#browser.send(method, params, this.#sessionId);
  }

  async goto(url) {
    const loaded = new Promise((resolve) => { this.#loaded = resolve; });
    const { errorText } = await this.send("Page.navigate", { url });
    if (errorText) throw new Error(`${url}: ${errorText}`);
    await loaded;
  }

  /** Back to the page before. One that was kept in memory has no load event. */
  async back() {
    const { currentIndex, entries } = await this.send("Page.getNavigationHistory");
    const { id, url } = entries[currentIndex - 1];
    await this.send("Page.navigateToHistoryEntry", { entryId: id });
    const isThere = (wanted) => location.href === wanted && document.readyState === "complete";
    // While it changes its document nothing can be asked.
    while (!await this.evaluate(isThere, url).catch(() => false)) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  async evaluate(action, ...given) {
    const expression = `(${action})(${given.map((value) => JSON.stringify(value)).join(",")})`;
    const { result, exceptionDetails: thrown } = await this.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (thrown) throw new Error(thrown.exception?.description ?? thrown.text);
    return result.value;
  }

  /** Runs before any script of every page loaded from now on. */
  async before(action) {
    await this.send("Page.addScriptToEvaluateOnNewDocument", { source: `(${action})()` });
  }

  async resize(width, height, { scheme = "dark", mobile = false } = {}) {
    await this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile });
    await this.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  }

  /** Opens another tab over this one; to be closed by the caller. */
  async cover() {
    // A tab goes into the window that is in front.
    await this.#browser.send("Target.activateTarget", { targetId: this.#targetId });
    return this.#browser.newPage({ newWindow: false });
  }

  /** The page as a PNG in base64, which also goes into `file` if one is named. */
  async screenshot(file = "") {
    const { data } = await this.send("Page.captureScreenshot", { format: "png" });
    if (file) await writeFile(file, Buffer.from(data, "base64"));
    return data;
  }

  async close() {
    await this.#browser.send("Target.closeTarget", { targetId: this.#targetId });
  }

  event(method, params) {
    switch (method) {
      case "Page.loadEventFired":
        this.#loaded?.();
        break;
      case "Runtime.consoleAPICalled":
        this.messages.push(`${params.type}: ${params.args.map(({ value, description }) => value ?? description).join(" ")}`);
        break;
      case "Runtime.exceptionThrown":
        this.messages.push(`exception: ${params.exceptionDetails.exception?.description ?? params.exceptionDetails.text}`);
        break;
      case "Log.entryAdded":
        this.messages.push(`${params.entry.level}: ${params.entry.text}`);
        break;
    }
  }
}
