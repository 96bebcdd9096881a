/**
 * Reads what the player has to know out of the server's MP4 messages: is it an init segment or a
 * fragment, which codec, is it mirrored, does it start at a keyframe, when does it play. Their shape is that of
 * docs/reference/websocket.md, box names and layouts those of ISO/IEC 14496-12; the bytes themselves go to the browser unchanged,
 * but for a mirror. No DOM, no state.
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
 * what of the decoded picture is seen (14496-12, 12.1.4). Whoever
 * shows what `isMirrored` mirrors it left to right; `matrix` is the turn (a, b, c, d as 16.16), which is left to the browser.
 * @typedef {{kind: "fragment", isKeyframe: boolean, decodeTicks: number, durationTicks: number, offsetTicks: number,
 *   isRecoveryPoint: boolean, bytes: Uint8Array<ArrayBuffer>}} Fragment `offsetTicks` is from decoding to presentation; browsers
 * take a recovery point for a keyframe, which it is not
 */

/**
 * What one binary message is; null when it is neither an init segment nor a fragment.
 * @param {ArrayBuffer} buffer
 * @returns {Init | Fragment | null}
 */
export function readMessage(buffer) {
  const view = new DataView(buffer);
  const bytes = new Uint8Array(buffer);
  if (typeAt(view, 4) === "moof" && typeAt(view, 76) === "trun") {
    const isKeyframe = (u32(view, 92) & SAMPLE_IS_NON_SYNC) === 0;
    const decodeTicks = u32(view, 64) * 2 ** 32 + u32(view, 68);
    // Signed, and there only where pictures are reordered (14496-12, 8.8.8).
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
 * Browsers turn a picture as the track header's matrix says (14496-12, 8.3.2), but not all mirror it: Chromium does, Firefox
 * then does not even turn. So the mirror is taken out of what they get.
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

/** Boxes that have something before the boxes inside them: so many bytes. */
const BEFORE_BOXES = new Map([["stsd", 8], ["avc1", 78]]);

/**
 * What is in the box at the end of a path of types; null when there is no such box.
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
 * Whether there is a recovery point SEI message (ITU-T H.264, 7.3.2.3 and D.1.8) before the slices of a fragment.
 * @param {DataView} view
 */
function hasRecoveryPoint(view) {
  const byte = (/** @type {number} */ at) => (at < view.byteLength ? view.getUint8(at) : 1);
  let at = u32(view, 0) + 12;
  for (let type = byte(at) & 31; type > 5; type = byte(at) & 31) {
    const end = at + u32(view, at - 4);
    // A type and a size of 255 and more, which are longer, are no business of ours.
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
 * Out of range reads as zero, so that a short message is refused by its content and never throws.
 * @param {DataView} view @param {number} at
 */
function u32(view, at) {
  return at + 4 <= view.byteLength ? view.getUint32(at) : 0;
}
