/**
 * Makes Chromium copy pixels where there is no GPU. It draws a frame in its own size by copying, except in windows of some sizes,
 * for which its arithmetic (half the size, times two by the size, both rounded to 24 bits) does not give one. Then it interpolates
 * each pixel from four, which takes several milliseconds more. Round corners are drawn in another way, which always copies
 * and costs a little more. Those here are too small to be seen.
 */

/** Style sheet for all elements of a document, disabled where it is not needed. @type {WeakMap<Document, CSSStyleSheet>} */
const sheets = new WeakMap();

/** @param {number} size of a window, in pixels of the screen */
export function isInexact(size) {
  return Math.fround(Math.fround(2 / size) * Math.fround(size / 2)) !== 1;
}

/**
 * Makes the `.video` in `root` drawn pixel by pixel.
 * @param {Node} root
 */
export function snapToPixels(root) {
  if (!(root instanceof ShadowRoot)) return;
  const { ownerDocument: document, adoptedStyleSheets: adopted } = root;
  const sheet = sheets.get(document) ?? createSheet(document);
  if (sheet && !adopted.includes(sheet)) adopted.push(sheet);
}

/** @param {Document} document */
function createSheet(document) {
  const view = /** @type {typeof globalThis & Window | null} */ (document.defaultView);
  if (!view) return null;
  const sheet = new view.CSSStyleSheet();
  sheet.replaceSync(".video { border-radius: .1px }");
  const update = () => {
    const sizes = [view.outerWidth, view.outerHeight].map((size) => Math.round(size * view.devicePixelRatio));
    sheet.disabled = !sizes.some(isInexact);
  };
  view.addEventListener("resize", update);
  update();
  sheets.set(document, sheet);
  return sheet;
}
