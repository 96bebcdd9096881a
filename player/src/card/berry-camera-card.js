/**
 * Card for the dashboards of Home Assistant, around <berry-video>. It comes from the BerryMSE server itself, which is the default of
 * `url`. docs/guide/home-assistant.md has its configuration.
 */

import "../element/berry-video.js";

const TYPE = "berry-camera-card";
/** Rows of a section's grid, with 56 px and 8 px between them, that hold 16:9 over 12 columns. */
const GRID = { columns: 12, rows: 5, min_columns: 3, min_rows: 2 };
/** Units of 50 px in the older layouts. */
const CARD_SIZE = 5;
/** Share of the card in sight below which it closes its connection. */
const REST_BELOW = "0.05";

const CSS = `
:host { display: block; }
ha-card { display: flex; flex-direction: column; height: 100%; overflow: hidden; }
h2 { margin: 0; padding: 12px 16px; font-size: 1.1em; font-weight: 500; }
berry-video { width: 100%; aspect-ratio: var(--berry-card-ratio, 16 / 9); }
.grid berry-video { flex: 1; min-height: 0; aspect-ratio: auto; }
`;

/**
 * @typedef {object} Config
 * @property {string} [url] of the BerryMSE server
 * @property {string} [camera] its name; without it the first one
 * @property {string} [title]
 * @property {string} [token]
 * @property {string} [aspect_ratio] such as "16:9"
 * @property {"contain" | "cover"} [fit]
 * @property {boolean} [controls] true without it
 * @property {boolean} [show_delay]
 * @property {string | number} [latency]
 */

/**
 * Returns the URL of the camera's WebSocket.
 * @param {Config} config @param {string} base where the card's script came from
 */
export function cameraUrl({ url, camera }, base) {
  let root;
  try {
    root = new URL(url ?? ".", base);
  } catch {
    throw new Error(`url: "${url}" is no address; write one such as http://berrymse.local:2020`);
  }
  if (!/^(https?|wss?):$/.test(root.protocol)) throw new Error(`url: "${url}" has to begin with http:// or https://`);
  if (!root.pathname.endsWith("/")) root.pathname += "/";
  root.search = root.hash = "";
  return new URL(camera ? `live/${encodeURIComponent(camera)}` : "live", root).href.replace(/^http/, "ws");
}

/** @param {Config} config */
function check(config) {
  const known = ["camera", "title", "token", "aspect_ratio", "fit", "url"];
  for (const key of known) {
    const value = Reflect.get(config, key);
    if (value !== undefined && typeof value !== "string") throw new Error(`${key}: has to be text`);
  }
  if (config.aspect_ratio && !/^\d+(\.\d+)?[:/]\d+(\.\d+)?$/.test(config.aspect_ratio)) throw new Error(`aspect_ratio: write it as "16:9"`);
  if (config.fit && !["contain", "cover"].includes(config.fit)) throw new Error("fit: contain or cover");
}

/** Where there is no page, as on a server, there are no elements. */
const Base = /** @type {typeof HTMLElement} */ (globalThis.HTMLElement ?? class {});

export class BerryCameraCard extends Base {
  #card = document.createElement("ha-card");
  #title = document.createElement("h2");
  #video = /** @type {import("../element/berry-video.js").BerryVideo} */ (document.createElement("berry-video"));

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
    root.adoptedStyleSheets.push(sheet);
    this.#video.setAttribute("rest-below", REST_BELOW);
    this.#card.append(this.#title);
    root.append(this.#card);
  }

  /** Called by the dashboard, again at each change in its editor. @param {Config} config */
  setConfig(config) {
    check(config);
    const video = this.#video;
    const src = cameraUrl(config, import.meta.url);
    this.#title.textContent = config.title ?? "";
    this.#title.hidden = !config.title;
    video.toggleAttribute("controls", config.controls !== false);
    video.toggleAttribute("show-delay", Boolean(config.show_delay));
    video.setAttribute("latency", String(config.latency ?? "min"));
    if (config.token) video.setAttribute("token", config.token);
    else video.removeAttribute("token");
    video.style.setProperty("--berry-video-fit", config.fit ?? "contain");
    video.style.setProperty("--berry-card-ratio", (config.aspect_ratio ?? "16:9").replace(":", " / "));
    if (video.getAttribute("src") !== src) video.setAttribute("src", src);
    if (!video.isConnected) this.#card.append(video);
  }

  /** The state of all entities, of which the card needs none. @param {unknown} _hass */
  set hass(_hass) {}

  /** "grid" in a section. @param {string} layout */
  set layout(layout) {
    const isGrid = layout === "grid";
    this.#card.classList.toggle("grid", isGrid);
    // Elsewhere the height of the column would include the margins of the card.
    this.style.height = isGrid ? "100%" : "";
  }

  getCardSize() {
    return CARD_SIZE + (this.#title.hidden ? 0 : 1);
  }

  getGridOptions() {
    return GRID;
  }

  static getStubConfig() {
    return { url: new URL(".", import.meta.url).href };
  }

  /** Fields of the editor. */
  static getConfigForm() {
    return {
      schema: [
        { name: "url", selector: { text: { type: "url" } } },
        { name: "camera", selector: { text: {} } },
        { name: "title", selector: { text: {} } },
        { name: "token", selector: { text: { type: "password" } } },
        { name: "fit", selector: { select: { options: ["contain", "cover"] } } },
        { name: "controls", default: true, selector: { boolean: {} } },
        { name: "show_delay", selector: { boolean: {} } },
      ],
    };
  }
}

if (globalThis.customElements && !customElements.get(TYPE)) {
  customElements.define(TYPE, BerryCameraCard);
  const list = /** @type {any} */ (window);
  list.customCards = list.customCards ?? [];
  list.customCards.push({ type: TYPE, name: "BerryMSE camera", description: "Live video with the least delay" });
}
