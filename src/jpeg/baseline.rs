//! Decoder from baseline JPEG (ITU-T T.81) to 4:2:0 planes, as encoders take them, without
//! upsampling chroma first.
//!
//! It supports what cameras send: sequential Huffman coding with 8 bits a sample, one scan, YCbCr
//! in 4:2:0, 4:2:2, 4:4:0 or 4:4:4, or grey. Everything else and all damage is an error, for a
//! decoder that takes all JPEGs and hides damage.

use super::huffman::{BitReader, HuffmanTable, InvalidData, TableClass};
use super::transform::{AxisScale, InverseTransform, SIDE};
use super::{DHT, EOI, RST, SOS, Segment, segments};

const SOF0: u8 = 0xc0;
const SOF1: u8 = 0xc1;
const DQT: u8 = 0xdb;
const DRI: u8 = 0xdd;
const APP14: u8 = 0xee;
/// Other frame types: SOF2 to SOF15, with DHT (C4), JPG (C8) and DAC (CC) among them.
const OTHER_FRAMES: std::ops::RangeInclusive<u8> = 0xc2..=0xcf;
/// Largest width and height, in pixels.
const MAX_SIDE: usize = 8192;

/// Target of a picture: planes without gaps, chroma with half the width and height. Both are even.
#[derive(Debug)]
pub struct Yuv420Planes<'a> {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Y, Cb and Cr.
    pub planes: [&'a mut [u8]; 3],
}

impl Yuv420Planes<'_> {
    /// Returns true if the planes have as many bytes as their size needs.
    fn have_full_size(&self) -> bool {
        let pixels = self.width * self.height;
        let [y, u, v] = self.planes.each_ref().map(|plane| plane.len());
        y >= pixels && u >= pixels / 4 && v >= pixels / 4
    }
}

/// Range of the decoded samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SampleRange {
    /// 0 to 255, as JPEG has it (JFIF 1.02).
    Full,
    /// 16 to 235, and 16 to 240 for colours (ITU-R BT.601-7, 2.5.3).
    Limited,
}

/// Reason why this decoder cannot decode a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// Unsupported kind of JPEG.
    #[error("it is no baseline JPEG in YCbCr or grey")]
    Unsupported,
    /// Invalid, missing or excess data.
    #[error("it is damaged")]
    Damaged,
    /// Smaller than the planes.
    #[error("it is {0}x{1} pixels, smaller than wanted")]
    TooSmall(usize, usize),
}

impl From<InvalidData> for DecodeError {
    fn from(_: InvalidData) -> Self {
        Self::Damaged
    }
}

/// Component of a frame (B.2.2) and its fields in the scan (B.2.3).
#[derive(Clone, Copy, Default, Debug)]
struct Component {
    id: u8,
    /// Blocks of a minimum coded unit, across and down.
    blocks: [usize; 2],
    /// Indices of its tables.
    quantization: usize,
    dc: usize,
    ac: usize,
}

/// Fields of the headers.
#[derive(Default, Debug)]
struct FrameHeader {
    size: [usize; 2],
    components: Vec<Component>,
    /// In zigzag order.
    quantization: [Option<[u16; SIDE * SIDE]>; 4],
    /// Minimum coded units between restarts; 0 without restarts.
    restart_interval: usize,
}

/// Decoder that keeps its memory and repeated tables from picture to picture.
#[derive(Default, Debug)]
pub struct BaselineDecoder {
    dc: [Option<HuffmanTable>; 4],
    ac: [Option<HuffmanTable>; 4],
    /// The entropy-coded data without stuffed bytes and markers.
    data: Vec<u8>,
    /// End of each restart interval in `data`.
    interval_ends: Vec<usize>,
}

