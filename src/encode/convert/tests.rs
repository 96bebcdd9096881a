//! Each format is written pixel by pixel from a table of its own, and what comes out is compared with sums done one by one.

use super::*;
use crate::encode::Colorimetry;
use v4l2::FourCc;

/// Brightness, U and V (or red, green and blue) of a pixel: noise, the same in each run.
fn value(channel: usize, x: usize, y: usize) -> u8 {
    let mut n = (channel * 7919 + x * 104_729 + y * 1_299_709 + 12345) as u32;
    for _ in 0..3 {
        n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        n ^= n >> 15;
    }
    (n >> 16) as u8
}

/// Where byte number i of a format's group of pixels comes from, for `packed` and `rgb`.
enum Recipe {
    /// Two pixels: "y0" is brightness of the first, "u" their colour.
    Pair([&'static str; 4]),
    /// One pixel: 'r', 'g', 'b' or 'x'.
    Pixel(&'static str),
    /// Planes: of brightness, and the others as the letters say, with lines of colour for one of brightness.
    Planes(&'static [&'static str], usize, bool),
    Grey,
}

const RECIPES: [(&[u8; 4], Recipe); 32] = [
    (b"YUYV", Recipe::Pair(["y0", "u", "y1", "v"])),
    (b"YVYU", Recipe::Pair(["y0", "v", "y1", "u"])),
    (b"UYVY", Recipe::Pair(["u", "y0", "v", "y1"])),
    (b"VYUY", Recipe::Pair(["v", "y0", "u", "y1"])),
    (b"NV12", Recipe::Planes(&["uv"], 2, false)),
    (b"NV21", Recipe::Planes(&["vu"], 2, false)),
    (b"NV16", Recipe::Planes(&["uv"], 1, false)),
    (b"NV61", Recipe::Planes(&["vu"], 1, false)),
    (b"NM12", Recipe::Planes(&["uv"], 2, true)),
    (b"NM21", Recipe::Planes(&["vu"], 2, true)),
    (b"NM16", Recipe::Planes(&["uv"], 1, true)),
    (b"NM61", Recipe::Planes(&["vu"], 1, true)),
    (b"YU12", Recipe::Planes(&["u", "v"], 2, false)),
    (b"YV12", Recipe::Planes(&["v", "u"], 2, false)),
    (b"YM12", Recipe::Planes(&["u", "v"], 2, true)),
    (b"YM21", Recipe::Planes(&["v", "u"], 2, true)),
    (b"422P", Recipe::Planes(&["u", "v"], 1, false)),
    (b"YM16", Recipe::Planes(&["u", "v"], 1, true)),
    (b"YM61", Recipe::Planes(&["v", "u"], 1, true)),
    (b"GREY", Recipe::Grey),
    (b"RGB3", Recipe::Pixel("rgb")),
    (b"BGR3", Recipe::Pixel("bgr")),
    (b"RGB4", Recipe::Pixel("xrgb")),
    (b"BA24", Recipe::Pixel("xrgb")),
    (b"BX24", Recipe::Pixel("xrgb")),
    (b"BGR4", Recipe::Pixel("bgrx")),
    (b"AR24", Recipe::Pixel("bgrx")),
    (b"XR24", Recipe::Pixel("bgrx")),
    (b"AB24", Recipe::Pixel("rgbx")),
    (b"XB24", Recipe::Pixel("rgbx")),
    (b"RA24", Recipe::Pixel("xbgr")),
    (b"RX24", Recipe::Pixel("xbgr")),
];

const U: usize = 1;
const V: usize = 2;

fn channel(letter: char) -> usize {
    match letter {
        'u' | 'g' => U,
        'v' | 'b' => V,
        _ => 0,
    }
}

/// The picture in a format, with `padding` more bytes behind each line.
fn write(recipe: &Recipe, width: usize, height: usize, padding: usize) -> ([Vec<u8>; 3], [u32; 3]) {
    let mut planes = [Vec::new(), Vec::new(), Vec::new()];
    let pad =
        |plane: &mut Vec<u8>, padding: usize| plane.extend(std::iter::repeat_n(0xAA, padding));
    let mut strides = [0; 3];
    match recipe {
        Recipe::Pair(bytes) => {
            for y in 0..height {
                for x in (0..width).step_by(2) {
                    planes[0].extend(bytes.map(|name| match name {
                        "y0" => value(0, x, y),
                        "y1" => value(0, x + 1, y),
                        "u" => value(U, x / 2, y),
                        _ => value(V, x / 2, y),
                    }));
                }
                pad(&mut planes[0], padding);
            }
            strides[0] = width.div_ceil(2) * 4 + padding;
        }
        Recipe::Pixel(letters) => {
            for y in 0..height {
                for x in 0..width {
                    planes[0].extend(letters.chars().map(|letter| value(channel(letter), x, y)));
                }
                pad(&mut planes[0], padding);
            }
            strides[0] = width * letters.len() + padding;
        }
        Recipe::Planes(letters, step, is_apart) => {
            for y in 0..height {
                planes[0].extend((0..width).map(|x| value(0, x, y)));
                pad(&mut planes[0], padding);
            }
            strides[0] = width + padding;
            for (number, letters) in letters.iter().enumerate() {
                let memory = if *is_apart { number + 1 } else { 0 };
                // The kernel pads lines of half the length by half.
                let padding = if letters.len() == 1 {
                    padding / 2
                } else {
                    padding
                };
                for y in 0..height.div_ceil(*step) {
                    for x in 0..width / 2 {
                        planes[memory]
                            .extend(letters.chars().map(|letter| value(channel(letter), x, y)));
                    }
                    pad(&mut planes[memory], padding);
                }
                if *is_apart {
                    strides[memory] = width / 2 * letters.len() + padding;
                }
            }
        }
        Recipe::Grey => {
            for y in 0..height {
                planes[0].extend((0..width).map(|x| value(0, x, y)));
                pad(&mut planes[0], padding);
            }
            strides[0] = width + padding;
        }
    }
    (planes, strides.map(|stride| stride as u32))
}

/// What a pixel of the result is to be: [Y, U, V], the colours for its square of four.
fn expected(recipe: &Recipe, x: usize, y: usize) -> [f64; 3] {
    let (cx, cy) = (x / 2, y / 2);
    let two_lines = |channel| {
        f64::midpoint(
            value(channel, cx, 2 * cy).into(),
            value(channel, cx, 2 * cy + 1).into(),
        )
    };
    match recipe {
        Recipe::Pair(_) | Recipe::Planes(_, 1, _) => {
            [value(0, x, y).into(), two_lines(U), two_lines(V)]
        }
        Recipe::Planes(..) => [
            value(0, x, y).into(),
            value(U, cx, cy).into(),
            value(V, cx, cy).into(),
        ],
        Recipe::Grey => [value(0, x, y).into(), 128.0, 128.0],
        Recipe::Pixel(_) => {
            let rgb = |x, y| [0, U, V].map(|channel| f64::from(value(channel, x, y)) / 255.0);
            let luma = |[r, g, b]: [f64; 3]| 0.299 * r + 0.587 * g + 0.114 * b;
            let mut mean = [0.0; 3];
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let one = rgb(2 * cx + dx, 2 * cy + dy);
                mean = std::array::from_fn(|i| mean[i] + one[i] / 4.0);
            }
            [
                16.0 + 219.0 * luma(rgb(x, y)),
                128.0 + 224.0 * (mean[2] - luma(mean)) / 1.772,
                128.0 + 224.0 * (mean[0] - luma(mean)) / 1.402,
            ]
        }
    }
}

fn format(code: &[u8; 4], width: u32, height: u32, strides: [u32; 3]) -> RawVideoFormat {
    RawVideoFormat {
        fourcc: FourCc::new(*code),
        width,
        height,
        strides,
        colour: Colorimetry::default(),
    }
}

#[test]
fn conversion_matches_reference_for_all_formats() {
    for (code, recipe) in &RECIPES {
        for (width, height, padding) in [(16, 4, 0), (34, 6, 0), (34, 6, 14), (322, 2, 64)] {
            let (planes, strides) = write(recipe, width, height, padding);
            let format = format(code, width as u32, height as u32, strides);
            let mut out = I420::new(format.width, format.height, Vec::new());
            assert!(to_i420(&FrameMemory::Owned(planes), &format, &mut out));
            let [py, pu, pv] = out.planes();
            for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
                let square = y / 2 * (width / 2) + x / 2;
                let found = [py[y * width + x], pu[square], pv[square]];
                let wanted = expected(recipe, x, y);
                let is_near = found
                    .iter()
                    .zip(wanted)
                    .all(|(&found, wanted)| (f64::from(found) - wanted).abs() <= 0.52);
                assert!(
                    is_near,
                    "{} {width}x{height}+{padding} at {x},{y}: {found:?}, wanted {wanted:?}",
                    format.fourcc
                );
            }
        }
    }
}

