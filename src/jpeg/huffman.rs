//! Huffman tables and entropy-coded data of baseline JPEG (ITU-T T.81, Annex C and F.2.2).

/// Bits that index the look-up table. Most codes with their additional bits fit into them.
const LOOK: u32 = 10;

/// Additional bits that a coefficient of 8-bit samples has at most (F.1.2.1 and F.1.2.2).
const MOST_DC: u8 = 11;
const MOST_AC: u8 = 10;

/// Decodes the codes of one Huffman table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// The bytes of its DHT segment, to keep a table that comes again with each picture.
    source: Vec<u8>,
    /// One [`Entry`] for each [`LOOK`] bits; 0 for longer codes.
    look: Vec<u32>,
    /// For each code length the first code that is longer, left-aligned in 16 bits.
    limits: [u32; 17],
    /// For each code length what to add to a code to have its index in `symbols`.
    offsets: [i32; 17],
    symbols: [Entry; 256],
}

/// What a code means: bits 0 to 4 are the bits to consume, 5 to 8 the additional bits to read after them, 9 to 15 the
/// coefficients to advance by (64 for the end of the block), 16 to 31 the value if no bits are to be read.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Entry(u32);

/// Advance of a code that ends the block.
const END: u32 = 64;

impl Entry {
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

/// Kind of a table: its symbols mean different things.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    Dc,
    Ac,
}

impl Class {
    /// Additional bits and advance of a symbol; `None` of one that baseline JPEG does not have.
    fn meaning(self, symbol: u8) -> Option<(u32, u32)> {
        let (run, size) = (u32::from(symbol >> 4), symbol & 0xf);
        match self {
            Self::Dc => (symbol <= MOST_DC).then_some((u32::from(symbol), 0)),
            Self::Ac => match symbol {
                0x00 => Some((0, END)),
                // Sixteen zeros.
                0xf0 => Some((0, 16)),
                _ => (size > 0 && size <= MOST_AC).then_some((u32::from(size), run + 1)),
            },
        }
    }
}

/// Data that is no baseline JPEG, or damaged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Invalid;

