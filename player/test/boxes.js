/** MP4 messages for the tests, written by hand and not by the code under test. */

export function box(type, ...parts) {
  const size = 8 + parts.reduce((sum, part) => sum + part.length, 0);
  return [...u32(size), ...type].map((x) => (typeof x === "string" ? x.charCodeAt(0) : x)).concat(...parts);
}

export function u32(...values) {
  return values.flatMap((value) => [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]);
}

function zeros(count) {
  return new Array(count).fill(0);
}

/** The smallest init segment the player needs. */
export function init({ avcC = [1, 0x64, 0x00, 0x1f], matrix = null } = {}) {
  const entry = box("avc1", zeros(78), box("avcC", avcC));
  const stbl = box("stbl", box("stsd", u32(0, 1), entry));
  const mdhd = box("mdhd", u32(0, 0, 0, 90000, 0, 0));
  const mdia = box("mdia", mdhd, box("minf", stbl));
  return buffer(box("ftyp", u32(0, 0)), box("moov", box("trak", ...(matrix ? [box("tkhd", u32(0), zeros(36), u32(...matrix), u32(0, 0))] : []), mdia)));
}

/** Its sample is `units`, NAL units without their lengths. */
export function fragment({ decodeTicks, durationTicks = 3000, isKeyframe, offsetTicks, units = [] }) {
  const sample = units.flatMap((unit) => [...u32(unit.length), ...unit]);
  const offsets = offsetTicks === undefined ? [] : [offsetTicks];
  const tfhd = box("tfhd", u32(0x020020, 1, 0x01010000));
  const tfdt = box("tfdt", u32(0x01000000, Math.floor(decodeTicks / 2 ** 32), decodeTicks % 2 ** 32));
  const trun = box("trun", u32(0x01000305 | (offsets.length && 0x800), 1, 0, isKeyframe ? 0x02000000 : 0x01010000, durationTicks, sample.length, ...offsets));
  const moof = box("moof", box("mfhd", u32(0, 1)), box("traf", tfhd, tfdt, trun));
  return buffer(moof, box("mdat", sample));
}

export function buffer(...parts) {
  return new Uint8Array(parts.flat()).buffer;
}
