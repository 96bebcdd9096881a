/** A bad line between server and viewer. */

import { EventEmitter } from "node:events";
import { Transform } from "node:stream";

/** What all lines of a proxy are like now. */
export class Conditions extends EventEmitter {
  isHeld = false;
  jitterMs = 0;
  /** By how much the media times of fragments are off. */
  shiftTicks = 0n;

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
    shiftMediaTimes(data, conditions.shiftTicks);
    // Each is late for itself, but none overtakes.
    this.#last = Math.max(this.#last, performance.now() + Math.random() * conditions.jitterMs);
    this.#waiting.push(data);
    // Timers of about the same time come in any order.
    setTimeout(() => this.push(this.#waiting.shift()), this.#last - performance.now());
    done();
  }
}

/** Every message begins in a piece of its own, and `tfdt` (version 1, 64 bits) is near its beginning. */
function shiftMediaTimes(data, ticks) {
  if (ticks === 0n) return;
  const HEAD = 8;
  for (let at = data.indexOf("tfdt"); at >= 0 && at + HEAD + 8 <= data.length; at = data.indexOf("tfdt", at + HEAD)) {
    data.writeBigUInt64BE(BigInt.asUintN(64, data.readBigUInt64BE(at + HEAD) + ticks), at + HEAD);
  }
}
