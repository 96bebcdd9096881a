import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.WebSocket ??= class { static CONNECTING = 0; static OPEN = 1; static CLOSED = 3; };
const { MessageReader } = await import("../src/net/http-socket.js");
const { StreamLimit } = await import("../src/net/stream-limit.js");

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

/** Pages of one origin, each with a channel to the others. @param {number} count */
function pagesOf(count, delay = queueMicrotask) {
  const channels = [];
  return Array.from({ length: count }, () => {
    const page = { isUnseen: false, yielded: 0, refused: 0, streams: [] };
    const channel = {
      onmessage: null,
      postMessage: (data) => channels.filter((other) => other !== channel).forEach((other) => delay(() => other.onmessage({ data }))),
    };
    channels.push(channel);
    const limit = new StreamLimit("camera:2020", channel, () => page.isUnseen);
    const open = async () => {
      const stream = {
        yieldPlace: (isFull) => {
          page.yielded += 1;
          page.refused += isFull;
          limit.leave(stream);
        },
      };
      const isOpen = await limit.take(stream);
      if (isOpen) page.streams.push(stream);
      return isOpen;
    };
    return Object.assign(page, { limit, open });
  });
}

const openAll = (page, count) => Promise.all(Array.from({ length: count }, page.open));

test("a page has four streams of a host", async () => {
  const [page] = pagesOf(1);
  assert.deepEqual(await openAll(page, 5), [true, true, true, true, false]);
  page.limit.leave(page.streams[0]);
  assert.equal(await page.open(), true);
});

test("pages in sight share the four streams", async () => {
  const [first, second, third] = pagesOf(3);
  assert.deepEqual(await openAll(first, 2), [true, true]);
  assert.deepEqual(await openAll(second, 1), [true]);
  assert.deepEqual(await openAll(third, 1), [true]);
  assert.equal(await second.open(), false);
  assert.deepEqual(await openAll(third, 3), [false, false, false]);
  first.limit.leave(first.streams[0]);
  assert.equal(await second.open(), true);
  assert.equal(first.yielded + second.yielded + third.yielded, 0);
});

test("of streams that are opened at once, the first ones find a place", async () => {
  const [first, second] = pagesOf(2);
  assert.deepEqual(await openAll(first, 3), [true, true, true]);
  assert.deepEqual(await openAll(second, 3), [true, false, false]);
});

test("a page out of sight gives its streams up when another one wants some", async () => {
  const [hidden, seen] = pagesOf(2);
  assert.deepEqual(await openAll(hidden, 4), Array(4).fill(true));
  hidden.isUnseen = true;
  assert.deepEqual(await openAll(seen, 4), Array(4).fill(true));
  assert.equal(hidden.yielded, 4);
});

/** Pages whose messages wait until `deliver` is called. */
function busyPages() {
  const held = [];
  const pages = pagesOf(2, (message) => held.push(message));
  return [...pages, () => { while (held.length > 0) held.shift()(); }];
}

test("pages that ask at once, and answer late, have four streams", async () => {
  const [first, second, deliver] = busyPages();
  await Promise.all([openAll(first, 3), openAll(second, 3)]);
  deliver();
  assert.equal(first.refused + second.refused, 2);
});

test("streams that began before a busy page answered end again", async () => {
  const [busy, other, deliver] = busyPages();
  assert.deepEqual(await openAll(busy, 3), [true, true, true]);
  assert.deepEqual(await openAll(other, 3), [true, true, true]);
  deliver();
  assert.deepEqual([busy.yielded, other.yielded, other.refused], [0, 2, 2]);
});

test("what others send on the channel is no answer unless it is one", async () => {
  const [page] = pagesOf(1);
  let channel;
  const limit = new StreamLimit("camera:2020", channel = { onmessage: null, postMessage: () => {} }, () => false);
  const taken = limit.take({ yieldPlace: () => {} });
  for (const data of [null, "x", {}, { host: "camera:2020", type: "answer", to: "someone", count: 9 }, { host: "other", type: "ask" }]) channel.onmessage({ data });
  assert.equal(await taken, true);
  assert.equal(await page.open(), true);
});
