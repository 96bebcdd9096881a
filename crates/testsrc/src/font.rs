//! Glyphs for the test pattern, drawn as strokes with round ends at any size: digits and the few letters
//! that it writes.

/// How much of each pixel the ink covers, row by row.
pub(super) struct Glyph {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) coverage: Vec<u8>,
}

impl Glyph {
    /// The coverage of the row `y` from column `x`, or from its left end if `x` is negative; nothing outside.
    pub(super) fn row(&self, y: i32, x: i32) -> &[u8] {
        let row = usize::try_from(y)
            .ok()
            .filter(|y| *y < self.height)
            .map(|y| y * self.width);
        let row = row.and_then(|start| self.coverage.get(start..start + self.width));
        row.and_then(|row| row.get(x.max(0) as usize..))
            .unwrap_or_default()
    }
}

/// Thickness of the strokes as a part of the height of capitals.
const THICKNESS: f32 = 0.125;
/// Room for what hangs below the line, as a part of the height of capitals.
const DESCENT: f32 = 0.4;
/// Lines that an arc is made of.
const ARC_LINES: u8 = 24;

/// A stroke's path. The unit is the height of capitals less one thickness; y grows downwards from the
/// top of capitals (0) to the line they stand on (1).
#[derive(Clone, Copy)]
enum Stroke {
    Line(f32, f32, f32, f32),
    /// Centre, radii, and from where to where in degrees, clockwise from the right.
    Arc(f32, f32, f32, f32, f32, f32),
    /// A point, larger than the strokes are thick.
    Dot(f32, f32),
}

use Stroke::{Arc, Dot, Line};

/// Width of a cell that holds any digit, for digits `height` pixels high.
pub(super) fn digit_width(height: u32) -> u32 {
    height * 2 / 3
}

/// A character in a cell of the given width, centred; `height` is that of capitals.
pub(super) fn in_cell(character: char, height: u32, cell_width: u32) -> Glyph {
    let (ink, strokes) = shape(character);
    let (unit, thickness) = scale(height);
    let left = (cell_width as f32 - ink * unit) / 2.0;
    draw(
        strokes,
        cell_width as usize,
        height as usize,
        (left, thickness / 2.0),
        unit,
        thickness,
    )
}

/// A character as wide as it needs to be in running text, with room for a descender.
pub(super) fn in_text(character: char, height: u32) -> Glyph {
    let (ink, strokes) = shape(character);
    let (unit, thickness) = scale(height);
    let width = (ink * unit + thickness * 2.4).ceil() as usize;
    let rows = (height as f32 * (1.0 + DESCENT)).ceil() as usize;
    draw(
        strokes,
        width,
        rows,
        (thickness * 1.2, thickness / 2.0),
        unit,
        thickness,
    )
}

/// The unit of strokes and their thickness in pixels: at least what can be read.
fn scale(height: u32) -> (f32, f32) {
    let height = height as f32;
    let thickness = (height * THICKNESS).max(1.3);
    (height - thickness, thickness)
}

fn draw(
    strokes: &[Stroke],
    width: usize,
    height: usize,
    origin: (f32, f32),
    unit: f32,
    thickness: f32,
) -> Glyph {
    let mut glyph = Glyph {
        width,
        height,
        coverage: vec![0; width * height],
    };
    let place = |x: f32, y: f32| (origin.0 + x * unit, origin.1 + y * unit);
    for stroke in strokes {
        match *stroke {
            Line(x0, y0, x1, y1) => glyph.line(place(x0, y0), place(x1, y1), thickness / 2.0),
            Dot(x, y) => glyph.line(place(x, y), place(x, y), thickness * 0.7),
            Arc(x, y, radius_x, radius_y, from, to) => {
                let on_arc = |step: u8| {
                    let angle =
                        (from + (to - from) * f32::from(step) / f32::from(ARC_LINES)).to_radians();
                    place(x + radius_x * angle.cos(), y + radius_y * angle.sin())
                };
                for step in 0..ARC_LINES {
                    glyph.line(on_arc(step), on_arc(step + 1), thickness / 2.0);
                }
            }
        }
    }
    glyph
}

