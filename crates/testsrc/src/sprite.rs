//! The berry that bounces through the test pattern.

use super::macroblock::Colour;

/// A square picture on a ground of one colour.
pub(super) struct Sprite {
    /// Width and height, in pixels; even.
    pub(super) size: usize,
    pub(super) luma: Vec<u8>,
    /// Cb and Cr at half the size.
    pub(super) chroma: [Vec<u8>; 2],
}

/// Red, green and blue, 0 to 1.
pub(super) type Rgb = [f32; 3];

const SKIN: Rgb = [0.82, 0.10, 0.30];
const SHADE: Rgb = [0.45, 0.02, 0.16];
const SHINE: Rgb = [1.0, 0.72, 0.80];
const LEAF: Rgb = [0.40, 0.70, 0.22];
const LEAF_EDGE: Rgb = [0.20, 0.45, 0.12];

/// Points looked at in each direction of a pixel.
const POINTS: usize = 3;

/// Rows of drupelets, upper first: height of their centres and where they are from left to right, in
/// halves of the picture from its middle.
const DRUPELETS: [(f32, &[f32]); 5] = [
    (-0.24, &[-0.52, -0.18, 0.18, 0.52]),
    (0.03, &[-0.64, -0.32, 0.0, 0.32, 0.64]),
    (0.29, &[-0.50, -0.17, 0.17, 0.50]),
    (0.54, &[-0.32, 0.0, 0.32]),
    (0.75, &[-0.14, 0.14]),
];
const DRUPELET_RADIUS: f32 = 0.215;

/// Tips of the leaves, which all begin at `LEAF_ROOT`.
const LEAF_TIPS: [(f32, f32); 5] = [
    (-0.66, -0.52),
    (0.66, -0.52),
    (-0.42, -0.88),
    (0.42, -0.88),
    (0.0, -0.98),
];
const LEAF_ROOT: (f32, f32) = (0.0, -0.36);

/// Draws the berry `size` pixels (rounded down to even) high and wide.
pub(super) fn draw_sprite(size: usize, ground: Rgb) -> Sprite {
    let size = size / 2 * 2;
    let pixels: Vec<Rgb> = (0..size * size)
        .map(|i| pixel(i % size, i / size, size, ground))
        .collect();
    let half = size / 2;
    let chroma = [0, 1].map(|component| {
        let sample = |i: usize| {
            let corner = i / half * 2 * size + i % half * 2;
            let four = [0, 1, size, size + 1].map(|step| pixels[corner + step]);
            colour(mean(&four)).chroma[component]
        };
        (0..half * half).map(sample).collect()
    });
    Sprite {
        size,
        luma: pixels.iter().map(|rgb| colour(*rgb).luma).collect(),
        chroma,
    }
}

/// BT.709 in limited range.
pub(super) fn colour([red, green, blue]: Rgb) -> Colour {
    let luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    let chroma = |difference: f32, full: f32| (128.5 + 224.0 * difference / full) as u8;
    Colour {
        luma: (16.5 + 219.0 * luma) as u8,
        chroma: [chroma(blue - luma, 1.8556), chroma(red - luma, 1.5748)],
    }
}

fn mean(of: &[Rgb]) -> Rgb {
    [0, 1, 2].map(|i| of.iter().map(|rgb| rgb[i]).sum::<f32>() / of.len() as f32)
}

fn mix(a: Rgb, b: Rgb, part: f32) -> Rgb {
    [0, 1, 2].map(|i| a[i] + (b[i] - a[i]) * part)
}

fn pixel(x: usize, y: usize, size: usize, ground: Rgb) -> Rgb {
    let place = |pixel: usize, point: usize| {
        (pixel as f32 + (point as f32 + 0.5) / POINTS as f32) / size as f32 * 2.0 - 1.0
    };
    let mut points = [ground; POINTS * POINTS];
    for (index, point) in points.iter_mut().enumerate() {
        let (x, y) = (place(x, index % POINTS), place(y, index / POINTS));
        *point = leaf(x, y).or_else(|| body(x, y)).unwrap_or(ground);
    }
    mean(&points)
}

/// The drupelet nearest to the point, shaded like a ball lit from the upper left.
fn body(x: f32, y: f32) -> Option<Rgb> {
    let centres = DRUPELETS
        .iter()
        .flat_map(|(y, xs)| xs.iter().map(move |x| (*x, *y)));
    let distance =
        |(centre_x, centre_y): (f32, f32)| (x - centre_x).hypot(y - centre_y) / DRUPELET_RADIUS;
    let (centre_x, centre_y) = centres.min_by(|a, b| distance(*a).total_cmp(&distance(*b)))?;
    let from_centre = distance((centre_x, centre_y));
    if from_centre > 1.0 {
        return None;
    }
    let shine = (x - centre_x + 0.07).hypot(y - centre_y + 0.08) / DRUPELET_RADIUS;
    let round = mix(
        SKIN,
        SHADE,
        from_centre.powi(3) * 0.8 + (x + y).max(0.0) * 0.25,
    );
    Some(mix(round, SHINE, (0.75 - 2.0 * shine).clamp(0.0, 0.6)))
}

fn leaf(x: f32, y: f32) -> Option<Rgb> {
    LEAF_TIPS.iter().find_map(|(tip_x, tip_y)| {
        let (length_x, length_y) = (tip_x - LEAF_ROOT.0, tip_y - LEAF_ROOT.1);
        let length = length_x.hypot(length_y);
        let (from_x, from_y) = (x - LEAF_ROOT.0, y - LEAF_ROOT.1);
        let along = (from_x * length_x + from_y * length_y) / (length * length);
        let aside = (from_x * length_y - from_y * length_x).abs() / length;
        let half_width = 0.17 * (along * std::f32::consts::PI).sin().max(0.0).sqrt();
        let inside = (0.0..1.0).contains(&along) && aside < half_width;
        inside.then(|| mix(LEAF, LEAF_EDGE, aside / half_width))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_limited_range_bt_709() {
        assert_eq!(
            colour([1.0; 3]),
            Colour {
                luma: 235,
                chroma: [128; 2]
            }
        );
        assert_eq!(
            colour([0.0; 3]),
            Colour {
                luma: 16,
                chroma: [128; 2]
            }
        );
        assert_eq!(
            colour([1.0, 0.0, 0.0]),
            Colour {
                luma: 63,
                chroma: [102, 240]
            }
        );
    }

    #[test]
    fn sprite_corners_show_the_background() {
        let berry = draw_sprite(97, [0.0; 3]);
        assert_eq!(
            (berry.size, berry.luma.len(), berry.chroma[1].len()),
            (96, 96 * 96, 48 * 48)
        );
        for corner in [0, 95, 95 * 96, 96 * 96 - 1] {
            assert_eq!(berry.luma[corner], 16);
        }
        assert!(berry.luma[48 * 96 + 48] > 40);
    }
}
