/**
 * What a real browser shows of a page with the test pattern: `node bench/seen.mjs URL UNTIL`, BROWSER=firefox for that one. UNTIL is
 * milliseconds of Unix time, then a line of JSON goes to standard output: for each picture when it was seen first, and when it was made.
 */

import { launch } from "../tests/browser/browser.mjs";
import { installClock, isLive } from "../tests/browser/clock.mjs";

/** When a picture was made, of whose time the clock in it has the lower 32 bits. */
const wholeTime = ({ made, at }) => at - (((at - made) % 2 ** 32) + 2 ** 32) % 2 ** 32;

const [, , url, until] = process.argv;
const browser = await launch();
try {
  const page = await browser.newPage();
  await page.before(installClock);
  await page.goto(url);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  await page.evaluate(() => { window.pictures = clock.keep(document.querySelector("berry-video")); });
  await new Promise((resolve) => setTimeout(resolve, Number(until) - Date.now()));
  const pictures = await page.evaluate(() => window.pictures);
  console.log(JSON.stringify(pictures.map((picture) => [picture.at, wholeTime(picture)])));
} finally {
  await browser.close();
}
