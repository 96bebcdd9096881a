/** Draws icons of buttons. */

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} path drawn on 24 x 24 @returns {SVGSVGElement} hidden from screen readers, because the button has a label */
export function icon(path) {
  const svg = document.createElementNS(SVG, "svg");
  const shape = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}
