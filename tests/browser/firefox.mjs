/** A real Firefox, driven by puppeteer-core over WebDriver BiDi (W3C). */

import { existsSync } from "node:fs";
import { DrivenBrowser, DrivenPage } from "./driven-page.mjs";
import { PLAIN_NAME } from "./host.mjs";

const BINARY = process.env.FIREFOX ?? "/usr/bin/firefox-esr";

export const isThere = existsSync(BINARY);

export function launch() {
  return Browser.launch("firefox", (profile) => ({
    browser: "firefox",
    executablePath: BINARY,
    headless: true,
    userDataDir: profile,
    extraPrefsFirefox: {
      "network.dns.localDomains": PLAIN_NAME,
      // Else clocks in pages are rounded, and the delay with them.
      "privacy.reduceTimerPrecision": false,
    },
    env: { ...process.env, HOME: profile, MOZ_HEADLESS_WIDTH: "1300", MOZ_HEADLESS_HEIGHT: "900" },
  }));
}

class Browser extends DrivenBrowser {
  async drive(page) {
    const driven = new Page(this, page);
    page.on("console", (message) => driven.messages.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => driven.messages.push(`exception: ${error.message}`));
    return driven;
  }
}

class Page extends DrivenPage {
  async evaluate(action, ...given) {
    const call = `(${action})(${given.map((value) => JSON.stringify(value)).join(",")})`;
    const answer = await this.page.evaluate(`(async () => JSON.stringify(await ${call}))()`);
    return answer === undefined ? undefined : JSON.parse(answer);
  }

  async resize(width, height) {
    await this.page.setViewport({ width, height });
  }

  capture() {
    return this.page.screenshot({ encoding: "base64" });
  }
}
