/** A real Firefox, driven over WebDriver BiDi (W3C), which it speaks itself: no other program is needed. */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Calls } from "./calls.mjs";
import { DrivenPage } from "./driven-page.mjs";
import { preferences } from "./firefox-preferences.mjs";
import { PLAIN_NAME } from "./host.mjs";
import { signalFamily } from "./processes.mjs";
import { connect } from "./websocket.mjs";

const BINARY = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
const START_MS = 60_000;

export const isThere = existsSync(BINARY);

export async function launch() {
  const profile = await mkdtemp(join(tmpdir(), "berrymse-firefox-"));
  await writeFile(join(profile, "user.js"), preferences({
    "network.dns.localDomains": PLAIN_NAME,
    // Else clocks in pages are rounded, and the delay with them.
    "privacy.reduceTimerPrecision": false,
  }));
  const child = spawn(BINARY, ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port=0", "about:blank"], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, HOME: profile, MOZ_HEADLESS_WIDTH: "1300", MOZ_HEADLESS_HEIGHT: "900" },
  });
  const socket = await connect(`${await listening(child)}/session`);
  const browser = new Browser(child, profile, socket);
  await browser.send("session.new", { capabilities: {} });
  await browser.send("session.subscribe", { events: ["log.entryAdded"] });
  return browser;
}

function listening(child) {
  let output = "";
  return new Promise((resolve, reject) => {
    const fail = (why) => {
      child.kill("SIGKILL");
      reject(new Error(`${BINARY} ${why}; it said:\n${output}`));
    };
    const timer = setTimeout(() => fail(`did not listen within ${START_MS} ms`), START_MS);
    child.stderr.setEncoding("utf8").on("data", (text) => {
      output = (output + text).slice(-4000);
      const found = output.match(/WebDriver BiDi listening on (ws:\S+)/);
      if (!found) return;
      clearTimeout(timer);
      resolve(found[1]);
    });
    child.once("error", (error) => fail(error.message));
    child.once("exit", (code, signal) => fail(`ended (${code ?? signal})`));
  });
}

class Browser {
  #child;
  #profile;
  #socket;
  #calls = new Calls();
  #pages = new Map();

  constructor(child, profile, socket) {
    this.#child = child;
    this.#profile = profile;
    this.#socket = socket;
    this.ended = new Promise((resolve) => child.once("close", resolve));
    socket.on("message", (text) => this.#dispatch(JSON.parse(text)));
    socket.on("close", () => this.#calls.failAll(new Error("Firefox has ended")));
  }

  send(method, params = {}) {
    return this.#calls.begin(method, (id) => this.#socket.send(JSON.stringify({ id, method, params })));
  }

  /** A page in a window of its own, so that none is hidden by another. */
  async newPage({ newWindow = true } = {}) {
    const { context } = await this.send("browsingContext.create", { type: newWindow ? "window" : "tab" });
    const page = new Page(this, context);
    this.#pages.set(context, page);
    return page;
  }

  /** SIGSTOP and SIGCONT: all its processes stand still. */
  signal(name) {
    signalFamily(this.#child.pid, name);
  }

  async close() {
    this.send("browser.close").catch(() => {});
    const killer = setTimeout(() => signalFamily(this.#child.pid, "SIGKILL"), 8000);
    await this.ended;
    clearTimeout(killer);
    this.#socket.end();
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #dispatch({ id, type, result, message, method, params }) {
    if (method === "log.entryAdded") this.#pages.get(params.source?.context)?.messages.push(`${params.level}: ${params.text}`);
    this.#calls.end(id, type === "error" ? message : undefined, result);
  }
}

class Page extends DrivenPage {
  #browser;
  #context;

  constructor(browser, context) {
    super();
    this.#browser = browser;
    this.#context = context;
  }

  #send(method, params) {
    return this.#browser.send(method, { context: this.#context, ...params });
  }

  async goto(url) {
    await this.#send("browsingContext.navigate", { url, wait: "complete" });
  }

  /** Back to the page before. */
  async back() {
    await this.#send("browsingContext.traverseHistory", { delta: -1 });
  }

  async evaluate(action, ...given) {
    const call = `(${action})(${given.map((value) => JSON.stringify(value)).join(",")})`;
    const { type, result, exceptionDetails } = await this.#browser.send("script.callFunction", {
      functionDeclaration: `async () => JSON.stringify(await ${call})`,
      target: { context: this.#context },
      awaitPromise: true,
    });
    if (type === "exception") throw new Error(exceptionDetails.text);
    return result.type === "undefined" ? undefined : JSON.parse(result.value);
  }

  /** Runs before any script of every page loaded from now on. */
  async before(action) {
    await this.#browser.send("script.addPreloadScript", { functionDeclaration: `${action}`, contexts: [this.#context] });
  }

  async resize(width, height) {
    await this.#send("browsingContext.setViewport", { viewport: { width, height } });
  }

  /** Opens another tab over this one; to be closed by the caller. */
  async cover() {
    const { context } = await this.#browser.send("browsingContext.create", { type: "tab", referenceContext: this.#context });
    return new Page(this.#browser, context);
  }

  /** The page as a PNG in base64, which also goes into `file` if one is named. */
  async screenshot(file = "") {
    const { data } = await this.#send("browsingContext.captureScreenshot", {});
    if (file) await writeFile(file, Buffer.from(data, "base64"));
    return data;
  }

  async close() {
    await this.#send("browsingContext.close", {});
  }
}
