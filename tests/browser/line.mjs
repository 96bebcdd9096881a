/** A bad line between server and viewer. */

import { EventEmitter } from "node:events";
import { Transform } from "node:stream";

/** What all lines of a proxy are like now. */
export class Conditions extends EventEmitter {
  isHeld = false;
  jitterMs = 0;

  set(changed) {
    Object.assign(this, changed);
    this.emit("change");
  }
}

/** Passes on what comes, late and in order; while it is held, nothing. */
export class Line extends Transform {
  #conditions;
  #last = 0;
  #waiting = [];

  constructor(conditions) {
    super({ highWaterMark: 16 << 10 });
    this.#conditions = conditions;
    conditions.setMaxListeners(0);
  }

  async _transform(data, _, done) {
    const conditions = this.#conditions;
    while (conditions.isHeld) await new Promise((resolve) => conditions.once("change", resolve));
    // Each is late for itself, but none overtakes.
    this.#last = Math.max(this.#last, performance.now() + Math.random() * conditions.jitterMs);
    this.#waiting.push(data);
    // Timers of about the same time come in any order.
    setTimeout(() => this.push(this.#waiting.shift()), this.#last - performance.now());
    done();
  }
}
