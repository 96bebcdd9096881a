/** A real Caddy, as people put it before the program. */

import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort, isListening } from "./nginx.mjs";

const CADDY = process.env.CADDY ?? "/usr/bin/caddy";

/**
 * Starts it with TLS at a free port and waits until it serves.
 * @param {string} folder for its files
 * @param {{site: string, cert: string, key: string}} given lines of the site, and the files of its certificate
 */
export async function caddy(folder, { site, cert, key }) {
  const port = await freePort();
  const file = join(folder, `Caddyfile-${port}`);
  const options = "admin off\nauto_https off";
  await writeFile(file, `{\n${options}\n}\nhttps://localhost:${port} {\nbind 127.0.0.1\ntls ${cert} ${key}\n${site}\n}\n`);
  const env = { ...process.env, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
  let said = "";
  const child = spawn(CADDY, ["run", "--adapter", "caddyfile", "--config", file], { stdio: ["ignore", "ignore", "pipe"], env });
  child.stderr.setEncoding("utf8").on("data", (text) => { said += text; });
  const ended = new Promise((resolve) => child.once("close", resolve).once("error", resolve));
  let isGone = false;
  ended.then(() => { isGone = true; });
  while (!(await isListening(port))) if (isGone) throw new Error(`caddy did not start:\n${said}`);
  return {
    url: `https://localhost:${port}/`,
    async end() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
