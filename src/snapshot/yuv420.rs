//! Decoded frame: luma, and chroma at half its width and height (4:2:0).

/// Planes without gaps between rows. Sides are at most 16384, as in H.264.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Yuv420Frame {
    width: usize,
    height: usize,
    planes: [Vec<u8>; 3],
}

impl Yuv420Frame {
    /// Copies a frame: for each plane its bytes and its stride. Returns false if there are too few.
    pub(super) fn copy_from(
        &mut self,
        (width, height): (usize, usize),
        planes: [(&[u8], usize); 3],
    ) -> bool {
        (self.width, self.height) = (width, height);
        let mut is_whole = width > 0 && height > 0;
        for (i, (to, (from, stride))) in self.planes.iter_mut().zip(planes).enumerate() {
            let (columns, lines) = if i == 0 {
                (width, height)
            } else {
                chroma_size(width, height)
            };
            to.clear();
            let lines = from.chunks(stride.max(1)).take(lines);
            lines.for_each(|line| to.extend_from_slice(line.get(..columns).unwrap_or_default()));
            is_whole &= to.len()
                == columns
                    * if i == 0 {
                        height
                    } else {
                        chroma_size(width, height).1
                    };
        }
        is_whole
    }

    /// Width and height in pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        (self.width as u32, self.height as u32)
    }

    /// Luma and both colours of the pixel; black outside.
    #[inline]
    pub(super) fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let [luma, blue, red] = &self.planes;
        let colour = (y / 2) * self.width.div_ceil(2) + x / 2;
        let at =
            |plane: &Vec<u8>, at: usize, otherwise| plane.get(at).copied().unwrap_or(otherwise);
        [
            at(luma, y * self.width + x, 16),
            at(blue, colour, 128),
            at(red, colour, 128),
        ]
    }

    /// Returns a row of luma and the row of both colours that it has; empty outside.
    pub(super) fn row<'a>(&'a self, y: usize) -> [&'a [u8]; 3] {
        let [luma, blue, red] = &self.planes;
        let columns = self.width.div_ceil(2);
        let row = |plane: &'a [u8], y: usize, width: usize| {
            plane.get(y * width..(y + 1) * width).unwrap_or_default()
        };
        [
            row(luma, y, self.width),
            row(blue, y / 2, columns),
            row(red, y / 2, columns),
        ]
    }

    /// Returns the frame in a smaller or equal size: each pixel is the mean of those in its place.
    pub(super) fn downscaled(&self, (width, height): (u32, u32)) -> Self {
        let (width, height) = (width as usize, height as usize);
        let [luma, blue, red] = &self.planes;
        let whole = ((self.width, self.height), (width, height));
        let half = (
            chroma_size(self.width, self.height),
            chroma_size(width, height),
        );
        Self {
            width,
            height,
            planes: [(luma, whole), (blue, half), (red, half)]
                .map(|(plane, (from, to))| downscale_plane(plane, from, to)),
        }
    }
}

/// Size of the colours' planes.
fn chroma_size(width: usize, height: usize) -> (usize, usize) {
    (width.div_ceil(2), height.div_ceil(2))
}

fn downscale_plane(plane: &[u8], from: (usize, usize), to: (usize, usize)) -> Vec<u8> {
    // Which of `from` pixels become pixel `i` of `to`; at least one.
    let part = |i: usize, from: usize, to: usize| {
        let start = (i * from / to).min(from.saturating_sub(1));
        start..((i + 1) * from / to).max(start + 1).min(from.max(1))
    };
    let mut out = Vec::with_capacity(to.0 * to.1);
    let mut sums = vec![0u32; from.0];
    for row in 0..to.1 {
        let lines = part(row, from.1, to.1);
        let count = lines.len() as u32;
        sums.fill(0);
        for line in plane
            .chunks_exact(from.0.max(1))
            .skip(lines.start)
            .take(lines.len())
        {
            for (sum, value) in sums.iter_mut().zip(line) {
                *sum += u32::from(*value);
            }
        }
        for column in 0..to.0 {
            let columns = part(column, from.0, to.0);
            let all = count * columns.len() as u32;
            let sum: u32 = sums.get(columns).map_or(0, |sums| sums.iter().sum());
            out.push(((sum + all / 2) / all.max(1)) as u8);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planes(size: (usize, usize), value: impl Fn(usize, usize) -> u8) -> Yuv420Frame {
        let (columns, lines) = chroma_size(size.0, size.1);
        let luma: Vec<u8> = (0..size.0 * size.1)
            .map(|i| value(i % size.0, i / size.0))
            .collect();
        let colour = vec![90; columns * lines];
        let mut planes = Yuv420Frame::default();
        assert!(planes.copy_from(
            size,
            [(&luma, size.0), (&colour, columns), (&colour, columns)]
        ));
        planes
    }

    #[test]
    fn copy_honours_stride_and_rejects_short_planes() {
        let mut planes = Yuv420Frame::default();
        let luma = [1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9];
        let colour = [1, 2, 0, 3, 4];
        assert!(planes.copy_from((3, 3), [(&luma, 4), (&colour, 3), (&colour, 3)]));
        assert_eq!(planes.pixel(2, 2), [9, 4, 4]);
        assert_eq!(planes.pixel(1, 2), [8, 3, 3]);
        assert!(!planes.copy_from((3, 3), [(&luma[..10], 4), (&colour, 3), (&colour, 3)]));
        assert!(!planes.copy_from((3, 3), [(&luma, 2), (&colour, 3), (&colour, 3)]));
        assert!(!planes.copy_from((0, 0), [(&[], 0); 3]));
    }

    #[test]
    fn downscaled_pixels_are_means() {
        let checked = planes((8, 8), |x, y| if (x + y) % 2 == 0 { 200 } else { 100 });
        let small = checked.downscaled((4, 4));
        assert_eq!(small.size(), (4, 4));
        assert!((0..16).all(|i| small.pixel(i % 4, i / 4) == [150, 90, 90]));
        let ramp = planes((9, 1), |x, _| x as u8 * 10).downscaled((3, 1));
        assert_eq!([0, 1, 2].map(|x| ramp.pixel(x, 0)[0]), [10, 40, 70]);
    }

    #[test]
    fn any_size_shrinks_to_any_other() {
        for from in [(1, 1), (2, 3), (7, 5), (16, 16)] {
            let picture = planes(from, |x, y| (x * 7 + y * 13) as u8);
            for width in 1..=from.0 {
                for height in 1..=from.1 {
                    let small = picture.downscaled((width as u32, height as u32));
                    let lengths = small.planes.map(|plane| plane.len());
                    let colours = width.div_ceil(2) * height.div_ceil(2);
                    assert_eq!(lengths, [width * height, colours, colours]);
                }
            }
        }
    }
}
