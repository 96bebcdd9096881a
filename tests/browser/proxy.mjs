/**
 * A reverse proxy as people put before the program: own pages beside it, the program itself below a path. Passes
 * plain requests and WebSockets through, the Host header unchanged.
 */

import { createServer, request } from "node:http";
import { connect } from "node:net";
import { atHost } from "./host.mjs";
import { Conditions, Line } from "./line.mjs";

/**
 * @param {string} target the program's URL
 * @param {{prefix?: string, pages?: Record<string, {html: string, headers?: Record<string, string>}>, refused?: string[]}} site
 *   `prefix` is the path of the program here; `pages` by their path; requests for the program's paths in `refused` fail, which the
 *   caller may change
 */
export async function proxy(target, { prefix = "/", pages = {}, refused = [] } = {}) {
  const { hostname, port } = new URL(target);
  /** @type {string[]} */
  const requests = [];
  const inside = (url) => (url.startsWith(prefix) ? `/${url.slice(prefix.length)}` : null);

  const server = createServer((incoming, outgoing) => {
    const page = pages[incoming.url];
    if (page) {
      outgoing.writeHead(200, { "content-type": "text/html; charset=utf-8", ...page.headers });
      outgoing.end(page.html);
      return;
    }
    const path = inside(incoming.url);
    if (path === null) {
      outgoing.writeHead(404).end();
      return;
    }
    requests.push(path);
    if (refused.includes(path)) {
      outgoing.destroy();
      return;
    }
    const passed = request({ hostname, port, path, method: incoming.method, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    passed.on("error", () => outgoing.destroy());
    incoming.pipe(passed);
  });

  const sockets = new Set();
  const conditions = new Conditions();
  server.on("upgrade", (incoming, viewer) => {
    const path = inside(incoming.url);
    if (path === null) {
      viewer.destroy();
      return;
    }
    const camera = connect(Number(port), hostname, () => {
      const { rawHeaders } = incoming;
      const lines = rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${rawHeaders[i + 1]}`] : []));
      camera.write([`GET ${path} HTTP/1.1`, ...lines, "", ""].join("\r\n"));
      viewer.pipe(camera);
      camera.pipe(new Line(conditions)).pipe(viewer);
    });
    for (const [one, other] of [[viewer, camera], [camera, viewer]]) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });

  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    /** Paths of all plain requests to the program, also of those that fail. */
    requests,
    url: atHost(`http://127.0.0.1:${server.address().port}/`),
    hold: () => conditions.set({ isHeld: true }),
    release: () => conditions.set({ isHeld: false }),
    /** From now on everything comes up to `ms` late, in order. */
    jitter: (ms) => conditions.set({ jitterMs: ms }),
    /** From now on media times are this many seconds off. */
    shift: (seconds) => conditions.set({ shiftTicks: BigInt(seconds * 90_000) }),
    async end() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
