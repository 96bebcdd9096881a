/**
 * Finds out why a WebSocket could not be opened. Browsers tell a page only that it failed (close code 1006), so the same URL is
 * requested by GET: docs/reference/http.md, Refusals. The server cannot know what the browser forbids, so that is found out here.
 * Loaded when a handshake has failed.
 */

import { TOKEN_PROTOCOL } from "./token.js";

/** Intervals of the requests for the same URL: after a refusal, else, and where an upgrade seems to be missing. */
const REFUSED_INTERVAL_MS = 5000;
const ASK_INTERVAL_MS = 1000;
const CONFIRM_INTERVAL_MS = 100;
/** Requests before that do not count for failures in a row. */
const KNOWN_MS = 10_000;
const ASK_TIMEOUT_MS = 5000;
/** Failures in a row until the upgrade is to blame, at a server that would accept: it may just have started. */
const FAILURES_WITHOUT_UPGRADE = 2;
/** Firefox has 200 sockets, Chromium 255. Some may be of other tabs. */
const MANY_SOCKETS = 190;

/** Meaning of close codes (docs/reference/websocket.md). @type {Record<number, Refusal>} */
const ENDED = {
  4401: { code: "session_ended", message: "This login has ended. Log in again, then click here." },
  4403: { code: "ended", message: "An operator of the camera has ended this connection. Click to connect again." },
  4429: { code: "limit", message: "Too many connections come from here. Close other pages with cameras." },
};

/** @typedef {{code: string, message: string}} Refusal */
/** @typedef {{askedAt: number, failures: number, refusal: Refusal | null}} Known */

/** @type {Map<string, Known>} */
const known = new Map();

const NO_UPGRADE = "A proxy between this page and the camera does not pass WebSockets on. It has to pass the headers Upgrade and "
  + "Connection, and Host; nginx also needs proxy_http_version 1.1. See BerryMSE's docs/guide/reverse-proxy.md.";
const TOO_MANY_SOCKETS = "This browser has no WebSocket left (Chromium has 255, Firefox 200, all tabs together). Close other pages "
  + "with cameras, or show fewer on this one.";
const INSECURE = "This page came by https, and the browser lets it reach this camera by wss: only. Give the camera TLS, or open "
  + "this page by http.";
const LOCAL_NETWORK = {
  denied: "The browser does not let this page reach devices in the local network. Allow it in the site's settings, next to the "
    + "page's address.",
  prompt: "The browser asks whether this page may reach devices in the local network. Allow it, to see the camera.",
};

/**
 * Returns the message of the server that there would be, without a text if it is gone; or the `transport` that needs no upgrade.
 * @param {Function} transport that failed
 * @param {Parameters<typeof explain>} asked
 * @returns {Promise<import("./connection.js").Message>}
 */
export async function describe(transport, ...asked) {
  const [url] = asked;
  const own = transport !== WebSocket && /** @type {any} */ (transport).refusal?.(url);
  if (own) return own;
  const found = await explain(...asked);
  if (!needsUpgrade(found, url) || transport !== WebSocket) return { type: "error", ...found };
  // It says nothing of the other transport.
  known.delete(url);
  const { HttpSocket } = await import("./http-socket.js");
  return { transport: HttpSocket };
}

/**
 * True if only the upgrade is missing. A proxy may drop the Host header with it: the server then takes its own page for one of another
 * site, while the browser knows better.
 * @param {Refusal | null} found @param {string} url
 */
function needsUpgrade(found, url) {
  return found?.code === "no_upgrade" || (found?.code === "origin" && new URL(url).host === location.host);
}

/**
 * Returns the reason, null if the server is gone.
 * @param {string} url of the WebSocket
 * @param {Map<string, {isOpen: boolean, transport: Function}>} sockets of this page, by URL
 * @param {string} [protocol] sub-protocol with the token
 * @param {number} [closeCode] of the socket
 * @returns {Promise<Refusal | null>}
 */
