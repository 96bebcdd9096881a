/** Compares the clock of the server with that of the page. Pure; milliseconds of performance.now(). */

/** Quartz clocks differ by less than this. */
const MAX_DRIFT = 1e-4;
/** Browsers round their clocks to up to a millisecond. */
const ROUNDING_MS = 1;
const MAX_EXCHANGES = 60;

/** @typedef {import("./connection.js").ClockExchange} ClockExchange */
/** @typedef {{offset: number, bound: number, at: number}} Exchange */

/**
 * Estimates the server's clock minus that of the page, as NTP does. An exchange bounds the offset to half of its round trip to either
 * side. The bound grows with the age of the exchange, and the tightest one counts. Wall clocks play no part.
 */
export class ServerClock {
  /** @type {Exchange[]} */
  #exchanges = [];
  /** @type {ClockExchange[]} */
  #source = [];
  /** @type {ClockExchange | undefined} */
  #last;

  /** Number of usable exchanges. */
  get count() {
    return this.#exchanges.length;
  }

  /** Adds those of a connection that are new. @param {ClockExchange[]} exchanges another array after each connect */
  follow(exchanges) {
    if (exchanges !== this.#source) this.#exchanges = [];
    this.#source = exchanges;
    for (const exchange of exchanges.slice(exchanges.lastIndexOf(/** @type {any} */ (this.#last)) + 1)) this.add(exchange);
    this.#last = exchanges.at(-1);
  }

  /** @param {ClockExchange} exchange */
  add({ sent, received, answered, now }) {
    const trip = now - sent - (answered - received);
    // Also rejects NaN.
    if (!(trip >= -ROUNDING_MS)) return;
    const offset = (received - sent + answered - now) / 2;
    const added = { offset, bound: trip / 2 + ROUNDING_MS, at: now };
    // An exchange that contradicts the newest one is from before one of the clocks stood still or jumped.
    const agrees = (/** @type {Exchange} */ old) => Math.abs(old.offset - offset) <= boundAt(old, now) + added.bound;
    this.#exchanges = [...this.#exchanges.filter(agrees), added].slice(-MAX_EXCHANGES);
  }

  /**
   * @param {number} now
   * @returns {number | null}
   */
  offset(now) {
    /** @type {Exchange | null} */
    let best = null;
    for (const exchange of this.#exchanges) {
      if (!best || boundAt(exchange, now) <= boundAt(best, now)) best = exchange;
    }
    return best && best.offset;
  }
}

/** @param {Exchange} exchange @param {number} now */
function boundAt({ bound, at }, now) {
  return bound + (now - at) * MAX_DRIFT;
}
