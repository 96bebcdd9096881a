//! Huffman tables and entropy-coded data of baseline JPEG (ITU-T T.81, Annex C and F.2.2).

/// Index bits of the lookup table. Most codes with their additional bits fit into them.
const LOOKUP_BITS: u32 = 10;

/// Largest number of additional bits of a coefficient of 8-bit samples (F.1.2.1 and F.1.2.2).
const MAX_DC_BITS: u8 = 11;
const MAX_AC_BITS: u8 = 10;

/// Huffman table with a lookup table for short codes.
#[derive(Clone, Debug)]
pub(super) struct HuffmanTable {
    /// Bytes of its DHT segment, to reuse a table that is repeated with each picture.
    source: Vec<u8>,
    /// One [`LookupEntry`] for each value of [`LOOKUP_BITS`] bits; 0 for longer codes.
    lookup: Vec<u32>,
    /// First longer code for each code length, left-aligned in 16 bits.
    limits: [u32; 17],
    /// Offset from a code to its index in `symbols`, for each code length.
    offsets: [i32; 17],
    symbols: [LookupEntry; 256],
}

/// Meaning of a code: bits 0 to 4 are the bits to consume, 5 to 8 the additional bits to read, 9 to
/// 15 the coefficients to advance by (64 at the end of the block), 16 to 31 the value without
/// additional bits.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct LookupEntry(u32);

/// Advance of a code that ends the block.
const END_OF_BLOCK: u32 = 64;

impl LookupEntry {
    const fn new(consumed: u32, additional: u32, advance: u32, value: i16) -> Self {
        Self(consumed | additional << 5 | advance << 9 | (value as u16 as u32) << 16)
    }

    const fn consumed(self) -> u32 {
        self.0 & 0x1f
    }

    const fn additional(self) -> u32 {
        self.0 >> 5 & 0xf
    }

    const fn advance(self) -> u32 {
        self.0 >> 9 & 0x7f
    }

    const fn value(self) -> i32 {
        self.0 as i32 >> 16
    }
}

/// Class of a table, which determines the meaning of its symbols.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TableClass {
    Dc,
    Ac,
}

impl TableClass {
    /// Returns additional bits and advance of a symbol; `None` if baseline JPEG does not have it.
    fn decode_symbol(self, symbol: u8) -> Option<(u32, u32)> {
        let (run, size) = (u32::from(symbol >> 4), symbol & 0xf);
        match self {
            Self::Dc => (symbol <= MAX_DC_BITS).then_some((u32::from(symbol), 0)),
            Self::Ac => match symbol {
                0x00 => Some((0, END_OF_BLOCK)),
                // Sixteen zeros.
                0xf0 => Some((0, 16)),
                _ => (size > 0 && size <= MAX_AC_BITS).then_some((u32::from(size), run + 1)),
            },
        }
    }
}

/// Error for data that is damaged or no baseline JPEG.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct InvalidData;

impl HuffmanTable {
    /// Parses a table at the front of a DHT payload, behind its class and number (B.2.4.2): 16
    /// counts and the symbols. `source` is exactly its bytes.
    pub(super) fn new(source: &[u8], class: TableClass) -> Result<Self, InvalidData> {
        let (counts, values) = source.split_at_checked(16).ok_or(InvalidData)?;
        let mut table = Self {
            source: source.to_vec(),
            lookup: vec![0; 1 << LOOKUP_BITS],
            limits: [0; 17],
            offsets: [0; 17],
            symbols: [LookupEntry::default(); 256],
        };
        let (mut code, mut index) = (0_u32, 0_usize);
        for (length, &count) in (1_u32..).zip(counts) {
            table.offsets[length as usize] = index as i32 - code as i32;
            for _ in 0..count {
                let &symbol = values.get(index).ok_or(InvalidData)?;
                // A code of all ones is reserved, and codes beyond their length are invalid.
                if code + 1 >= 1 << length || index > 255 {
                    return Err(InvalidData);
                }
                let (additional, advance) = class.decode_symbol(symbol).ok_or(InvalidData)?;
                let entry = LookupEntry::new(length, additional, advance, 0);
                table.symbols[index] = entry;
                table.fill_lookup(code, entry);
                (code, index) = (code + 1, index + 1);
            }
            table.limits[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Ok(table)
    }

    /// Returns the length in bytes of the table at the front of `payload`.
    pub(super) fn length(payload: &[u8]) -> Option<usize> {
        let counts = payload.get(..16)?;
        let symbols: usize = counts.iter().map(|&count| usize::from(count)).sum();
        (symbols <= 256 && payload.len() >= 16 + symbols).then_some(16 + symbols)
    }

    /// Returns true if the table was parsed from these bytes.
    pub(super) fn has_source(&self, source: &[u8]) -> bool {
        self.source == source
    }

    /// Fills all entries of the lookup table that begin with a code.
    fn fill_lookup(&mut self, code: u32, entry: LookupEntry) {
        let (length, size) = (entry.consumed(), entry.additional());
        if length > LOOKUP_BITS {
            return;
        }
        let free = LOOKUP_BITS - length;
        let first = (code << free) as usize;
        for rest in 0..1_u32 << free {
            let whole = if size > 0 && size <= free {
                let value = extend(rest >> (free - size), size);
                LookupEntry::new(length + size, 0, entry.advance(), value as i16)
            } else {
                entry
            };
            if let Some(place) = self.lookup.get_mut(first + rest as usize) {
                *place = whole.0;
            }
        }
    }

    /// Looks up the code at the front of `bits`.
    #[inline(always)]
    fn look_up(&self, bits: u64) -> Result<LookupEntry, InvalidData> {
        let index = (bits >> (64 - LOOKUP_BITS)) as usize;
        match self.lookup.get(index) {
            Some(&entry) if entry != 0 => Ok(LookupEntry(entry)),
            _ => self.look_up_long(bits),
        }
    }

    #[cold]
    fn look_up_long(&self, bits: u64) -> Result<LookupEntry, InvalidData> {
        let front = (bits >> 48) as u32;
        for length in LOOKUP_BITS + 1..=16 {
            if front < self.limits[length as usize] {
                let index = (front >> (16 - length)) as i32 + self.offsets[length as usize];
                let symbol = usize::try_from(index).ok();
                return symbol
                    .and_then(|index| self.symbols.get(index))
                    .copied()
                    .ok_or(InvalidData);
            }
        }
        Err(InvalidData)
    }
}

/// Returns the signed value of `size` additional bits (F.2.2.1, EXTEND); `size` is 1 to 15.
#[inline(always)]
const fn extend(raw: u32, size: u32) -> i32 {
    let is_negative = raw >> (size - 1) == 0;
    raw as i32 - if is_negative { (1 << size) - 1 } else { 0 }
}

/// Reader of entropy-coded data without stuffed bytes and markers.
#[derive(Debug)]
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    /// Next byte that is not in `bits`.
    next: usize,
    /// Next bits, the first one at the top. Below `count` of them are zeros, or bits that are read
    /// again.
    bits: u64,
    count: u32,
}

impl<'a> BitReader<'a> {
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self {
            data,
            next: 0,
            bits: 0,
            count: 0,
        }
    }

