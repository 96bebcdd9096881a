/** Keeps what the server said in text messages (docs/reference/websocket.md). */

import { TICKS_PER_MS } from "../net/mp4.js";

export class ServerState {
  /** State "" before the server has said one. */
  camera = { state: "", reason: "" };
  error = { code: "", message: "" };
  /**
   * The server's clock at media time 0, milliseconds.
   * @type {number | null}
   */
  #mediaZero = null;

  /** @param {import("../net/connection.js").Message} message */
  receive(message) {
    const text = (/** @type {string} */ key) => String(message[key] ?? "");
    switch (message.type) {
      case "hello":
        this.error = { code: "", message: "" };
        this.#mediaZero = null;
        break;
      case "state":
        this.camera = { state: text("state"), reason: text("reason") };
        break;
      case "timing":
        this.#mediaZero = message.captured_us / 1000 - message.media / TICKS_PER_MS;
        break;
      case "error":
        this.error = { code: text("code"), message: text("message") };
        break;
    }
  }

  /** Returns the capture time of a media time by the server's clock, null: not known. @param {number} media milliseconds */
  capturedAt(media) {
    return this.#mediaZero === null ? null : this.#mediaZero + media;
  }
}
