import assert from "node:assert/strict";
import { test } from "node:test";
import { readMessage } from "../src/net/mp4.js";
import { box, buffer, fragment, init, u32 } from "./boxes.js";

test("the codec string and the decoder's record come from the init segment", () => {
  const { kind, codec, avcC } = readMessage(init({ avcC: [1, 0x42, 0xc0, 0x0a, 0xff] }));
  assert.deepEqual({ kind, codec, avcC: [...avcC] }, { kind: "init", codec: "avc1.42c00a", avcC: [1, 0x42, 0xc0, 0x0a, 0xff] });
});

test("a mirror is told and taken out of what the browser gets; a turn stays", () => {
  const ONE = 0x10000;
  const END = 0x40000000;
  const turns = [[ONE, 0, 0, ONE], [0, ONE, -ONE, 0], [-ONE, 0, 0, -ONE], [0, -ONE, ONE, 0]];
  for (const [a, b, c, d] of turns) {
    const plain = init({ matrix: [a, b, 0, c, d, 0, 0, 0, END] });
    const mirrored = init({ matrix: [-a, b, 0, -c, d, 0, 0, 0, END] });
    const before = new Uint8Array(mirrored.slice(0));
    assert.equal(readMessage(plain).isMirrored, false);
    assert.equal(readMessage(mirrored).isMirrored, true);
    for (const from of [plain, mirrored]) assert.deepEqual(readMessage(from).bytes, new Uint8Array(plain));
    assert.deepEqual(new Uint8Array(mirrored), before, "the message itself stays as it was");
  }
  assert.equal(readMessage(init()).isMirrored, false);
});

test("a fragment tells its time, its duration and whether it is a keyframe", () => {
  const late = 2 ** 33 + 5;
  const { kind, decodeTicks, durationTicks, isKeyframe } = readMessage(fragment({ decodeTicks: late, isKeyframe: true }));
  assert.deepEqual({ kind, decodeTicks, durationTicks, isKeyframe },
    { kind: "fragment", decodeTicks: late, durationTicks: 3000, isKeyframe: true });
  assert.equal(readMessage(fragment({ decodeTicks: 0, isKeyframe: false })).isKeyframe, false);
});

test("the tests' fragments have the layout that pages of 2022 read: trun at byte 76, keyframe mark at byte 92", () => {
  const bytes = new Uint8Array(fragment({ decodeTicks: 0, isKeyframe: true }));
  assert.equal(String.fromCharCode(...bytes.slice(76, 80)), "trun");
  assert.equal(bytes[92], 2);
});

test("what is neither init segment nor fragment is nothing", () => {
  for (const other of [buffer(), buffer([0, 0]), buffer(box("free", u32(1))), buffer(u32(0xffffffff), [109, 111, 111, 118])]) {
    assert.equal(readMessage(other), null);
  }
});

test("a message cut anywhere is refused or read, and never throws", () => {
  for (const whole of [init({ matrix: [-1, 0, 0, 0, 1, 0, 0, 0, 1] }), fragment({ decodeTicks: 9000, isKeyframe: true })]) {
    for (let length = 0; length < whole.byteLength; length += 1) readMessage(whole.slice(0, length));
  }
});

test("recovery_point_before_the_slices_is_found", () => {
  const delimiter = [9, 0x10];
  const recovery = [6, 6, 1, 0xc4, 0x80];
  const withTiming = [6, 1, 2, 0xaa, 0xbb, 6, 1, 0xc4, 0x80];
  const userData = [6, 5, 3, 6, 6, 6, 0x80];
  const slice = [0x41, 6, 1, 6, 6];
  const found = (...units) => readMessage(fragment({ decodeTicks: 0, isKeyframe: false, units })).isRecoveryPoint;
  assert.deepEqual([found(delimiter, recovery, slice), found(withTiming, slice)], [true, true]);
  assert.deepEqual([found(userData, slice), found(slice, recovery), found(delimiter), found()], [false, false, false, false]);
  assert.equal(readMessage(fragment({ decodeTicks: 0, isKeyframe: true, units: [recovery, [0x65, 1]] })).isRecoveryPoint, false);
});

test("composition_offset_is_read_where_there_is_one", () => {
  const offset = (offsetTicks) => readMessage(fragment({ decodeTicks: 0, isKeyframe: false, offsetTicks })).offsetTicks;
  assert.deepEqual([offset(-3000), offset(6000), offset(undefined)], [-3000, 6000, 0]);
});
