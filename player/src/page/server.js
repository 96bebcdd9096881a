/** Requests to the server as the person who opened the page, by the token of a signed link if the page has one. */

/** Token of the link that opened this page, null: none. */
export const linkToken = new URLSearchParams(globalThis.location?.search).get("token");

/**
 * Asks the server. It says in JSON that a login is needed, and no dialog of the browser appears.
 * @param {string} path relative to the page
 * @param {RequestInit & {headers?: Record<string, string>}} [options]
 */
export function ask(path, { headers, ...options } = {}) {
  const token = linkToken ? { Authorization: `Bearer ${linkToken}` } : {};
  return fetch(path, { cache: "no-store", ...options, headers: { Accept: "application/json", ...token, ...headers } });
}

/** Opens the form, which leads back here. */
export function goToLogin() {
  location.assign(`login?next=${encodeURIComponent(location.search + location.hash)}`);
}
