/**
 * A real Firefox, driven over Marionette (length, colon, JSON on a socket that it opens on a port of its own choice): no package is
 * needed. Pages have what of those in chromium.mjs a test of pictures needs; Firefox has one page at a time.
 */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BINARY = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
const PATIENCE_MS = 20_000;
const START_MS = 60_000;

/** Nothing that asks the network by itself. */
const PREFERENCES = {
  "marionette.port": 0,
  "app.normandy.enabled": false,
  "app.update.enabled": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "media.gmp-manager.updateEnabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "http://127.0.0.1:9/",
};

export const isThere = existsSync(BINARY);

export async function launch() {
  const profile = await mkdtemp(join(tmpdir(), "berrymse-firefox-"));
  const lines = Object.entries(PREFERENCES).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});`);
  await writeFile(join(profile, "user.js"), lines.join("\n"));
  const child = spawn(BINARY, ["--headless", "--marionette", "--no-remote", "--profile", profile], { stdio: "ignore" });
  const browser = new Browser(child, profile);
  try {
    await browser.begin();
  } catch (error) {
    await browser.close();
    throw error;
  }
  return browser;
}

class Browser {
  #child;
  #profile;
  #ended;
  #socket = null;
  #commands = 0;
  #waiting = new Map();
  #rest = Buffer.alloc(0);

  constructor(child, profile) {
    this.#child = child;
    this.#profile = profile;
    this.#ended = new Promise((resolve) => child.once("close", resolve));
    child.once("error", () => {});
  }

  /** Waits until it has told its port in a file of the profile, and opens a session. */
  async begin() {
    const deadline = Date.now() + START_MS;
    while (!this.#socket) {
      if (Date.now() > deadline) throw new Error(`${BINARY} does not answer`);
      await new Promise((resolve) => setTimeout(resolve, 100));
      const port = Number(await readFile(join(this.#profile, "MarionetteActivePort"), "utf8").catch(() => "0"));
      if (port > 0) this.#socket = await connected(port).catch(() => null);
    }
    this.#socket.on("data", (data) => this.#receive(data));
    await this.send("WebDriver:NewSession", { capabilities: {} });
  }

  send(name, parameters = {}) {
    const id = ++this.#commands;
    const text = JSON.stringify([0, id, name, parameters]);
    this.#socket.write(`${Buffer.byteLength(text)}:${text}`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  async newPage() {
    return new Page(this);
  }

  async close() {
    if (this.#socket) await Promise.race([this.send("Marionette:Quit", { flags: ["eForceQuit"] }), this.#ended]);
    else this.#child.kill("SIGKILL");
    const killer = setTimeout(() => this.#child.kill("SIGKILL"), 5000);
    await this.#ended;
    clearTimeout(killer);
    this.#socket?.destroy();
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #receive(data) {
    this.#rest = Buffer.concat([this.#rest, data]);
    for (;;) {
      const colon = this.#rest.indexOf(":");
      const from = colon + 1;
      const to = from + Number(this.#rest.subarray(0, Math.max(colon, 0)).toString());
      if (colon < 0 || this.#rest.length < to) return;
      const message = JSON.parse(this.#rest.subarray(from, to).toString());
      this.#rest = this.#rest.subarray(to);
      if (!Array.isArray(message)) continue; // its greeting
      const [, id, error, result] = message;
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) waiting?.reject(new Error(`${error.error}: ${error.message}`));
      else waiting?.resolve(result);
    }
  }
}

class Page {
  #browser;

  /** Firefox does not tell what a page writes to its console. */
  messages = [];

  constructor(browser) {
    this.#browser = browser;
  }

  goto(url) {
    return this.#browser.send("WebDriver:Navigate", { url });
  }

  resize(width, height) {
    return this.#browser.send("WebDriver:SetWindowRect", { width, height });
  }

  /** As in chromium.mjs. */
  async evaluate(action, ...given) {
    const script = `return (${action})(...arguments)`;
    return (await this.#browser.send("WebDriver:ExecuteScript", { script, args: given, sandbox: null })).value;
  }

  /** As in chromium.mjs. */
  async until(what, action, { within = PATIENCE_MS, given = [] } = {}) {
    const deadline = Date.now() + within;
    for (;;) {
      const answer = await this.evaluate(action, ...given);
      if (answer) return answer;
      if (Date.now() > deadline) throw new Error(`not within ${within} ms: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** As in chromium.mjs. */
  async screenshot(file = "") {
    const { value } = await this.#browser.send("WebDriver:TakeScreenshot", { full: false });
    if (file) await writeFile(file, Buffer.from(value, "base64"));
    return value;
  }

  /** The window stays for the next page. */
  close() {
    return this.goto("about:blank");
  }
}

function connected(port) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket));
    socket.once("error", reject);
  });
}
