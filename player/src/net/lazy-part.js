/** Loads a part of an element when it is needed. */

/** Interval of the requests for a file that failed to load. */
const RELOAD_INTERVAL_MS = 3000;

/**
 * Loads its part once, and again after a failure.
 * @template Part
 */
export class LazyPart {
  #load;
  #requestedAt = -Infinity;

  /** @type {Part | null} */
  loaded = null;

  /** @param {() => Promise<Part>} load */
  constructor(load) {
    this.#load = load;
  }

  async load() {
    if (performance.now() - this.#requestedAt < RELOAD_INTERVAL_MS) return;
    this.#requestedAt = Infinity;
    try {
      this.loaded = await this.#load();
    } catch {
      this.#requestedAt = performance.now();
    }
  }
}