impl BaselineDecoder {
    /// Decodes a picture into `to`; of a larger one, its upper left corner. After an error the
    /// content of `to` is undefined.
    pub fn decode(
        &mut self,
        jpeg: &[u8],
        range: SampleRange,
        to: &mut Yuv420Planes<'_>,
    ) -> Result<(), DecodeError> {
        if !to.have_full_size() {
            return Err(DecodeError::Unsupported);
        }
        let mut segments = segments(jpeg);
        let mut frame = FrameHeader::default();
        let (mut dc, mut ac) = ([false; 4], [false; 4]);
        for segment in segments.by_ref() {
            match segment.marker {
                DHT => self.read_tables(segment.payload, &mut dc, &mut ac)?,
                DQT => frame.read_quantization(segment.payload)?,
                DRI => frame.restart_interval = be16(segment.payload, 0)?,
                SOF0 | SOF1 => frame.read(segment.payload)?,
                APP14 if is_rgb(segment) => return Err(DecodeError::Unsupported),
                marker if OTHER_FRAMES.contains(&marker) => return Err(DecodeError::Unsupported),
                _ => {}
            }
        }
        let scan = segments.rest.strip_prefix(&[0xff, SOS]);
        let scan = scan.ok_or(DecodeError::Damaged)?;
        let length = be16(scan, 0)?;
        let (header, data) = scan.split_at_checked(length).ok_or(DecodeError::Damaged)?;
        frame.read_scan(header.get(2..).ok_or(DecodeError::Damaged)?)?;
        // Tables of an earlier picture do not count.
        let mut has = frame.components.iter();
        if !has.all(|it| dc[it.dc] && ac[it.ac]) {
            return Err(DecodeError::Damaged);
        }
        let [width, height] = frame.size;
        if width < to.width || height < to.height {
            return Err(DecodeError::TooSmall(width, height));
        }
        self.remove_stuffing(data)?;
        self.decode_scan(&frame, range, to)
    }

    /// Reads Huffman tables (B.2.4.2).
    fn read_tables(
        &mut self,
        mut payload: &[u8],
        dc: &mut [bool; 4],
        ac: &mut [bool; 4],
    ) -> Result<(), DecodeError> {
        while let [kind, rest @ ..] = payload {
            let number = usize::from(kind & 0xf);
            let (class, tables, is_there) = match kind >> 4 {
                0 => (TableClass::Dc, &mut self.dc, &mut *dc),
                1 => (TableClass::Ac, &mut self.ac, &mut *ac),
                _ => return Err(DecodeError::Damaged),
            };
            let length = HuffmanTable::length(rest).ok_or(DecodeError::Damaged)?;
            let (source, rest) = rest.split_at(length);
            let table = tables.get_mut(number).ok_or(DecodeError::Damaged)?;
            if !table.as_ref().is_some_and(|table| table.has_source(source)) {
                *table = Some(HuffmanTable::new(source, class)?);
            }
            is_there[number] = true;
            payload = rest;
        }
        Ok(())
    }

    /// Removes stuffed bytes and restart markers from entropy-coded data (B.1.1.5), up to the end
    /// of the picture.
    fn remove_stuffing(&mut self, mut coded: &[u8]) -> Result<(), DecodeError> {
        self.data.clear();
        self.interval_ends.clear();
        loop {
            let at = memchr::memchr(0xff, coded).ok_or(DecodeError::Damaged)?;
            let (plain, rest) = coded.split_at(at);
            self.data.extend_from_slice(plain);
            match *rest {
                [_, 0, ..] => self.data.push(0xff),
                // Fill bytes.
                [_, 0xff, ..] => {
                    coded = &rest[1..];
                    continue;
                }
                [_, marker, ..] if RST.contains(&marker) => {
                    if usize::from(marker - RST.start()) != self.interval_ends.len() % 8 {
                        return Err(DecodeError::Damaged);
                    }
                    self.interval_ends.push(self.data.len());
                }
                [_, EOI, ..] => {
                    self.interval_ends.push(self.data.len());
                    return Ok(());
                }
                // Further scans, or a number of lines.
                [_, _, ..] => return Err(DecodeError::Unsupported),
                _ => return Err(DecodeError::Damaged),
            }
            coded = &rest[2..];
        }
    }

