/** The short form of a run of hours (soak.mjs): that it measures what it says, and that nothing grows at once. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { slopePerHour, soak, summarize } from "./soak.mjs";

test("two cameras on a page stay young and nothing grows", async (t) => {
  const samples = await soak({ minutes: 0.5, every: 6, cameras: 2, size: "640x360", fps: 30, source: "test" });
  t.diagnostic(summarize(samples));
  for (const message of samples.at(-1).messages) t.diagnostic(`in the console: ${message}`);
  // The first sample has the start in it.
  const [first, last] = [samples[1], samples.at(-1)];
  for (const { shown, unread, buffer_s: buffered } of samples.slice(1)) {
    assert.ok(unread <= shown / 10, `${unread} of ${shown} pictures could not be read`);
    assert.ok(buffered < 60, `${buffered} s buffered`);
  }
  // On a busy machine not in each sample.
  const isGood = ({ shown, published, delay_ms: delay, told_ms: told }) => shown > published / 2 && delay !== null && delay < 500 && told < 500;
  assert.ok(samples.slice(1).some(isGood), JSON.stringify(samples));
  assert.ok(last.heap_mb - first.heap_mb < 2, `${first.heap_mb} and then ${last.heap_mb} MB of objects`);
  assert.ok(last.renderer_mb - first.renderer_mb < 60, `${first.renderer_mb} and then ${last.renderer_mb} MB in the renderer`);
  assert.ok(last.server_fds <= first.server_fds, `${first.server_fds} and then ${last.server_fds} descriptors`);
  // Once in many runs there was one, of which nothing is known; more than that is something that goes on.
  const errors = last.messages.filter((message) => message.startsWith("exception: "));
  assert.deepEqual(errors, []);
  assert.ok(last.messages.length < 2, last.messages.join("\n"));
});

test("the slope is that of the line through the samples", () => {
  const samples = [0, 600, 1200, 1800].map((seconds) => ({ seconds, heap_mb: 5 + seconds / 360 }));
  assert.ok(Math.abs(slopePerHour(samples, "heap_mb") - 10) < 1e-9);
  assert.equal(slopePerHour(samples.slice(0, 1), "heap_mb"), 0);
});
