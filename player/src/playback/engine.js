/** Tells the browser engines apart. */

/** @typedef {"chromium" | "gecko" | "webkit"} Engine */

/**
 * Returns the engine of a browser. On iOS every browser is WebKit, whatever its name.
 * @param {string} userAgent
 * @returns {Engine}
 */
export function detectEngine(userAgent) {
  if (/Firefox\//.test(userAgent)) return "gecko";
  if (/Chrom(e|ium)\//.test(userAgent)) return "chromium";
  return "webkit";
}
