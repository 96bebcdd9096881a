//! Where the berry is: it runs to and fro and bounces, and moves with every picture.
//!
//! All steps are even, so that luma and chroma of the picture before can be copied without
//! interpolation and the berry stays sharp until the next IDR picture.

use super::layout::Rectangle;
use super::motion::Vector;

/// Seconds from one end to the other, about.
const CROSSING_SECONDS: u32 = 4;
/// Bounces in 2 seconds.
const BOUNCES_IN_2_S: u32 = 3;
/// Longest vertical vector of level 2, in pixels (Table A-1).
const MAX_VERTICAL: i32 = 120;
/// Furthest that a macroblock which touches the square reaches from it, rounded up.
const HALO: u32 = 16;
/// Keeps vectors over two pictures inside the range of all levels (-2048 to 2047).
const MAX_STEP: u32 = 512;

/// The place of a square of `size` pixels in its lane.
#[derive(Debug)]
pub(super) struct SpriteMotion {
    lane: Rectangle,
    /// The part of the lane that the picture shows and the square may be in.
    range: Rectangle,
    size: u32,
    /// Pixels in each picture, and how many such steps there are from end to end.
    step: u32,
    steps: u32,
    /// Height of a bounce in pixels, and how many pictures it takes.
    bounce: u32,
    bounce_pictures: u32,
    position: (u32, u32),
}

impl SpriteMotion {
    /// A square of even `size` that moves in `lane`, of which the picture shows `width` by `height`.
    pub(super) fn new(lane: Rectangle, size: u32, width: u32, height: u32, fps: u32) -> Self {
        // Away from the ends of a large lane, all that moves can be copied from inside the lane.
        let is_large = lane.width >= 224 && lane.height >= 112;
        let (margin, below) = if is_large { (48, 32) } else { (0, 0) };
        let lowest = lane
            .height
            .min(height - lane.y)
            .saturating_sub(size + below);
        let range = Rectangle {
            x: lane.x + margin,
            y: lane.y,
            width: (width.min(lane.width) - 2 * margin).saturating_sub(size),
            height: lowest / 2 * 2,
        };
        let step = (range.width / (CROSSING_SECONDS * fps) / 2 * 2)
            .clamp(2, (range.width / 4 * 2).clamp(2, MAX_STEP));
        let bounce = if range.height >= 8 {
            range.height - range.height / 8 / 2 * 2
        } else {
            0
        };
        let mut mover = Self {
            lane,
            range,
            size,
            step,
            steps: range.width / step,
            bounce,
            bounce_pictures: (2 * fps / BOUNCES_IN_2_S).max(2),
            position: (range.x, range.y),
        };
        mover.place(0);
        mover
    }

    /// Where the square is now.
    pub(super) fn rectangle(&self) -> Rectangle {
        Rectangle {
            x: self.position.0,
            y: self.position.1,
            width: self.size,
            height: self.size,
        }
    }

    /// Goes to where it is in picture `count`.
    pub(super) fn place(&mut self, count: u64) {
        let turn = u64::from(2 * self.steps.max(1));
        let along = (count % turn) as u32;
        let along = along.min(2 * self.steps.max(1) - along) * self.step.min(self.range.width);
        let phase = (count % u64::from(self.bounce_pictures)) as u32;
        let (phase, last) = (u64::from(phase), u64::from(self.bounce_pictures));
        let up =
            (4 * phase * (last - phase) * u64::from(self.bounce) / (last * last)) as u32 / 2 * 2;
        self.position = (self.range.x + along, self.range.bottom() - up);
    }

    /// A place of the square with all macroblocks that its coding may have touched when it was last drawn
    /// rather than copied: the errors of coding travel with it, so that it leaves no trace.
    pub(super) fn with_halo(&self, square: Rectangle) -> Rectangle {
        let (x, y) = (
            square.x.saturating_sub(HALO).max(self.lane.x),
            square.y.saturating_sub(HALO).max(self.lane.y),
        );
        let right = (square.right() + HALO).min(self.lane.right());
        let bottom = (square.bottom() + HALO).min(self.lane.bottom());
        Rectangle {
            x,
            y,
            width: right - x,
            height: bottom - y,
        }
    }

    /// How the pixels of `part` of the new picture come from the one `before`; `None` if they cannot be
    /// copied because something else than the lane is where they would come from.
    pub(super) fn copied_from(&self, before: Rectangle, part: Rectangle) -> Option<Vector> {
        let back = |before: u32, now: u32| before as i32 - now as i32;
        let vector = Vector {
            x: back(before.x, self.position.0),
            y: back(before.y, self.position.1),
        };
        let origin = Rectangle {
            x: part.x.checked_add_signed(vector.x)?,
            y: part.y.checked_add_signed(vector.y)?,
            ..part
        };
        let is_possible =
            self.lane.holds(part) && self.lane.holds(origin) && vector.y.abs() <= MAX_VERTICAL;
        is_possible.then_some(vector)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mover(width: u32, height: u32, fps: u32) -> SpriteMotion {
        let lane = Rectangle {
            x: 0,
            y: 16,
            width: width.next_multiple_of(16),
            height: height.next_multiple_of(16),
        };
        SpriteMotion::new(lane, (height / 2).clamp(4, 96), width, height + 16, fps)
    }

    #[test]
    fn sprite_moves_in_every_frame_and_stays_inside() {
        for (width, height, fps) in [
            (1280, 192, 30),
            (1280, 192, 240),
            (222, 30, 25),
            (4096, 600, 1),
            (24, 8, 30),
        ] {
            let mut mover = mover(width, height, fps);
            for count in 1..3000 {
                let before = mover.rectangle();
                mover.place(count);
                let now = mover.rectangle();
                assert_ne!(before, now, "{width}x{height} {fps} {count}");
                assert!(
                    now.right() <= width && now.bottom() <= 16 + height && now.y >= 16,
                    "{now:?}"
                );
                assert_eq!((now.x % 2, now.y % 2), (0, 0));
            }
        }
    }

    #[test]
    fn pixels_are_copied_only_from_the_lane() {
        let mut mover = mover(1280, 192, 30);
        let before = mover.rectangle();
        mover.place(1);
        let now = mover.rectangle();
        let part = Rectangle {
            x: 32,
            y: 160,
            width: 16,
            height: 16,
        };
        let vector = mover.copied_from(before, part).unwrap();
        assert_eq!(
            (now.x as i32 + vector.x, now.y as i32 + vector.y),
            (before.x as i32, before.y as i32)
        );
        assert_eq!(mover.copied_from(before, Rectangle { x: 0, ..part }), None);
        assert_eq!(mover.copied_from(before, Rectangle { y: 0, ..part }), None);
    }
}
