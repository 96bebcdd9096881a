/** Calculates which part of a frame is seen, and where. Pure. */

/** Inset of each edge, top, right, bottom and left, as a share of the frame. Also for snapshot.js. */
export const PROPERTY = "--berry-crop";

/**
 * Returns the size of the visible part.
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
 * Returns the insets of a frame that is rotated clockwise by that many degrees.
 * @param {{width: number, height: number, left: number, top: number}} visible @param {number} turn
 */
export function insets({ width, height, left, top }, turn) {
  const edges = [top / (height + top), 0, 0, left / (width + left)];
  const steps = turn / 90;
  // A quarter turn brings the left edge to the top.
  return [...edges.slice(4 - steps), ...edges.slice(0, 4 - steps)];
}

/**
 * Returns how the part fills a box in which the whole is shown as "contain". For each axis: the scale, the shift of the centre, and
 * what is cut off before and after, in CSS pixels. (`object-view-box` is missing in Firefox, and in Chromium shows more where the box has room.)
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
