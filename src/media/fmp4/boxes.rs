//! The one shape of every box: size, type, content (ISO/IEC 14496-12, 4.2).

/// Appends a box whose content is what `write` appends.
pub(super) fn write_box(out: &mut Vec<u8>, kind: &[u8; 4], write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(kind);
    write(out);
    // Only init segments are written this way: a few hundred bytes.
    let size = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}

/// Appends a box that begins with a version and flags (14496-12, 4.2 `FullBox`).
pub(super) fn write_full_box(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    version: u8,
    flags: u32,
    write: impl FnOnce(&mut Vec<u8>),
) {
    write_box(out, kind, |out| {
        write_u32(out, u32::from(version) << 24 | flags);
        write(out);
    });
}

pub(super) fn write_u8(out: &mut Vec<u8>, value: u8) {
    out.push(value);
}

pub(super) fn write_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(super) fn write_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(super) fn write_zeros(out: &mut Vec<u8>, count: usize) {
    out.resize(out.len() + count, 0);
}
