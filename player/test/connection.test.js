import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Connection, backOffMs, socketUrl } from "../src/net/connection.js";

/** In place of the browser's: the test is the other side. */
class Socket {
  static CONNECTING = 0;
  static OPEN = 1;
  /** @type {Socket[]} */
  static all = [];

  readyState = Socket.CONNECTING;

  constructor(url, protocols) {
    this.protocols = protocols;
    Socket.all.push(this);
  }

  send() {}

  close() {
    this.readyState = 3;
  }

  open() {
    this.readyState = Socket.OPEN;
    this.onopen?.();
  }

  say(text) {
    this.onmessage?.({ data: JSON.stringify({ type: text }) });
  }

  get isClosed() {
    return this.readyState === 3;
  }
}

beforeEach(() => {
  Socket.all = [];
  globalThis.WebSocket = Socket;
  mock.timers.enable({ apis: ["setInterval", "setTimeout"] });
});

afterEach(() => {
  mock.timers.reset();
  delete globalThis.WebSocket;
});

/** Sockets are shared by URL: each test has its own. */
let cameras = 0;

/** A connection and what it told; of binary messages their last byte. */
function listening(url) {
  const told = [];
  const connection = new Connection(url, {
    state: (state) => told.push(state),
    text: ({ type }) => told.push(type),
    binary: (message) => told.push(new Uint8Array(message).at(-1)),
  });
  return { connection, told };
}

/** A connection that is open, what it told, and its socket. */
function opened() {
  const { connection, told } = listening(`ws://pi/${(cameras += 1)}`);
  connection.open();
  const [first] = Socket.all;
  first.open();
  first.say("hello");
  return { connection, told, first };
}

test("beside a socket that is silent another one is tried, and the old one is kept if it speaks first", () => {
  const { told, first } = opened();
  mock.timers.tick(2000);
  assert.equal(Socket.all.length, 1);
  mock.timers.tick(1000);
  const [, second] = Socket.all;
  assert.ok(second && !first.isClosed && !second.isClosed);
  first.say("state");
  assert.ok(second.isClosed && !first.isClosed);
  assert.deepEqual(told, ["connecting", "open", "hello", "gone", "open", "state"]);
  mock.timers.tick(2000);
  assert.equal(Socket.all.length, 2);
});

test("the new one is kept if the old one stays silent", () => {
  const { told, first } = opened();
  mock.timers.tick(3000);
  const [, second] = Socket.all;
  second.open();
  second.say("hello");
  assert.ok(first.isClosed && !second.isClosed);
  first.say("state");
  second.say("timing");
  assert.deepEqual(told, ["connecting", "open", "hello", "gone", "open", "hello", "timing"]);
});

test("one that does not come through is tried again, and after long silence all begins again", () => {
  const { connection, first } = opened();
  mock.timers.tick(3000);
  Socket.all[1].onclose({ code: 1006 });
  mock.timers.tick(4000);
  assert.equal(Socket.all.length, 3);
  mock.timers.tick(4000);
  assert.ok(Socket.all[2].isClosed && !first.isClosed);
  mock.timers.tick(34_000);
  assert.ok(first.isClosed);
  mock.timers.tick(1);
  assert.equal(Socket.all.filter((one) => !one.isClosed).length, 2, "the one that was closed by the other side, and a new one");
  connection.close();
});

test("a line that needs seconds for a keyframe is given more time after each one that was lost for a new socket", () => {
  opened();
  for (const patience of [3, 7, 11]) {
    const count = Socket.all.length;
    mock.timers.tick((patience - 1) * 1000);
    assert.equal(Socket.all.length, count);
    mock.timers.tick(1000);
    const spare = Socket.all.at(-1);
    assert.equal(Socket.all.length, count + 1);
    spare.open();
    spare.say("hello");
  }
});

for (const [when, happen] of [
  ["falls silent", () => mock.timers.tick(3000)],
  ["is lost", (first) => first.onclose({ code: 1006 })],
  ["is there again", (first) => { mock.timers.tick(3000); first.say("state"); }],
]) {
  test(`a page that lets go of a connection when it ${when} has none afterwards`, () => {
    let isSeen = false;
    const connection = new Connection("ws://pi/", {
      state: (state) => {
        if (state !== (when === "is there again" ? "open" : "gone") || !isSeen) return;
        connection.close();
      },
      text: () => assert.fail("it was closed"),
      binary: () => {},
    });
    connection.open();
    Socket.all[0].open();
    isSeen = true;
    happen(Socket.all[0]);
    mock.timers.tick(10_000);
    assert.ok(Socket.all.every((one) => one.isClosed || !one.onmessage));
  });
}

