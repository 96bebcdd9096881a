/** A WebSocket client for text messages (RFC 6455), since not every node that runs these tests has one. */

import { EventEmitter } from "node:events";
import { request } from "node:http";

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const MASK = Buffer.from([1, 2, 3, 4]);

/** Emits "message" with each text, and "close". */
class Client extends EventEmitter {
  #socket;
  #rest = Buffer.alloc(0);
  #parts = [];

  constructor(socket, head) {
    super();
    this.#socket = socket;
    socket.on("data", (data) => this.#receive(data));
    socket.on("error", () => {});
    socket.on("close", () => this.emit("close"));
    // Nobody listens before the caller has this object.
    setImmediate(() => this.#receive(head));
  }

  send(text) {
    this.#write(TEXT, Buffer.from(text));
  }

  end() {
    this.#socket.destroy();
  }

  /** Masked, as a client must: with the same four bytes each time, since nothing is between here and the browser. */
  #write(opcode, payload) {
    const { length } = payload;
    const short = length < 126 ? length : length < 65_536 ? 126 : 127;
    const head = Buffer.alloc({ 126: 4, 127: 10 }[short] ?? 2);
    head[0] = 0x80 | opcode;
    head[1] = 0x80 | short;
    if (short === 126) head.writeUInt16BE(length, 2);
    if (short === 127) head.writeBigUInt64BE(BigInt(length), 2);
    this.#socket.write(Buffer.concat([head, MASK, payload.map((byte, i) => byte ^ MASK[i % 4])]));
  }

  #receive(data) {
    this.#rest = Buffer.concat([this.#rest, data]);
    for (let frame = this.#frame(); frame; frame = this.#frame()) {
      if (frame.opcode === PING) this.#write(PONG, frame.payload);
      else if (frame.opcode === CLOSE) this.#socket.end();
      else if (frame.opcode <= TEXT) this.#take(frame);
    }
  }

  #frame() {
    const rest = this.#rest;
    if (rest.length < 2) return null;
    const short = rest[1] & 0x7f;
    const begin = { 126: 4, 127: 10 }[short] ?? 2;
    if (rest.length < begin) return null;
    const length = { 126: () => rest.readUInt16BE(2), 127: () => Number(rest.readBigUInt64BE(2)) }[short]?.() ?? short;
    if (rest.length < begin + length) return null;
    this.#rest = rest.subarray(begin + length);
    return { isLast: rest[0] >= 0x80, opcode: rest[0] & 15, payload: rest.subarray(begin, begin + length) };
  }

  #take({ isLast, payload }) {
    this.#parts.push(payload);
    if (!isLast) return;
    this.emit("message", Buffer.concat(this.#parts).toString());
    this.#parts = [];
  }
}

/** @param {string} url ws://… */
export function connect(url) {
  const headers = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": 13,
    "sec-websocket-key": Buffer.alloc(16).toString("base64"),
  };
  return new Promise((resolve, reject) => {
    const asked = request(url.replace("ws", "http"), { headers });
    asked.once("upgrade", (_, socket, head) => resolve(new Client(socket, head)));
    asked.once("response", ({ statusCode }) => reject(new Error(`${url}: status ${statusCode} instead of a WebSocket`)));
    asked.once("error", reject);
    asked.end();
  });
}