    fn decode_scan(
        &self,
        frame: &FrameHeader,
        range: SampleRange,
        to: &mut Yuv420Planes<'_>,
    ) -> Result<(), DecodeError> {
        let mcu = frame.mcu();
        let [across, down] = [0, 1].map(|axis| frame.size[axis].div_ceil(SIDE * mcu[axis]));
        let interval = match frame.restart_interval {
            0 => across * down,
            interval => interval,
        };
        if self.interval_ends.len() != (across * down).div_ceil(interval) {
            return Err(DecodeError::Damaged);
        }
        let transforms = frame.transforms(range)?;
        let tables = self.tables(frame)?;
        let mut predictions = [0; 3];
        let mut bits = BitReader::new(&[]);
        let mut begin = 0;
        let mut ends = self.interval_ends.iter();
        for number in 0..across * down {
            if number % interval == 0 {
                let &end = ends.next().ok_or(DecodeError::Damaged)?;
                bits = BitReader::new(self.data.get(begin..end).ok_or(DecodeError::Damaged)?);
                (begin, predictions) = (end, [0; 3]);
            }
            let at = [number % across, number / across];
            for (index, component) in frame.components.iter().enumerate() {
                let (Some(transform), Some(tables)) = (&transforms[index], tables[index]) else {
                    continue;
                };
                let (plane_width, plane_height) = match index {
                    0 => (to.width, to.height),
                    _ => (to.width / 2, to.height / 2),
                };
                let plane = &mut *to.planes[index];
                let (width, height) = transform.size();
                for block in 0..component.blocks[0] * component.blocks[1] {
                    let column = at[0] * component.blocks[0] + block % component.blocks[0];
                    let row = at[1] * component.blocks[1] + block / component.blocks[0];
                    let mut coefficients = [0.0; SIDE * SIDE];
                    let last = bits.decode_block(
                        tables,
                        &mut predictions[index],
                        &transform.scale,
                        &transform.positions,
                        &mut coefficients,
                    )?;
                    let (x, y) = (column * width, row * height);
                    if x >= plane_width || y >= plane_height {
                        continue;
                    }
                    let mut samples = [0; SIDE * SIDE];
                    transform.transform_block(&mut coefficients, last, &mut samples);
                    let lines = plane[y * plane_width..].chunks_mut(plane_width);
                    let from = samples.chunks_exact(width);
                    if width == SIDE && x + SIDE <= plane_width {
                        for (line, from) in lines.zip(from).take(height) {
                            line[x..x + SIDE].copy_from_slice(from);
                        }
                    } else {
                        let width = width.min(plane_width - x);
                        for (line, from) in lines.zip(from).take(height) {
                            line[x..x + width].copy_from_slice(&from[..width]);
                        }
                    }
                }
            }
        }
        if frame.components.len() == 1 {
            let [_, u, v] = &mut to.planes;
            u.fill(128);
            v.fill(128);
        }
        Ok(())
    }

    /// Returns the tables of each component.
    fn tables(&self, frame: &FrameHeader) -> Result<[Option<[&HuffmanTable; 2]>; 3], DecodeError> {
        let mut tables = [None; 3];
        for (component, tables) in frame.components.iter().zip(&mut tables) {
            let dc = self.dc[component.dc].as_ref().ok_or(DecodeError::Damaged)?;
            let ac = self.ac[component.ac].as_ref().ok_or(DecodeError::Damaged)?;
            *tables = Some([dc, ac]);
        }
        Ok(tables)
    }
}

impl FrameHeader {
    /// Reads quantization tables (B.2.4.1).
    fn read_quantization(&mut self, mut payload: &[u8]) -> Result<(), DecodeError> {
        while let [kind, rest @ ..] = payload {
            let bytes = match kind >> 4 {
                0 => 1,
                1 => 2,
                _ => return Err(DecodeError::Damaged),
            };
            let (values, rest) = rest
                .split_at_checked(bytes * SIDE * SIDE)
                .ok_or(DecodeError::Damaged)?;
            let mut table = [0; SIDE * SIDE];
            for (to, value) in table.iter_mut().zip(values.chunks_exact(bytes)) {
                *to = value
                    .iter()
                    .fold(0, |sum, &byte| sum << 8 | u16::from(byte));
            }
            let place = self.quantization.get_mut(usize::from(kind & 0xf));
            *place.ok_or(DecodeError::Damaged)? = Some(table);
            payload = rest;
        }
        Ok(())
    }

