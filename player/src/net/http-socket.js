/**
 * Stands in for a WebSocket where a proxy passes no upgrade on: the server's messages are the body of one endless response, and those
 * of the player go by POST (docs/reference/websocket.md). Now and then it tries a WebSocket next to it, and takes that as soon as it
 * delivers. Loaded when a handshake was refused for want of an upgrade.
 */

import { StreamLimit, isUnseen } from "./stream-limit.js";
import { TOKEN_PROTOCOL } from "./token.js";

const MEDIA_TYPE = "application/vnd.berrymse";
const TEXT = 1;
/** Length and type before each message. */
const HEADER_BYTES = 5;
/** More is no message of this server. */
const MAX_MESSAGE_BYTES = 64 << 20;
/** Wait before a WebSocket is tried again, at first and at most. It doubles. */
const RETRY_MS = 20_000;
const MAX_RETRY_MS = 600_000;
/** Time that a WebSocket has to deliver. */
const HANDSHAKE_MS = 10_000;
const ABNORMAL = 1006;
const TOO_MANY = {
  type: "error", code: "too_many_streams",
  message: "Without WebSockets a browser shows four cameras of a host at once, in all its tabs. Close other pages with cameras, or have "
    + "the proxy pass on the headers Upgrade and Connection: see BerryMSE's docs/guide/reverse-proxy.md.",
};

/**
 * What is known of a host: its open streams, the URLs that have found no place, and how to go on.
 * @typedef {{limit: StreamLimit, full: Set<string>, wait: number, upgrades: boolean}} Host
 */
/** @type {Map<string, Host>} */
const hosts = new Map();

/** Has the part of the interface of WebSocket that connection.js uses. */
export class HttpSocket {
  /** @type {(() => void) | null} */
  onopen = null;
  /** @type {((event: {data: any}) => void) | null} */
  onmessage = null;
  /** @type {((event: {code: number}) => void) | null} */
  onclose = null;
  /** Always so. */
  binaryType = "arraybuffer";
  /** @type {number} */
  readyState = WebSocket.CONNECTING;

  #url;
  #protocols;
  #host;
  #abort = new AbortController();
  #session = "";
  /** @type {WebSocket | null} the one that has taken over */
  #socket = null;
  /** @type {WebSocket | null} one that is tried */
  #tried = null;
  /** @type {any} */
  #retry = 0;
  #hasStream = false;