test("who asks for another attempt gets one at once, beside a socket that is silent, and once in a tick", () => {
  const { connection, told, first } = opened();
  mock.timers.tick(2000);
  connection.reconnectNow();
  assert.equal(Socket.all.length, 1, "it may be no more than slow");
  mock.timers.tick(3000);
  Socket.all[1].onclose({ code: 1006 });
  connection.reconnectNow();
  connection.reconnectNow();
  assert.equal(Socket.all.length, 3);
  const third = Socket.all[2];
  assert.ok(!first.isClosed && !third.isClosed);
  mock.timers.tick(1000);
  connection.reconnectNow();
  assert.ok(third.isClosed && Socket.all.length === 4);
  const fourth = Socket.all[3];
  fourth.open();
  fourth.say("hello");
  assert.ok(first.isClosed && !fourth.isClosed);
  assert.deepEqual(told.slice(-2), ["open", "hello"]);
  connection.close();
});

test("who asks for another attempt gets one in place of a handshake that takes long", () => {
  const connection = new Connection("ws://pi/", { state: () => {}, text: () => {}, binary: () => {} });
  connection.open();
  mock.timers.tick(2000);
  connection.reconnectNow();
  assert.equal(Socket.all.length, 1);
  mock.timers.tick(1000);
  connection.reconnectNow();
  assert.ok(Socket.all[0].isClosed && Socket.all.length === 2);
  connection.close();
});

for (const isOpen of [false, true]) {
  test(`when a silent socket ends, the one beside it is kept, ${isOpen ? "open but without a word" : "in its handshake"}`, () => {
    const { connection, told, first } = opened();
    mock.timers.tick(3000);
    const [, second] = Socket.all;
    if (isOpen) second.open();
    first.onclose({ code: 1006 });
    mock.timers.tick(2000);
    assert.ok(!second.isClosed && Socket.all.length === 2);
    if (!isOpen) second.open();
    second.say("hello");
    assert.deepEqual(told, ["connecting", "open", "hello", "gone", "open", "hello"]);
    second.onclose({ code: 1006 });
    mock.timers.tick(1);
    assert.equal(Socket.all.length, 3);
    connection.close();
  });
}

/** An init segment, a keyframe or another fragment, told apart by its last byte. */
function media(kind, last, size = 100) {
  const bytes = new Uint8Array(size);
  bytes.set([0x66, 0x74, 0x79, 0x70], 4);
  if (kind !== "init") bytes.set([0x6d, 0x6f, 0x6f, 0x66], 4);
  bytes[92] = kind === "keyframe" ? 2 : kind === "init" ? 0 : 1;
  bytes[size - 1] = last;
  return { data: bytes.buffer };
}

test("a second player shares the socket and gets the past", () => {
  const { connection, first } = opened();
  for (const [kind, last] of [["init", 1], ["keyframe", 2], ["other", 3], ["keyframe", 4], ["other", 5]]) first.onmessage(media(kind, last));
  first.say("timing");
  first.say("skipped");
  const url = `ws://pi/${cameras}`;
  const second = listening(url);
  second.connection.open();
  assert.equal(Socket.all.length, 1);
  assert.deepEqual(second.told, ["open", "hello", "timing", 1, 4, 5]);
  first.onmessage(media("other", 6));
  assert.deepEqual(second.told.slice(-1), [6]);
  connection.close();
  assert.ok(!first.isClosed, "the second player still has it");
  first.onmessage(media("other", 7));
  assert.deepEqual(second.told.slice(-1), [7]);
  second.connection.close();
  assert.ok(first.isClosed);
});

test("a player that opens again gets the past again", () => {
  const { first } = opened();
  for (const [kind, last] of [["init", 1], ["keyframe", 2]]) first.onmessage(media(kind, last));
  const { connection, told } = listening(`ws://pi/${cameras}`);
  connection.open();
  told.length = 0;
  connection.open();
  assert.deepEqual(told, ["open", "hello", 1, 2]);
  assert.equal(Socket.all.length, 1);
});

test("a player that opens again within a message has it once", () => {
  const { first } = opened();
  first.onmessage(media("init", 1));
  const told = [];
  const connection = new Connection(`ws://pi/${cameras}`, {
    state: () => {},
    text: () => {},
    binary: (message) => {
      told.push(new Uint8Array(message).at(-1));
      if (told.length === 2) connection.open();
    },
  });
  connection.open();
  first.onmessage(media("keyframe", 2));
  assert.deepEqual(told, [1, 2, 1, 2]);
});

test("a past that is too long is not shared", () => {
  const { first } = opened();
  const url = `ws://pi/${cameras}`;
  for (const [kind, last] of [["init", 1], ["keyframe", 2]]) first.onmessage(media(kind, last));
  for (let n = 0; n < 5; n += 1) first.onmessage(media("other", 3, 1_000_000));
  const second = listening(url);
  second.connection.open();
  assert.equal(Socket.all.length, 2);
  // From a keyframe on there is a past again, and both sockets stay with those that have them.
  first.onmessage(media("keyframe", 4));
  const third = listening(url);
  third.connection.open();
  assert.equal(Socket.all.length, 2);
  for (const { connection } of [second, third]) connection.close();
  assert.ok(Socket.all[1].isClosed && !first.isClosed);
});

