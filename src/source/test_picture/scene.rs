//! The scene of the test picture: what each macroblock shows at a time, and which macroblocks differ
//! from the picture before. It knows nothing of how they are coded.

use super::berry::{self, Rgb, Sprite};
use super::clock_code;
use super::font::{self, Glyph};
use super::layout::{self, Clock, Detail, Layout, Rectangle, Shows};
use super::macroblock::{Colour, Content, Samples};
use super::motion::Vector;
use super::mover::Mover;
use super::parameter_sets::Format;
use super::wall_clock;
use std::ops::Range;

/// Ground at the top and at the bottom, and of the lane.
const GROUND_TOP: Rgb = [0.10, 0.09, 0.16];
const GROUND_BOTTOM: Rgb = [0.24, 0.20, 0.32];
const LANE: Rgb = [0.055, 0.06, 0.095];
/// White, yellow, cyan, green, magenta, red, blue, at 75 %.
const BARS: [Rgb; 7] = [
    [0.75, 0.75, 0.75],
    [0.75, 0.75, 0.0],
    [0.0, 0.75, 0.75],
    [0.0, 0.75, 0.0],
    [0.75, 0.0, 0.75],
    [0.75, 0.0, 0.0],
    [0.0, 0.0, 0.75],
];
const WHITE: Colour = Colour {
    luma: 235,
    chroma: [128; 2],
};
const BLACK: Colour = Colour {
    luma: 16,
    chroma: [128; 2],
};
/// Luma of text; it takes its chroma from the ground, so that it costs luma only.
const INK: u8 = 235;
const FAINT_INK: u8 = 150;

/// How a macroblock differs from the picture before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    Same,
    /// As the samples at this vector from it were.
    Copied(Vector),
    Redrawn,
}

/// Everything that is shown.
pub(super) struct Scene {
    columns: u32,
    layout: Layout,
    /// The colour of each macroblock, without what stands on it.
    ground: Vec<Colour>,
    /// Macroblocks that some character touches.
    has_text: Vec<bool>,
    glyphs: Vec<Glyph>,
    characters: Vec<Character>,
    digits: Vec<Digit>,
    code: Option<u64>,
    sprite: Sprite,
    mover: Mover,
    pictures: u64,
    changes: Vec<Change>,
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
    /// Which digit of [`wall_clock::digits`].
    source: usize,
}

impl Scene {
    /// The scene for pictures of this format.
    pub(super) fn new(format: Format, detail: Detail) -> Self {
        let layout = layout::arrange(format.width, format.height, detail);
        let lane_height = layout.lane.height.min(format.height - layout.lane.y);
        let size = match lane_height {
            48.. => (lane_height / 2).min(160),
            16.. => 14,
            _ => 4,
        };
        let mut scene = Self {
            columns: format.columns(),
            ground: ground(format, &layout),
            has_text: vec![false; (format.columns() * format.rows()) as usize],
            glyphs: Vec::new(),
            characters: Vec::new(),
            digits: Vec::new(),
            code: None,
            sprite: berry::draw(size as usize, LANE),
            mover: Mover::new(layout.lane, size, format.width, format.height, format.fps),
            pictures: 0,
            changes: vec![Change::Redrawn; (format.columns() * format.rows()) as usize],
            layout,
        };
        scene.add_title(format);
        scene.add_clock();
        scene
    }

    /// Goes on to the next picture, made at `unix_ms`.
    pub(super) fn update(&mut self, unix_ms: u64) {
        self.changes.fill(Change::Same);
        self.show_code(unix_ms);
        self.show_digits(unix_ms);
        self.move_berry();
    }

    /// How a macroblock (counted in raster order) differs from the picture before.
    pub(super) fn change(&self, index: usize) -> Change {
        self.changes[index]
    }

    /// True if none of these macroblocks differs from the picture before.
    pub(super) fn is_still(&self, indices: Range<usize>) -> bool {
        self.changes[indices]
            .iter()
            .all(|change| *change == Change::Same)
    }

