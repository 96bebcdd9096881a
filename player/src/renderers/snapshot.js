/** Takes snapshots. Loaded for the first one. */

import { insetsOf, sizeOf } from "./crop-geometry.js";

/** Time that a seek may take before there is no frame. */
const SEEK_MS = 2000;

/**
 * Waits for a frame and returns whether there is one. There is a size before the first frame, and no frame while a seek lasts.
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
 * Returns what is seen now, in its own size; null before the first frame.
 * @param {HTMLVideoElement | HTMLCanvasElement} surface
 * @param {string} [type]
 * @param {number} [quality]
 * @returns {Promise<Blob | null>}
 */
export async function snapshot(surface, type = "image/jpeg", quality = 0.92) {
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
    // Mirrored by the page and not by the browser, see mse-renderer.js.
    context?.translate(width, 0);
    context?.scale(-1, 1);
  }
  const [top, , , left] = insets;
  const x = -Math.round(left * wholeWidth), y = -Math.round(top * wholeHeight);
  if ("chrome" in window) {
    // As on the screen: drawn directly Chromium gives other colours to a video with its own primaries (BT.470BG).
    // It fails while the browser changes the frame's source.
    const still = await createImageBitmap(surface, { colorSpaceConversion: "none" }).catch(() => null);
    if (!still) return null;
    context?.drawImage(still, x, y);
    still.close();
  } else {
    // Firefox does not rotate a bitmap of a rotated video.
    context?.drawImage(surface, x, y);
  }
  return new Promise((resolve) => canvas.toBlob(resolve, type, quality));
}
