/** A picture as a file. Loaded when the first is asked for. */

import { insetsOf, sizeOf } from "./crop-geometry.js";

/** Milliseconds for which a seek may last before there is no picture. */
const SEEK_MS = 2000;

/**
 * True if the browser gives a picture of it. There is a size before the first one, and none while a seek lasts.
 * @param {HTMLVideoElement} video
 */
async function hasPicture(video) {
  const isThere = () => video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
  for (const end = performance.now() + SEEK_MS; !isThere() && video.seeking && performance.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return isThere();
}

/**
 * What is seen now in its own size; null before the first picture.
 * @param {HTMLVideoElement | HTMLCanvasElement} surface
 * @param {string} type
 * @param {number} quality
 * @returns {Promise<Blob | null>}
 */
export async function snapshot(surface, type, quality) {
  if (surface instanceof HTMLVideoElement && !await hasPicture(surface)) return null;
  const [wholeWidth, wholeHeight] = surface instanceof HTMLVideoElement
    ? [surface.videoWidth, surface.videoHeight]
    : [surface.width, surface.height];
  const insets = insetsOf(surface.style);
  const [width, height] = sizeOf(wholeWidth, wholeHeight, insets);
  if (!width || !height) return null;
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  if (surface.style.scale.startsWith("-")) {
    // Mirrored by the page and not by the browser, see media.js.
    context?.translate(width, 0);
    context?.scale(-1, 1);
  }
  const [top, , , left] = insets;
  const x = -Math.round(left * wholeWidth), y = -Math.round(top * wholeHeight);
  if ("chrome" in window) {
    // As on the screen: drawn directly Chromium gives other colours to a picture with primaries of its own (BT.470BG).
    const still = await createImageBitmap(surface, { colorSpaceConversion: "none" });
    context?.drawImage(still, x, y);
    still.close();
  } else {
    // Firefox does not turn a bitmap of a video that is turned.
    context?.drawImage(surface, x, y);
  }
  return new Promise((resolve) => canvas.toBlob(resolve, type, quality));
}