  /** @param {string} url of the WebSocket @param {string[]} protocols */
  constructor(url, protocols) {
    this.#url = url;
    this.#protocols = protocols;
    const { host } = new URL(url);
    this.#host = hosts.get(host) ?? { limit: new StreamLimit(host), full: new Set(), wait: RETRY_MS, upgrades: false };
    hosts.set(host, this.#host);
    // The caller sets its listeners first.
    queueMicrotask(() => (this.#host.upgrades ? this.#tryUpgrade() : this.#open()));
  }

  /**
   * Returns the message if this class itself has kept a stream from being opened, else null.
   * @param {string} url
   */
  static refusal(url) {
    if (isUnseen()) return { type: "error" };
    return hosts.get(new URL(url).host)?.full.has(url) ? TOO_MANY : null;
  }

  /** @param {string} text */
  send(text) {
    if (this.#socket) this.#socket.send(text);
    else if (this.#session) this.#post({ ...JSON.parse(text), session: this.#session });
  }

  close() {
    this.readyState = WebSocket.CLOSED;
    this.#abort.abort();
    this.#host.limit.leave(this);
    clearTimeout(this.#retry);
    for (const socket of [this.#socket, this.#tried]) leave(socket);
    this.#socket = this.#tried = null;
  }

  /** @param {number} code */
  #end(code) {
    if (this.readyState === WebSocket.CLOSED) return;
    this.close();
    this.onclose?.({ code });
  }

  /** @param {string} accept */
  #headers(accept) {
    const token = this.#protocols[1]?.slice(TOKEN_PROTOCOL.length);
    return { accept, ...token && { authorization: `Bearer ${token}` } };
  }

  get #fetchUrl() {
    return this.#url.replace(/^ws/, "http");
  }

  /** Another page has, or needs, the place of this stream. @param {boolean} isFull if there is none for it now */
  yieldPlace(isFull) {
    if (isFull) this.#host.full.add(this.#url);
    this.#end(ABNORMAL);
  }

  async #open() {
    // Nobody sees it yet, and the places are few.
    await this.#untilSeen();
    if (this.readyState === WebSocket.CLOSED) return;
    const { limit, full } = this.#host;
    const isFree = await limit.take(this);
    full.delete(this.#url);
    if (this.readyState === WebSocket.CLOSED) return limit.leave(this);
    if (!isFree) {
      full.add(this.#url);
      return this.#end(ABNORMAL);
    }
    this.#hasStream = true;
    try {
      await this.#stream();
    } catch {
      // Aborted, or the server is gone.
    }
    limit.leave(this);
    this.#hasStream = false;
    // Next time both are tried.
    if (!this.#session) this.#host.upgrades = true;
    if (!this.#socket) this.#end(ABNORMAL);
  }

  /** Waits while nobody sees the page. */
  async #untilSeen() {
    const { signal } = this.#abort;
    while (isUnseen() && !signal.aborted) {
      await new Promise((resolve) => {
        for (const type of ["visibilitychange", "enterpictureinpicture"]) document.addEventListener(type, resolve, { once: true, signal });
        signal.addEventListener("abort", resolve);
      });
    }
  }

  async #stream() {
    const { signal } = this.#abort;
    const response = await fetch(this.#fetchUrl, { cache: "no-store", headers: this.#headers(MEDIA_TYPE), referrerPolicy: "origin", signal });
    if (!response.ok || !response.body || response.headers.get("content-type") !== MEDIA_TYPE) return this.#abort.abort();
    this.#scheduleUpgrade();
    const messages = new MessageReader((type, bytes) => this.#receive(type, bytes));
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.#socket) return;
      messages.push(value);
    }
  }

  /** @param {number} type @param {ArrayBuffer} bytes */
  #receive(type, bytes) {
    if (this.#socket || this.readyState === WebSocket.CLOSED) return;
    if (type !== TEXT) return this.onmessage?.({ data: bytes });
    const data = new TextDecoder().decode(bytes);
    const message = Object(JSON.parse(data));
    if (message.type === "close") return this.#end(message.code);
    // The first message names the session.
    if (!this.#session) {
      this.#session = String(message.session);
      this.readyState = WebSocket.OPEN;
      this.onopen?.();
    }
    this.onmessage?.({ data });
  }

  /** @param {object} message */
  async #post(message) {
    const { signal } = this.#abort;
    try {
      const { status } = await fetch(this.#fetchUrl, { method: "POST", headers: this.#headers("application/json"), body: JSON.stringify(message), signal });
      // The server knows the stream no longer.
      if (status === 404 && !this.#socket) this.#end(ABNORMAL);
    } catch {
      // The stream shows whether the server is gone.
    }
  }

  #scheduleUpgrade() {
    this.#retry = setTimeout(() => this.#tryUpgrade(), this.#host.wait * (0.8 + 0.4 * Math.random()));
    this.#host.wait = Math.min(this.#host.wait * 2, MAX_RETRY_MS);
  }

  /** Opens a WebSocket, which takes over at its first frame. */
  #tryUpgrade() {
    if (this.readyState === WebSocket.CLOSED) return;
    const socket = this.#tried = new WebSocket(this.#url, this.#protocols);
    socket.binaryType = "arraybuffer";
    /** Text messages before the first frame. @type {any[]} */
    const early = [];
    const timer = setTimeout(() => this.#failUpgrade(socket), HANDSHAKE_MS);
    socket.onmessage = ({ data }) => {
      early.push(data);
      // Without a stream nothing else is waited for.
      if (typeof data === "string" && this.#hasStream) return;
      clearTimeout(timer);
      this.#use(socket, early);
    };
    socket.onclose = () => {
      clearTimeout(timer);
      this.#failUpgrade(socket);
    };
  }

  /** @param {WebSocket} socket */
  #failUpgrade(socket) {
    if (this.#tried !== socket) return;
    leave(socket);
    this.#tried = null;
    this.#host.upgrades = false;
    if (this.#hasStream) this.#scheduleUpgrade();
    else this.#open();
  }

  /** @param {WebSocket} socket @param {any[]} early */
  #use(socket, early) {
    this.#tried = null;
    this.#socket = socket;
    this.#host.upgrades = true;
    this.#host.wait = RETRY_MS;
    this.#abort.abort();
    socket.onmessage = (event) => this.onmessage?.(event);
    socket.onclose = ({ code }) => this.#end(code);
    this.readyState = WebSocket.OPEN;
    this.onopen?.();
    for (const data of early) this.onmessage?.({ data });
  }
}

/** @param {WebSocket | null} socket */
function leave(socket) {
  if (!socket) return;
  socket.onmessage = socket.onclose = null;
  socket.close();
}

/** Cuts the body into messages. */
export class MessageReader {
  #on;
  #header = new Uint8Array(HEADER_BYTES);
  #headerBytes = 0;
  /** @type {Uint8Array<ArrayBuffer> | null} */
  #payload = null;
  #payloadBytes = 0;

  /** @param {(type: number, payload: ArrayBuffer) => void} on */
  constructor(on) {
    this.#on = on;
  }

  /** @param {Uint8Array} bytes cut anywhere */
  push(bytes) {
    for (let rest = bytes; rest.length > 0;) rest = this.#payload ? this.#takePayload(rest) : this.#takeHeader(rest);
  }

  /** @param {Uint8Array} bytes */
  #takeHeader(bytes) {
    const part = bytes.subarray(0, HEADER_BYTES - this.#headerBytes);
    this.#header.set(part, this.#headerBytes);
    this.#headerBytes += part.length;
    if (this.#headerBytes === HEADER_BYTES) {
      const length = new DataView(this.#header.buffer).getUint32(0);
      if (length > MAX_MESSAGE_BYTES) throw new RangeError(`a message of ${length} bytes`);
      this.#payload = new Uint8Array(length);
      this.#payloadBytes = 0;
      this.#finish();
    }
    return bytes.subarray(part.length);
  }

  /** @param {Uint8Array} bytes */
  #takePayload(bytes) {
    const payload = /** @type {Uint8Array<ArrayBuffer>} */ (this.#payload);
    const part = bytes.subarray(0, payload.length - this.#payloadBytes);
    payload.set(part, this.#payloadBytes);
    this.#payloadBytes += part.length;
    this.#finish();
    return bytes.subarray(part.length);
  }

  #finish() {
    const payload = this.#payload;
    if (!payload || this.#payloadBytes < payload.length) return;
    this.#payload = null;
    this.#headerBytes = 0;
    this.#on(this.#header[4], payload.buffer);
  }
}
