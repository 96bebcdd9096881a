/** Paths of the repository: a checkout on macOS or Windows holds one file of two whose names differ in case only. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { sameWithoutCase } from "./paths.js";

test("tracked paths without case are all different", () => {
  const root = new URL("../../", import.meta.url);
  // A checkout of another user's is listed, too.
  const list = execFileSync("git", ["-c", "safe.directory=*", "ls-files", "-z"], { cwd: root, encoding: "utf8" });
  const paths = list.split("\0").filter(Boolean);
  assert.ok(paths.includes("player/dist/berrymse.js"));
  assert.deepEqual(sameWithoutCase(paths), []);
});

test("paths that differ in case only are found, folders too", () => {
  assert.deepEqual(sameWithoutCase(["a/b.js", "a/c.js", "a/B.js"]), [["a/b.js", "a/B.js"]]);
  assert.deepEqual(sameWithoutCase(["a/b.js", "A/c.js"]), [["a", "A"]]);
});
