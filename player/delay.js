/** How old pictures are when they are seen. Pure; milliseconds of performance.now() unless said otherwise. */

/** Quartz clocks differ by less than this. */
const DRIFT = 1e-4;
/** Browsers round their clocks to up to a millisecond. */
const ROUNDING_MS = 1;
const KEPT = 60;

/** @typedef {{offset: number, bound: number, at: number}} Exchange */

/**
 * The server's clock minus this page's, as NTP finds it: an exchange bounds it to half of its round trip to either side,
 * the bound grows with the exchange's age, and the tightest is believed. Wall clocks play no part.
 */
export class ServerClock {
  /** @type {Exchange[]} */
  #exchanges = [];

  /** How many exchanges there are to believe. */
  get count() {
    return this.#exchanges.length;
  }

  /** @param {{sent: number, received: number, answered: number, now: number}} exchange the middle two are the server's */
  add({ sent, received, answered, now }) {
    const trip = now - sent - (answered - received);
    // Also refuses what is not a number.
    if (!(trip >= -ROUNDING_MS)) return;
    const offset = (received - sent + answered - now) / 2;
    const added = { offset, bound: trip / 2 + ROUNDING_MS, at: now };
    // What cannot be true together with the newest was before one of the clocks stood still or jumped.
    const agrees = (/** @type {Exchange} */ old) => Math.abs(old.offset - offset) <= boundAt(old, now) + added.bound;
    this.#exchanges = [...this.#exchanges.filter(agrees), added].slice(-KEPT);
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
  return bound + (now - at) * DRIFT;
}

/** Which capture time belongs to which time of the video element. */
export class Captures {
  /**
   * In order of `time`, seconds of the element; `captured` is the server's clock.
   * @type {{time: number, captured: number | null}[]}
   */
  #known = [];

  /** @param {number} time @param {number | null} captured */
  add(time, captured) {
    const known = this.#known;
    // Where pictures are reordered one may belong before those that came last.
    known.splice(known.findLastIndex((one) => one.time <= time) + 1, 0, { time, captured });
  }

  /** @param {number} before */
  forget(before) {
    this.#known = this.#known.filter(({ time }) => time >= before);
  }

  /**
   * @param {number} time
   * @returns {number | null} for the picture there
   */
  at(time) {
    // Half a millisecond, because browsers round.
    return this.#known.findLast((one) => one.time <= time + 0.0005)?.captured ?? null;
  }
}

/** So long after a picture was looked at nothing is missing yet. */
const UNSEEN_MS = 200;

/** The pictures of the last second. */
export class Shown {
  /** @type {{at: number, age: number | null}[]} */
  #recent = [];

  /**
   * @param {number} at
   * @param {number | null} age null: it is not known
   * @param {number} [count] with those since the last one that nobody looked at
   */
  add(at, age, count = 1) {
    const step = (at - (this.#recent.at(-1)?.at ?? at)) / count;
    while (count-- > 0) this.#recent.push({ at: at - count * step, age });
  }

  /**
   * @param {number} now
   * @returns {{delay: number | null, shown: number}} the median age when shown, and how many
   */
  look(now) {
    const newest = this.#recent.at(-1)?.at ?? 0;
    const since = Math.max(newest, now - UNSEEN_MS) - 1000;
    this.#recent = this.#recent.filter(({ at }) => at > since);
    const ages = this.#recent.map(({ age }) => age).filter((age) => age !== null).sort((a, b) => a - b);
    // Clocks that are compared over a network differ by a little: no frame is shown before it was taken.
    return { delay: ages.length > 0 ? Math.max(ages[ages.length >> 1], 0) : null, shown: this.#recent.length };
  }
}
