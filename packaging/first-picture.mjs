/**
 * first-picture.mjs URL [PASSWORD_FILE]
 *
 * Opens the page of a server that shows the test pattern, in a Chromium of its own, and ends when a live frame is on it. With a
 * PASSWORD_FILE it logs in as the owner first. Needs `npm ci --prefix tests/browser`.
 */

import { readFileSync } from "node:fs";
import { launch } from "../tests/browser/chromium.mjs";
import { installClock, isLive } from "../tests/browser/clock.mjs";

const [url, file] = process.argv.slice(2);
const password = file && readFileSync(file, "utf8").trim();
const browser = await launch();
try {
  const page = await browser.newPage();
  await page.before(installClock);
  await page.goto(url);
  if (password) {
    await page.until("a form", () => document.querySelector("form input[type=password]"));
    await page.evaluate((word) => {
      const form = document.querySelector("form");
      form.user.value = "owner";
      form.password.value = word;
      form.requestSubmit();
    }, password);
  }
  await page.until("a live frame", isLive, { given: ["berry-video"], within: 60_000 });
} finally {
  await browser.close();
}
