/** What tests of pages in Chromium begin and end with: one browser and one program for the file, a page behind a proxy for each test. */

import { after, afterEach, before } from "node:test";
import { launch } from "./chromium.mjs";
import { installClock } from "./clock.mjs";
import { proxy } from "./proxy.mjs";
import { serve } from "./server.mjs";

/** Runs hooks of the test file that calls it; what it gives is there when a test begins. */
export function prepareTab() {
  const started = {
    /** The program with the test pattern. */
    server: null,
    /** The proxy and the page of the present test, after `open`. */
    site: null,
    page: null,

    /**
     * Opens a page with this body.
     * @param {string} body
     * @param {{headers?: Record<string, string>, url?: string, prefix?: string, script?: string, scripts?: Function[],
     *   pages?: Record<string, {html: string}>, refused?: string[]}} options `url` of another program, `script` the player's,
     *   `scripts` run in the page before its own, `pages` are beside it; the rest is as for `proxy`
     */
    async open(body, { headers = {}, url = started.server.url, prefix = "/", script = "berrymse.js", scripts = [], pages = {}, refused = [] } = {}) {
      const icon = new URL("icon.svg", new URL(script, "http://x/")).pathname;
      const html = `<!doctype html><link rel="icon" href="${icon}"><script type="module" src="${script}"></script>${body}`;
      started.site = await proxy(url, { prefix, refused, pages: { ...pages, "/page.html": { html, headers } } });
      started.page = await browser.newPage();
      for (const one of [installClock, ...scripts]) await started.page.before(one);
      await started.page.goto(new URL("page.html", started.site.url).href);
    },
  };
  let browser;

  before(async () => {
    [browser, started.server] = await Promise.all([launch(), serve()]);
  });

  after(async () => {
    await Promise.all([browser?.close(), started.server?.end()]);
  });

  afterEach(async () => {
    await started.page?.close();
    await started.site?.end();
  });

  return started;
}
