/** The browser that the tests run in: BROWSER, "chromium" (the default) or "firefox". */

import * as chromium from "./chromium.mjs";
import * as firefox from "./firefox.mjs";

export const browserName = process.env.BROWSER ?? "chromium";

/** Starts it, without a screen. What it gives is alike in all: see the drivers. */
export function launch() {
  const driver = { chromium, firefox }[browserName];
  if (!driver) throw new Error(`BROWSER=${browserName}: chromium or firefox`);
  return driver.launch();
}
