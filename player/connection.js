/**
 * One WebSocket to a camera, for ever: opens it, notices when it is dead, opens it again. Knows the transport
 * rules of the sub-protocol (hello, clock), nothing of MP4 or of video elements.
 *
 * A line that is silent may be gone for good (another network, a server without power) or a hole that ends any moment. So
 * a second socket is tried beside the first, and who speaks first is kept: the server tries the old one several times a
 * second, while a new one's first packet is repeated only after one.
 */

import { ServerClock } from "./delay.js";

const PROTOCOL = "berrymse.v1";
const ASK_MS = 1000;
/** A clock message is answered at once, so so many ticks in a row without any message are a line in trouble. */
const SILENT_TICKS = 3;
/**
 * How long each second socket has: its first packet goes out at once, after a second and after three. Firefox makes who fails
 * often wait.
 */
const SPARE_TICKS = 4;
/** The server has given up the first socket by then. */
const DEAD_TICKS = 45;
const OPENING_TICKS = 5;
/** So many exchanges at once, so that the clocks agree from the beginning. */
const FIRST_EXCHANGES = 5;

/**
 * How long to wait before attempt number `failures` (0: at once). Jittered, so that a hundred viewers do
 * not come back in step after a restart of the server.
 * @param {number} failures attempts since pictures last came
 * @param {number} random 0 to 1
 */
export function backOffMs(failures, random) {
  const full = Math.min(125 * 2 ** failures, 2000);
  return failures > 0 ? full * (0.6 + 0.4 * random) : 0;
}

/**
 * The WebSocket URL meant by what a page wrote: relative to the page, http or ws, with or without host.
 * "ws:/name" (pages of 2022 have it) is a path on the own host. A page that came by TLS gets TLS to its own host.
 * @param {string} written
 * @param {string} base the URL of the page or script that wrote it
 */
export function socketUrl(written, base) {
  const url = new URL(written.replace(/^wss?:\/(?!\/)/, "/"), base);
  const own = new URL(base);
  const isSecure = /^(https|wss):/.test(url.protocol)
    || (own.protocol === "https:" && url.host === own.host);
  url.protocol = isSecure ? "wss:" : "ws:";
  url.hash = "";
  return url.href;
}

/** @typedef {{type?: string, [key: string]: any}} Message a text message of the server, unchecked */

export class Connection {
  #url;
  #on;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {WebSocket | null} tried beside a silent one */
  #spare = null;
  #failures = 0;
  /** @type {number | undefined} */
  #retry;
  /** @type {number | undefined} */
  #ticker;
  #ticksSilent = 0;
  /** When the next second socket is tried, in silent ticks. Later if one was kept: a line may need seconds for each keyframe. */
  #patience = SILENT_TICKS;

  /** That of the server at the other end now. */
  clock = new ServerClock();

  /**
   * @param {string} url ws: or wss:
   * @param {{state: (state: "connecting" | "open" | "gone") => void, text: (message: Message) => void,
   *   binary: (message: ArrayBuffer) => void}} on
   */
  constructor(url, on) {
    this.#url = url;
    this.#on = on;
  }

  open() {
    this.#connect();
    this.#on.state("connecting");
  }

  /** Ends it; nothing is called any more. */
  close() {
    clearInterval(this.#ticker);
    clearTimeout(this.#retry);
    hangUp(this.#socket);
    hangUp(this.#spare);
    this.#socket = this.#spare = null;
    this.#ticksSilent = 0;
  }

  /** The line may be back (network change, return from standby): no waiting for the next attempt. */
  retryNow() {
    if (this.#socket && this.#ticksSilent < SILENT_TICKS) return;
    this.#failures = 0;
    if (this.#isOpen) this.#tryBeside();
    else this.#connect();
  }

  /** Pictures come: the next failure is a first one again. */
  isGood() {
    this.#failures = 0;
  }

  /** @param {object} message */
  send(message) {
    if (this.#isOpen) this.#socket?.send(JSON.stringify(message));
  }

  get #isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  #connect() {
    this.close();
    this.#socket = this.#dial();
    if (!this.#socket) return this.#lost();
    this.#ticker = setInterval(() => this.#tick(), ASK_MS);
  }

  #dial() {
    let socket;
    try {
      socket = new WebSocket(this.#url, PROTOCOL);
    } catch (error) {
      // An address that this page may never reach, such as ws: from a page that came by TLS.
      console.error(`berrymse: ${this.#url}: ${error}`);
      return null;
    }
    socket.binaryType = "arraybuffer";
    // A second one has to speak first.
    socket.onopen = () => {
      if (socket === this.#socket) this.#begin(socket);
    };
    socket.onmessage = ({ data }) => {
      // The first word after a silence decides which of the two is kept.
      if (this.#ticksSilent >= SILENT_TICKS) this.#begin(socket);
      if (socket === this.#socket) this.#receive(data);
    };
    socket.onclose = () => {
      const spare = this.#spare;
      if (!spare) return this.#lost();
      this.#spare = null;
      if (socket === spare) return;
      // It goes on with its handshake.
      this.#socket = spare;
      this.#ticksSilent = 0;
      if (this.#isOpen) this.#begin(spare);
    };
    return socket;
  }

  /** This one speaks from now on. @param {WebSocket} socket */
  #begin(socket) {
    if (socket !== this.#spare) this.#patience = SILENT_TICKS;
    hangUp(socket === this.#spare ? this.#socket : this.#spare);
    this.#spare = null;
    this.#socket = socket;
    this.#ticksSilent = 0;
    this.clock = new ServerClock();
    this.#ask();
    this.#on.state("open");
  }

  /** @param {string | ArrayBuffer} data */
  #receive(data) {
    this.#ticksSilent = 0;
    if (typeof data !== "string") return this.#on.binary(data);
    let message;
    try {
      message = Object(JSON.parse(data));
    } catch {
      // None of the protocol's.
      return;
    }
    if (message.type === "clock") this.#compareClocks(message);
    else this.#on.text(message);
  }

  /** @param {Message} message */
  #compareClocks({ sent, received_us: received, now_us: answered }) {
    this.clock.add({ sent, received: received / 1000, answered: answered / 1000, now: performance.now() });
    if (this.clock.count < FIRST_EXCHANGES) this.#ask();
  }

  /** Counts ticks rather than time: after a standby the clock has jumped, yet the line may be fine. */
  #tick() {
    const silent = this.#ticksSilent += 1;
    if (silent >= (this.#isOpen ? DEAD_TICKS : OPENING_TICKS)) return this.#lost();
    this.#ask();
    // Browsers open one socket to a host after the other.
    if (!this.#isOpen || silent !== this.#patience) return;
    this.#tryBeside();
  }

  /** Once in a tick: else who asks again and again ends each in its handshake. */
  #tryBeside() {
    const next = this.#ticksSilent + SPARE_TICKS;
    if (this.#spare && this.#patience === next) return;
    this.#patience = next;
    hangUp(this.#spare);
    this.#spare = this.#dial();
    this.#on.state("gone");
  }

  #ask() {
    this.send({ type: "clock", sent: performance.now() });
  }

  #lost() {
    this.close();
    const wait = backOffMs(this.#failures, Math.random());
    this.#failures += 1;
    this.#retry = setTimeout(() => this.#connect(), wait);
    this.#on.state("gone");
  }
}

/** @param {WebSocket | null} socket of which nothing is heard any more */
function hangUp(socket) {
  if (!socket) return;
  socket.onopen = socket.onmessage = socket.onclose = null;
  socket.close();
}
