//! The clock of the test pattern, found on a screen and read from it, at whatever size the page shows it.

use crate::x11::{Area, BYTES_PER_PIXEL, Display};
use std::error::Error;
use std::io;
use std::time::{Duration, Instant};
use testsrc::timestamp_code::{COLUMNS, ROWS, decode};

/// Where the clock is on the screen.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Left upper corner of the first block, in pixels.
    left: f32,
    top: f32,
    /// Width and height of a block on the screen, in pixels: 16 when the picture is shown as large as it is.
    pub block: f32,
}

impl Place {
    /// The middle of a block, in pixels of the screen.
    fn middle(&self, column: u32, row: u32) -> (usize, usize) {
        let pixel = |start: f32, index: u32| (start + (index as f32 + 0.5) * self.block) as usize;
        (pixel(self.left, column), pixel(self.top, row))
    }

    /// One row of pixels through the middle of each row of blocks.
    fn rows(&self) -> [Area; ROWS as usize] {
        std::array::from_fn(|row| Area {
            x: self.left as u16,
            y: self.middle(0, row as u32).1 as u16,
            width: (self.block * COLUMNS as f32).ceil() as u16,
            height: 1,
        })
    }
}

/// Looks for the clock all over the screen.
pub fn find(display: &mut Display, patience: Duration) -> Result<Place, Box<dyn Error>> {
    let whole = Area {
        x: 0,
        y: 0,
        width: display.width,
        height: display.height,
    };
    let start = Instant::now();
    while start.elapsed() < patience {
        let pixels = display.images(&[whole])?.remove(0);
        let image = Image {
            pixels: &pixels,
            width: usize::from(whole.width),
            height: usize::from(whole.height),
        };
        if let Some(place) = image.place() {
            return Ok(place);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Err(format!(
        "no clock of the test pattern on the screen within {} s",
        patience.as_secs()
    )
    .into())
}

/// The clock's value now; `None` while it is not to be read.
pub fn read(display: &mut Display, place: &Place) -> io::Result<Option<u32>> {
    let rows = display.images(&place.rows())?;
    let bit = |index: u32| {
        let (x, _) = place.middle(index % COLUMNS, 0);
        let row = &rows[(index / COLUMNS) as usize];
        is_white(row, x - place.left as usize)
    };
    Ok(value(bit))
}

fn value(bit: impl Fn(u32) -> bool) -> Option<u32> {
    let blocks = (0..COLUMNS * ROWS).fold(0, |blocks, index| blocks << 1 | u64::from(bit(index)));
    decode(blocks)
}

fn is_white(pixels: &[u8], pixel: usize) -> bool {
    const GREEN: usize = 1;
    pixels
        .get(pixel * BYTES_PER_PIXEL + GREEN)
        .is_some_and(|level| *level > 127)
}

struct Image<'a> {
    pixels: &'a [u8],
    width: usize,
    height: usize,
}

impl Image<'_> {
    /// The size of block that is read at most places, and the middle of those. A median, as some value may be read elsewhere, too.
    fn place(&self) -> Option<Place> {
        // Half to one and a half times the picture's own size, in eighths of a pixel.
        let sizes = (64..=192).map(|eighths| eighths as f32 / 8.0);
        let found = sizes.map(|block| self.places(block)).max_by_key(Vec::len)?;
        let middle = |of: fn(&Place) -> f32| {
            let mut all: Vec<f32> = found.iter().map(of).collect();
            all.sort_by(f32::total_cmp);
            all.get(all.len() / 2).copied()
        };
        Some(Place {
            left: middle(|place| place.left)?,
            top: middle(|place| place.top)?,
            block: found.first()?.block,
        })
    }

    fn places(&self, block: f32) -> Vec<Place> {
        let right = self.width.saturating_sub((block * COLUMNS as f32) as usize);
        let bottom = self.height.saturating_sub((block * ROWS as f32) as usize);
        let corners =
            (0..bottom).flat_map(|top| (0..right).map(move |left| (left as f32, top as f32)));
        let places = corners.map(|(left, top)| Place { left, top, block });
        places.filter(|place| self.value(place).is_some()).collect()
    }

    fn value(&self, place: &Place) -> Option<u32> {
        let bit = |index: u32| {
            let (x, y) = place.middle(index % COLUMNS, index / COLUMNS);
            is_white(self.pixels, y * self.width + x)
        };
        // Almost everywhere the first two blocks say enough.
        (bit(0) && !bit(1)).then(|| value(bit)).flatten()
    }
}
