/**
 * The demo page: every camera of this server, as large as the screen allows, with its name and what it gives.
 * All URLs are relative, so that it works below any path of a reverse proxy.
 */

import "./berrymse.js";
import { arrange } from "./wall.js";

const STATUS_EVERY_MS = 5000;
const TONE_WORDS = { live: "live", paused: "paused", busy: "waiting", trouble: "not live" };

const wall = document.getElementById("cameras");
const summary = document.getElementById("summary");

/** name -> {figure, caption, figures} */
const shown = new Map();
let ratio = 16 / 9;

/** A server that says nothing about its cameras has one, at the first camera's URL. */
const UNKNOWN = [{ name: "" }];

function show(cameras) {
  const names = cameras.map(({ name }) => name);
  if (names.length !== shown.size || names.some((name) => !shown.has(name))) {
    shown.clear();
    wall.replaceChildren(...cameras.map(addCamera));
    fit();
  }
  for (const camera of cameras) describe(camera);
}

function addCamera({ name }) {
  const figure = document.createElement("figure");
  const video = document.createElement("berry-video");
  video.setAttribute("src", name ? `live/${encodeURIComponent(name)}` : "video_websocket");
  video.setAttribute("controls", "");
  video.setAttribute("show-delay", "");
  const caption = document.createElement("figcaption");
  const [label, said, figures] = ["button", "span", "span"].map((tag) => document.createElement(tag));
  [label.className, said.className, figures.className] = ["name", "said", "figures"];
  label.textContent = name || "Camera";
  label.title = "Large, and back";
  label.addEventListener("click", () => enlarge(figure));
  // What was meant for a button inside the element is not meant for the picture.
  video.addEventListener("click", (event) => {
    if (!event.composedPath().some(({ localName }) => localName === "button" || localName === "input")) enlarge(figure);
  });
  const snapshot = button("Snapshot", () => save(video, name || "camera"));
  const share = button("Share", () => tell(name));
  caption.append(label, said, figures, snapshot, share);
  caption.dataset.tone = "busy";
  video.addEventListener("state", ({ detail }) => {
    caption.dataset.tone = detail.tone;
    said.textContent = TONE_WORDS[detail.tone];
    title();
  });
  video.addEventListener("resize", ({ detail }) => {
    // One camera gets a frame of its own shape; on a wall all are equal.
    ratio = shown.size === 1 ? detail.width / detail.height : 16 / 9;
    fit();
  });
  figure.append(video, caption);
  shown.set(name, { caption, figures });
  return figure;
}

function button(text, action) {
  const made = document.createElement("button");
  made.textContent = text;
  made.addEventListener("click", action);
  return made;
}

/** One picture over all others, which play on below it; once more, and it is one of them again. */
function enlarge(figure) {
  const wasLarge = figure?.classList.contains("large");
  wall.querySelector(".large")?.classList.remove("large");
  if (figure && !wasLarge) figure.classList.add("large");
}

async function save(video, name) {
  const picture = await video.snapshot();
  if (!picture) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(picture);
  link.download = `${name} ${new Date().toISOString().slice(0, 19).replaceAll(":", ".")}.jpg`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** To be copied by hand: the clipboard is open to scripts only where TLS is. */
function tell(name) {
  const absolute = (path) => new URL(path, document.baseURI).href;
  const socket = absolute(name ? `live/${encodeURIComponent(name)}` : "video_websocket").replace(/^http/, "ws");
  document.getElementById("link").value = absolute("./");
  document.getElementById("snippet").value =
    `<script type="module" src="${absolute("berrymse.js")}"></script>\n<berry-video src="${socket}" controls></berry-video>`;
  document.getElementById("share").showModal();
}

function describe({ name, width, height, fps, viewers }) {
  const parts = [];
  if (width && height) parts.push(`${width} × ${height}`);
  if (fps) parts.push(`${Math.round(fps)} fps`);
  if (viewers > 1) parts.push(`${viewers} viewers`);
  shown.get(name).figures.textContent = parts.join(" · ");
}

function title() {
  const bad = [...shown].filter(([, { caption }]) => caption.dataset.tone === "trouble").map(([name]) => name || "camera");
  document.title = bad.length > 0 ? `⚠ ${bad.join(", ")} – BerryMSE` : "BerryMSE";
}

function fit() {
  const style = getComputedStyle(wall);
  const width = wall.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  // The height left by the bar, not that of the wall, which grows with its pictures.
  const height = innerHeight - wall.offsetTop - parseFloat(style.paddingBottom);
  const gap = parseFloat(style.columnGap);
  const caption = parseFloat(style.getPropertyValue("--caption"));
  const { columns, tile } = arrange({ count: shown.size, width, height, ratio, caption, gap });
  wall.style.setProperty("--columns", columns);
  wall.style.setProperty("--tile", `${tile}px`);
  wall.style.setProperty("--ratio", ratio);
}

async function refresh() {
  if (document.hidden) return;
  try {
    const response = await fetch("api/status", { cache: "no-store" });
    if (!response.ok) throw new Error(response.statusText);
    const { version, cameras } = await response.json();
    show(cameras.length > 0 ? cameras : UNKNOWN);
    summary.textContent = [cameras.length > 1 && `${cameras.length} cameras`, version && `v${version}`].filter(Boolean).join(" · ");
  } catch {
    // The pictures say themselves when the server is gone; here only something must be on the page.
    if (shown.size === 0) show(UNKNOWN);
  }
}

for (const field of document.querySelectorAll("#share [readonly]")) field.addEventListener("focus", () => field.select());
addEventListener("keydown", ({ key }) => {
  if (key === "Escape") enlarge(null);
});
new ResizeObserver(fit).observe(document.documentElement);
document.addEventListener("visibilitychange", refresh);
setInterval(refresh, STATUS_EVERY_MS);
refresh();
