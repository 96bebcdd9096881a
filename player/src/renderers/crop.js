/**
 * Shows only the visible part of a frame. Browsers crop H.264 at the right and at the bottom only. So the server lets them decode
 * what is hidden at the left and at the top, too, and says so in `clap` (14496-12, 12.1.4). Loaded when a stream has that.
 */

import { PROPERTY, insets, placed, sizeOf } from "./crop-geometry.js";

/** Ends the cropping of a video. @type {WeakMap<HTMLVideoElement, AbortController>} */
const running = new WeakMap();

/**
 * Crops a video as its init segment says, until the next call.
 * @param {HTMLVideoElement} video
 * @param {import("../net/mp4.js").Init} init
 * @param {((width: number, height: number) => void) | undefined} resized
 */
export function crop(video, init, resized) {
  running.get(video)?.abort();
  const ending = new AbortController();
  running.set(video, ending);
  clear(video);
  const { clap } = init;
  if (!clap) return;
  const visible = read(clap);
  const [a = 1, b = 0] = init.matrix;
  const edges = insets(visible, (Math.round(Math.atan2(b, a) / (Math.PI / 2)) * 90 + 360) % 360);
  let lastSize = "";
  const update = () => {
    const { videoWidth, videoHeight } = video;
    clear(video);
    // A browser that applies `clap` itself, and a track of cropped frames, need no more.
    if (!isWhole(visible, videoWidth * videoHeight, aspectOf(init.bytes, visible))) return;
    apply(video, edges, init.isMirrored);
    const size = sizeOf(videoWidth, videoHeight, edges);
    if (size.join() !== lastSize) resized?.(...size);
    lastSize = size.join();
  };
  video.addEventListener("resize", update, { signal: ending.signal });
  const observer = new ResizeObserver(update);
  observer.observe(video);
  ending.signal.addEventListener("abort", () => observer.disconnect());
}

/** @param {Uint8Array} clap */
function read(clap) {
  const view = new DataView(clap.buffer, clap.byteOffset);
  const [width, height, left, top] = [0, 8, 16, 24].map((at) => view.getUint32(at));
  return { width, height, left, top };
}

/**
 * Returns the aspect ratio of a pixel, by the width in `tkhd`.
 * @param {Uint8Array} bytes @param {{width: number, left: number}} visible
 */
function aspectOf(bytes, { width, left }) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 88 < bytes.length; at += 1) {
    if (view.getUint32(at) === 0x746b6864) return view.getUint16(at + 80) / (width + left);
  }
  return 1;
}

/**
 * Returns true if a video of this area shows the whole frame. Browsers stretch one side to make pixels square.
 * @param {{width: number, height: number, left: number, top: number}} visible @param {number} area @param {number} aspect
 */
function isWhole({ width, height, left, top }, area, aspect) {
  const part = width * height * Math.max(aspect, 1 / aspect);
  return area > part * Math.sqrt((1 + left / width) * (1 + top / height));
}

/** @param {HTMLVideoElement} video @param {number[]} edges @param {boolean} isMirrored */
function apply(video, edges, isMirrored) {
  const { style } = video;
  style.setProperty(PROPERTY, edges.join(" "));
  const whole = /** @type {[number, number]} */ ([video.videoWidth, video.videoHeight]);
  style.aspectRatio = sizeOf(...whole, edges).join(" / ");
  const { objectFit } = getComputedStyle(video);
  const [x, y] = placed([video.clientWidth, video.clientHeight], whole, edges, objectFit);
  const mirror = isMirrored ? -1 : 1;
  style.objectFit = "contain";
  style.translate = `${mirror * x.move}px ${y.move}px`;
  style.scale = `${mirror * x.scale} ${y.scale}`;
  style.clipPath = `inset(${[y.from, x.to, y.to, x.from].map((length) => `${length}px`).join(" ")})`;
}

/** @param {HTMLVideoElement} video */
function clear({ style, videoWidth }) {
  if (!style.getPropertyValue(PROPERTY)) return;
  const isMirrored = style.scale.startsWith("-");
  for (const name of [PROPERTY, "object-fit", "translate", "clip-path"]) style.removeProperty(name);
  style.scale = isMirrored ? "-1 1" : "";
  // Without a frame the canvas over the video gives it this shape.
  if (videoWidth) style.aspectRatio = "";
}
