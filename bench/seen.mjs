/**
 * What a real browser shows of a page with the test picture: `node bench/seen.mjs URL UNTIL`, BROWSER=firefox for that one. UNTIL is
 * milliseconds of Unix time, then a line of JSON goes to standard output: for each picture when it was seen first, and when it was made.
 */

import { launch } from "../tests/browser/browser.mjs";
import { installClock, isLive } from "../tests/browser/clock.mjs";

/** Runs in the page. */
function notePictures() {
  const element = document.querySelector("berry-video");
  window.pictures = [];
  const look = () => {
    setTimeout(look, 10);
    const made = clock.seen(element);
    const now = Date.now();
    if (made === null || made === window.pictures.at(-1)?.clock) return;
    // The clock has 32 bits.
    window.pictures.push({ clock: made, at: now, made: now - (((now % 2 ** 32) - made + 2 ** 32) % 2 ** 32) });
  };
  look();
}

const [, , url, until] = process.argv;
const browser = await launch();
try {
  const page = await browser.newPage();
  await page.before(installClock);
  await page.goto(url);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  await page.evaluate(notePictures);
  await new Promise((resolve) => setTimeout(resolve, Number(until) - Date.now()));
  const pictures = await page.evaluate(() => window.pictures);
  console.log(JSON.stringify(pictures.map(({ at, made }) => [at, made])));
} finally {
  await browser.close();
}
