//! What is written on the test pattern: title, time and date. Each character has its place from the beginning; of those that show
//! the time, the glyphs change. Knows nothing of what is under the text but that it is there.

use super::civil_time;
use super::font::{self, Glyph};
use super::layout::{self, Clock, Layout, Rectangle, Shows};
use super::macroblock::Samples;
use super::mb_grid::MbGrid;
use super::parameter_sets::Format;

/// Luma of text; it takes its chroma from the ground, so that it costs luma only.
const INK: u8 = 235;
const FAINT_INK: u8 = 150;

/// All characters.
pub(super) struct TextOverlay {
    glyphs: Vec<Glyph>,
    characters: Vec<Character>,
    digits: Vec<Digit>,
}

/// A glyph at its place.
struct Character {
    /// Index in `glyphs`.
    glyph: usize,
    place: Rectangle,
    ink: u8,
}

/// A character that shows a digit of the time.
struct Digit {
    /// Index in `characters`.
    character: usize,
    /// Glyph of its 0; the others follow.
    zero: usize,
    /// Which digit of [`civil_time::digits`].
    source: usize,
    /// The glyph in the picture that was kept.
    kept: usize,
}

impl TextOverlay {
    pub(super) fn new(layout: &Layout, format: Format) -> Self {
        let mut lettering = Self {
            glyphs: Vec::new(),
            characters: Vec::new(),
            digits: Vec::new(),
        };
        if let Some(room) = layout.title {
            lettering.add_title(room, format);
        }
        lettering.add_clock(layout.clock);
        lettering
    }

    /// Where there are characters.
    pub(super) fn places(&self) -> impl Iterator<Item = Rectangle> {
        self.characters.iter().map(|character| character.place)
    }

    /// Shows another time, and tells `changed` which macroblocks look different from the picture that was kept.
    pub(super) fn show(&mut self, unix_ms: u64, grid: MbGrid, mut changed: impl FnMut(usize)) {
        let time = civil_time::digits(unix_ms);
        for index in 0..self.digits.len() {
            let digit = &self.digits[index];
            let glyph = digit.zero + usize::from(time[digit.source]);
            let before = digit.kept;
            let character = &mut self.characters[digit.character];
            character.glyph = glyph;
            if before == glyph {
                continue;
            }
            let place = character.place;
            for index in grid.touched(place) {
                let part = grid.place(index);
                if !is_alike(&self.glyphs[before], &self.glyphs[glyph], place, part) {
                    changed(index);
                }
            }
        }
    }

    /// Keeps what is shown now to compare the next pictures with.
    pub(super) fn keep(&mut self) {
        for digit in &mut self.digits {
            digit.kept = self.characters[digit.character].glyph;
        }
    }

    /// Puts the ink of all characters there onto the macroblock at `place`.
    pub(super) fn write(&self, samples: &mut Samples, place: Rectangle) {
        for character in self
            .characters
            .iter()
            .filter(|character| character.place.meets(place))
        {
            write(samples, place, &self.glyphs[character.glyph], character);
        }
    }

    fn add_title(&mut self, room: Rectangle, format: Format) {
        let name = "BerryMSE";
        let caption = format!("{}x{} {} fps", format.width, format.height, format.fps);
        let fits = |text: &str, height: u32| {
            text.chars()
                .map(|one| font::in_text(one, height).width as u32)
                .sum::<u32>()
                <= room.width
        };
        let largest = |text: &str, heights: &[u32]| {
            heights.iter().copied().find(|height| fits(text, *height))
        };
        let Some(name_height) = largest(name, &[36, 24, 16]) else {
            return;
        };
        self.add_text(name, room.x + 8, room.y, name_height, INK);
        if let Some(height) = largest(&caption, &[16, 12]) {
            self.add_text(
                &caption,
                room.x + 8,
                room.bottom() - height,
                height,
                FAINT_INK,
            );
        }
    }

    fn add_text(&mut self, text: &str, x: u32, y: u32, height: u32, ink: u8) {
        let mut x = x;
        for one in text.chars() {
            let glyph = font::in_text(one, height);
            let width = glyph.width as u32;
            self.add_glyph(glyph, x, y, ink);
            x += width;
        }
    }

