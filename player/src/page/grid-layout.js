/** Arranges cameras on a screen. Pure geometry, no DOM. */

/** Width below which one column has larger tiles than any other arrangement. */
const PHONE_WIDTH = 700;

/** Width below which a tile shows nothing: rather than have narrower ones the page scrolls, over tiles of at least the other width. */
const MIN_TILE_WIDTH = 160;
const MIN_SCROLLED_TILE_WIDTH = 240;

/** Ratio from which a video is shown in its own size: sharp, and less work to draw. */
const NEARLY = 0.96;

/**
 * Returns the ratio of all tiles. A single camera has a tile of its own shape, cameras that stand upright have upright tiles, and
 * all others 16:9.
 * @param {number[]} ratios of the cameras, NaN: not known yet
 */
export function tileRatio(ratios) {
  const known = ratios.filter((ratio) => ratio > 0);
  if (ratios.length === 1 && known.length === 1) return known[0];
  const isUpright = known.length > 0 && known.every((ratio) => ratio < 1);
  return isUpright ? Math.max(...known) : 16 / 9;
}

/**
 * Returns the number of columns and the width of a tile that make `count` equal tiles as large as possible without scrolling, unless
 * they become too small. On a phone they are one below the other.
 * @param {{count: number, width: number, height: number, ratio: number, caption: number, gap: number, own?: number}} room
 *   all lengths in CSS pixels; `ratio` is width by height of a tile, `caption` the height below it, `gap` the space between
 *   tiles and around all, `own` the width at which no pixel is scaled, if that is known
 */
export function arrangeGrid({ count, width, height, ratio, caption, gap, own = NaN }) {
  let best = { columns: 1, tile: width };
  if (width < PHONE_WIDTH) return best;
  best.tile = 0;
  for (let columns = 1; columns <= Math.max(count, 1); columns += 1) {
    const rows = Math.ceil(count / columns);
    const widest = (width - gap * (columns - 1)) / columns;
    const tallest = (height - gap * (rows - 1)) / rows - caption;
    const tile = Math.floor(Math.min(widest, tallest * ratio));
    // It may take half of the space around.
    const most = Math.min(widest + gap / columns, tallest * ratio);
    if (tile > best.tile) best = { columns, tile: own <= most && own > tile * NEARLY ? own : tile };
  }
  if (best.tile < MIN_TILE_WIDTH) {
    const columns = Math.floor((width + gap) / (MIN_SCROLLED_TILE_WIDTH + gap));
    const widest = Math.floor((width - gap * (columns - 1)) / columns);
    // One row that is too high for the screen stays on it.
    if (widest > best.tile && columns < count) best = { columns, tile: widest };
  }
  return best;
}