impl Table {
    /// Reads a table from the front of the payload of a DHT segment, behind its class and number (B.2.4.2): 16 counts and the
    /// symbols. `source` is exactly its bytes.
    pub(super) fn new(source: &[u8], class: Class) -> Result<Self, Invalid> {
        let (counts, values) = source.split_at_checked(16).ok_or(Invalid)?;
        let mut table = Self {
            source: source.to_vec(),
            look: vec![0; 1 << LOOK],
            limits: [0; 17],
            offsets: [0; 17],
            symbols: [Entry::default(); 256],
        };
        let (mut code, mut index) = (0_u32, 0_usize);
        for (length, &count) in (1_u32..).zip(counts) {
            table.offsets[length as usize] = index as i32 - code as i32;
            for _ in 0..count {
                let &symbol = values.get(index).ok_or(Invalid)?;
                // A code of all ones is reserved, and longer ones than fit are none.
                if code + 1 >= 1 << length || index > 255 {
                    return Err(Invalid);
                }
                let (additional, advance) = class.meaning(symbol).ok_or(Invalid)?;
                let entry = Entry::new(length, additional, advance, 0);
                table.symbols[index] = entry;
                table.fill(code, entry);
                (code, index) = (code + 1, index + 1);
            }
            table.limits[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Ok(table)
    }

    /// Length in bytes of the table at the front of `payload`.
    pub(super) fn length(payload: &[u8]) -> Option<usize> {
        let counts = payload.get(..16)?;
        let symbols: usize = counts.iter().map(|&count| usize::from(count)).sum();
        (symbols <= 256 && payload.len() >= 16 + symbols).then_some(16 + symbols)
    }

    /// Returns true if the table was made of these bytes.
    pub(super) fn is_of(&self, source: &[u8]) -> bool {
        self.source == source
    }

    /// Writes all places of the look-up table that begin with a code.
    fn fill(&mut self, code: u32, entry: Entry) {
        let (length, size) = (entry.consumed(), entry.additional());
        if length > LOOK {
            return;
        }
        let free = LOOK - length;
        let first = (code << free) as usize;
        for rest in 0..1_u32 << free {
            let whole = if size > 0 && size <= free {
                let value = extend(rest >> (free - size), size);
                Entry::new(length + size, 0, entry.advance(), value as i16)
            } else {
                entry
            };
            if let Some(place) = self.look.get_mut(first + rest as usize) {
                *place = whole.0;
            }
        }
    }

    /// Looks up the code at the front of `bits`.
    #[inline(always)]
    fn find(&self, bits: u64) -> Result<Entry, Invalid> {
        let index = (bits >> (64 - LOOK)) as usize;
        match self.look.get(index) {
            Some(&entry) if entry != 0 => Ok(Entry(entry)),
            _ => self.find_long(bits),
        }
    }

    #[cold]
    fn find_long(&self, bits: u64) -> Result<Entry, Invalid> {
        let front = (bits >> 48) as u32;
        for length in LOOK + 1..=16 {
            if front < self.limits[length as usize] {
                let index = (front >> (16 - length)) as i32 + self.offsets[length as usize];
                let symbol = usize::try_from(index).ok();
                return symbol
                    .and_then(|index| self.symbols.get(index))
                    .copied()
                    .ok_or(Invalid);
            }
        }
        Err(Invalid)
    }
}

/// The signed value of `size` additional bits (F.2.2.1, EXTEND); `size` is 1 to 15.
#[inline(always)]
const fn extend(raw: u32, size: u32) -> i32 {
    let is_negative = raw >> (size - 1) == 0;
    raw as i32 - if is_negative { (1 << size) - 1 } else { 0 }
}

/// Reads entropy-coded data from which stuffed bytes and markers have been taken out.
#[derive(Debug)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// The next byte that is not in `bits`.
    next: usize,
    /// The next bits, the first one at the top. Below `count` of them are zeros, or bits that come again.
    bits: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self {
            data,
            next: 0,
            bits: 0,
            count: 0,
        }
    }

    /// Makes `count` at least 56. Behind the end of the data there are zeros.
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

    /// Reads the value of a code, whose additional bits may be in its entry. 27 bits at most are consumed.
    #[inline(always)]
    const fn value(&mut self, entry: Entry) -> i32 {
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

    /// Decodes a block (F.2.2): adds each coefficient, times its factor in `scale`, to its place in `out`, which has been all
    /// zeros. Both tables are in zigzag order. Returns the index of the last coefficient.
    #[inline(always)]
    pub(super) fn block(
        &mut self,
        [dc, ac]: [&Table; 2],
        prediction: &mut i32,
        scale: &[f32; 64],
        places: &[u8; 64],
        out: &mut [f32; 64],
    ) -> Result<usize, Invalid> {
        self.refill();
        let entry = dc.find(self.bits)?;
        *prediction = prediction.wrapping_add(self.value(entry));
        out[0] = *prediction as f32 * scale[0];
        let mut last = 0;
        while last < 63 {
            // Twice a code of 16 bits with 10 additional bits is less than 56.
            self.refill();
            for _ in 0..2 {
                let entry = ac.find(self.bits)?;
                let next = last + entry.advance() as usize;
                let value = self.value(entry);
                if next > 63 {
                    if entry.advance() == END {
                        return if self.is_overrun() {
                            Err(Invalid)
                        } else {
                            Ok(last)
                        };
                    }
                    return Err(Invalid);
                }
                last = next;
                out[usize::from(places[next] & 63)] += value as f32 * scale[next];
                if last == 63 {
                    break;
                }
            }
        }
        if self.is_overrun() {
            Err(Invalid)
        } else {
            Ok(last)
        }
    }
}
