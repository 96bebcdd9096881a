/**
 * Parses the server's MP4 messages: kind, codec, mirror, keyframe, times. docs/reference/websocket.md describes the messages, ISO/IEC
 * 14496-12 the boxes. The bytes go to the browser unchanged, except for a mirror. No DOM, no state.
 */

/** Ticks in a second of media time. */
export const TIMESCALE = 90_000;
export const TICKS_PER_MS = TIMESCALE / 1000;

const SAMPLE_IS_NON_SYNC = 0x10000;
const TRUN_HAS_OFFSETS = 0x800;

/**
 * @typedef {{kind: "init", codec: string, avcC: Uint8Array, clap: Uint8Array | null, isMirrored: boolean, matrix: number[],
 *   bytes: Uint8Array<ArrayBuffer>}} Init
 * `codec` is an RFC 6381 string such as avc1.64001f, `avcC` the decoder configuration record (14496-15, 5.3.3.1), `clap` says
 * which part of the decoded frame is visible (14496-12, 12.1.4). A
 * renderer mirrors frames with `isMirrored` left to right. `matrix` is the rotation (a, b, c, d as 16.16), which the browser applies.
 * @typedef {{kind: "fragment", isKeyframe: boolean, decodeTicks: number, durationTicks: number, offsetTicks: number,
 *   isRecoveryPoint: boolean, bytes: Uint8Array<ArrayBuffer>}} Fragment `offsetTicks` is from decoding to presentation; browsers
 * take a recovery point for a keyframe, which it is not
 */

/**
 * Parses a binary message. Returns null if it is neither an init segment nor a fragment.
 * @param {ArrayBuffer} buffer
 * @returns {Init | Fragment | null}
 */
export function readMessage(buffer) {
  const view = new DataView(buffer);
  const bytes = new Uint8Array(buffer);
  if (typeAt(view, 4) === "moof" && typeAt(view, 76) === "trun") {
    const isKeyframe = (u32(view, 92) & SAMPLE_IS_NON_SYNC) === 0;
    const decodeTicks = u32(view, 64) * 2 ** 32 + u32(view, 68);
    // Signed, and present only where frames are reordered (14496-12, 8.8.8).
    const offsetTicks = u32(view, 80) & TRUN_HAS_OFFSETS ? u32(view, 104) | 0 : 0;
    return { kind: "fragment", isKeyframe, decodeTicks, durationTicks: u32(view, 96), offsetTicks, isRecoveryPoint: !isKeyframe && hasRecoveryPoint(view), bytes };
  }
  const [avcC, clap] = ["avcC", "clap"].map((type) => payload(view, "moov", "trak", "mdia", "minf", "stbl", "stsd", "avc1", type));
  if (!avcC || avcC.length < 4) return null;
  // Profile, compatibility and level.
  const hex = [1, 2, 3].map((i) => avcC[i].toString(16).padStart(2, "0")).join("");
  return { kind: "init", codec: `avc1.${hex}`, avcC, clap, ...withoutMirror(bytes) };
}

/**
 * Removes the mirror from the matrix of the track header (14496-12, 8.3.2). Chromium applies rotation and mirror, Firefox neither
 * if there is a mirror.
 * @param {Uint8Array<ArrayBuffer>} bytes
 */
function withoutMirror(bytes) {
  const turned = bytes.slice();
  const tkhd = payload(new DataView(turned.buffer), "moov", "trak", "tkhd");
  const at = tkhd?.[0] === 1 ? 52 : 40;
  if (!tkhd || tkhd.length < at + 36) return { isMirrored: false, matrix: [], bytes };
  const view = new DataView(turned.buffer, tkhd.byteOffset + at);
  let [a, b, c, d] = [0, 4, 12, 16].map((offset) => view.getInt32(offset));
  const isMirrored = a * d < b * c;
  if (isMirrored) {
    view.setInt32(0, a = -a);
    view.setInt32(12, c = -c);
  }
  return { isMirrored, matrix: [a, b, c, d], bytes: turned };
}

/** Bytes before the inner boxes of a box. */
const BEFORE_BOXES = new Map([["stsd", 8], ["avc1", 78]]);

/**
 * Returns the content of the box at the end of a path of types, null if there is none.
 * @param {DataView} view @param {string[]} path
 */
function payload(view, ...path) {
  const HEADER = 8;
  let from = 0;
  let to = view.byteLength;
  for (const type of path) {
    let size = u32(view, from);
    while (typeAt(view, from + 4) !== type) {
      from += size;
      if (size < HEADER || from >= to) return null;
      size = u32(view, from);
    }
    if (size < HEADER || from + size > to) return null;
    to = from + size;
    from += HEADER + (BEFORE_BOXES.get(type) ?? 0);
  }
  return new Uint8Array(view.buffer).subarray(from, to);
}

/**
 * Returns true if there is a recovery point SEI message (ITU-T H.264, 7.3.2.3 and D.1.8) before the slices of a fragment.
 * @param {DataView} view
 */
function hasRecoveryPoint(view) {
  const byte = (/** @type {number} */ at) => (at < view.byteLength ? view.getUint8(at) : 1);
  let at = u32(view, 0) + 12;
  for (let type = byte(at) & 31; type > 5; type = byte(at) & 31) {
    const end = at + u32(view, at - 4);
    // Types and sizes above 254 have more bytes. No recovery point has them.
    for (let message = at + 1; type === 6 && message + 2 < end; message += 2 + byte(message + 1)) {
      if (byte(message) === 6) return true;
    }
    at = end + 4;
  }
  return false;
}

/** @param {DataView} view @param {number} at */
function typeAt(view, at) {
  return String.fromCharCode(...new Uint8Array(view.buffer).subarray(at, at + 4));
}

/**
 * Reads zero out of range, so that a short message is rejected by its content and nothing throws.
 * @param {DataView} view @param {number} at
 */
function u32(view, at) {
  return at + 4 <= view.byteLength ? view.getUint32(at) : 0;
}
