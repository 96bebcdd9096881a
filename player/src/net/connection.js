/**
 * One WebSocket to a camera, for ever: opens it, notices when it is dead, opens it again. Knows the transport
 * rules of the sub-protocol (hello, clock), little of MP4 and nothing of video elements.
 *
 * Players of the same URL share one socket: browsers have 255 (Chromium) or 200 (Firefox) in all. The second player gets what
 * came since the newest keyframe, as a viewer who joins does from the server.
 *
 * A line that is silent may be gone for good (another network, a server without power) or a hole that ends any moment. So
 * a second socket is tried beside the first, and who speaks first is kept: the server tries the old one several times a
 * second, while a new one's first packet is repeated only after one.
 */

import { ServerClock } from "./clock-sync.js";

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
/** Bytes kept for players that join. Where more came since the newest keyframe they open a socket of their own. */
const REPLAY_BYTES = 4_000_000;
/** docs/reference/websocket.md: the first letter of `ftyp` or `moof`, and the first byte of the first sample flags. */
const KIND_AT = 4;
const INIT = 0x66;
const FLAGS_AT = 92;
const KEYFRAME = 2;

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

/**
 * @typedef {object} Listener
 * @property {(state: "connecting" | "open" | "gone") => void} state
 * @property {(message: Message) => void} text
 * @property {(message: ArrayBuffer) => void} binary whose bytes are not to be changed
 */

/** The socket of each URL that players join. @type {Map<string, Socket>} */
const sockets = new Map();

/** What one player has of a socket. */
export class Connection {
  #url;
  #on;
  #socket;

  /**
   * @param {string} url ws: or wss:
   * @param {Listener} on
   */
  constructor(url, on) {
    this.#url = url;
    this.#on = on;
    this.#socket = new Socket(url);
  }

  open() {
    this.close();
    const joined = sockets.get(this.#url);
    this.#socket = joined?.canJoin ? joined : new Socket(this.#url);
    this.#socket.add(this.#on);
  }

  /** Ends it; nothing is called any more. */
  close() {
    this.#socket.remove(this.#on);
  }

  retryNow() {
    this.#socket.retryNow();
  }

  /** @param {object} message of which those of the first player are sent */
  send(message) {
    if (this.#socket.isFirst(this.#on)) this.#socket.send(message);
  }

  get clock() {
    return this.#socket.clock;
  }
}

class Socket {
  #url;
  /** @type {Set<Listener>} */
  #listeners = new Set();
  /** @type {"connecting" | "open" | "gone"} */
  #state = "connecting";
  /** The last text message of each type. @type {Map<string, Message>} */
  #texts = new Map();
  /** Init segment and fragments since the newest keyframe. @type {ArrayBuffer[]} */
  #replay = [];
  #replayBytes = 0;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {WebSocket | null} tried beside a silent one */
  #spare = null;
  #isAccepted = false;
  /** Attempts since pictures last came. */
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

  /** @param {string} url */
  constructor(url) {
    this.#url = url;
  }

  /** A player that joins now would miss nothing. */
  get canJoin() {
    return this.#replayBytes <= REPLAY_BYTES;
  }

  /** @param {Listener} on */
  isFirst(on) {
    return this.#listeners.values().next().value === on;
  }

  /** @param {Listener} on */
  add(on) {
    this.#listeners.add(on);
    on.state(this.#state);
    if (this.isFirst(on)) {
      sockets.set(this.#url, this);
      this.#connect();
      return;
    }
    this.#texts.forEach((message) => this.#give(on, "text", message));
    this.#replay.forEach((message) => this.#give(on, "binary", message));
  }

  /** @param {Listener} on */
  remove(on) {
    if (!this.#listeners.delete(on) || this.#listeners.size > 0) return;
    if (sockets.get(this.#url) === this) sockets.delete(this.#url);
    this.#close();
  }

  /** @param {"connecting" | "open" | "gone"} state */
  #setState(state) {
    this.#state = state;
    this.#tell("state", state);
  }

  /**
   * A player that comes meanwhile has it by the replay.
   * @param {keyof Listener} what @param {any} message
   */
  #tell(what, message) {
    for (const on of [...this.#listeners]) this.#give(on, what, message);
  }

  /** @param {Listener} on may have been taken away meanwhile @param {keyof Listener} what @param {any} message */
  #give(on, what, message) {
    if (this.#listeners.has(on)) on[what](message);
  }

  #close() {
    clearInterval(this.#ticker);
    clearTimeout(this.#retry);
    hangUp(this.#socket);
    hangUp(this.#spare);
    this.#socket = this.#spare = null;
    this.#ticksSilent = this.#replayBytes = 0;
    this.#replay = [];
    this.#texts.clear();
  }

  /** The line may be back (network change, return from standby): no waiting for the next attempt. */
  retryNow() {
    if (this.#socket && this.#ticksSilent < SILENT_TICKS) return;
    this.#failures = 0;
    if (this.#isOpen) this.#tryBeside();
    else this.#connect();
  }

  /** @param {object} message */
  send(message) {
    if (this.#isOpen) this.#socket?.send(JSON.stringify(message));
  }

  get #isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  #connect() {
    this.#close();
    this.#isAccepted = false;
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
    this.#isAccepted = true;
    this.clock = new ServerClock();
    this.#ask();
    this.#setState("open");
  }

  /** @param {string | ArrayBuffer} data */
  #receive(data) {
    this.#ticksSilent = 0;
    if (typeof data !== "string") return this.#receiveBinary(data);
    let message;
    try {
      message = Object(JSON.parse(data));
    } catch {
      // None of the protocol's.
      return;
    }
    if (message.type === "clock") this.#compareClocks(message);
    else this.#receiveText(message);
  }

  /** @param {Message} message */
  #receiveText(message) {
    if (message.type === "hello") this.#texts.clear();
    if (message.type !== "skipped") this.#texts.set(String(message.type), message);
    this.#tell("text", message);
  }

  /** @param {ArrayBuffer} data */
  #receiveBinary(data) {
    const bytes = new Uint8Array(data);
    const isInit = bytes[KIND_AT] === INIT;
    if (!isInit) this.#failures = 0;
    if (isInit || bytes[FLAGS_AT] === KEYFRAME) {
      this.#replay.length = isInit ? 0 : 1;
      this.#replayBytes = 0;
    }
    this.#replay.push(data);
    this.#replayBytes += data.byteLength;
    if (!this.canJoin) this.#replay.length = 1;
    this.#tell("binary", data);
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
    this.#setState("gone");
  }

  #ask() {
    this.send({ type: "clock", sent: performance.now() });
  }

  #lost() {
    this.#close();
    const wait = backOffMs(this.#failures, Math.random());
    this.#failures += 1;
    this.#retry = setTimeout(() => this.#connect(), wait);
    this.#setState("gone");
    if (!this.#isAccepted && this.#listeners.size > 0) this.#explain();
  }

  /** Asks why the handshake failed, which browsers do not tell. */
  async #explain() {
    try {
      const { explain } = await import("./refusal.js");
      const open = [...sockets].filter(([, socket]) => socket.#isOpen).map(([url]) => url);
      const refusal = await explain(this.#url, open);
      if (!this.#isAccepted) this.#receiveText({ type: "error", ...refusal });
    } catch {
      // The server is gone.
    }
  }
}

/** @param {WebSocket | null} socket of which nothing is heard any more */
function hangUp(socket) {
  if (!socket) return;
  socket.onopen = socket.onmessage = socket.onclose = null;
  socket.close();
}
