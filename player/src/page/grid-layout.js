/** How cameras share a screen: pure geometry, no DOM. */

/** Below this width a picture in a column of its own is larger than any arrangement side by side. */
const PHONE_WIDTH = 700;

/** A picture so little smaller than there is room for is shown as large as it is: sharp, and less work to draw. */
const NEARLY = 0.96;

/**
 * The number of columns and the width of a tile that make `count` equal pictures as large as possible without
 * scrolling; on a phone one below the other.
 * @param {{count: number, width: number, height: number, ratio: number, caption: number, gap: number, own?: number}} room
 *   all lengths in CSS pixels; `ratio` is width by height of a picture, `caption` the height below it, `gap` the space between
 *   pictures and around all, `own` the width at which no pixel is scaled, if that is known
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
    // Half of the space around may go for it.
    const most = Math.min(widest + gap / columns, tallest * ratio);
    if (tile > best.tile) best = { columns, tile: own <= most && own > tile * NEARLY ? own : tile };
  }
  return best;
}
