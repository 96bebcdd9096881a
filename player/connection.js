/**
 * One WebSocket to a camera, for ever: opens it, notices when it is dead, opens it again. Knows the transport
 * rules of the sub-protocol (hello, clock), nothing of MP4 or of video elements.
 */

import { ServerClock } from "./delay.js";

const PROTOCOL = "berrymse.v1";
const ASK_MS = 1000;
/** A clock message is answered at once, so so many ticks in a row without any message mean a dead line. */
const SILENT_TICKS = 5;
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
  if (failures <= 0) return 0;
  const full = Math.min(250 * 2 ** (failures - 1), 2000);
  return full * (0.6 + 0.4 * random);
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
  const isSecure = url.protocol === "https:" || url.protocol === "wss:"
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
  #failures = 0;
  /** @type {number | undefined} */
  #retry;
  /** @type {number | undefined} */
  #ticker;
  #ticksSilent = 0;
  #answersClock = false;

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
    this.#on.state("connecting");
    this.#connect();
  }

  /** Ends it; nothing is called any more. */
  close() {
    this.#drop();
    clearTimeout(this.#retry);
  }

  /** Another socket at once: a viewer who joins is given the past from the newest keyframe on. */
  reopen() {
    this.close();
    this.#connect();
  }

  /** The line may be back (network change, return from standby): no waiting for the next attempt. */
  retryNow() {
    if (this.#socket) return;
    this.#failures = 0;
    clearTimeout(this.#retry);
    this.#connect();
  }

  /** Pictures come: the next failure is a first one again. */
  isGood() {
    this.#failures = 0;
  }

  /** @param {object} message */
  send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #connect() {
    this.#drop();
    this.clock = new ServerClock();
    let socket;
    try {
      socket = new WebSocket(this.#url, PROTOCOL);
    } catch (error) {
      // An address that this page may never reach, such as ws: from a page that came by TLS.
      console.error(`berrymse: ${this.#url}: ${error}`);
      this.#lost();
      return;
    }
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#ticksSilent = 0;
      this.#on.state("open");
      this.#ask();
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = () => this.#lost();
    this.#socket = socket;
    this.#ticker = setInterval(() => this.#tick(), ASK_MS);
  }

  /** @param {string | ArrayBuffer} data */
  #receive(data) {
    this.#ticksSilent = 0;
    if (typeof data !== "string") {
      this.#on.binary(data);
      return;
    }
    const message = parse(data);
    if (message?.type === "clock") this.#compareClocks(message);
    if (message) this.#on.text(message);
  }

  /** @param {Message} message */
  #compareClocks({ sent, received_us: received, now_us: answered }) {
    this.#answersClock = true;
    this.clock.add({ sent, received: received / 1000, answered: answered / 1000, now: performance.now() });
    if (this.clock.count < FIRST_EXCHANGES) this.#ask();
  }

  /** Counts ticks rather than time: after a standby the clock has jumped, yet the line may be fine. */
  #tick() {
    this.#ticksSilent += 1;
    const isOpening = this.#socket?.readyState === WebSocket.CONNECTING;
    const limit = isOpening ? OPENING_TICKS : this.#answersClock ? SILENT_TICKS : Infinity;
    if (this.#ticksSilent >= limit) {
      this.#lost();
    } else {
      this.#ask();
    }
  }

  #ask() {
    this.send({ type: "clock", sent: performance.now() });
  }

  #lost() {
    this.#drop();
    this.#on.state("gone");
    const wait = backOffMs(this.#failures, Math.random());
    this.#failures += 1;
    this.#retry = setTimeout(() => this.#connect(), wait);
  }

  #drop() {
    clearInterval(this.#ticker);
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = null;
    this.#answersClock = false;
    this.#ticksSilent = 0;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}

/**
 * Null for anything that is not a JSON object: unknown messages are ignored by the protocol.
 * @param {string} text
 * @returns {Message | null}
 */
function parse(text) {
  try {
    const message = JSON.parse(text);
    return message !== null && typeof message === "object" ? message : null;
  } catch {
    return null;
  }
}
