/**
 * Shows every camera of this server, as large as the screen allows, with name, size and rate.
 * All URLs are relative, so that it works below any path of a reverse proxy.
 */

import "../element/berry-video.js";
import { icon } from "../ui/icons.js";
import { arrangeGrid, tileRatio } from "./grid-layout.js";
import { listenForKeys } from "./keys.js";
import { ask, goToLogin, linkToken } from "./server.js";
import { openShareDialog } from "./share.js";
import { enlargedName, enter, fragmentName, isBare, isKiosk, leave, onlyCamera } from "./view.js";
import { keepScreenOn } from "./wake-lock.js";
import { Zoom, isOnControl } from "./zoom.js";

const STATUS_INTERVAL_MS = 5000;
const ICONS = {
  settings: "M4 6h9v2H4zM17 6h3v2h-3zM14 4h2v6h-2zM4 11h3v2H4zM11 11h9v2h-9zM8 9h2v6H8zM4 16h7v2H4zM15 16h5v2h-5zM12 14h2v6h-2z",
  snapshot: "M9 4h6l1.5 2.5H20a1 1 0 0 1 1 1V19a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V7.5a1 1 0 0 1 1-1h3.5zM12 9a4.2 4.2 0 1 0 0 8.4A4.2 4.2 0 0 0 12 9zm0 1.8a2.4 2.4 0 1 1 0 4.8 2.4 2.4 0 0 1 0-4.8z",
  share: "M12 3l4.5 4.5-1.4 1.4L13 6.8V15h-2V6.8L8.9 8.9 7.5 7.5zM5 11h3v2H7v6h10v-6h-1v-2h3v10H5z",
  back: "M6.4 5L12 10.6 17.6 5 19 6.4 13.4 12l5.6 5.6-1.4 1.4L12 13.4 6.4 19 5 17.6 10.6 12 5 6.4z",
};
/** Text of each tone, by the seconds behind or late. */
const TONE_WORDS = {
  live: () => "live",
  behind: (seconds) => `${seconds} s behind`,
  late: (seconds) => `${seconds} s late`,
  paused: () => "paused",
  busy: () => "waiting",
  trouble: () => "not live",
};

const grid = document.getElementById("cameras");
const summary = document.getElementById("summary");

/** A click on an enlarged camera is no second one of a double click after this time. */
const DOUBLE_CLICK_MS = 300;

/** name -> {figure, video, zoom, caption, label, figures, title, ratio} */
const shown = new Map();
let ratio = 16 / 9;
/** Width of a frame, in its own pixels. */
let frameWidth = NaN;

/** Camera of a server that says nothing about its cameras: the first one. */
const UNKNOWN = [{ name: "" }];

/** With more cameras those out of sight rest: a browser opens 255 connections, and cannot draw as many videos. */
const MAX_PLAYING = 16;
/** Sources of cameras that have not been in sight. @type {WeakMap<Element, string>} */
const unseen = new WeakMap();
const sight = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    const source = unseen.get(target);
    if (!isIntersecting || !source) continue;
    target.setAttribute("src", source);
    unseen.delete(target);
    sight.unobserve(target);
  }
});

function show(all) {
  const chosen = all.filter(({ name }) => name === onlyCamera);
  // One that the server does not know says so itself.
  const cameras = onlyCamera === null ? all : [chosen[0] ?? { name: onlyCamera }];
  const names = cameras.map(({ name }) => name);
  if (names.length !== shown.size || names.some((name) => !shown.has(name))) {
    // Cameras may come and go: the others play on.
    for (const [name, { figure, video }] of shown) {
      if (names.includes(name)) continue;
      sight.unobserve(video);
      figure.remove();
      shown.delete(name);
    }
    for (const camera of cameras) if (!shown.has(camera.name)) grid.append(addCamera(camera, names.length > MAX_PLAYING));
    grid.classList.toggle("single", cameras.length === 1);
    layOut();
    applyFragment();
  }
  for (const camera of cameras) describe(camera);
}