#[test]
fn every_format_with_a_layout_is_tested() {
    for (code, _) in &RECIPES {
        assert!(pixel_layout(FourCc::new(**code)).is_some());
    }
    assert_eq!(RECIPES.len(), pixel_layout::LAYOUTS.len());
}

#[test]
fn frame_short_by_a_byte_is_rejected() {
    for (code, recipe) in &RECIPES {
        let (planes, strides) = write(recipe, 16, 4, 0);
        let format = format(code, 16, 4, strides);
        for plane in (0..3).filter(|&plane| !planes[plane].is_empty()) {
            let mut planes = planes.clone();
            planes[plane].pop();
            let mut out = I420::new(16, 4, Vec::new());
            assert!(
                !to_i420(&FrameMemory::Owned(planes), &format, &mut out),
                "{code:?}"
            );
        }
    }
}

#[test]
fn odd_sizes_are_rounded_down() {
    let (planes, strides) = write(&RECIPES[0].1, 17, 5, 0);
    let format = format(b"YUYV", 17, 5, strides);
    let mut out = I420::new(17, 5, Vec::new());
    assert!(to_i420(&FrameMemory::Owned(planes), &format, &mut out));
    assert_eq!(out.size(), (16, 4));
    assert_eq!(out.planes()[0][15], value(0, 15, 0));
}
