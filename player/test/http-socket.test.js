import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.WebSocket ??= class { static CONNECTING = 0; static OPEN = 1; static CLOSED = 3; };
const { MessageReader } = await import("../src/net/http-socket.js");

function framed(type, text) {
  const payload = Buffer.from(text);
  const header = Buffer.alloc(5);
  header.writeUInt32BE(payload.length);
  header[4] = type;
  return Buffer.concat([header, payload]);
}

test("messages are the same however the body is cut", () => {
  const body = Buffer.concat([framed(1, "{}"), framed(2, "x".repeat(300)), framed(2, ""), framed(1, "end")]);
  for (const step of [1, 2, 3, 5, 7, 100, body.length]) {
    const read = [];
    const reader = new MessageReader((type, payload) => read.push([type, Buffer.from(payload).toString()]));
    for (let i = 0; i < body.length; i += step) reader.push(new Uint8Array(body.subarray(i, i + step)));
    assert.deepEqual(read, [[1, "{}"], [2, "x".repeat(300)], [2, ""], [1, "end"]], `${step} bytes at a time`);
  }
});

test("a message that is too large is no message", () => {
  const reader = new MessageReader(() => assert.fail("a message"));
  assert.throws(() => reader.push(new Uint8Array([255, 255, 255, 255, 2])), RangeError);
});
