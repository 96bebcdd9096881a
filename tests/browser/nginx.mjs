/** A real nginx, as people put it before the program. */

import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { atHost } from "./host.mjs";

const NGINX = process.env.NGINX ?? "/usr/sbin/nginx";

/** A port that is free a moment later, too. */
export function freePort() {
  return new Promise((resolve) => {
    const free = createServer().listen(0, "127.0.0.1", () => {
      const { port } = free.address();
      free.close(() => resolve(port));
    });
  });
}

/** True if something listens at the port; false after a pause. */
export async function isListening(port) {
  await new Promise((resolve) => setTimeout(resolve, 50));
  return new Promise((resolve) => {
    const tried = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false));
    tried.on("connect", () => tried.destroy());
  });
}

/**
 * Starts it at a free port and waits until it serves.
 * @param {string} folder for its files
 * @param {{server: string, http?: string, listen?: string}} lines of its configuration in these blocks, and words after the address,
 *   such as `ssl http2`
 */
export async function nginx(folder, lines) {
  const port = await freePort();
  const own = join(folder, `nginx-${port}`);
  const file = `${own}.conf`;
  const kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${own}-${kind};`).join(" ");
  const write = ({ server, http = "", listen = "" }) => writeFile(file, `daemon off; master_process on; worker_processes 1; pid ${own}.pid; error_log stderr;
    events { worker_connections 64; }
    http { access_log off; ${kinds} ${http} server { listen 127.0.0.1:${port} ${listen}; ${server} } }`);
  await write(lines);
  const child = spawn(NGINX, ["-c", file, "-e", "stderr"], { stdio: ["ignore", "ignore", "inherit"] });
  const ended = new Promise((resolve) => child.once("close", resolve));
  while (!(await isListening(port)));
  return {
    url: lines.listen?.includes("ssl") ? `https://localhost:${port}/` : atHost(`http://127.0.0.1:${port}/`),
    /** Has it take other lines. */
    async change(text) {
      await write(text);
      child.kill("SIGHUP");
    },
    async end() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