    /// What a macroblock shows; `samples` is scratch memory for it.
    pub(super) fn content<'a>(&self, index: usize, samples: &'a mut Samples) -> Content<'a> {
        let ground = self.ground[index];
        let place = self.place(index);
        let berry = self.mover.rectangle();
        if !self.has_text[index] && !berry.meets(place) {
            return Content::Flat(ground);
        }
        samples.luma.fill(ground.luma);
        samples.chroma[0].fill(ground.chroma[0]);
        samples.chroma[1].fill(ground.chroma[1]);
        for character in self
            .characters
            .iter()
            .filter(|character| character.place.meets(place))
        {
            let glyph = &self.glyphs[character.glyph];
            write(samples, place, glyph, character);
        }
        if berry.meets(place) {
            draw_sprite(samples, place, &self.sprite, berry);
        }
        let is_flat = |plane: &[u8]| plane.iter().all(|sample| *sample == plane[0]);
        if is_flat(&samples.luma) && samples.chroma.iter().all(|plane| is_flat(plane)) {
            let chroma = [samples.chroma[0][0], samples.chroma[1][0]];
            return Content::Flat(Colour {
                luma: samples.luma[0],
                chroma,
            });
        }
        Content::Detailed(samples)
    }

    /// The pixels of a macroblock.
    fn place(&self, index: usize) -> Rectangle {
        let index = index as u32;
        Rectangle {
            x: index % self.columns * 16,
            y: index / self.columns * 16,
            width: 16,
            height: 16,
        }
    }

    /// The macroblocks that a rectangle touches.
    fn touched(&self, rectangle: Rectangle) -> impl Iterator<Item = usize> + use<> {
        let (columns, rows) = (self.columns, self.changes.len() as u32 / self.columns);
        let (right, bottom) = (
            rectangle.right().div_ceil(16).min(columns),
            rectangle.bottom().div_ceil(16).min(rows),
        );
        let across = rectangle.x / 16..right;
        (rectangle.y / 16..bottom).flat_map(move |row| {
            across
                .clone()
                .map(move |column| (row * columns + column) as usize)
        })
    }

    fn show_code(&mut self, unix_ms: u64) {
        if !self.layout.has_code {
            return;
        }
        let code = clock_code::encode(unix_ms);
        let changed = self.code.map_or(u64::MAX, |shown| shown ^ code);
        for block in 0..clock_code::COLUMNS * clock_code::ROWS {
            let bit = 1 << (clock_code::COLUMNS * clock_code::ROWS - 1 - block);
            if changed & bit != 0 {
                let (row, column) = (
                    1 + block / clock_code::COLUMNS,
                    1 + block % clock_code::COLUMNS,
                );
                let index = (row * self.columns + column) as usize;
                self.ground[index] = if code & bit != 0 { WHITE } else { BLACK };
                self.changes[index] = Change::Redrawn;
            }
        }
        self.code = Some(code);
    }

    fn show_digits(&mut self, unix_ms: u64) {
        let time = wall_clock::digits(unix_ms);
        for index in 0..self.digits.len() {
            let digit = &self.digits[index];
            let glyph = digit.zero + usize::from(time[digit.source]);
            let character = &mut self.characters[digit.character];
            let before = std::mem::replace(&mut character.glyph, glyph);
            if before == glyph {
                continue;
            }
            let place = character.place;
            for index in self.touched(place) {
                let part = self.place(index);
                if !is_alike(&self.glyphs[before], &self.glyphs[glyph], place, part) {
                    self.changes[index] = Change::Redrawn;
                }
            }
        }
    }

    fn move_berry(&mut self) {
        self.pictures += 1;
        let before = self.mover.place(self.pictures);
        for rectangle in [before, self.mover.rectangle()] {
            for index in self.touched(self.mover.with_halo(rectangle)) {
                let vector = self.mover.copied_from(before, self.place(index));
                self.changes[index] = vector.map_or(Change::Redrawn, Change::Copied);
            }
        }
    }

    fn add_title(&mut self, format: Format) {
        let Some(room) = self.layout.title else {
            return;
        };
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

    fn add_clock(&mut self) {
        let Clock {
            x,
            y,
            height,
            shows,
            date,
        } = self.layout.clock;
        let colon = layout::colon_width(height);
        let mut line = Line {
            x,
            y,
            height,
            ink: INK,
        };
        let digits = self.add_digit_glyphs(height);
        if shows == Shows::Seconds {
            self.add_digits(&mut line, digits, wall_clock::SECOND, 2);
        } else {
            self.add_digits(&mut line, digits, wall_clock::HOUR, 2);
            self.add_sign(&mut line, ':', colon);
            self.add_digits(&mut line, digits, wall_clock::MINUTE, 2);
            self.add_sign(&mut line, ':', colon);
            self.add_digits(&mut line, digits, wall_clock::SECOND, 2);
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
            self.add_digits(&mut line, digits, wall_clock::MILLISECOND, 3);
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
            self.add_digits(&mut line, digits, wall_clock::YEAR, 4);
            self.add_sign(&mut line, '-', width);
            self.add_digits(&mut line, digits, wall_clock::MONTH, 2);
            self.add_sign(&mut line, '-', width);
            self.add_digits(&mut line, digits, wall_clock::DAY, 2);
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
        for index in self.touched(place) {
            self.has_text[index] = true;
        }
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

/// The colours of all macroblocks: gradient, bars and lane.
fn ground(format: Format, layout: &Layout) -> Vec<Colour> {
    let (columns, rows) = (format.columns(), format.rows());
    let visible_columns = (format.width / 16).max(1);
    let at = |row: u32, column: u32| {
        let part = row as f32 / rows as f32;
        let place = Rectangle {
            x: column * 16,
            y: row * 16,
            width: 16,
            height: 16,
        };
        if let Some(bars) = layout.bars.filter(|bars| bars.meets(place)) {
            let is_grey = bars.height >= 48 && place.y >= bars.bottom() - bars.height / 3;
            let column = column.min(visible_columns - 1);
            if is_grey {
                let level = column as f32 / (visible_columns - 1).max(1) as f32;
                berry::colour([level; 3])
            } else {
                berry::colour(BARS[column as usize * BARS.len() / visible_columns as usize])
            }
        } else if !layout.has_gradient || layout.lane.holds(place) {
            berry::colour(LANE)
        } else {
            // Of one chroma, so that the steps between the rows are the smallest that there are.
            let luma = berry::colour(
                [0, 1, 2].map(|i| GROUND_TOP[i] + (GROUND_BOTTOM[i] - GROUND_TOP[i]) * part),
            )
            .luma;
            Colour {
                luma,
                chroma: berry::colour(GROUND_BOTTOM).chroma,
            }
        }
    };
    (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .map(|(row, column)| at(row, column))
        .collect()
}

/// Puts the ink of a character onto the macroblock at `place`.
fn write(samples: &mut Samples, place: Rectangle, glyph: &Glyph, character: &Character) {
    let (left, top) = offset(place, character.place);
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
    let (left, top) = offset(part, place);
    let width = (16 + left.min(0)) as usize;
    (top..top + 16).all(|y| {
        one.row(y, left)
            .iter()
            .take(width)
            .eq(other.row(y, left).iter().take(width))
    })
}

fn draw_sprite(samples: &mut Samples, place: Rectangle, sprite: &Sprite, at: Rectangle) {
    let (left, top) = offset(place, at);
    let copy = |to: &mut [u8], from: &[u8], shrink: i32| {
        let (width, size) = (16 / shrink, sprite.size as i32 / shrink);
        for (index, sample) in to.iter_mut().enumerate() {
            let (x, y) = (
                left / shrink + index as i32 % width,
                top / shrink + index as i32 / width,
            );
            if (0..size).contains(&x) && (0..size).contains(&y) {
                *sample = from[(y * size + x) as usize];
            }
        }
    };
    copy(&mut samples.luma, &sprite.luma, 1);
    for (to, from) in samples.chroma.iter_mut().zip(&sprite.chroma) {
        copy(to, from, 2);
    }
}

/// The place of the corner of `part` as seen from that of `whole`.
fn offset(part: Rectangle, whole: Rectangle) -> (i32, i32) {
    (
        part.x as i32 - whole.x as i32,
        part.y as i32 - whole.y as i32,
    )
}