    /// Reads a frame header (B.2.2).
    fn read(&mut self, payload: &[u8]) -> Result<(), DecodeError> {
        if !self.components.is_empty() {
            return Err(DecodeError::Damaged);
        }
        let &[precision, _, _, _, _, count, ref rest @ ..] = payload else {
            return Err(DecodeError::Damaged);
        };
        self.size = [be16(payload, 3)?, be16(payload, 1)?];
        let is_usual = precision == 8
            && [1, 3].contains(&count)
            && self.size.iter().all(|it| (1..=MAX_SIDE).contains(it));
        if !is_usual {
            return Err(DecodeError::Unsupported);
        }
        if rest.len() != 3 * usize::from(count) {
            return Err(DecodeError::Damaged);
        }
        for component in rest.chunks_exact(3) {
            let blocks = [component[1] >> 4, component[1] & 0xf].map(usize::from);
            self.components.push(Component {
                id: component[0],
                blocks,
                quantization: usize::from(component[2]),
                ..Component::default()
            });
        }
        match self.components.as_mut_slice() {
            // A scan of one component has units of one block (A.2.2).
            [only] => only.blocks = [1, 1],
            [y, cb, cr] => {
                let ids = [y.id, cb.id, cr.id];
                let is_yuv = ids != *b"RGB" && ids != *b"rgb" && cb.blocks == cr.blocks;
                let divides = |axis: usize| {
                    let (of_y, of_colour) = (y.blocks[axis], cb.blocks[axis]);
                    (1..=2).contains(&of_y) && (of_colour == of_y || of_colour * 2 == of_y)
                };
                if !is_yuv || !divides(0) || !divides(1) {
                    return Err(DecodeError::Unsupported);
                }
            }
            _ => return Err(DecodeError::Unsupported),
        }
        Ok(())
    }

    /// Reads a scan header behind its length (B.2.3). It must have all components in order.
    fn read_scan(&mut self, header: &[u8]) -> Result<(), DecodeError> {
        let &[count, ref rest @ ..] = header else {
            return Err(DecodeError::Damaged);
        };
        let count = usize::from(count);
        if count != self.components.len() || count == 0 {
            return Err(DecodeError::Unsupported);
        }
        if rest.len() != 2 * count + 3 {
            return Err(DecodeError::Damaged);
        }
        for (component, said) in self.components.iter_mut().zip(rest.chunks_exact(2)) {
            if component.id != said[0] {
                return Err(DecodeError::Unsupported);
            }
            (component.dc, component.ac) = (usize::from(said[1] >> 4), usize::from(said[1] & 0xf));
            if component.dc > 3 || component.ac > 3 {
                return Err(DecodeError::Damaged);
            }
        }
        Ok(())
    }

    /// Returns the luma blocks of a minimum coded unit, across and down.
    fn mcu(&self) -> [usize; 2] {
        self.components.first().map_or([1, 1], |it| it.blocks)
    }

    /// Returns the transform of each component to 4:2:0 samples.
    fn transforms(&self, range: SampleRange) -> Result<[Option<InverseTransform>; 3], DecodeError> {
        let mcu = self.mcu();
        let mut transforms = [const { None }; 3];
        for (index, component) in self.components.iter().enumerate() {
            let table = self.quantization.get(component.quantization);
            let table = table.and_then(Option::as_ref).ok_or(DecodeError::Damaged)?;
            let axis = |axis: usize| {
                if index > 0 && component.blocks[axis] == mcu[axis] {
                    AxisScale::Halved
                } else {
                    AxisScale::Full
                }
            };
            let (factor, middle, limits) = match (range, index) {
                (SampleRange::Full, _) => (1.0, 128.0, [0, 255]),
                (SampleRange::Limited, 0) => {
                    (219.0 / 255.0, 16.0 + 128.0 * 219.0 / 255.0, [16, 235])
                }
                (SampleRange::Limited, _) => (224.0 / 255.0, 128.0, [16, 240]),
            };
            let axes = [axis(0), axis(1)];
            transforms[index] = Some(InverseTransform::new(axes, table, factor, middle, limits));
        }
        Ok(transforms)
    }
}

/// Reads a big-endian number of two bytes.
fn be16(bytes: &[u8], at: usize) -> Result<usize, DecodeError> {
    let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk);
    let &bytes = bytes.ok_or(DecodeError::Damaged)?;
    Ok(usize::from(u16::from_be_bytes(bytes)))
}

/// Returns true if Adobe's segment declares red, green and blue.
fn is_rgb(segment: Segment<'_>) -> bool {
    segment.payload.starts_with(b"Adobe") && segment.payload.get(11) == Some(&0)
}

#[cfg(all(test, feature = "software-encoder"))]
mod tests;
