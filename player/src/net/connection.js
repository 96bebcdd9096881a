/**
 * Keeps one WebSocket to a camera open: opens it, notices when it is dead, opens it again. Knows the transport rules of the
 * sub-protocol (hello, clock), little of MP4 and nothing of video elements.
 *
 * Players of the same URL share one socket: browsers have 255 (Chromium) or 200 (Firefox) in all. The second player receives the
 * messages since the newest keyframe, as a viewer who joins does from the server.
 *
 * A silent connection may be dead (another network, a server without power), or its outage may end soon. So a standby socket is
 * opened in addition, and whichever delivers first is kept. The server retries on the old one several times a second, while
 * the first packet of a new one is repeated only after a second.
 */

const PROTOCOL = "berrymse.v1";
const CLOCK_INTERVAL_MS = 1000;
/** The server answers a clock message at once. So this many ticks in a row without a message are an outage. */
const SILENT_TICKS = 3;
/**
 * Time that each standby socket has. Its first packet goes out at once, after 1 s and after 3 s. Firefox delays pages that
 * fail often.
 */
const STANDBY_TICKS = 4;
/** The server has closed the first socket by then. */
const DEAD_TICKS = 45;
const OPENING_TICKS = 5;
/** Codes above this one end a connection for good (docs/reference/websocket.md), and the wait after them. */
const ENDED = 4400;
const ENDED_WAIT_MS = 30_000;
const SESSION_ENDED = 4401;
const BY_OPERATOR = 4403;
/** Number of exchanges at the beginning, one after the other, so that the clocks agree soon; and of those that are kept. */
const FIRST_EXCHANGES = 5;
const KEPT_EXCHANGES = 60;
/** Bytes kept for players that join. With more since the newest keyframe a player opens its own socket. */
const REPLAY_BYTES = 4_000_000;
/** Offsets of docs/reference/websocket.md: the first letter of `ftyp` or `moof`, and the first byte of the first sample flags. */
const KIND_AT = 4;
const INIT = 0x66;
const FLAGS_AT = 92;
const KEYFRAME = 2;

/**
 * Returns the wait before attempt number `failures` (0: at once). It is random, so that a hundred viewers do not return in step
 * after a restart of the server.
 * @param {number} failures attempts since the last frame
 * @param {number} random 0 to 1
 */
export function backOffMs(failures, random) {
  const full = Math.min(125 * 2 ** failures, 2000);
  return failures > 0 ? full * (0.6 + 0.4 * random) : 0;
}

/**
 * Returns the WebSocket URL for what a page wrote: relative to the page, http or ws, with or without host. "ws:/name" (of 2022
 * pages) is a path on the own host. A page with TLS uses TLS to its own host.
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

/** @typedef {{sent: number, received: number, answered: number, now: number}} ClockExchange the middle two are the server's */
/** @typedef {{type?: string, [key: string]: any}} Message a text message of the server, unchecked */

/**
 * @typedef {object} Listener
 * @property {(state: "connecting" | "open" | "gone") => void} state
 * @property {(message: Message) => void} text
 * @property {(message: ArrayBuffer) => void} binary whose bytes are not to be changed
 */

/** The socket of each URL that players join. @type {Map<string, Socket>} */
const sockets = new Map();

/** @typedef {string | (() => string | Promise<string>) | null | undefined} TokenSource a token, or a function that returns a fresh one */

/** Share of one player in a socket. */
export class Connection {
  #url;
  #on;
  #token;
  #socket;

  /**
   * @param {string} url ws: or wss:
   * @param {Listener} on
   * @param {() => TokenSource} [token] asked before each connection
   */
  constructor(url, on, token) {
    this.#url = url;
    this.#on = on;
    this.#token = token;
    this.#socket = new Socket(url, token);
  }

