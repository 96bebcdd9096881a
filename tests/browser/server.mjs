/** The real program as a child, on a port it picks itself, ended with the test. */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { patience } from "./driven-page.mjs";
import { atHost, host } from "./host.mjs";

const START_MS = 7000;

export function binary() {
  const candidates = [
    process.env.BERRYMSE_BIN,
    ...["debug", "release"].map((profile) => fileURLToPath(new URL(`../../target/${profile}/berrymse`, import.meta.url))),
  ];
  const found = candidates.find((path) => path && existsSync(path));
  if (!found) throw new Error("no berrymse program: build it (cargo build) or name it in BERRYMSE_BIN");
  return found;
}

/**
 * Starts the program and waits until it serves.
 * @param {string[]} options besides --listen; without a --source it gets the test pattern
 * @param {{port?: number, scheme?: string, isTestPicture?: boolean, at?: string}} where port 0 lets the program pick; https needs a
 *   certificate among the options; the test pattern, unless a file names the cameras; `at` is the host in its URL
 */
export async function serve(options = [], { port = 0, scheme = "http", isTestPicture = true, at = host } = {}) {
  const source = options.includes("--source") || !isTestPicture ? [] : ["--source", "test"];
  const address = `${scheme === "https" ? "https://" : ""}127.0.0.1:${port}`;
  const child = spawn(binary(), [...source, ...options, "--listen", address], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  const url = atHost(await listening(child), at);
  return {
    url,
    port: Number(new URL(url).port),
    pid: child.pid,
    /** SIGSTOP and SIGCONT: the program stands still, its connections stay. */
    signal: (name) => child.kill(name),
    async end(signal = "SIGTERM") {
      child.kill(signal);
      await ended;
    },
  };
}

function listening(child) {
  let output = "";
  return new Promise((resolve, reject) => {
    const fail = (why) => {
      child.kill("SIGKILL");
      reject(new Error(`berrymse ${why}; it said:\n${output}`));
    };
    const within = patience(START_MS);
    const timer = setTimeout(() => fail(`did not serve within ${within} ms`), within);
    const read = (text) => {
      output += text;
      const found = output.match(/Listening on (https?:\S+)/);
      if (!found) return;
      clearTimeout(timer);
      resolve(found[1]);
    };
    child.stdout.setEncoding("utf8").on("data", read);
    child.stderr.setEncoding("utf8").on("data", (text) => { output += text; });
    child.once("error", (error) => fail(error.message));
    child.once("exit", (code, signal) => fail(`ended (${code ?? signal})`));
  });
}
