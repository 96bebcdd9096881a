/** What tests do with a page, whatever the browser: each driver adds how. */

import { availableParallelism, loadavg } from "node:os";

const PATIENCE_MS = 20_000;

/** Time that something may take which takes `ms` at most on a quiet machine: bench/ has the figures, tests have none. */
export function patience(ms) {
  return 3 * ms * Math.max(1, loadavg()[0] / availableParallelism());
}

/** Measures until `isGood`, at most `attempts` times: a busy machine spoils some of them, a fault all. Gives the good result. */
export async function inOneOf(attempts, measure, isGood) {
  const results = [];
  while (results.length < attempts) {
    results.push(await measure());
    if (isGood(results.at(-1))) return results.at(-1);
  }
  throw new Error(`not in ${attempts} attempts: ${JSON.stringify(results)}`);
}

export class DrivenPage {
  /** What the page wrote to its console or the browser complained about. */
  messages = [];

  /**
   * Runs a function in the page and gives its result, which is what JSON can hold.
   * @param {Function} action has nothing of its surroundings here; what it needs comes as arguments
   */
  async evaluate(action, ...given) {
    throw new Error(`no driver evaluates ${action} with ${given}`);
  }

  /** Asks the page until the answer is truthy, and gives that. */
  async until(what, action, { within = PATIENCE_MS, given = [] } = {}) {
    const deadline = Date.now() + patience(within);
    for (;;) {
      const answer = await this.evaluate(action, ...given);
      if (answer) return answer;
      if (Date.now() > deadline) {
        const said = this.messages.map((line) => `\n  ${line}`).join("");
        throw new Error(`not within ${patience(within)} ms: ${what}; the page's console:${said || " nothing"}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
