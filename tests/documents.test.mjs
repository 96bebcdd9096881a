/**
 * Rules for the Markdown files of the repository. Needs nothing but Node and git: `node --test tests/documents.test.mjs`.
 */

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { test } from "node:test";
import { deepEqual, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Files that git knows or would add, by extension. */
function files(...patterns) {
  const output = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "-z", "--", ...patterns], { cwd: root, encoding: "utf8" });
  return [...new Set(output.split("\0"))].filter((name) => name && existsSync(join(root, name)));
}

const read = (name) => readFileSync(join(root, name), "utf8");
/** The text without fenced blocks and code spans, line for line. */
const prose = (text) => text
  .replace(/^( *)(```|~~~)[^]*?^\1\2 *$/gm, (block) => block.replace(/[^\n]/g, ""))
  .replace(/(`+)(?!`)[^]*?[^`]\1(?!`)/g, (span) => span.replace(/[^\n]/g, " "));

/** Targets of links, images and reference definitions. */
function links(text) {
  const clean = prose(text);
  return [
    ...clean.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g),
    ...clean.matchAll(/^\[[^\]]+\]:\s+(\S+)/gm),
    ...clean.matchAll(/<(?:img|a)\b[^>]*?\b(?:src|href)="([^"]+)"/g),
  ].map((match) => match[1]);
}

/** Anchors of the headings, as GitHub makes them. */
function anchors(text) {
  const seen = new Map();
  const withoutBlocks = text.replace(/^( *)(```|~~~)[^]*?^\1\2 *$/gm, "");
  return new Set([...withoutBlocks.matchAll(/^#{1,6} +(.*?)\s*$/gm)].map(([, heading]) => {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1");
    const slug = plain.toLowerCase().replace(/[^\p{L}\p{N}\p{M}\s_-]/gu, "").replace(/ /g, "-");
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    return count ? `${slug}-${count}` : slug;
  }));
}

/** Where a relative link leads, as a path in the repository and an anchor; null for other schemes. */
function target(document, link) {
  if (/^[a-z][a-z0-9+.-]*:/i.test(link)) return null;
  const [path, anchor = ""] = decodeURI(link).split("#");
  const absolute = path ? resolve(root, dirname(document), path) : join(root, document);
  return { name: relative(root, absolute).split(sep).join("/"), anchor };
}

const documents = files("*.md");

test("relative links lead to files and headings that exist", () => {
  ok(documents.length > 20, `${documents.length} documents`);
  const dead = [];
  for (const document of documents) {
    for (const link of links(read(document))) {
      const to = target(document, link);
      if (!to) continue;
      const path = join(root, to.name);
      if (to.name.startsWith("..") || !existsSync(path)) dead.push(`${document}: ${link}: no such file`);
      else if (to.anchor && (statSync(path).isDirectory() || !anchors(read(to.name)).has(to.anchor))) dead.push(`${document}: ${link}: no such heading`);
    }
  }
  deepEqual(dead, []);
});

test("each page of docs/ is reached by links from the README", () => {
  const reached = new Set(["README.md"]);
  for (const document of reached) {
    for (const link of links(read(document))) {
      const name = target(document, link)?.name;
      if (name?.endsWith(".md") && existsSync(join(root, name))) reached.add(name);
    }
  }
  const pages = documents.filter((name) => name.startsWith("docs/"));
  ok(pages.length > 20, `${pages.length} pages`);
  deepEqual(pages.filter((name) => !reached.has(name)), []);
});

test("documents that sources name exist", () => {
  const sources = files("*.rs", "*.js", "*.mjs", "*.ts", "*.html", "*.c", "*.sh", "*.toml", "*.yml", "*.service", "run", "test", "bench/*", "tests/vm/*")
    .filter((name) => !name.startsWith("player/dist/") && !/\.(md|264|jsv|jpg)$/.test(name));
  const missing = [];
  for (const source of sources) {
    for (const [name] of read(source).matchAll(/(?<![\w/.-])docs\/[\w./-]*\w/g)) {
      // A decision is named by its number.
      const found = existsSync(join(root, name)) || documents.some((document) => document.startsWith(`${name}-`));
      if (!found) missing.push(`${source}: ${name}`);
    }
  }
  deepEqual(missing, []);
});