/** @param {boolean} isOneOfMany whether it rests while it is out of sight */
function addCamera({ name }, isOneOfMany) {
  const figure = document.createElement("figure");
  const video = document.createElement("berry-video");
  const source = name ? `live/${encodeURIComponent(name)}` : "video_websocket";
  if (isOneOfMany) {
    video.setAttribute("rest-below", "0.01");
    unseen.set(video, source);
    sight.observe(video);
  } else {
    video.setAttribute("src", source);
  }
  video.toggleAttribute("controls", !isKiosk);
  video.toggleAttribute("show-delay", !isBare);
  if (linkToken) Reflect.set(video, "token", linkToken);
  video.addEventListener("error", ({ detail }) => {
    if (["login_required", "session_ended"].includes(detail?.code) && !linkToken) goToLogin();
  });
  const caption = document.createElement("figcaption");
  const [label, said, figures] = ["button", "span", "span"].map((tag) => document.createElement(tag));
  [label.className, said.className, figures.className] = ["name", "said", "figures"];
  label.textContent = name || "Camera";
  label.ariaPressed = "false";
  label.addEventListener("click", () => toggleLarge(name));
  const isLarge = () => figure.classList.contains("large");
  const zoom = new Zoom(video, () => isLarge() || isBare || document.fullscreenElement === video);
  addClicks(video, name, zoom, isLarge);
  const settings = button("settings", "Camera settings", () => openPanel(name, settings));
  settings.hidden = true;
  settings.ariaExpanded = "false";
  const snapshot = button("snapshot", "Save a snapshot", () => save(video, name || "camera"));
  const share = button("share", "Link and code for a page", () => openShareDialog(document.getElementById("share"), name, label.textContent));
  const back = button("back", "Back to all cameras", () => toggleLarge(name));
  back.classList.add("back");
  caption.append(label, said, figures, settings, snapshot, share, back);
  caption.dataset.tone = "busy";
  video.addEventListener("state", ({ detail }) => {
    caption.dataset.tone = detail.tone;
    said.textContent = TONE_WORDS[detail.tone](detail.seconds);
    title();
    // The controls are known when the camera was open once.
    if (detail.tone === "live" && settings.hidden) offerSettings(name, settings);
  });
  video.addEventListener("resize", ({ detail }) => {
    shown.get(name).ratio = detail.width / detail.height;
    frameWidth = detail.width;
    ratio = tileRatio([...shown.values()].map((one) => one.ratio));
    layOut();
  });
  figure.append(video, caption);
  shown.set(name, { figure, video, zoom, caption, label, figures, ratio: NaN });
  return figure;
}

function button(name, label, action) {
  const made = document.createElement("button");
  made.append(icon(ICONS[name]));
  made.className = "icon";
  made.title = made.ariaLabel = label;
  made.addEventListener("click", action);
  return made;
}

async function offerSettings(name, button) {
  if (!name) return;
  try {
    const answer = await ask(`api/cameras/${encodeURIComponent(name)}/controls`);
    const { allowed, controls } = await answer.json();
    button.hidden = !allowed || controls.length === 0;
  } catch {
    // The server has no settings, or is gone: there is nothing to offer.
  }
}

let panel;

async function openPanel(name, opener) {
  if (!panel) {
    const { CameraSettings } = await import("./camera-settings.js");
    panel ??= new CameraSettings(document.getElementById("panel"));
  }
  panel.toggle(name, opener);
}

let viewerList;

async function openViewers() {
  if (!viewerList) {
    const { ViewerList } = await import("./viewers.js");
    viewerList ??= new ViewerList(document.getElementById("viewers"));
  }
  viewerList.open();
}

/** Shows how many watch, if somebody does and the server tells it. @param {unknown[] | undefined} viewers */
function showWatching(viewers) {
  const button = document.getElementById("watching");
  // Those of this page are counted with the next status.
  button.hidden = !viewers?.length;
  button.textContent = viewers?.length === 1 ? "1 viewer" : `${viewers?.length} viewers`;
}

/** A click on a button inside the element does not enlarge it, and a double click zooms. */
function addClicks(video, name, zoom, isLarge) {
  let timer = 0;
  video.addEventListener("click", (event) => {
    if (isBare || isOnControl(event)) return;
    clearTimeout(timer);
    if (event.detail > 1 || zoom.isZoomed) return;
    // Two clicks in a row are for the zoom, so the first one waits where it would end the large picture.
    if (isLarge() && event.detail === 1) timer = setTimeout(() => toggleLarge(name), DOUBLE_CLICK_MS);
    else toggleLarge(name);
  });
}

/** Enlarges one camera over the others, which play on below it, or makes it small again. */
function toggleLarge(name) {
  if (enlargedName() === fragmentName(name)) leave(applyFragment);
  else enter(name, applyFragment);
}

