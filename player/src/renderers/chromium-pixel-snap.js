/**
 * Where there is no GPU, Chromium draws a picture that is shown as large as it is by copying its lines, unless the window has
 * one of the sizes for which its arithmetic (half the size, times two by the size, both rounded to 24 bits) does not give
 * one. Then each pixel is interpolated from four, which takes several milliseconds more. Round corners are drawn in another
 * way, which copies at all sizes, but costs a little more; those here are too small to be seen.
 */

/** One for all elements of a document, and off where it is not needed. @type {WeakMap<Document, CSSStyleSheet>} */
const corners = new WeakMap();

/** @param {number} size of a window, in pixels of the screen */
export function isInexact(size) {
  return Math.fround(Math.fround(2 / size) * Math.fround(size / 2)) !== 1;
}

/**
 * Sees to it that the `.video` in `root` is drawn pixel by pixel.
 * @param {Node} root
 */
export function snapToPixels(root) {
  if (!(root instanceof ShadowRoot)) return;
  const { ownerDocument: document, adoptedStyleSheets: adopted } = root;
  const sheet = corners.get(document) ?? made(document);
  if (sheet && !adopted.includes(sheet)) adopted.push(sheet);
}

/** @param {Document} document */
function made(document) {
  const view = /** @type {typeof globalThis & Window | null} */ (document.defaultView);
  if (!view) return null;
  const sheet = new view.CSSStyleSheet();
  sheet.replaceSync(".video { border-radius: .1px }");
  const look = () => {
    const sizes = [view.outerWidth, view.outerHeight].map((size) => Math.round(size * view.devicePixelRatio));
    sheet.disabled = !sizes.some(isInexact);
  };
  view.addEventListener("resize", look);
  look();
  corners.set(document, sheet);
  return sheet;
}
