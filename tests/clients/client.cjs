/** Watches with Node's ws: see run. */

const assert = require("node:assert/strict");
const { once } = require("node:events");
const { WebSocket } = require("ws");

const { URL: url, VIEWER, OPERATOR } = process.env;
const live = `${url.replace("http", "ws")}live/front`;

async function main() {
  const refused = new WebSocket(live);
  refused.on("error", () => {});
  const [, answer] = await once(refused, "unexpected-response");
  assert.equal(answer.statusCode, 401);
  const socket = new WebSocket(live, ["berrymse.v1", `berrymse.token.${VIEWER}`]);
  const closed = once(socket, "close");
  const [hello] = await once(socket, "message");
  assert.equal(JSON.parse(hello).type, "hello");
  assert.equal(socket.protocol, "berrymse.v1");
  for (let isBinary = false; !isBinary;) [, isBinary] = await once(socket, "message");
  const headers = { authorization: `Bearer ${OPERATOR}`, "content-type": "application/json" };
  const status = await (await fetch(`${url}api/status`, { headers })).json();
  const { id } = status.viewers[0];
  assert.equal((await fetch(`${url}api/viewers/${id}/end`, { method: "POST", headers, body: "{}" })).status, 200);
  const [code] = await closed;
  assert.equal(code, 4403);
  console.log("ws: correct");
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
