/**
 * Marks frames as keyframes. A SourceBuffer removes media only up to a keyframe, so a stream without one fills it in some
 * minutes. Loaded when a GOP is long.
 */

/** Recovery point SEI message (ITU-T H.264, D.1.8), complete at once, as a NAL unit with its length. */
const RECOVERY_POINT = [0, 0, 0, 5, 6, 6, 1, 0xc4, 0x80];
const [SAMPLE_FLAGS_AT, SAMPLE_SIZE_AT] = [92, 100];
const SYNC_SAMPLE = 0x02000000;

/**
 * Returns a fragment that browsers take for a keyframe. Nothing can be decoded from there, so a player must not seek to it or behind
 * it. Firefox uses the flags of the sample. Chromium looks for an IDR picture or a recovery point in the frame.
 * @param {Uint8Array<ArrayBuffer>} bytes
 */
export function markAsKeyframe(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const mdat = view.getUint32(0);
  let at = mdat + 8;
  while (at + 5 <= bytes.length && !isSlice(bytes[at + 4])) at += 4 + view.getUint32(at);
  if (at + 5 > bytes.length) return bytes;
  const marked = new Uint8Array(bytes.length + RECOVERY_POINT.length);
  marked.set(bytes.subarray(0, at));
  marked.set(RECOVERY_POINT, at);
  marked.set(bytes.subarray(at), at + RECOVERY_POINT.length);
  const written = new DataView(marked.buffer);
  for (const size of [mdat, SAMPLE_SIZE_AT]) written.setUint32(size, written.getUint32(size) + RECOVERY_POINT.length);
  written.setUint32(SAMPLE_FLAGS_AT, SYNC_SAMPLE);
  return marked;
}

/** @param {number} header of a NAL unit */
function isSlice(header) {
  return (header & 31) >= 1 && (header & 31) <= 5;
}
