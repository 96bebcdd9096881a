/**
 * Counts the streams by HTTP that a browser has of one host. Browsers open six connections to a host, for all tabs together, and keep
 * further requests waiting without a word. So pages of one origin agree: one that wants a stream asks, those in sight answer how many
 * they have, and those out of sight give theirs up.
 */

/** The other connections are for reports, pictures and the page. */
const MAX_STREAMS = 4;
/** Time that other pages have for their answers. */
const ANSWER_MS = 100;

/** True while nobody sees what this page plays. */
export function isUnseen() {
  return document.hidden && !document.pictureInPictureElement;
}

/** @typedef {{yieldPlace: () => void}} Stream */
/** @typedef {Pick<BroadcastChannel, "postMessage" | "onmessage">} Channel */

export class StreamLimit {
  #host;
  #isUnseen;
  #channel;
  /** Those of this page. @type {Set<Stream>} */
  #streams = new Set();
  /** Numbers of the other pages, by their names, for each question that waits for answers. @type {Set<Map<string, number>>} */
  #questions = new Set();
  #name = String(Math.random());

  /** @param {string} host @param {Channel} [channel] to the other pages of the origin @param {() => boolean} [unseen] */
  constructor(host, channel = openChannel(), unseen = isUnseen) {
    this.#host = host;
    this.#isUnseen = unseen;
    this.#channel = channel;
    if (channel) channel.onmessage = ({ data }) => this.#receive(Object(data));
  }

  /** Takes a place for a stream; returns false if there is none. @param {Stream} stream */
  async take(stream) {
    // At once, for those who ask meanwhile.
    this.#streams.add(stream);
    /** @type {Map<string, number>} */
    const others = new Map();
    if (this.#channel) {
      this.#questions.add(others);
      this.#post({ type: "ask" });
      await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
      this.#questions.delete(others);
    }
    // The first ones of this page are served.
    const own = [...this.#streams].indexOf(stream) + 1;
    const isFree = [...others.values()].reduce((sum, count) => sum + count, own) <= MAX_STREAMS;
    if (!isFree) this.#streams.delete(stream);
    return isFree;
  }

  /** @param {Stream} stream */
  leave(stream) {
    this.#streams.delete(stream);
  }

  /** @param {{type: string, to?: string, count?: number}} message */
  #post(message) {
    this.#channel?.postMessage({ host: this.#host, from: this.#name, ...message });
  }

  /** @param {{host?: string, from?: string, type?: string, to?: string, count?: number}} message of another page, unchecked */
  #receive({ host, from, type, to, count }) {
    if (host !== this.#host) return;
    if (type === "ask") {
      if (this.#isUnseen()) for (const stream of [...this.#streams]) stream.yieldPlace();
      if (this.#streams.size > 0) this.#post({ type: "answer", to: from, count: this.#streams.size });
    } else if (type === "answer" && to === this.#name) {
      for (const others of this.#questions) others.set(String(from), Number(count) || 0);
    }
  }
}

/** Returns undefined where the browser has none. @returns {Channel | undefined} */
function openChannel() {
  return "BroadcastChannel" in globalThis ? new BroadcastChannel("berrymse-streams") : undefined;
}
