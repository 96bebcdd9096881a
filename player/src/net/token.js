/** Puts a token into the sub-protocols, where no proxy logs it as it does URLs. Loaded where a page has one. */

/** Beginning of the sub-protocol. The server never repeats it. */
export const TOKEN_PROTOCOL = "berrymse.token.";

/**
 * Returns the sub-protocols to offer. Without a token, the server says that a login is needed.
 * @param {string} protocol
 * @param {NonNullable<import("./connection.js").TokenSource>} token
 */
export async function withToken(protocol, token) {
  try {
    const value = typeof token === "function" ? await token() : token;
    // Other characters are an error of the constructor, which shows them.
    if (/^[\w.~-]+$/.test(value)) return [protocol, TOKEN_PROTOCOL + value];
    console.warn("berrymse: the token has characters that no token has");
  } catch (error) {
    console.warn(`berrymse: no token (${Object(error).name})`);
  }
  return [protocol];
}
