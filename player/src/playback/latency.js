/** Reads the wanted latency. */

/** Largest distance that an author may set. */
const MOST_SECONDS = 60;

/**
 * Parses the attribute `latency`: "min", "smooth", or seconds behind the edge.
 * @param {string | null} written
 * @returns {"min" | "smooth" | number}
 */
export function parseLatency(written) {
  if (written === "smooth") return "smooth";
  const seconds = parseFloat(written ?? "");
  return seconds > 0 ? Math.min(seconds, MOST_SECONDS) : "min";
}