    fn add_clock(&mut self, clock: Clock) {
        let Clock {
            x,
            y,
            height,
            shows,
            date,
        } = clock;
        let colon = layout::colon_width(height);
        let mut line = Line {
            x,
            y,
            height,
            ink: INK,
        };
        let digits = self.add_digit_glyphs(height);
        if shows == Shows::Seconds {
            self.add_digits(&mut line, digits, civil_time::SECOND, 2);
        } else {
            self.add_digits(&mut line, digits, civil_time::HOUR, 2);
            self.add_sign(&mut line, ':', colon);
            self.add_digits(&mut line, digits, civil_time::MINUTE, 2);
            self.add_sign(&mut line, ':', colon);
            self.add_digits(&mut line, digits, civil_time::SECOND, 2);
        }
        if let Shows::Milliseconds(fraction) = shows {
            line = Line {
                x: line.x,
                y: y + height - fraction,
                height: fraction,
                ink: INK,
            };
            let digits = self.add_digit_glyphs(fraction);
            self.add_sign(&mut line, '.', layout::point_width(fraction));
            self.add_digits(&mut line, digits, civil_time::MILLISECOND, 3);
        }
        if let Some((x, y, height)) = date {
            let width = font::digit_width(height);
            let digits = self.add_digit_glyphs(height);
            line = Line {
                x,
                y,
                height,
                ink: FAINT_INK,
            };
            self.add_digits(&mut line, digits, civil_time::YEAR, 4);
            self.add_sign(&mut line, '-', width);
            self.add_digits(&mut line, digits, civil_time::MONTH, 2);
            self.add_sign(&mut line, '-', width);
            self.add_digits(&mut line, digits, civil_time::DAY, 2);
            for sign in " UTC".chars() {
                self.add_sign(&mut line, sign, width);
            }
        }
    }

    /// Draws the ten digits; returns the index of 0.
    fn add_digit_glyphs(&mut self, height: u32) -> usize {
        let zero = self.glyphs.len();
        self.glyphs.extend(
            ('0'..='9').map(|digit| font::in_cell(digit, height, font::digit_width(height))),
        );
        zero
    }

    fn add_digits(&mut self, line: &mut Line, zero: usize, source: usize, count: usize) {
        let width = font::digit_width(line.height);
        for source in source..source + count {
            self.digits.push(Digit {
                character: self.characters.len(),
                zero,
                source,
                kept: zero,
            });
            self.add_character(
                zero,
                Rectangle {
                    x: line.x,
                    y: line.y,
                    width,
                    height: line.height,
                },
                line.ink,
            );
            line.x += width;
        }
    }

    fn add_sign(&mut self, line: &mut Line, sign: char, width: u32) {
        self.add_glyph(
            font::in_cell(sign, line.height, width),
            line.x,
            line.y,
            line.ink,
        );
        line.x += width;
    }

    fn add_glyph(&mut self, glyph: Glyph, x: u32, y: u32, ink: u8) {
        let place = Rectangle {
            x,
            y,
            width: glyph.width as u32,
            height: glyph.height as u32,
        };
        self.glyphs.push(glyph);
        self.add_character(self.glyphs.len() - 1, place, ink);
    }

    fn add_character(&mut self, glyph: usize, place: Rectangle, ink: u8) {
        self.characters.push(Character { glyph, place, ink });
    }
}

/// Where the next character of a line goes.
struct Line {
    x: u32,
    y: u32,
    height: u32,
    ink: u8,
}

/// Puts the ink of a character onto the macroblock at `place`.
fn write(samples: &mut Samples, place: Rectangle, glyph: &Glyph, character: &Character) {
    let (left, top) = place.seen_from(character.place);
    for (y, row) in (top..).zip(samples.luma.chunks_exact_mut(16)) {
        for (sample, covered) in row
            .iter_mut()
            .skip(0.max(-left) as usize)
            .zip(glyph.row(y, left))
        {
            let ground = i32::from(*sample);
            *sample =
                (ground + (i32::from(character.ink) - ground) * i32::from(*covered) / 255) as u8;
        }
    }
}

/// True if two glyphs at `place` look the same within `part` of the picture.
fn is_alike(one: &Glyph, other: &Glyph, place: Rectangle, part: Rectangle) -> bool {
    let (left, top) = part.seen_from(place);
    let width = (16 + left.min(0)) as usize;
    (top..top + 16).all(|y| {
        one.row(y, left)
            .iter()
            .take(width)
            .eq(other.row(y, left).iter().take(width))
    })
}
