/** Pictures on buttons. Which ones there are is for whoever shows them. */

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} path drawn on 24 x 24 @returns {SVGSVGElement} which says nothing to readers: the button has words */
export function icon(path) {
  const svg = document.createElementNS(SVG, "svg");
  const shape = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}