  open() {
    this.close();
    const joined = sockets.get(this.#url);
    this.#socket = joined?.canJoin ? joined : new Socket(this.#url, this.#token);
    this.#socket.add(this.#on);
  }

  /** Ends it. No listener is called after that. */
  close() {
    this.#socket.remove(this.#on);
  }

  reconnectNow() {
    this.#socket.reconnectNow();
  }

  /** @param {object} message sent for the first player only */
  send(message) {
    if (this.#socket.isFirst(this.#on)) this.#socket.send(message);
  }

  get exchanges() {
    return this.#socket.exchanges;
  }
}

class Socket {
  #url;
  #token;
  /** Sub-protocols to offer: the own, and one with the token. @type {string[]} */
  #protocols = [PROTOCOL];
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
  /** @type {WebSocket | null} opened in addition to a silent one */
  #standby = null;
  #isAccepted = false;
  /** Attempts since the last frame. */
  #failures = 0;
  /** @type {number | undefined} */
  #retry;
  /** @type {number | undefined} */
  #ticker;
  #ticksSilent = 0;
  /** Silent ticks until the next standby socket. More after one was kept: a congested link may need seconds for each keyframe. */
  #standbyAt = SILENT_TICKS;

  /** WebSocket, or what stands in for it. @type {new (url: string, protocols: string[]) => WebSocket} */
  transport = WebSocket;

  /** Exchanges with the clock of the server that the socket is connected to. @type {ClockExchange[]} */
  exchanges = [];

  /** @param {string} url @param {() => TokenSource} [token] */
  constructor(url, token) {
    this.#url = url;
    this.#token = token;
  }

  /** True while a player that joins would miss nothing. */
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
    this.#texts.forEach((message) => this.#deliver(on, "text", message));
    this.#replay.forEach((message) => this.#deliver(on, "binary", message));
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
    this.#broadcast("state", state);
  }

  /**
   * A player that joins meanwhile has the message from the replay.
   * @param {keyof Listener} what @param {any} message
   */
  #broadcast(what, message) {
    for (const on of [...this.#listeners]) this.#deliver(on, what, message);
  }

  /** @param {Listener} on which may have been removed meanwhile @param {keyof Listener} what @param {any} message */
  #deliver(on, what, message) {
    if (this.#listeners.has(on)) on[what](message);
  }

  #close() {
    clearInterval(this.#ticker);
    clearTimeout(this.#retry);
    closeSocket(this.#socket);
    closeSocket(this.#standby);
    this.#socket = this.#standby = null;
    this.#ticksSilent = this.#replayBytes = 0;
    this.#replay = [];
    this.#texts.clear();
  }

  /** Reconnects without waiting: the link may be back (network change, return from standby). */
  reconnectNow() {
    if (this.#socket && this.#ticksSilent < SILENT_TICKS) return;
    this.#failures = 0;
    if (this.isOpen) this.#openStandby();
    else this.#connect();
  }

  /** @param {object} message */
  send(message) {
    if (this.isOpen) this.#socket?.send(JSON.stringify(message));
  }

  /** Others see whether a socket could be opened at all. */
  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  async #connect() {
    this.#close();
    this.#isAccepted = false;
    const token = this.#token?.();
    if (token) {
      const replay = this.#replay;
      const { withToken } = await import("./token.js");
      this.#protocols = await withToken(PROTOCOL, token);
      // It was closed meanwhile.
      if (replay !== this.#replay) return;
    }
    this.#socket = this.#openSocket();
    if (!this.#socket) return this.#scheduleRetry();
    this.#ticker = setInterval(() => this.#tick(), CLOCK_INTERVAL_MS);
  }

  #openSocket() {
    let socket;
    try {
      socket = new this.transport(this.#url, this.#protocols);
    } catch (error) {
      // The page may not connect to this address, such as ws: from a page with TLS.
      console.warn(`berrymse: ${error}`);
      return null;
    }
    socket.binaryType = "arraybuffer";
    // A standby socket counts when it delivers.
    socket.onopen = () => {
      if (socket === this.#socket) this.#useSocket(socket);
    };
    socket.onmessage = ({ data }) => {
      // The first message after the silence decides which socket is kept.
      if (this.#ticksSilent >= SILENT_TICKS) this.#useSocket(socket);
      if (socket === this.#socket) this.#receive(data);
    };
    socket.onclose = ({ code }) => {
      const standby = this.#standby;
      if (!standby) return this.#scheduleRetry(code);
      this.#standby = null;
      if (socket === standby) return;
      // The standby socket continues its handshake.
      this.#socket = standby;
      this.#ticksSilent = 0;
      if (this.isOpen) this.#useSocket(standby);
    };
    return socket;
  }

  /** Makes this the socket that counts, and closes the other one. @param {WebSocket} socket */
  #useSocket(socket) {
    if (socket !== this.#standby) this.#standbyAt = SILENT_TICKS;
    closeSocket(socket === this.#standby ? this.#socket : this.#standby);
    this.#standby = null;
    this.#socket = socket;
    this.#ticksSilent = 0;
    this.#isAccepted = true;
    this.exchanges = [];
    this.#sendClock();
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
      // No message of the protocol.
      return;
    }
    if (message.type === "clock") this.#compareClocks(message);
    else this.#receiveText(message);
  }

  /** @param {Message} message */
  #receiveText(message) {
    if (message.type === "hello") this.#texts.clear();
    if (message.type !== "skipped") this.#texts.set(String(message.type), message);
    this.#broadcast("text", message);
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
    this.#broadcast("binary", data);
  }

  /** @param {Message} message */
  #compareClocks({ sent, received_us: received, now_us: answered }) {
    const count = this.exchanges.push({ sent, received: received / 1000, answered: answered / 1000, now: performance.now() });
    if (count < FIRST_EXCHANGES) this.#sendClock();
    if (count > KEPT_EXCHANGES) this.exchanges.shift();
  }

  /** Counts ticks rather than time: after a standby the clock has jumped, yet the link may be fine. */
  #tick() {
    const silent = this.#ticksSilent += 1;
    if (silent >= (this.isOpen ? DEAD_TICKS : OPENING_TICKS)) return this.#scheduleRetry();
    this.#sendClock();
    // Browsers open one socket to a host at a time.
    if (!this.isOpen || silent !== this.#standbyAt) return;
    this.#openStandby();
  }

  /** Opens a standby socket, once per tick at most: else repeated calls end each one in its handshake. */
  #openStandby() {
    const next = this.#ticksSilent + STANDBY_TICKS;
    if (this.#standby && this.#standbyAt === next) return;
    this.#standbyAt = next;
    closeSocket(this.#standby);
    this.#standby = this.#openSocket();
    this.#setState("gone");
  }

  #sendClock() {
    this.send({ type: "clock", sent: performance.now() });
  }

  /** @param {any} [code] number of the close; from 4400 on the server says that it is for good */
  #scheduleRetry(code) {
    const ended = this.#socket;
    this.#close();
    const wait = code > ENDED ? ENDED_WAIT_MS : backOffMs(this.#failures, Math.random());
    this.#failures += 1;
    // Only a person connects again, or a fresh token: the closed socket keeps `reconnectNow` from it.
    if (code === BY_OPERATOR || (code === SESSION_ENDED && !this.#protocols[1])) this.#socket = ended;
    else this.#retry = setTimeout(() => this.#connect(), wait);
    this.#setState("gone");
    if (code > ENDED || !this.#isAccepted) this.#explain(code);
  }

  /** Finds out why the handshake failed, which browsers do not say, or what the code means. @param {number} code */
  async #explain(code) {
    try {
      const { describe } = await import("./refusal.js");
      const message = await describe(this.transport, this.#url, sockets, this.#protocols[1], code);
      if (this.isOpen) return;
      if (!message.transport) return this.#receiveText(message);
      this.transport = message.transport;
      this.reconnectNow();
    } catch {
      // The server is gone.
    }
  }
}

/** @param {WebSocket | null} socket whose listeners are removed, too */
function closeSocket(socket) {
  if (!socket) return;
  socket.onopen = socket.onmessage = socket.onclose = null;
  socket.close();
}
