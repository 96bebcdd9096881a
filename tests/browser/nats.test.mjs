/**
 * An edge far away, with only port 443 between: the camera publishes to a nats-server next to it, which is a leaf node of another
 * one by WebSocket, over a line of 30 ms. Needs nats-server.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { serve } from "./server.mjs";
import { Viewing, pause } from "./viewing.mjs";

const ONE_WAY_MS = 15;
const KEYFRAME_MS = 1000;

let browser;
let viewing;
const place = mkdtempSync(join(tmpdir(), "berrymse-nats-"));
/** Ends what a test started, the newest first. */
const ends = [];

before(async () => {
  browser = await launch();
});

after(async () => {
  await browser?.close();
  rmSync(place, { recursive: true });
});

afterEach(async () => {
  await viewing?.close();
  viewing = null;
  for (const end of ends.splice(0).reverse()) await end();
});

/** Not of the range of local ports: a client that connects to a closed port could take it. */
async function freePort() {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 8000);
    const server = createServer();
    const isFree = await new Promise((resolve) => {
      server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (isFree) return port;
  }
}

async function nats(config) {
  const port = await freePort();
  const file = join(place, `${port}.conf`);
  writeFileSync(file, `listen: "127.0.0.1:${port}"\nserver_name: s${port}\n${config}\n`);
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
  const child = spawn("nats-server", ["-c", file], { stdio: "ignore", env });
  const ended = new Promise((resolve) => child.once("close", resolve));
  ends.push(() => {
    child.kill("SIGKILL");
    return ended;
  });
  const deadline = Date.now() + 20_000;
  while (!await accepts(port)) {
    assert.ok(Date.now() < deadline, "nats-server does not start");
    await pause(50);
  }
  return port;
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** A line that takes its time both ways. While it is held, nothing passes, and all of it comes later. */
async function farLine(target) {
  let isHeld = false;
  const held = [];
  const sockets = new Set();
  const pass = (from, to) => {
    from.on("data", (data) => {
      const write = () => to.writable && to.write(data);
      setTimeout(() => (isHeld ? held.push(write) : write()), ONE_WAY_MS);
    });
    from.on("error", () => to.destroy()).on("close", () => to.destroy());
  };
  const server = createServer((near) => {
    const far = connect({ port: target, host: "127.0.0.1", noDelay: true });
    near.setNoDelay(true);
    pass(near, far);
    pass(far, near);
    for (const socket of [near, far]) sockets.add(socket);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return {
    port: server.address().port,
    hold: () => { isHeld = true; },
    release() {
      isHeld = false;
      for (const write of held.splice(0)) write();
    },
  };
}

async function started(options, where) {
  const server = await serve(options, where);
  ends.push(() => server.end());
  return server;
}

test("an edge behind a leaf node by WebSocket shows the camera live, and again after its line stood still", async (t) => {
  const websocket = await freePort();
  const hub = await nats(`websocket { listen: "127.0.0.1:${websocket}", no_tls: true }\nleafnodes { listen: "127.0.0.1:${await freePort()}" }`);
  const line = await farLine(websocket);
  const leaf = await nats(`leafnodes { remotes: [{ url: "ws://127.0.0.1:${line.port}" }] }`);
  const camera = await started(["--width", "640", "--height", "360", "--keyframe-interval", "30", "--publish", `nats://127.0.0.1:${leaf}`, "--on-demand", "true"]);
  const edge = await started(["--source", `nats://127.0.0.1:${hub}/camera`]);
  viewing = await Viewing.open(browser, edge.url);
  const ofCamera = async () => (await (await fetch(new URL("api/status", camera.url))).json()).cameras[0];
  assert.equal((await ofCamera()).state, "live", "a viewer of the edge opens the camera");
  t.diagnostic(`delay ${viewing.before.toFixed(0)} ms`);
  line.hold();
  await pause(4000);
  line.release();
  // The leaf node connects again by itself, after a second by default.
  t.diagnostic(await viewing.assertHealed({ within: 5000 + 4 * KEYFRAME_MS }));
});
