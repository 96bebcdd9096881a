/** The clock of the test picture as it is on the screen. Of an animated <img> a canvas has the first frame in Firefox. */

/** Runs in the page: the clock in a PNG in base64 whose top left corner is that of the test picture; null if it has none. */
async function read(png) {
  const image = Object.assign(new Image(), { src: `data:image/png;base64,${png}` });
  await image.decode();
  return clock.of(image);
}

/**
 * When the picture in the corner of the page was made, and when it had been taken from the screen, in milliseconds modulo 2^32.
 * @returns {Promise<{made: number | null, at: number}>}
 */
export async function clockOnScreen(page, file = "") {
  const png = await page.screenshot(file);
  const at = Date.now() % 2 ** 32;
  return { made: await page.evaluate(read, png), at };
}

/** Runs in the page: shows `url` in an <img> in the corner of the page, and nothing else. */
export function showImage(url) {
  document.body.style.margin = 0;
  document.body.replaceChildren(Object.assign(new Image(), { src: url }));
}