const decisions = documents.filter((name) => name.startsWith("docs/design/decisions/") && !name.endsWith("/README.md"));

test("each decision has a number of its own", () => {
  const numbers = decisions.map((name) => name.match(/\/(\d{4})-[a-z0-9-]+\.md$/)?.[1]);
  ok(numbers.length > 15 && numbers.every(Boolean), `${numbers}`);
  deepEqual(numbers, [...new Set(numbers)]);
});

test("each decision has date, status, context, decision, consequences and alternatives, on one page", () => {
  const wrong = [];
  for (const name of decisions) {
    const text = read(name);
    const lines = text.split("\n");
    if (!/^# \S/.test(lines[0]) || !/^\d{4}-\d\d-\d\d\. Status: (accepted|superseded by \[\d{4}\])/.test(lines[2])) wrong.push(`${name}: no title, date and status`);
    const sections = [...text.matchAll(/^\*\*(\w+)\.\*\*/gm)].map((match) => match[1]);
    if (sections.join() !== "Context,Decision,Consequences,Alternatives") wrong.push(`${name}: sections ${sections}`);
    if (lines.length > 90) wrong.push(`${name}: ${lines.length} lines`);
    const title = lines[0].slice(2);
    const row = read("docs/design/decisions/README.md").split("\n").find((line) => line.includes(`(${name.split("/").at(-1)})`));
    if (!row?.includes(title)) wrong.push(`${name}: the index has another title`);
  }
  deepEqual(wrong, []);
});

test("the reference of options agrees with the option table", () => {
  const table = read("src/cli/options.rs").split("const OPTIONS")[1] + read("src/cli/options/rpicam.rs");
  const options = table.split("OptionSpec {").slice(1).map((text) => {
    const long = text.match(/long: &\[(?:"([^"]*)")?/)?.[1];
    const [, section, key] = text.match(/file: Some\(\(ConfigSection::(\w+), &\["(\w+)"/) ?? [];
    return {
      option: long && `--${long}`,
      key: section && `${section.toLowerCase()}.${key}`,
      env: text.match(/env: Some\("(\w+)"\)/)?.[1],
      initial: text.match(/default: Some\("([^"]*)"\)/)?.[1],
    };
  });
  // Rows of these are made by a function.
  for (const section of ["access", "publish"]) {
    for (const text of read(`src/cli/options/${section}.rs`).split("pub(super) const ").slice(1)) {
      options.push({
        option: text.match(/long: &\["([^"]*)"/)?.[1]?.replace(/^/, "--"),
        key: `${section}.${text.match(/Setting::\w+,\s*&\["(\w+)"/)[1]}`,
        env: text.match(/env: Some\("(\w+)"\)/)?.[1],
        initial: text.match(/default: Some\("([^"]*)"\)/)?.[1],
      });
    }
  }
  ok(options.length > 25, `${options.length} options`);
  const text = read("docs/reference/options.md");
  const rows = text.split("\n").filter((line) => /^\|.*(`--|`(camera|server|tls|access|publish)\.)/.test(line));
  const wrong = [];
  for (const { option, key, env, initial } of options) {
    const row = rows.find((line) => [option, key].every((name) => !name || line.includes(`\`${name}\``)));
    if (!row) wrong.push(`${option ?? key}: no row with ${option} and ${key}`);
    else if (initial && !row.split("|").at(-2).includes(initial)) wrong.push(`${option ?? key}: the default is ${initial}`);
    if (option && env !== `BERRYMSE_${option.slice(2).toUpperCase().replaceAll("-", "_")}`) wrong.push(`${option}: environment variable ${env}`);
  }
  // Those that the parser of arguments brings itself.
  const known = new Set(["--help", "--version", "--verbose", "--check-config", ...options.flatMap(({ option, key }) => [option, key])]);
  for (const row of rows) {
    for (const [, name] of row.split("|").slice(1, 3).join("|").matchAll(/`(--[a-z-]+|(?:camera|server|tls|access|publish)\.\w+)`/g)) {
      if (!known.has(name)) wrong.push(`${name}: not in the option table`);
    }
  }
  deepEqual(wrong, []);
});

test("each metric is in the reference of metrics", () => {
  const sources = files("src/**/metrics.rs").map(read);
  const names = new Set(sources.flatMap((text) => [...text.matchAll(/"((?:berrymse|process)_[a-z_]+)"/g)].map((match) => match[1])));
  ok(names.size > 15, `${names.size} metrics`);
  const page = read("docs/reference/metrics.md");
  deepEqual([...names].filter((name) => !page.includes(`\`${name}\``)), []);
});

test("prose ends at 100 columns", () => {
  const wide = [];
  for (const document of documents.filter((name) => /^(docs\/|(README|CONTRIBUTING|SECURITY)\.md)/.test(name))) {
    const text = read(document).replace(/^( *)(```|~~~)[^]*?^\1\2 *$/gm, (block) => block.replace(/[^\n]/g, ""));
    text.split("\n").forEach((line, index) => {
      // What cannot be broken: tables, and a link alone in its line.
      if (line.length > 100 && !/^\s*\|/.test(line) && /\S\s+\S/.test(line.trim().replace(/^[*-] /, "").replace(/\[[^\]]*\]\([^)]*\)|`[^`]*`/g, "x"))) wide.push(`${document}:${index + 1}: ${line.length}`);
    });
  }
  deepEqual(wide, [], "tools/wrap-markdown FILE... wraps them");
});

test("files and folders that documents name exist", () => {
  const places = ["", "src/", "tests/", "tests/vm/", "tests/vm/cases/", "tests/browser/", "player/"];
  const missing = [];
  // Results are of the day that they name, the changelog and superseded decisions of theirs.
  for (const document of documents.filter((name) => !/^(bench\/results\/|CHANGELOG)/.test(name))) {
    const text = read(document);
    if (/Status: superseded/.test(text)) continue;
    const code = [...text.matchAll(/^( *)(?:```|~~~)[^]*?^\1(?:```|~~~) *$|`[^`\n]+`/gm)].map((match) => match[0]).join("\n");
    for (const [path] of code.matchAll(/(?<![\w./$<-])(?:\.\/)?(?:bench|docs|findings|fuzz|packaging|player|src|tests|tools)\/[\w./-]*\w|(?<![\w./-])[a-z][\w-]*(?:\/[\w-]+)+\.(?:rs|js|mjs|sh|c|pl)\b/g)) {
      if (/target\/|NAME|artifacts|corpus/.test(path)) continue;
      const folder = dirname(document) === "." ? "" : `${dirname(document)}/`;
      if (![...places, folder].some((place) => existsSync(join(root, place, path)))) missing.push(`${document}: ${path}`);
    }
  }
  deepEqual(missing, []);
});

test("each URL of the router is in the reference of HTTP", () => {
  const [router] = files("src/**/router.rs").map(read);
  const urls = [...router.matchAll(/^ +(?:GET|POST) "(\/[^"]*)"/gm)].map((match) => match[1].replace("{camera}", "NAME").replace("{viewer}", "ID").replace("{websocket}", "video_websocket"))
    .filter((url) => url !== "/{file}");
  ok(urls.length > 10, `${urls}`);
  const page = read("docs/reference/http.md");
  deepEqual(urls.filter((url) => !page.includes(`\`${url}\``)), []);
});

test("documents use the field's words", () => {
  // Words that code may still have, and no document: see tests/banned-words.txt for the others.
  const wrong = /(?<![\w-])(?:anew|so many|so long|comes? to nothing|test pictures?|slow lines?|last words|spare pictures?)(?![\w-])/i;
  const found = [];
  for (const document of documents.filter((name) => !/^(bench\/results|CHANGELOG|ARCHITECTURE)/.test(name))) {
    prose(read(document)).split("\n").forEach((line, index) => {
      if (wrong.test(line)) found.push(`${document}:${index + 1}: ${line.match(wrong)[0]}`);
    });
  }
  deepEqual(found, []);
});