    /// Raises `count` to at least 56. Behind the end of the data are zeros.
    #[inline(always)]
    fn refill(&mut self) {
        match self.data.get(self.next..).and_then(<[u8]>::first_chunk) {
            Some(&chunk) => {
                self.bits |= u64::from_be_bytes(chunk) >> self.count;
                let bytes = (63 - self.count) / 8;
                self.next += bytes as usize;
                self.count += 8 * bytes;
            }
            None => self.refill_at_end(),
        }
    }

    #[cold]
    fn refill_at_end(&mut self) {
        while self.count < 56 {
            let byte = self.data.get(self.next).copied().unwrap_or(0);
            self.bits |= u64::from(byte) << (56 - self.count);
            self.next += 1;
            self.count += 8;
        }
    }

    #[inline(always)]
    const fn consume(&mut self, count: u32) {
        self.bits <<= count;
        self.count -= count;
    }

    /// Reads the value of a code, whose additional bits may be in its entry. Consumes at most 27
    /// bits.
    #[inline(always)]
    const fn value(&mut self, entry: LookupEntry) -> i32 {
        self.consume(entry.consumed());
        let size = entry.additional();
        if size == 0 {
            return entry.value();
        }
        let value = extend((self.bits >> (64 - size)) as u32, size);
        self.consume(size);
        value
    }

    /// Returns true if more was read than there is.
    const fn is_overrun(&self) -> bool {
        self.next > self.data.len() + self.count as usize / 8
    }

    /// Decodes a block (F.2.2): adds each coefficient, times its factor in `scale`, to its position
    /// in `out`, which is all zeros. Both tables are in zigzag order. Returns the index of the last
    /// coefficient.
    #[inline(always)]
    pub(super) fn decode_block(
        &mut self,
        [dc, ac]: [&HuffmanTable; 2],
        prediction: &mut i32,
        scale: &[f32; 64],
        positions: &[u8; 64],
        out: &mut [f32; 64],
    ) -> Result<usize, InvalidData> {
        self.refill();
        let entry = dc.look_up(self.bits)?;
        *prediction = prediction.wrapping_add(self.value(entry));
        out[0] = *prediction as f32 * scale[0];
        let mut last = 0;
        while last < 63 {
            // Two codes of 16 bits with 10 additional bits are less than 56.
            self.refill();
            for _ in 0..2 {
                let entry = ac.look_up(self.bits)?;
                let next = last + entry.advance() as usize;
                let value = self.value(entry);
                if next > 63 {
                    if entry.advance() == END_OF_BLOCK {
                        return if self.is_overrun() {
                            Err(InvalidData)
                        } else {
                            Ok(last)
                        };
                    }
                    return Err(InvalidData);
                }
                last = next;
                out[usize::from(positions[next] & 63)] += value as f32 * scale[next];
                if last == 63 {
                    break;
                }
            }
        }
        if self.is_overrun() {
            Err(InvalidData)
        } else {
            Ok(last)
        }
    }
}
