/**
 * Reads what the player has to know out of the server's MP4 messages: is it an init segment or a
 * fragment, which codec, is it mirrored, does it start at a keyframe, when does it play. Box names and layouts are those of
 * ISO/IEC 14496-12; the bytes themselves go to the browser unchanged, but for a mirror. No DOM, no state.
 */

/**
 * @typedef {{kind: "init", codec: string, timescale: number, isMirrored: boolean, bytes: Uint8Array}} Init
 * `codec` is an RFC 6381 string such as avc1.64001f. Whoever shows what `isMirrored` mirrors it left to right; a turn is left
 * to the browser.
 * @typedef {{kind: "fragment", isKeyframe: boolean, decodeTicks: number, durationTicks: number, bytes: Uint8Array}} Fragment
 */

/**
 * What one binary message is; null when it is neither an init segment nor a fragment.
 * @param {ArrayBuffer} buffer
 * @returns {Init | Fragment | null}
 */
export function readMessage(buffer) {
  const view = new DataView(buffer);
  const bytes = new Uint8Array(buffer);
  const moov = find(view, ["moov"]);
  if (moov) return readInit(view, moov, bytes);
  const moof = find(view, ["moof"]);
  if (moof) return readFragment(view, moof, bytes);
  return null;
}

function readInit(view, moov, bytes) {
  const codec = codecOf(view, moov);
  const mdhd = find(view, ["trak", "mdia", "mdhd"], moov);
  if (!codec || !mdhd) return null;
  const isLong = u8(view, mdhd.from) === 1;
  const timescale = u32(view, mdhd.from + (isLong ? 20 : 12));
  return timescale > 0 ? { kind: "init", codec, timescale, ...withoutMirror(view, moov, bytes) } : null;
}

/**
 * Browsers turn a picture as the track header's matrix says (14496-12, 8.3.2), but not all mirror it: Chromium does, Firefox then does
 * not even turn. So the mirror is taken out of what they get.
 */
function withoutMirror(view, moov, bytes) {
  const tkhd = find(view, ["trak", "tkhd"], moov);
  const isLong = tkhd && u8(view, tkhd.from) === 1;
  const at = tkhd ? tkhd.from + (isLong ? 52 : 40) : 0;
  if (!tkhd || at + 36 > tkhd.to) return { isMirrored: false, bytes };
  const [a, b, c, d] = [0, 4, 12, 16].map((offset) => view.getInt32(at + offset));
  if (a * d - b * c >= 0) return { isMirrored: false, bytes };
  const turned = bytes.slice();
  const out = new DataView(turned.buffer);
  out.setInt32(at, -a);
  out.setInt32(at + 12, -c);
  return { isMirrored: true, bytes: turned };
}

/** The decoder configuration record (14496-15, 5.3.3.1) has profile, compatibility and level at its bytes 1 to 3. */
function codecOf(view, moov) {
  const stsd = find(view, ["trak", "mdia", "minf", "stbl", "stsd"], moov);
  if (!stsd) return null;
  const ENTRY_HEADER = 8;
  const VISUAL_SAMPLE_ENTRY = 78;
  for (const entry of boxes(view, stsd.from + ENTRY_HEADER, stsd.to)) {
    const avcC = find(view, ["avcC"], { from: entry.from + VISUAL_SAMPLE_ENTRY, to: entry.to });
    if (!avcC || avcC.to - avcC.from < 4) continue;
    const hex = [1, 2, 3].map((i) => u8(view, avcC.from + i).toString(16).padStart(2, "0"));
    return `${entry.type}.${hex.join("")}`;
  }
  return null;
}

const TRUN_DATA_OFFSET = 0x1;
const TRUN_FIRST_SAMPLE_FLAGS = 0x4;
const TRUN_SAMPLE_DURATION = 0x100;
const SAMPLE_IS_NON_SYNC = 0x10000;

function readFragment(view, moof, bytes) {
  const tfdt = find(view, ["traf", "tfdt"], moof);
  const trun = find(view, ["traf", "trun"], moof);
  if (!tfdt || !trun) return null;
  const decodeTicks = u8(view, tfdt.from) === 1
    ? u32(view, tfdt.from + 4) * 2 ** 32 + u32(view, tfdt.from + 8)
    : u32(view, tfdt.from + 4);
  const flags = u32(view, trun.from) & 0xffffff;
  let at = trun.from + 8;
  if (flags & TRUN_DATA_OFFSET) at += 4;
  let isKeyframe = true;
  if (flags & TRUN_FIRST_SAMPLE_FLAGS) {
    isKeyframe = (u32(view, at) & SAMPLE_IS_NON_SYNC) === 0;
    at += 4;
  }
  const durationTicks = flags & TRUN_SAMPLE_DURATION ? u32(view, at) : 0;
  return { kind: "fragment", isKeyframe, decodeTicks, durationTicks, bytes };
}

/** The box at the end of a path of types, as the range of its payload. */
function find(view, path, range = { from: 0, to: view.byteLength }) {
  let here = range;
  for (const type of path) {
    let next = null;
    for (const box of boxes(view, here.from, here.to)) {
      if (box.type === type) { next = box; break; }
    }
    if (!next) return null;
    here = next;
  }
  return here;
}

function* boxes(view, from, to) {
  const HEADER = 8;
  let at = from;
  while (at + HEADER <= to) {
    const size = u32(view, at);
    if (size < HEADER || at + size > to) return;
    const type = String.fromCharCode(...[4, 5, 6, 7].map((i) => u8(view, at + i)));
    yield { type, from: at + HEADER, to: at + size };
    at += size;
  }
}

// Out of range reads as zero, so that a short message is refused by its content and never throws.
function u32(view, at) { return at + 4 <= view.byteLength ? view.getUint32(at) : 0; }
function u8(view, at) { return at < view.byteLength ? view.getUint8(at) : 0; }
