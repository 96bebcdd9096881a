/** The page over HTTPS and WSS, with a certificate that the test makes itself. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch } from "./chromium.mjs";
import { installClock, isLive } from "./clock.mjs";
import { serve } from "./server.mjs";

let browser;
let server;
let folder;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "berrymse-tls-"));
  const [cert, key] = ["cert.pem", "key.pem"].map((name) => join(folder, name));
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  execFileSync("openssl", ["req", "-x509", ...curve, ...name, "-keyout", key, "-out", cert], { stdio: "ignore" });
  [browser, server] = await Promise.all([launch(), serve(["--tls-cert", cert, "--tls-key", key], { scheme: "https" })]);
});

after(async () => {
  await Promise.all([browser?.close(), server?.end()]);
  rmSync(folder, { recursive: true, force: true });
});

test("the page shows a live picture over https and wss, in a secure context", async () => {
  const page = await browser.newPage();
  await page.send("Security.setIgnoreCertificateErrors", { ignore: true });
  await page.before(installClock);
  await page.goto(server.url);
  assert.match(server.url, /^https:/);
  await page.until("a live picture", isLive, { given: ["berry-video"] });
  assert.equal(await page.evaluate(() => isSecureContext && "VideoDecoder" in window), true);
  assert.deepEqual(page.messages, []);
});
