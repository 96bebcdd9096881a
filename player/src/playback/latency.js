/** Reads the wanted latency. */

/** What an author may ask for at most. */
const MOST_SECONDS = 60;

/**
 * What a page's author wrote: "min", "smooth", or the seconds to stay behind.
 * @param {string | null} written
 * @returns {"min" | "smooth" | number}
 */
export function parseLatency(written) {
  if (written === "smooth") return "smooth";
  const seconds = parseFloat(written ?? "");
  return seconds > 0 ? Math.min(seconds, MOST_SECONDS) : "min";
}