/** Shows what the fragment of the address says. */
function applyFragment() {
  const wanted = enlargedName();
  const found = [...shown.keys()].some((name) => fragmentName(name) === wanted);
  for (const [name, { figure, label, zoom }] of shown) {
    const isLarge = fragmentName(name) === wanted;
    if (!isLarge) zoom.reset();
    figure.classList.toggle("large", isLarge);
    // The others are out of reach for keys and screen readers, too.
    figure.inert = found && !isLarge;
    label.ariaPressed = String(isLarge);
  }
}

/** Returns the camera that keys are for. */
function keyTarget() {
  const all = [...shown.values()];
  const is = (selector) => all.find(({ figure }) => figure.matches(selector));
  return is(".large") ?? is(":focus-within") ?? is(":hover") ?? (all.length === 1 ? all[0] : null);
}

/** Enlarges the next camera. */
function showNext(step) {
  const names = [...shown.keys()];
  const at = names.findIndex((name) => fragmentName(name) === enlargedName());
  if (at >= 0 && names.length > 1) enter(names.at((at + step) % names.length), applyFragment);
}

async function save(video, name) {
  const snapshot = await video.snapshot();
  if (!snapshot) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(snapshot);
  link.download = `${name} ${new Date().toISOString().slice(0, 19).replaceAll(":", ".")}.jpg`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function describe({ name, title: given, width, height, fps, viewers }) {
  const parts = [];
  if (width && height) parts.push(`${width} × ${height}`);
  if (fps) parts.push(`${Math.round(fps)} fps`);
  if (viewers > 1) parts.push(`${viewers} viewers`);
  const { figures, label } = shown.get(name);
  const known = given || name || "Camera";
  if (label.textContent !== known || !label.title) {
    label.textContent = known;
    label.title = `${known}: large, and back`;
  }
  const text = parts.join(" · ");
  // The same text again would repaint the page.
  if (figures.textContent !== text) figures.textContent = text;
}

function title() {
  const bad = [...shown.values()].filter(({ caption }) => caption.dataset.tone === "trouble").map(({ label }) => label.textContent);
  document.title = bad.length > 0 ? `⚠ ${bad.join(", ")} – BerryMSE` : "BerryMSE";
}

function layOut() {
  const style = getComputedStyle(grid);
  const width = grid.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  // The height left by the bar, not that of the grid, which grows with its tiles.
  const height = innerHeight - grid.offsetTop - parseFloat(style.paddingBottom);
  const gap = parseFloat(style.columnGap);
  const caption = parseFloat(style.getPropertyValue("--caption"));
  const { columns, tile } = arrangeGrid({ count: shown.size, width, height, ratio, caption, gap, own: frameWidth / devicePixelRatio });
  grid.style.setProperty("--columns", columns);
  grid.style.setProperty("--tile", `${tile}px`);
  grid.style.setProperty("--ratio", ratio);
}

async function refresh() {
  if (document.hidden) return;
  try {
    const response = await ask("api/status");
    // Pictures that are shown go on until their connection ends.
    if (response.status === 401 && !linkToken && shown.size === 0) return goToLogin();
    if (!response.ok) throw new Error(response.statusText);
    const { version, access, cameras, viewers } = await response.json();
    showAccess(access);
    showWatching(viewers);
    show(cameras.length > 0 ? cameras : UNKNOWN);
    summary.textContent = [cameras.length > 1 && `${cameras.length} cameras`, version && `v${version}`].filter(Boolean).join(" · ");
  } catch {
    // The elements say when the server is gone. The page needs one.
    if (shown.size === 0) show(UNKNOWN);
  }
}

/** @param {{session: boolean, login: boolean, right: string, exposed: boolean} | undefined} access of the person, as the server says */
function showAccess(access) {
  const { session = false, login = false, right = "", exposed = false } = access ?? {};
  const part = (id) => document.getElementById(id);
  part("logout").hidden = !session;
  part("login").hidden = session || !login || right === "operator" || Boolean(linkToken);
  part("banner").hidden = !exposed;
}

document.body.classList.toggle("bare", isBare);
document.body.classList.toggle("kiosk", isKiosk);
listenForKeys(keyTarget, { escape: () => leave(applyFragment), next: showNext });
keepScreenOn(isKiosk);
for (const type of ["popstate", "hashchange"]) addEventListener(type, applyFragment);
const resized = new ResizeObserver(layOut);
for (const selector of ["html", "header"]) resized.observe(document.querySelector(selector));
document.addEventListener("visibilitychange", refresh);
document.getElementById("watching").addEventListener("click", openViewers);
setInterval(refresh, STATUS_INTERVAL_MS);
refresh();
