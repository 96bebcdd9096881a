/**
 * Where there is no GPU, Chromium draws a picture that is shown as large as it is by copying its lines, unless the window has
 * one of the sizes for which its arithmetic (half the size, times two by the size, both rounded to 24 bits) does not give
 * one. Then each pixel is interpolated from four, which takes several milliseconds more. Round corners are drawn in another
 * way, which copies at all sizes, but costs a little more; those here are too small to be seen.
 */

/** One for all elements on the page, and off where it is not needed. @type {CSSStyleSheet | undefined} */
let corners;

/** @param {number} size of a window, in pixels of the screen */
export function isInexact(size) {
  return Math.fround(Math.fround(2 / size) * Math.fround(size / 2)) !== 1;
}

/**
 * Sees to it that the `.video` in `root` is drawn pixel by pixel.
 * @param {Node} root
 */
export function drawExactly(root) {
  if (!(root instanceof ShadowRoot)) return;
  if (!corners) {
    corners = new CSSStyleSheet();
    corners.replaceSync(".video { border-radius: .1px }");
    addEventListener("resize", look);
    look();
  }
  if (!root.adoptedStyleSheets.includes(corners)) root.adoptedStyleSheets.push(corners);
}

function look() {
  if (corners) corners.disabled = ![outerWidth, outerHeight].some((size) => isInexact(Math.round(size * devicePixelRatio)));
}
