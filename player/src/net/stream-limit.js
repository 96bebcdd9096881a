/**
 * Counts the streams by HTTP that a browser has of one host. Browsers open six connections to a host, for all tabs together, and keep
 * further requests waiting without a word. So pages of one origin agree: one that wants a stream asks, those in sight answer how many
 * they had before, and those out of sight give theirs up.
 */

/** The other connections are for reports, pictures and the page. */
const MAX_STREAMS = 4;
/** Time that other pages have for their answers. */
const ANSWER_MS = 100;
/** Time in which an answer still counts: a busy page comes too late, and the stream has begun. */
const LATE_MS = 10_000;

/** True while nobody sees what this page plays. */
export function isUnseen() {
  return document.hidden && !document.pictureInPictureElement;
}

/** @typedef {{yieldPlace: (isFull: boolean) => void}} Stream that ends, as others have all places or as others need its own */
/** @typedef {{stream: Stream, at: number, others: Map<string, number>, isOpen: boolean}} Question with the numbers of the other pages, by their names */
/** @typedef {Pick<BroadcastChannel, "postMessage" | "onmessage">} Channel */

export class StreamLimit {
  #host;
  #isUnseen;
  #channel;
  /** Those of this page, with the time at which they began to ask. @type {Map<Stream, number>} */
  #streams = new Map();
  /** Those whose answers count. @type {Set<Question>} */
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
    const at = Date.now();
    this.#streams.set(stream, at);
    /** @type {Question} */
    const question = { stream, at, others: new Map(), isOpen: false };
    if (this.#channel) {
      this.#questions.add(question);
      this.#post({ type: "ask", at });
      await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
      setTimeout(() => this.#questions.delete(question), LATE_MS);
    }
    question.isOpen = this.#isFree(question);
    if (!question.isOpen) this.leave(stream);
    return question.isOpen;
  }

  /** @param {Question} question */
  #isFree({ stream, others }) {
    // The first ones of this page are served.
    const own = [...this.#streams.keys()].indexOf(stream) + 1;
    return [...others.values()].reduce((sum, count) => sum + count, own) <= MAX_STREAMS;
  }

  /** @param {Stream} stream */
  leave(stream) {
    this.#streams.delete(stream);
    for (const question of this.#questions) if (question.stream === stream) this.#questions.delete(question);
  }

  /** @param {{type: string, at?: number, to?: string, count?: number}} message */
  #post(message) {
    this.#channel?.postMessage({ host: this.#host, from: this.#name, ...message });
  }

  /** @param {{host?: string, from?: string, type?: string, at?: number, to?: string, count?: number}} message of another page, unchecked */
  #receive({ host, from, type, at, to, count }) {
    if (host !== this.#host) return;
    if (type === "ask") {
      if (this.#isUnseen()) for (const stream of [...this.#streams.keys()]) stream.yieldPlace(false);
      // Who asked first is served. Pages of older versions do not say when.
      const asked = Number(at ?? Infinity);
      const before = [...this.#streams.values()].filter((own) => own < asked || (own === asked && this.#name < String(from)));
      if (before.length > 0) this.#post({ type: "answer", to: from, at, count: before.length });
    } else if (type === "answer" && to === this.#name) {
      for (const question of this.#questions) {
        if (at !== undefined && at !== question.at) continue;
        question.others.set(String(from), Number(count) || 0);
        if (question.isOpen && !this.#isFree(question)) question.stream.yieldPlace(true);
      }
    }
  }
}

/** Returns undefined where the browser has none. @returns {Channel | undefined} */
function openChannel() {
  return "BroadcastChannel" in globalThis ? new BroadcastChannel("berrymse-streams") : undefined;
}
