/**
 * Name of the host at which pages of a test are opened: PAGE_HOST, else 127.0.0.1. Both lead to this machine, but a page by
 * plain http at a name is no secure context. Browsers send no Sec-Fetch headers there, and have no WebCodecs, clipboard or wake lock.
 * Chromium and Firefox are told where the name leads to by their drivers, so that no root is needed.
 */

import dns from "node:dns";

const LOOPBACK = "127.0.0.1";

/** A name that no resolver knows (RFC 6761). */
export const PLAIN_NAME = "camera.test";

export const host = process.env.PAGE_HOST || LOOPBACK;

/** True where pages are no secure contexts. */
export const isPlain = host !== LOOPBACK;

/** @param {string} url of something that listens on the loopback address; https stays at the name of its certificate */
export function atHost(url, name = host) {
  return url.replace(`http://${LOOPBACK}`, `http://${name}`);
}

// The tests ask the servers, too.
const { lookup } = dns;
dns.lookup = (name, ...rest) => lookup(name === PLAIN_NAME ? LOOPBACK : name, ...rest);
