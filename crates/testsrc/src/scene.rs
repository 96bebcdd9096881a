//! The scene of the test pattern: what each macroblock shows at a time, and which macroblocks differ
//! from the last picture that was kept to compare with. It knows nothing of how they are coded. The text is in `text_overlay`.

use super::layout::{self, Detail, Layout, Rectangle};
use super::macroblock::{Colour, Content, Samples};
use super::mb_grid::MbGrid;
use super::motion::Vector;
use super::parameter_sets::Format;
use super::sprite::{self, Rgb, Sprite};
use super::sprite_motion::SpriteMotion;
use super::text_overlay::TextOverlay;
use super::timestamp_code;
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

/// How a macroblock differs from the picture that was kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    Same,
    /// As the samples at this vector from it were.
    Copied(Vector),
    Redrawn,
}

/// What the picture shows that others are compared with; `text_overlay` has its own.
struct Kept {
    code: Option<u64>,
    berry: Rectangle,
}

/// Everything that is shown.
pub(super) struct Scene {
    grid: MbGrid,
    layout: Layout,
    /// The colour of each macroblock, without what stands on it.
    ground: Vec<Colour>,
    /// Macroblocks that some character touches.
    has_text: Vec<bool>,
    lettering: TextOverlay,
    code: u64,
    sprite: Sprite,
    mover: SpriteMotion,
    kept: Kept,
    pictures: u64,
    changes: Vec<Change>,
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
        let grid = MbGrid::of(format);
        let lettering = TextOverlay::new(&layout, format);
        let mover = SpriteMotion::new(
            layout.lane,
            size,
            format.width,
            format.height,
            format.fps.ceil(),
        );
        let mut has_text = vec![false; grid.count()];
        for index in lettering.places().flat_map(|place| grid.touched(place)) {
            has_text[index] = true;
        }
        Self {
            ground: ground(format, &layout),
            has_text,
            lettering,
            code: 0,
            sprite: sprite::draw_sprite(size as usize, LANE),
            kept: Kept {
                code: None,
                berry: mover.rectangle(),
            },
            mover,
            pictures: 0,
            changes: vec![Change::Redrawn; grid.count()],
            grid,
            layout,
        }
    }

    /// Goes on to the next picture, made at `unix_ms`.
    pub(super) fn update(&mut self, unix_ms: u64) {
        self.changes.fill(Change::Same);
        self.show_code(unix_ms);
        self.lettering.show(unix_ms, self.grid, |index| {
            self.changes[index] = Change::Redrawn;
        });
        self.move_berry();
    }

    /// Keeps what is shown now to compare the next pictures with.
    pub(super) fn keep(&mut self) {
        self.kept = Kept {
            code: Some(self.code),
            berry: self.mover.rectangle(),
        };
        self.lettering.keep();
    }

    /// How a macroblock (counted in raster order) differs from the picture that was kept.
    pub(super) fn change(&self, index: usize) -> Change {
        self.changes[index]
    }

    /// True if none of these macroblocks differs from the picture that was kept.
    pub(super) fn is_still(&self, indices: Range<usize>) -> bool {
        self.changes[indices]
            .iter()
            .all(|change| *change == Change::Same)
    }

    /// Content of a macroblock; `samples` is scratch memory for it.
    pub(super) fn content<'a>(&self, index: usize, samples: &'a mut Samples) -> Content<'a> {
        let ground = self.ground[index];
        let place = self.grid.place(index);
        let berry = self.mover.rectangle();
        if !self.has_text[index] && !berry.meets(place) {
            return Content::Flat(ground);
        }
        samples.luma.fill(ground.luma);
        samples.chroma[0].fill(ground.chroma[0]);
        samples.chroma[1].fill(ground.chroma[1]);
        self.lettering.write(samples, place);
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

    fn show_code(&mut self, unix_ms: u64) {
        if !self.layout.has_code {
            return;
        }
        let code = timestamp_code::encode(unix_ms);
        let changed = self.kept.code.map_or(u64::MAX, |kept| kept ^ code);
        for block in 0..timestamp_code::COLUMNS * timestamp_code::ROWS {
            let bit = 1 << (timestamp_code::COLUMNS * timestamp_code::ROWS - 1 - block);
            let (row, column) = (
                1 + block / timestamp_code::COLUMNS,
                1 + block % timestamp_code::COLUMNS,
            );
            let index = (row * self.grid.columns + column) as usize;
            self.ground[index] = if code & bit != 0 { WHITE } else { BLACK };
            if changed & bit != 0 {
                self.changes[index] = Change::Redrawn;
            }
        }
        self.code = code;
    }

    fn move_berry(&mut self) {
        self.pictures += 1;
        self.mover.place(self.pictures);
        let before = self.kept.berry;
        for rectangle in [before, self.mover.rectangle()] {
            for index in self.grid.touched(self.mover.with_halo(rectangle)) {
                let vector = self.mover.copied_from(before, self.grid.place(index));
                self.changes[index] = vector.map_or(Change::Redrawn, Change::Copied);
            }
        }
    }
}

/// The colours of all macroblocks: gradient, bars and lane.
fn ground(format: Format, layout: &Layout) -> Vec<Colour> {
    let grid = MbGrid::of(format);
    let visible_columns = (format.width / 16).max(1);
    let at = |place: Rectangle| {
        let (row, column) = (place.y / 16, place.x / 16);
        let part = row as f32 / grid.rows as f32;
        if let Some(bars) = layout.bars.filter(|bars| bars.meets(place)) {
            let is_grey = bars.height >= 48 && place.y >= bars.bottom() - bars.height / 3;
            let column = column.min(visible_columns - 1);
            if is_grey {
                let level = column as f32 / (visible_columns - 1).max(1) as f32;
                sprite::colour([level; 3])
            } else {
                sprite::colour(BARS[column as usize * BARS.len() / visible_columns as usize])
            }
        } else if !layout.has_gradient || layout.lane.holds(place) {
            sprite::colour(LANE)
        } else {
            // Of one chroma, so that the steps between the rows are the smallest that there are.
            let luma = sprite::colour(
                [0, 1, 2].map(|i| GROUND_TOP[i] + (GROUND_BOTTOM[i] - GROUND_TOP[i]) * part),
            )
            .luma;
            Colour {
                luma,
                chroma: sprite::colour(GROUND_BOTTOM).chroma,
            }
        }
    };
    (0..grid.count())
        .map(|index| at(grid.place(index)))
        .collect()
}

fn draw_sprite(samples: &mut Samples, place: Rectangle, sprite: &Sprite, at: Rectangle) {
    let (left, top) = place.seen_from(at);
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