export async function explain(url, sockets, protocol = "", closeCode = 0) {
  const open = [...sockets].filter(([, { isOpen, transport }]) => isOpen && transport === WebSocket).map(([url]) => url);
  if (ENDED[closeCode]) return ENDED[closeCode];
  const now = performance.now();
  const before = known.get(url);
  const age = before ? now - before.askedAt : Infinity;
  const interval = before?.failures ? CONFIRM_INTERVAL_MS : ASK_INTERVAL_MS;
  if (before && age < (before.refusal ? REFUSED_INTERVAL_MS : interval)) return before.refusal;
  /** @type {Known} */
  const entry = { askedAt: now, failures: before && age < KNOWN_MS ? before.failures : 0, refusal: null };
  known.set(url, entry);
  // A server that knows nothing of tokens answers no preflight.
  const answer = (protocol && await ask(url, protocol.slice(TOKEN_PROTOCOL.length))) || await ask(url);
  if (answer?.code === "no_upgrade") {
    entry.failures += 1;
    if (entry.failures >= FAILURES_WITHOUT_UPGRADE) {
      // If one socket to the host is open, the others would be, too.
      const isFull = open.length > MANY_SOCKETS || open.some((other) => new URL(other).host === new URL(url).host);
      entry.refusal = isFull ? refusal("too_many_sockets", TOO_MANY_SOCKETS) : refusal("no_upgrade", NO_UPGRADE);
    }
  } else {
    entry.failures = 0;
    entry.refusal = answer ?? await forbidden(url);
  }
  return entry.refusal;
}

/** @param {string} code @param {string} message @returns {Refusal} */
function refusal(code, message) {
  return { code, message };
}

/**
 * Returns what the server says at the WebSocket's URL, null if that is no refusal.
 * @param {string} url
 * @param {string} [token]
 * @returns {Promise<Refusal | null>}
 */
async function ask(url, token) {
  try {
    const response = await fetch(url.replace(/^ws/, "http"), {
      cache: "no-store",
      headers: { accept: "application/json", ...token && { authorization: `Bearer ${token}` } },
      // Browsers send no Origin to the page's own host.
      referrerPolicy: "origin",
      signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
    });
    // The server has TLS only.
    if (response.redirected && response.url.startsWith("https:") && url.startsWith("ws:")) {
      return refusal("insecure", "This camera is served by TLS: its address begins with wss:.");
    }
    const { code, message } = Object(await response.json());
    return typeof code === "string" && typeof message === "string" ? refusal(code, message) : null;
  } catch {
    return null;
  }
}

/**
 * Returns what the browser forbids, null if it does not.
 * @param {string} url
 * @returns {Promise<Refusal | null>}
 */
async function forbidden(url) {
  const { host, hostname, protocol } = new URL(url);
  if (!isSecureContext || host === location.host) return null;
  const states = await Promise.all(["local-network", "loopback-network", "local-network-access"].map(permission));
  const isLocal = isLocalName(hostname);
  if (states.includes("denied")) return refusal("local_network", LOCAL_NETWORK.denied);
  if (isLocal && states.includes("prompt")) return refusal("local_network", LOCAL_NETWORK.prompt);
  const knowsLocal = states.some(Boolean);
  if (location.protocol === "https:" && protocol === "ws:" && !(isLocal && knowsLocal)) return refusal("insecure", INSECURE);
  return null;
}

/** @param {string} name @returns {Promise<PermissionState | undefined>} undefined: the browser has no such permission */
async function permission(name) {
  try {
    const { state } = await navigator.permissions.query({ name: /** @type {PermissionName} */ (name) });
    return state;
  } catch {
    return undefined;
  }
}

/**
 * True for names and addresses that browsers take for the local network without asking a resolver.
 * @param {string} hostname of a URL
 */
export function isLocalName(hostname) {
  return /^(localhost|127\.|10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|\[::1\]|\[f[cd]|\[fe[89ab])/.test(hostname)
    || /\.(local|localhost)$/.test(hostname);
}