test("reports of one player are sent for all that share", () => {
  const { connection, first } = opened();
  const sent = [];
  first.send = (text) => sent.push(JSON.parse(text).from);
  const second = listening(`ws://pi/${cameras}`);
  second.connection.open();
  second.connection.send({ from: 2 });
  connection.send({ from: 1 });
  connection.close();
  second.connection.send({ from: 2 });
  assert.deepEqual(sent.filter(Boolean), [1, 2]);
});

test("what is no message of the protocol is passed over", () => {
  const { told, first } = opened();
  for (const data of ["", "{", "null", "7", '"text"', "[]"]) first.onmessage({ data });
  assert.deepEqual(told.filter((word) => word !== undefined), ["connecting", "open", "hello"]);
});

test("the first attempt comes at once, later ones no more than two seconds apart", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 50].map((failures) => backOffMs(failures, 1)), [0, 250, 500, 1000, 2000, 2000]);
});

test("a hundred viewers do not come back in step", () => {
  assert.ok(backOffMs(4, 0) < 0.7 * backOffMs(4, 1));
});

test("a WebSocket URL may be written in every way that pages use", () => {
  const cases = [
    ["video_websocket", "http://pi:2020/", "ws://pi:2020/video_websocket"],
    ["live/front", "https://host/cams/", "wss://host/cams/live/front"],
    ["live/front", "https://host/cams/wall.html?x#y", "wss://host/cams/live/front"],
    ["/video_websocket", "http://pi/a/b/", "ws://pi/video_websocket"],
    ["ws://other:2020/video_websocket", "http://pi/", "ws://other:2020/video_websocket"],
    ["http://other:2020/live/a", "http://pi/", "ws://other:2020/live/a"],
    ["ws:/websocket", "http://pi:2020/old/", "ws://pi:2020/websocket"],
    ["wss:/websocket", "http://pi/", "ws://pi/websocket"],
    ["ws://host/video_websocket", "https://host/", "wss://host/video_websocket"],
    ["wss://cam/live/a", "http://pi/", "wss://cam/live/a"],
  ];
  for (const [written, base, url] of cases) assert.equal(socketUrl(written, base), url);
});

/** Waits for what files and promises bring. @param {() => unknown} isThere */
async function until(isThere) {
  for (let turns = 0; turns < 100_000 && !isThere(); turns += 1) await new Promise(setImmediate);
  assert.ok(isThere());
}

test("a token travels as a sub-protocol, a fresh one with each connection", async () => {
  const errors = [];
  let number = 0;
  const on = { state() {}, text: ({ code }) => errors.push(code), binary() {} };
  const connection = new Connection(`ws://pi/${(cameras += 1)}`, on, () => async () => `t-${(number += 1)}`);
  connection.open();
  await until(() => Socket.all.length === 1);
  const [first] = Socket.all;
  assert.deepEqual(first.protocols, ["berrymse.v1", "berrymse.token.t-1"]);
  first.open();
  first.onclose({ code: 4401 });
  await until(() => errors.length === 1);
  assert.deepEqual(errors, ["session_ended"]);
  mock.timers.tick(29_000);
  assert.equal(number, 1, "what the server ended rests for half a minute");
  mock.timers.tick(2000);
  await until(() => Socket.all.length === 2);
  assert.deepEqual(Socket.all[1].protocols, ["berrymse.v1", "berrymse.token.t-2"]);
  connection.close();
});

test("what an operator or a logout ended stays ended until it is opened again", async () => {
  for (const [code, expected] of [[4401, "session_ended"], [4403, "ended"]]) {
    Socket.all = [];
    const errors = [];
    const on = { state() {}, text: (message) => errors.push(message.code), binary() {} };
    const connection = new Connection(`ws://pi/${(cameras += 1)}`, on);
    connection.open();
    Socket.all[0].open();
    Socket.all[0].readyState = 3;
    Socket.all[0].onclose({ code });
    await until(() => errors.length === 1);
    assert.deepEqual(errors, [expected]);
    mock.timers.tick(600_000);
    connection.reconnectNow();
    assert.equal(Socket.all.length, 1);
    connection.open();
    assert.equal(Socket.all.length, 2);
    connection.close();
  }
});

test("a connection that is closed before its token comes is not opened", async () => {
  let give;
  let isGiven = false;
  const token = () => new Promise((resolve) => (give = resolve));
  const connection = new Connection(`ws://pi/${(cameras += 1)}`, { state() {}, text() {}, binary() {} }, () => token);
  connection.open();
  await until(() => give);
  connection.close();
  give("late");
  Promise.resolve().then(() => (isGiven = true));
  await until(() => isGiven);
  await new Promise(setImmediate);
  assert.equal(Socket.all.length, 0);
});
