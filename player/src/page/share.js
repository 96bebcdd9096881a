/** The dialog with everything that leads to a camera: links, code, and addresses for other programs, each to be copied. */

import { linkToken } from "./server.js";

const COPIED_MS = 1500;

/** @param {string} name of the camera, "" for the first one of a server that tells no names */
function rowsOf(name) {
  const absolute = (/** @type {string} */ path) => new URL(path, document.baseURI).href;
  const path = encodeURIComponent(name);
  const query = name ? `?camera=${path}` : "";
  const file = (/** @type {string} */ kind, /** @type {string} */ suffix) => absolute(name ? `${kind}/${path}.${suffix}` : `${kind}.${suffix}`);
  const socket = absolute(name ? `live/${path}` : "video_websocket").replace(/^http/, "ws");
  return [
    ["This page", absolute("./")],
    ["This camera alone", absolute(`./${query}`)],
    ["For a page of your own", `<script type="module" src="${absolute("berrymse.js")}"></script>\n<berry-video src="${socket}" controls></berry-video>`, "snippet"],
    ["As a frame", `<iframe src="${absolute(`./${query}${query ? "&" : "?"}embed`)}" allow="fullscreen; picture-in-picture" style="border: 0"></iframe>`],
    ["Snapshot", file("snapshot", "jpg")],
    ["MJPEG", file("stream", "mjpg")],
    ["MP4, for VLC and ffmpeg", file("stream", "mp4")],
    ...rtspRows(name),
  ];
}

/**
 * RTSP is on the port of the page. Below a path there is a proxy before the server, which passes no RTSP on.
 * @param {string} name
 */
function rtspRows(name) {
  const { protocol, hostname, port, pathname } = new URL("./", document.baseURI);
  if (pathname !== "/") return [];
  const isSecure = protocol === "https:";
  const at = `${hostname}:${port || (isSecure ? 443 : 80)}`;
  return [["RTSP, for recorders", `${isSecure ? "rtsps" : "rtsp"}://${at}/live${name ? `/${encodeURIComponent(name)}` : ""}`]];
}

/** @param {HTMLDialogElement} dialog @param {string} name @param {string} title */
export function openShareDialog(dialog, name, title) {
  const rows = document.createElement("div");
  rows.className = "rows";
  rows.append(...rowsOf(name).map(([label, text, id]) => row(label, text, id)));
  dialog.querySelector(".rows")?.replaceWith(rows);
  const heading = /** @type {HTMLElement} */ (dialog.querySelector("h2"));
  heading.textContent = title;
  /** @type {HTMLElement} */ (dialog.querySelector(".token")).hidden = !linkToken;
  dialog.showModal();
}

/** @param {string} label @param {string} text @param {string} [id] */
function row(label, text, id = "") {
  const made = document.createElement("label");
  const field = document.createElement(text.includes("\n") ? "textarea" : "input");
  const button = document.createElement("button");
  field.value = text;
  field.readOnly = true;
  if (id) field.id = id;
  if (field instanceof HTMLTextAreaElement) field.rows = 3;
  field.addEventListener("focus", () => field.select());
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.ariaLabel = `Copy: ${label}`;
  button.addEventListener("click", async () => {
    button.textContent = await copy(field) ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { button.textContent = "Copy"; }, COPIED_MS);
  });
  made.append(label, field, button);
  return made;
}

/**
 * Copies the text of a field. On plain http there is no clipboard for scripts, but the old command works from a click.
 * @param {HTMLInputElement | HTMLTextAreaElement} field
 */
async function copy(field) {
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    field.focus();
    field.select();
    return document.execCommand("copy");
  }
}
