/** The calls that a browser has been sent and has not answered. Chromium and Firefox number them in the same way. */
export class Calls {
  #last = 0;
  #waiting = new Map();

  /** Sends, by `write(id)`, the call of a method; the promise is that of its answer. */
  begin(method, write) {
    const id = ++this.#last;
    write(id);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject, method }));
  }

  /** The answer to a call: `error` in words, else `result`. What answers nothing is passed over. */
  end(id, error, result) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) waiting?.reject(new Error(`${waiting.method}: ${error}`));
    else waiting?.resolve(result);
  }

  /** No answers will come any more. */
  failAll(error) {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
