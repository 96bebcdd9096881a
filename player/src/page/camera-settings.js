/**
 * Shows the controls of a camera (`api/cameras/NAME/controls`, docs/reference/http.md) as sliders, switches and menus next to the
 * video, which changes as they move. Loaded when it is first opened.
 */

import { ask } from "./server.js";

/**
 * @typedef {object} Control
 * @property {string} name
 * @property {string} label
 * @property {"integer" | "boolean" | "menu" | "bitmask" | "button"} type
 * @property {string[]} flags
 * @property {number=} min
 * @property {number=} max
 * @property {number=} step
 * @property {number | boolean=} default
 * @property {number | boolean | null=} value
 * @property {{value: number, label: string}[]=} menu
 */

/** Poll interval: cameras change controls by themselves (automatic exposure), and so may another page. */
const POLL_INTERVAL_MS = 2000;

/** @param {string} name of the camera */
export const controlsUrl = (name) => `api/cameras/${encodeURIComponent(name)}/controls`;

export class CameraSettings {
  #dialog;
  #rows;
  #message;
  #title;
  #camera = "";
  #shape = "";
  /** Changes since the last request was sent: name -> value. */
  #pending = new Map();
  #isRequesting = false;
  #timer = 0;
  /** @type {HTMLElement | null} */
  #opener = null;

  /** @param {HTMLDialogElement} dialog with h2, .rows, .said and the buttons .reset and .close */
  constructor(dialog) {
    const part = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (dialog.querySelector(selector));
    this.#dialog = dialog;
    [this.#title, this.#rows, this.#message] = ["h2", ".rows", ".said"].map(part);
    part(".close").addEventListener("click", () => this.close());
    part(".reset").addEventListener("click", () => this.#reset());
    dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      // The large video below stays.
      event.stopPropagation();
      this.close();
    });
  }

  /** @param {string} camera @param {HTMLElement} opener receives the focus afterwards */
  async toggle(camera, opener) {
    const isOpen = this.#dialog.open && this.#camera === camera;
    this.close();
    if (isOpen) return;
    this.#camera = camera;
    this.#opener = opener;
    this.#shape = "";
    this.#title.textContent = camera;
    this.#rows.replaceChildren();
    this.#showMessage("");
    opener.ariaExpanded = "true";
    await this.#request();
    this.#dialog.show();
    this.#timer = setInterval(() => this.#poll(), POLL_INTERVAL_MS);
  }

  close() {
    clearInterval(this.#timer);
    if (!this.#dialog.open) return;
    this.#dialog.close();
    this.#pending.clear();
    if (!this.#opener) return;
    this.#opener.ariaExpanded = "false";
    this.#opener.focus();
  }

  #poll() {
    if (!document.hidden && !this.#isRequesting) this.#request();
  }

  /** @param {string} name @param {number | boolean} value */
  #set(name, value) {
    this.#pending.set(name, value);
    if (!this.#isRequesting) this.#request();
  }

  /** Sends one request at a time, with the newest values: a slider has more than a camera can set. */
  async #request() {
    this.#isRequesting = true;
    do {
      const body = this.#pending.size > 0 ? JSON.stringify(Object.fromEntries(this.#pending)) : undefined;
      this.#pending.clear();
      try {
        const headers = body ? { "Content-Type": "application/json" } : undefined;
        const answer = await ask(controlsUrl(this.#camera), { method: body ? "POST" : "GET", body, headers });
        if (!answer.ok) throw new Error((await answer.text()).trim());
        if (this.#pending.size === 0) this.#show(await answer.json());
      } catch (error) {
        this.#showMessage(error instanceof TypeError ? "The server does not answer." : String(error).replace(/^Error: /, ""));
      }
    } while (this.#pending.size > 0);
    this.#isRequesting = false;
  }

  /** @param {{open: boolean, controls: Control[], refused: string[]}} document */
  #show({ open, controls, refused }) {
    const shape = JSON.stringify(controls.map(({ value, flags, ...rest }) => rest));
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#rows.replaceChildren(...controls.map((one) => this.#row(one)));
    }
    for (const [i, { value, flags }] of controls.entries()) {
      const isFixed = !open || ["read-only", "inactive", "grabbed"].some((flag) => flags.includes(flag));
      const row = /** @type {HTMLElement} */ (this.#rows.children[i]);
      row.classList.toggle("fixed", isFixed);
      for (const field of row.querySelectorAll("input, select, button")) {
        const one = /** @type {HTMLInputElement} */ (field);
        one.disabled = isFixed;
        // A field that the person changes just now is left alone.
        if (value === null || value === undefined || one.matches(":active") || (one.type === "number" && one.matches(":focus"))) continue;
        if (one.type === "checkbox") one.checked = Boolean(value);
        else one.value = String(value);
      }
    }
    this.#showMessage(open ? refused.join("\n") : "The camera is not open: nothing can be set now.");
  }

  /** @param {Control} control */
  #row(control) {
    const row = document.createElement("div");
    const label = document.createElement("label");
    const id = `control-${control.name}`;
    label.textContent = control.label;
    label.htmlFor = id;
    const fields = this.#fields(control);
    fields[0].id = id;
    row.className = control.type;
    row.append(label, ...fields);
    return row;
  }

  /** @param {Control} control @returns {HTMLElement[]} */
  #fields({ name, label, type, min, max, step, menu }) {
    if (type === "button") {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Do it";
      button.addEventListener("click", () => this.#set(name, true));
      return [button];
    }
    if (type === "menu") {
      const select = document.createElement("select");
      select.append(...(menu ?? []).map((one) => new Option(one.label, String(one.value))));
      select.addEventListener("change", () => this.#set(name, Number(select.value)));
      return [select];
    }
    const kinds = type === "boolean" ? ["checkbox"] : type === "integer" ? ["range", "number"] : ["number"];
    const fields = kinds.map((kind) => {
      const field = document.createElement("input");
      field.type = kind;
      if (kind === "checkbox") {
        field.role = "switch";
        field.addEventListener("change", () => this.#set(name, field.checked));
        return field;
      }
      Object.assign(field, { min, max, step: step || 1 });
      field.addEventListener(kind === "range" ? "input" : "change", () => {
        for (const other of fields) other.value = field.value;
        if (field.value !== "") this.#set(name, Number(field.value));
      });
      return field;
    });
    if (fields[1]) fields[1].ariaLabel = label;
    return fields;
  }

  /** Sets all controls to the camera's defaults. */
  #reset() {
    /** @type {Control[]} */
    const controls = JSON.parse(this.#shape || "[]");
    for (const [i, control] of controls.entries()) {
      const isFixed = this.#rows.children[i].classList.contains("fixed");
      if (!isFixed && control.default !== undefined && control.type !== "button") this.#pending.set(control.name, control.default);
    }
    if (this.#pending.size > 0 && !this.#isRequesting) this.#request();
  }

  /** @param {string} text */
  #showMessage(text) {
    if (this.#message.textContent !== text) this.#message.textContent = text;
  }
}
