/** How old pictures are when they are seen. Pure; milliseconds of performance.now() unless said otherwise. */

/** Quartz clocks differ by less than this. */
const DRIFT = 1e-4;
/** Browsers round their clocks to up to a millisecond. */
const ROUNDING_MS = 1;
const KEPT = 60;

/**
 * The server's clock minus this page's, as NTP finds it: an exchange bounds it to half of its round trip to either side,
 * the bound grows with the exchange's age, and the tightest is believed. Wall clocks play no part.
 */
export class ServerClock {
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
    const agrees = (old) => Math.abs(old.offset - offset) <= boundAt(old, now) + added.bound;
    this.#exchanges = [...this.#exchanges.filter(agrees), added].slice(-KEPT);
  }

  /** @returns {number | null} */
  offset(now) {
    let best = null;
    for (const exchange of this.#exchanges) {
      if (!best || boundAt(exchange, now) <= boundAt(best, now)) best = exchange;
    }
    return best && best.offset;
  }
}

function boundAt({ bound, at }, now) {
  return bound + (now - at) * DRIFT;
}

/** Which capture time belongs to which time of the video element. */
export class Captures {
  /** In order of `time`, seconds of the element; `captured` is the server's clock. */
  #known = [];

  add(time, captured) {
    const known = this.#known;
    // A rebuilt buffer begins anew.
    if (known.length > 0 && time <= known.at(-1).time) known.length = 0;
    known.push({ time, captured });
  }

  forget(before) {
    this.#known = this.#known.filter(({ time }) => time >= before);
  }

  /** @returns {number | null} for the picture at `time` */
  at(time) {
    const HALF_A_MILLISECOND = 0.0005;
    return this.#known.findLast((one) => one.time <= time + HALF_A_MILLISECOND)?.captured ?? null;
  }
}

/** The pictures of the last second. */
export class Shown {
  #recent = [];

  /** @param {number | null} age null: it is not known */
  add(at, age) {
    this.#recent.push({ at, age });
  }

  /** @returns {{delay: number | null, shown: number}} the median age when shown, and how many */
  look(now) {
    this.#recent = this.#recent.filter(({ at }) => at > now - 1000);
    const ages = this.#recent.map(({ age }) => age).filter((age) => age !== null).sort((a, b) => a - b);
    return { delay: ages[ages.length >> 1] ?? null, shown: this.#recent.length };
  }
}
