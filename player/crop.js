/**
 * Shows only the part of a picture that is meant to be seen. Browsers crop H.264 at the right and at the bottom only. So the server lets
 * them decode what is hidden at the left and at the top, too, and says so in `clap` (14496-12, 12.1.4). Loaded when a stream has that.
 */

/** The inset of each edge, top, right, bottom and left, as a share of the picture. For others who draw it, as snapshot.js. */
const PROPERTY = "--berry-crop";

/** Ends what was begun for a video. @type {WeakMap<HTMLVideoElement, AbortController>} */
const begun = new WeakMap();

/**
 * Crops what the video shows as this init segment says, until the next call.
 * @param {HTMLVideoElement} video
 * @param {import("./mp4.js").Init} init
 * @param {((width: number, height: number) => void) | undefined} resized
 */
export function crop(video, init, resized) {
  begun.get(video)?.abort();
  const ending = new AbortController();
  begun.set(video, ending);
  clear(video);
  const { clap } = init;
  if (!clap) return;
  const picture = read(clap);
  const [a = 1, b = 0] = init.matrix;
  const edges = insets(picture, (Math.round(Math.atan2(b, a) / (Math.PI / 2)) * 90 + 360) % 360);
  let told = "";
  const look = () => {
    const { videoWidth, videoHeight } = video;
    clear(video);
    // What follows `clap` itself, and a track of cropped frames, need no more.
    if (!isWhole(picture, videoWidth * videoHeight, aspectOf(init.bytes, picture))) return;
    apply(video, edges, init.isMirrored);
    const size = sizeOf(videoWidth, videoHeight, edges);
    if (size.join() !== told) resized?.(...size);
    told = size.join();
  };
  video.addEventListener("resize", look, { signal: ending.signal });
  const observer = new ResizeObserver(look);
  observer.observe(video);
  ending.signal.addEventListener("abort", () => observer.disconnect());
}

/**
 * The size of what is left.
 * @param {number} width @param {number} height @param {number[]} insets
 * @returns {[number, number]}
 */
export function sizeOf(width, height, [top, right, bottom, left]) {
  return [Math.round(width * (1 - left - right)), Math.round(height * (1 - top - bottom))];
}

/** @param {CSSStyleDeclaration} style */
export function insetsOf(style) {
  return (style.getPropertyValue(PROPERTY) || "0 0 0 0").split(" ").map(Number);
}

/**
 * Insets of a picture that is turned so many degrees clockwise.
 * @param {{width: number, height: number, left: number, top: number}} picture @param {number} turn
 */
export function insets({ width, height, left, top }, turn) {
  const edges = [top / (height + top), 0, 0, left / (width + left)];
  const steps = turn / 90;
  // A quarter turn brings the left edge to the top.
  return [...edges.slice(4 - steps), ...edges.slice(0, 4 - steps)];
}

/**
 * How the part fills a box in which the whole is shown as "contain", for each axis: the scale, the way of the centre, and what is cut
 * off before and behind, in CSS pixels. (`object-view-box` is missing in Firefox, and in Chromium shows more where the box has room.)
 * @param {[number, number]} box @param {[number, number]} whole @param {number[]} insets @param {string} fit
 */
export function placed(box, whole, [top, right, bottom, left], fit) {
  const part = [whole[0] * (1 - left - right), whole[1] * (1 - top - bottom)];
  const before = Math.min(box[0] / whole[0], box[1] / whole[1]);
  const [x, y] = [box[0] / part[0], box[1] / part[1]];
  const scales = fit === "fill" ? [x, y] : Array(2).fill(fit === "cover" ? Math.max(x, y) : Math.min(x, y));
  return [0, 1].map((axis) => {
    const scale = scales[axis] / before;
    const off = [left - right, top - bottom][axis] / 2 * whole[axis] * before;
    const half = Math.min(part[axis] * before, box[axis] / scale) / 2;
    return { scale, move: -off * scale, from: box[axis] / 2 + off - half, to: box[axis] / 2 - off - half };
  });
}

/** @param {Uint8Array} clap */
function read(clap) {
  const view = new DataView(clap.buffer, clap.byteOffset);
  const [width, height, left, top] = [0, 8, 16, 24].map((at) => view.getUint32(at));
  return { width, height, left, top };
}

/**
 * The shape of a pixel, by the width in `tkhd`.
 * @param {Uint8Array} bytes @param {{width: number, left: number}} picture
 */
function aspectOf(bytes, { width, left }) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 88 < bytes.length; at += 1) {
    if (view.getUint32(at) === 0x746b6864) return view.getUint16(at + 80) / (width + left);
  }
  return 1;
}

/**
 * Whether a video of this area shows the whole of the picture. Browsers stretch one side to make pixels square.
 * @param {{width: number, height: number, left: number, top: number}} picture @param {number} area @param {number} aspect
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
  // Without a picture it is the canvas over it that gives it this shape.
  if (videoWidth) style.aspectRatio = "";
}
