/** What tests do with a page, whatever the browser: each driver adds how. */

const PATIENCE_MS = 20_000;

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
    const deadline = Date.now() + within;
    for (;;) {
      const answer = await this.evaluate(action, ...given);
      if (answer) return answer;
      if (Date.now() > deadline) {
        const said = this.messages.map((line) => `\n  ${line}`).join("");
        throw new Error(`not within ${within} ms: ${what}; the page's console:${said || " nothing"}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
