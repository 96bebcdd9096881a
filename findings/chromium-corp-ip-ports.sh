#!/usr/bin/env bash
# Chromium 156: Cross-Origin-Resource-Policy: same-site blocks a picture of another port of the same
# IP address, for which Chromium itself sends Sec-Fetch-Site: same-site.
#
# Expected: "same site" means scheme and registrable domain, or the same host where there is none (HTML
# standard, "schemelessly same site"); ports do not count. So the picture is shown, as it is for
# localhost and for names.
# Needs node, npm and Chromium (Debian's package chromium). Fails if what is seen changes.
set -euo pipefail
chromium=$(command -v chromium || command -v chromium-browser) || { echo "chromium is needed"; exit 2; }
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
cd "$place" && npm install --silent --no-save --ignore-scripts puppeteer-core@24.10.0 >/dev/null
cat > run.mjs <<'J'
import http from "node:http";
import puppeteer from "puppeteer-core";
const gif = Buffer.from("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7", "base64");
let told = null;
const picture = http.createServer((request, response) => {
  told = request.headers["sec-fetch-site"] ?? "(none)";
  response.writeHead(200, { "Content-Type": "image/gif", "Cross-Origin-Resource-Policy": "same-site", "Cache-Control": "no-store" });
  response.end(gif);
}).listen(0, "0.0.0.0");
const page = http.createServer((_, response) => {
  response.writeHead(200, { "Content-Type": "text/html" });
  response.end("<!doctype html>");
}).listen(0, "0.0.0.0");
const browser = await puppeteer.launch({ executablePath: process.argv[2], args: ["--no-sandbox", "--disable-gpu",
  "--host-resolver-rules=MAP *.test 127.0.0.1"] });
console.log(await browser.version());
const seen = {};
for (const host of ["localhost", "camera.test", "127.0.0.1", "127.0.0.2"]) {
  const tab = await browser.newPage();
  await tab.goto(`http://${host}:${page.address().port}/`);
  const isShown = await tab.evaluate((src) => new Promise((resolve) => {
    const image = new Image();
    image.onload = () => resolve(true);
    image.onerror = () => resolve(false);
    image.src = src;
  }), `http://${host}:${picture.address().port}/`);
  seen[host] = isShown;
  console.log(`page and picture at two ports of ${host}: Sec-Fetch-Site ${told}, ${isShown ? "shown" : "blocked"}; expected shown`);
}
await browser.close();
const expected = { localhost: true, "camera.test": true, "127.0.0.1": false, "127.0.0.2": false };
process.exit(JSON.stringify(seen) === JSON.stringify(expected) ? 0 : 1);
J
timeout 80 node run.mjs "$chromium"