impl Glyph {
    /// Adds a line with round ends, smooth at its edge.
    fn line(&mut self, (x0, y0): (f32, f32), (x1, y1): (f32, f32), radius: f32) {
        let (length_x, length_y) = (x1 - x0, y1 - y0);
        let square = length_x * length_x + length_y * length_y;
        let span = |a: f32, b: f32, limit: usize| {
            let (low, high) = (a.min(b) - radius - 1.0, a.max(b) + radius + 1.0);
            low.max(0.0) as usize..(high.max(0.0).ceil() as usize).min(limit)
        };
        for y in span(y0, y1, self.height) {
            for x in span(x0, x1, self.width) {
                let (from_x, from_y) = (x as f32 + 0.5 - x0, y as f32 + 0.5 - y0);
                let along = if square > 0.0 {
                    (from_x * length_x + from_y * length_y) / square
                } else {
                    0.0
                };
                let along = along.clamp(0.0, 1.0);
                let distance = (from_x - along * length_x).hypot(from_y - along * length_y);
                let covered = ((radius + 0.5 - distance).clamp(0.0, 1.0) * 255.0) as u8;
                let pixel = &mut self.coverage[y * self.width + x];
                *pixel = covered.max(*pixel);
            }
        }
    }
}

/// The width that a character's path takes, in units, and its strokes. Unknown characters are blank.
#[rustfmt::skip]
fn shape(character: char) -> (f32, &'static [Stroke]) {
    match character {
        '0' => (0.46, &[Arc(0.23, 0.25, 0.23, 0.25, 180.0, 360.0), Line(0.46, 0.25, 0.46, 0.75),
                        Arc(0.23, 0.75, 0.23, 0.25, 0.0, 180.0), Line(0.0, 0.75, 0.0, 0.25)]),
        '1' => (0.40, &[Line(0.05, 0.21, 0.27, 0.0), Line(0.27, 0.0, 0.27, 1.0)]),
        '2' => (0.46, &[Arc(0.23, 0.25, 0.23, 0.25, 185.0, 392.0), Line(0.425, 0.382, 0.0, 1.0),
                        Line(0.0, 1.0, 0.46, 1.0)]),
        '3' => (0.46, &[Arc(0.22, 0.245, 0.22, 0.245, 195.0, 450.0), Arc(0.22, 0.745, 0.24, 0.255, 270.0, 525.0)]),
        '4' => (0.48, &[Line(0.35, 1.0, 0.35, 0.0), Line(0.35, 0.0, 0.0, 0.72), Line(0.0, 0.72, 0.48, 0.72)]),
        '5' => (0.46, &[Line(0.41, 0.0, 0.07, 0.0), Line(0.07, 0.0, 0.042, 0.466),
                        Arc(0.22, 0.68, 0.24, 0.32, 222.0, 510.0)]),
        '6' => (0.46, &[Arc(0.23, 0.69, 0.23, 0.31, 0.0, 360.0), Arc(0.46, 0.69, 0.46, 0.69, 180.0, 255.0)]),
        '7' => (0.46, &[Line(0.0, 0.0, 0.46, 0.0), Line(0.46, 0.0, 0.16, 1.0)]),
        '8' => (0.46, &[Arc(0.23, 0.245, 0.2, 0.245, 0.0, 360.0), Arc(0.23, 0.745, 0.23, 0.255, 0.0, 360.0)]),
        '9' => (0.46, &[Arc(0.23, 0.31, 0.23, 0.31, 0.0, 360.0), Arc(0.0, 0.31, 0.46, 0.69, 0.0, 75.0)]),
        ':' => (0.0, &[Dot(0.0, 0.27), Dot(0.0, 0.77)]),
        '.' => (0.0, &[Dot(0.0, 0.98)]),
        '-' => (0.28, &[Line(0.0, 0.55, 0.28, 0.55)]),
        'B' => (0.48, &[Line(0.0, 0.0, 0.0, 1.0), Line(0.0, 0.0, 0.22, 0.0),
                        Arc(0.22, 0.245, 0.21, 0.245, 270.0, 450.0), Line(0.0, 0.49, 0.24, 0.49),
                        Arc(0.24, 0.745, 0.24, 0.255, 270.0, 450.0), Line(0.24, 1.0, 0.0, 1.0)]),
        'C' => (0.46, &[Arc(0.23, 0.25, 0.23, 0.25, 180.0, 335.0), Line(0.0, 0.25, 0.0, 0.75),
                        Arc(0.23, 0.75, 0.23, 0.25, 25.0, 180.0)]),
        'E' => (0.42, &[Line(0.0, 0.0, 0.0, 1.0), Line(0.0, 0.0, 0.42, 0.0), Line(0.0, 0.49, 0.36, 0.49),
                        Line(0.0, 1.0, 0.42, 1.0)]),
        'M' => (0.62, &[Line(0.0, 1.0, 0.0, 0.0), Line(0.0, 0.0, 0.31, 0.62), Line(0.31, 0.62, 0.62, 0.0),
                        Line(0.62, 0.0, 0.62, 1.0)]),
        'S' => (0.46, &[Arc(0.23, 0.25, 0.22, 0.25, 90.0, 335.0), Arc(0.23, 0.75, 0.23, 0.25, 270.0, 515.0)]),
        'T' => (0.48, &[Line(0.0, 0.0, 0.48, 0.0), Line(0.24, 0.0, 0.24, 1.0)]),
        'U' => (0.46, &[Line(0.0, 0.0, 0.0, 0.75), Arc(0.23, 0.75, 0.23, 0.25, 0.0, 180.0),
                        Line(0.46, 0.75, 0.46, 0.0)]),
        'e' => (0.44, &[Arc(0.22, 0.68, 0.22, 0.32, 42.0, 360.0), Line(0.0, 0.68, 0.44, 0.68)]),
        'f' => (0.28, &[Line(0.1, 0.2, 0.1, 1.0), Arc(0.26, 0.2, 0.16, 0.2, 180.0, 280.0), Line(0.0, 0.38, 0.26, 0.38)]),
        'p' => (0.44, &[Line(0.0, 0.36, 0.0, 1.36), Arc(0.22, 0.68, 0.22, 0.32, 0.0, 360.0)]),
        'r' => (0.28, &[Line(0.0, 0.36, 0.0, 1.0), Arc(0.24, 0.66, 0.24, 0.3, 180.0, 285.0)]),
        's' => (0.36, &[Arc(0.18, 0.52, 0.17, 0.16, 90.0, 330.0), Arc(0.18, 0.84, 0.18, 0.16, 270.0, 510.0)]),
        'x' => (0.38, &[Line(0.0, 0.4, 0.38, 1.0), Line(0.38, 0.4, 0.0, 1.0)]),
        'y' => (0.44, &[Line(0.0, 0.36, 0.22, 1.0), Line(0.44, 0.36, 0.1, 1.34)]),
        _ => (0.16, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_differ_and_fit_their_cell() {
        for height in [12, 24, 144] {
            let digits: Vec<Glyph> = ('0'..='9')
                .map(|digit| in_cell(digit, height, digit_width(height)))
                .collect();
            for (index, digit) in digits.iter().enumerate() {
                let full = digit
                    .coverage
                    .iter()
                    .filter(|covered| **covered > 200)
                    .count();
                assert!(
                    full > digit.coverage.len() / 12,
                    "{index} at {height} is too thin to read"
                );
                assert!(
                    digits[..index]
                        .iter()
                        .all(|other| other.coverage != digit.coverage)
                );
            }
        }
    }

    #[test]
    fn unknown_characters_are_blank() {
        assert!(
            in_text('\u{1f353}', 48)
                .coverage
                .iter()
                .all(|covered| *covered == 0)
        );
    }
}
