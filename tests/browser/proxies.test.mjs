/**
 * nginx and Caddy in front of a server with logins, as docs/guide/reverse-proxy.md shows them: TLS and HTTP/2 outside, with and
 * without a sub-path.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { caddy } from "./caddy.mjs";
import { launch } from "./chromium.mjs";
import { installClock, isLive } from "./clock.mjs";
import { patience } from "./driven-page.mjs";
import { nginx } from "./nginx.mjs";
import { binary, serve } from "./server.mjs";

const PASSWORD = "correct horse 5";
/** An address that only a header can tell. */
const ELSEWHERE = "127.0.0.77";

let folder;
let browser;
let server;
let files;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "berrymse-"));
  const [cert, key] = ["cert.pem", "key.pem"].map((name) => join(folder, name));
  files = { cert, key };
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  execFileSync("openssl", ["req", "-x509", ...curve, ...name, "-keyout", key, "-out", cert], { stdio: "ignore" });
  const hash = execFileSync(binary(), ["hash-password"], { input: `${PASSWORD}\n`, encoding: "utf8" }).trim();
  const config = join(folder, "config.yml");
  await writeFile(config, `camera: { name: front, source: test, width: 320, height: 240 }
server: { trustedProxies: [127.0.0.1] }
access:
  keyFile: ${join(folder, "access.key")}
  users: [{ name: owner, password: "${hash}", right: operator }]
`);
  [browser, server] = await Promise.all([launch(), serve(["--config", config], { isTestPicture: false })]);
});

after(async () => {
  await Promise.all([browser?.close(), server?.end()]);
  await rm(folder, { recursive: true, force: true });
});

/** The first block of this language in the guide, for this server. */
async function fromGuide(language) {
  const guide = await readFile(fileURLToPath(new URL("../../docs/guide/reverse-proxy.md", import.meta.url)), "utf8");
  const [, block] = guide.match(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, "m"));
  return block.replaceAll("127.0.0.1:2020", `127.0.0.1:${server.port}`);
}

async function startNginx(isBelow) {
  const block = await fromGuide("nginx");
  const { cert, key } = files;
  const location = isBelow ? block : block.replace("location /camera/", "location /");
  return nginx(folder, { listen: "ssl http2", server: `ssl_certificate ${cert}; ssl_certificate_key ${key}; ${location}` });
}

async function startCaddy(isBelow) {
  // The guide has both forms: a site of its own, and a path of another.
  const lines = (await fromGuide("caddy")).split("\n");
  const site = isBelow ? lines.slice(lines.findIndex((line) => line.includes("redir")), lines.findLastIndex((line) => line === "}"))
    : lines.filter((line) => line.includes("reverse_proxy")).slice(0, 1);
  return caddy(folder, { site: site.join("\n"), ...files });
}

/** The head of an answer, asked for from another address. */
function answerFrom(url, path, headers) {
  return new Promise((resolve, reject) => {
    const asked = request(new URL(path, url), { localAddress: ELSEWHERE, rejectUnauthorized: false, family: 4, headers }, resolve);
    asked.on("error", reject).end();
  });
}

async function until(what, condition) {
  const deadline = Date.now() + patience(20_000);
  for (;;) {
    const found = await condition().catch(() => null);
    if (found) return found;
    assert.ok(Date.now() < deadline, `not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

for (const [name, start] of Object.entries({ nginx: startNginx, Caddy: startCaddy })) {
  for (const isBelow of [false, true]) {
    test(`login and video pass ${name} with HTTP/2${isBelow ? " below a path" : ""}`, async () => {
      const proxy = await start(isBelow);
      const url = `${proxy.url}${isBelow ? "camera/" : ""}`;
      const page = await browser.newPage();
      try {
        await page.send("Security.setIgnoreCertificateErrors", { ignore: true });
        await page.before(installClock);
        await page.goto(url);
        await until("the form", () => page.evaluate(() => document.querySelector("input[name=password]") !== null));
        await page.evaluate((secret) => {
          document.querySelector("input[name=user]").value = "owner";
          document.querySelector("input[name=password]").value = secret;
          setTimeout(() => document.querySelector("#entry button").click());
          return true;
        }, PASSWORD);
        await until("the page", () => page.evaluate(() => document.querySelector("berry-video") !== null));
        await page.until("a live picture", isLive, { given: ["berry-video"] });
        assert.equal(await page.evaluate(() => location.href), url);
        assert.equal(await page.evaluate(() => performance.getEntriesByType("navigation")[0].nextHopProtocol), "h2");
        const { cookies } = await page.send("Network.getCookies", { urls: [url] });
        assert.deepEqual(cookies.map(({ secure, httpOnly, sameSite }) => [secure, httpOnly, sameSite]), [[true, true, "Lax"]]);
        // By the true address, and by the upgrade: not by HTTP, to which the page falls back.
        const authorization = `Basic ${Buffer.from(`owner:${PASSWORD}`).toString("base64")}`;
        const stream = await answerFrom(url, "stream.mp4", { authorization });
        assert.equal(stream.statusCode, 200);
        const { viewers } = await page.evaluate(async () => (await fetch("api/status")).json());
        const found = viewers.map(({ output, address }) => `${output} ${address}`).sort();
        assert.deepEqual(found, [`mp4 ${ELSEWHERE}`, "websocket 127.0.0.1"]);
        stream.destroy();
        assert.equal((await answerFrom(url, "api/status", {})).statusCode, 401);
        // A change of state, which needs the outer origin.
        await page.evaluate(() => {
          setTimeout(() => document.querySelector("#logout button").click());
          return true;
        });
        await until("the form after the logout", () => page.evaluate(() => document.querySelector("input[name=password]") !== null));
      } finally {
        await page.close();
        await proxy.end();
      }
    });
  }
}
