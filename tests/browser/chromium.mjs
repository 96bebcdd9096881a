/** A real Chromium, driven by puppeteer-core over its debugging pipe. */

import { readFileSync } from "node:fs";
import { noTracks } from "./clock.mjs";
import { DrivenBrowser, DrivenPage } from "./driven-page.mjs";
import { PLAIN_NAME } from "./host.mjs";
import { family } from "./processes.mjs";

const BINARY = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** All that it is told: puppeteer's own switches turn off what people's browsers do, such as sleeping in the background. */
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

export function launch() {
  return Browser.launch("chromium", (profile) => ({
    browser: "chrome",
    executablePath: BINARY,
    pipe: true,
    ignoreDefaultArgs: true,
    args: [...FLAGS, `--user-data-dir=${profile}`, "about:blank"],
  }));
}

class Browser extends DrivenBrowser {
  async drive(page) {
    const driven = new Page(this, page, await page.createCDPSession());
    await driven.listen();
    if (process.env.RENDERER === "mse") await driven.before(noTracks);
    return driven;
  }

  /** Its processes as they are now, with what each is for: "browser", "renderer", "gpu-process", … */
  processes() {
    return family(this.pid).flatMap((pid) => {
      try {
        const type = readFileSync(`/proc/${pid}/cmdline`, "latin1").match(/--type=([\w-]+)/)?.[1] ?? "browser";
        return [{ pid, type }];
      } catch {
        // It has ended since.
        return [];
      }
    });
  }
}

class Page extends DrivenPage {
  #session;

  constructor(browser, page, session) {
    super(browser, page);
    this.#session = session;
  }

  /** Calls a method of the Chrome DevTools Protocol. */
  send(method, params = {}) {
    return this.#session.send(method, params);
  }

  /** Keeps what the console says, exceptions, and complaints of the browser's own. */
  async listen() {
    const note = (kind, text) => this.messages.push(`${kind}: ${text}`);
    this.#session.on("Runtime.consoleAPICalled", ({ type, args }) => note(type, args.map(({ value, description }) => value ?? description).join(" ")));
    this.#session.on("Runtime.exceptionThrown", ({ exceptionDetails: thrown }) => note("exception", thrown.exception?.description ?? thrown.text));
    this.#session.on("Log.entryAdded", ({ entry }) => note(entry.level, entry.text));
    await Promise.all([this.send("Runtime.enable"), this.send("Log.enable")]);
  }

  /** By the protocol: puppeteer's own `evaluate` counts as a click, which lets a page play. */
  async evaluate(action, ...given) {
    const expression = `(${action})(${given.map((value) => JSON.stringify(value)).join(",")})`;
    const { result, exceptionDetails: thrown } = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (thrown) throw new Error(thrown.exception?.description ?? thrown.text);
    return result.value;
  }

  /** By the protocol: puppeteer's own `setViewport` loads the page again where `mobile` changes. */
  async resize(width, height, { scheme = "dark", mobile = false } = {}) {
    await this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile });
    await this.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  }

  /** As it is on the screen: puppeteer's own screenshot brings the page to the front. */
  async capture() {
    return (await this.send("Page.captureScreenshot", { format: "png" })).data;
  }
}
