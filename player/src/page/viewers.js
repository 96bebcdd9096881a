/** Lists who watches (`viewers` of `api/status`, docs/reference/http.md), for operators, who can end each. Loaded when it is first opened. */

import { ask } from "./server.js";

/**
 * @typedef {object} Viewer
 * @property {number} id
 * @property {string | null} name
 * @property {string} address
 * @property {string} camera
 * @property {string} output
 * @property {number} seconds
 * @property {number} bytes
 */

const POLL_INTERVAL_MS = 2000;
/** Seconds in each unit, the largest first. */
const UNITS = /** @type {const} */ ([["d", 86_400], ["h", 3600], ["min", 60]]);

/** Returns a time for people, such as `5 min`. @param {number} seconds */
export function duration(seconds) {
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? ["s", 1];
  return `${Math.floor(seconds / size)} ${unit}`;
}

/** Returns a size for people, such as `1.2 MB`. @param {number} bytes */
export function size(bytes) {
  const [unit, scale] = bytes < 1e6 ? ["kB", 1e3] : bytes < 1e9 ? ["MB", 1e6] : ["GB", 1e9];
  const number = bytes / scale;
  return `${number < 10 ? number.toFixed(1) : Math.round(number)} ${unit}`;
}

export class ViewerList {
  #dialog;
  #body;
  #message;
  /** @type {Map<number, {row: HTMLTableRowElement, cells: HTMLElement[]}>} by id */
  #rows = new Map();
  #timer = 0;

  /** @param {HTMLDialogElement} dialog with tbody and .said */
  constructor(dialog) {
    this.#dialog = dialog;
    this.#body = /** @type {HTMLElement} */ (dialog.querySelector("tbody"));
    this.#message = /** @type {HTMLElement} */ (dialog.querySelector(".said"));
    dialog.addEventListener("close", () => clearInterval(this.#timer));
  }

  async open() {
    this.#say("");
    await this.#refresh();
    if (this.#dialog.open) return;
    this.#dialog.showModal();
    this.#timer = setInterval(() => { if (!document.hidden) this.#refresh(); }, POLL_INTERVAL_MS);
  }

  async #refresh() {
    try {
      const answer = await ask("api/status");
      const { viewers } = await answer.json();
      // The session may have ended meanwhile.
      if (!viewers) throw new Error("Only operators see who watches.");
      this.#show(viewers);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** @param {Viewer[]} viewers */
  #show(viewers) {
    for (const [id, { row }] of this.#rows) {
      if (viewers.some((viewer) => viewer.id === id)) continue;
      row.remove();
      this.#rows.delete(id);
    }
    // The newest first. Rows that stay are not moved, so that the focus stays.
    for (const viewer of [...viewers].reverse()) {
      const { cells } = this.#rows.get(viewer.id) ?? this.#add(viewer);
      const texts = [duration(viewer.seconds), size(viewer.bytes)];
      for (const [i, text] of texts.entries()) if (cells[i].textContent !== text) cells[i].textContent = text;
    }
    if (viewers.length === 0) this.#say("Nobody watches now.");
    else if (this.#message.dataset.isEmpty) this.#say("");
    this.#message.dataset.isEmpty = viewers.length === 0 ? "1" : "";
  }

  /** @param {Viewer} viewer */
  #add({ id, name, address, camera, output }) {
    const row = document.createElement("tr");
    const add = (/** @type {string} */ text) => {
      const cell = row.insertCell();
      cell.textContent = text;
      return cell;
    };
    add(name ?? "–").title = name ? "" : "without a login";
    add(address);
    add(camera).title = output;
    const cells = [add(""), add("")];
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "End";
    button.ariaLabel = `End ${name ?? "the viewer"} at ${address}, camera ${camera}`;
    button.addEventListener("click", () => this.#end(id, button));
    add("").append(button);
    const made = { row, cells };
    this.#rows.set(id, made);
    this.#body.prepend(row);
    return made;
  }

  /** @param {number} id @param {HTMLButtonElement} button */
  async #end(id, button) {
    button.disabled = true;
    try {
      const headers = { "Content-Type": "application/json" };
      const answer = await ask(`api/viewers/${id}/end`, { method: "POST", headers, body: "{}" });
      // One who has left is not there: that is what was wanted.
      if (!answer.ok && answer.status !== 404) throw new Error((await answer.text()).trim());
      this.#say("");
      await this.#refresh();
    } catch (error) {
      button.disabled = false;
      this.#fail(error);
    }
  }

  /** @param {unknown} error */
  #fail(error) {
    this.#say(error instanceof TypeError ? "The server does not answer." : String(error).replace(/^Error: /, ""));
  }

  /** @param {string} text */
  #say(text) {
    if (this.#message.textContent !== text) this.#message.textContent = text;
  }
}
