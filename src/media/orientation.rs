//! Orientation of frames: quarter turns and mirroring. Plain values; other rooms decide whether a
//! camera or a display applies it.

/// Rotation and mirror: the eight orientations of a frame.
///
/// Rotated clockwise first, then mirrored left to right. A vertical mirror is a half turn and a
/// horizontal one.
///
/// ```
/// use berrymse::media::orientation::Orientation;
///
/// let quarter = Orientation::new(90, false, false);
/// assert_eq!(quarter.compose(quarter), Orientation::new(180, false, false));
/// // A camera that can only mirror leaves the rest to the display.
/// let mirror = Orientation::new(0, true, false);
/// let rest = Orientation::new(90, true, false).remaining_after(mirror);
/// assert_eq!(mirror.compose(rest), Orientation::new(90, true, false));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Orientation {
    /// Quarter turns, 0 to 3.
    quarter_turns: u8,
    is_mirrored: bool,
}

impl Orientation {
    /// Creates it from a clockwise rotation by `degrees` (modulo 360; no multiple of 90 is no
    /// rotation), then horizontal and vertical mirrors.
    pub const fn new(degrees: u16, horizontal: bool, vertical: bool) -> Self {
        let quarters = match degrees % 360 {
            90 => 1,
            180 => 2,
            270 => 3,
            _ => 0,
        };
        Self {
            quarter_turns: (quarters + if vertical { 2 } else { 0 }) % 4,
            is_mirrored: horizontal != vertical,
        }
    }

    /// Returns the clockwise quarter turns, 0 to 3; they come before the mirror.
    pub const fn quarter_turns(self) -> u8 {
        self.quarter_turns
    }

    /// Returns true if it is mirrored left to right after the rotation.
    pub const fn is_mirrored(self) -> bool {
        self.is_mirrored
    }

    /// Returns true if width and height change places.
    pub const fn swaps_axes(self) -> bool {
        self.quarter_turns % 2 == 1
    }

    /// Returns this orientation followed by `next`.
    pub const fn compose(self, next: Self) -> Self {
        // Behind a mirror clockwise is anticlockwise.
        let turn = if self.is_mirrored {
            4 - next.quarter_turns
        } else {
            next.quarter_turns
        };
        Self {
            quarter_turns: (self.quarter_turns + turn) % 4,
            is_mirrored: self.is_mirrored != next.is_mirrored,
        }
    }

    /// Returns the inverse.
    pub const fn inverse(self) -> Self {
        // A mirrored orientation is its own inverse.
        if self.is_mirrored {
            self
        } else {
            Self {
                quarter_turns: (4 - self.quarter_turns) % 4,
                is_mirrored: false,
            }
        }
    }

    /// Returns what remains to be applied after `done`.
    pub const fn remaining_after(self, done: Self) -> Self {
        done.inverse().compose(self)
    }

    /// Returns where a step right and a step down lead: (right, down) of each.
    pub const fn steps(self) -> [(i8, i8); 2] {
        let [(ax, ay), (bx, by)] = match self.quarter_turns {
            1 => [(0, 1), (-1, 0)],
            2 => [(-1, 0), (0, -1)],
            3 => [(0, -1), (1, 0)],
            _ => [(1, 0), (0, 1)],
        };
        if self.is_mirrored {
            [(-ax, ay), (-bx, by)]
        } else {
            [(ax, ay), (bx, by)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = Orientation> {
        [0, 90, 180, 270].into_iter().flat_map(|degrees| {
            [false, true].map(|mirror| Orientation::new(degrees, mirror, false))
        })
    }

    /// Applies the steps of `o` to a vector.
    fn lead(o: Orientation, (x, y): (i8, i8)) -> (i8, i8) {
        let [(ax, ay), (bx, by)] = o.steps();
        (x * ax + y * bx, x * ay + y * by)
    }

    #[test]
    fn composition_follows_the_steps() {
        for first in all() {
            for second in all() {
                for step in [(1, 0), (0, 1)] {
                    assert_eq!(
                        lead(first.compose(second), step),
                        lead(second, lead(first, step)),
                        "{first:?} {second:?}"
                    );
                }
                assert_eq!(first.compose(second.remaining_after(first)), second);
            }
        }
    }

    #[test]
    fn remaining_orientation_skips_what_is_applied() {
        let turn = |degrees| Orientation::new(degrees, false, false);
        for (wanted, done, left) in [
            (turn(0), turn(0), turn(0)),
            (turn(90), turn(0), turn(90)),
            (turn(180), turn(180), turn(0)),
            (turn(180), turn(0), turn(180)),
            (turn(270), turn(180), turn(90)),
            (turn(0), turn(90), turn(270)),
            (
                Orientation::new(90, true, false),
                turn(90),
                Orientation::new(0, true, false),
            ),
            (
                Orientation::new(90, true, false),
                Orientation::new(0, true, false),
                turn(270),
            ),
        ] {
            assert_eq!(wanted.remaining_after(done), left, "{wanted:?} {done:?}");
        }
    }

    #[test]
    fn two_mirrors_are_half_a_turn() {
        assert_eq!(
            Orientation::new(0, true, true),
            Orientation::new(180, false, false)
        );
        assert_eq!(Orientation::new(0, false, true).steps(), [(1, 0), (0, -1)]);
        assert_eq!(Orientation::new(0, true, false).steps(), [(-1, 0), (0, 1)]);
        assert_eq!(
            Orientation::new(90, false, false).steps(),
            [(0, 1), (-1, 0)]
        );
    }

    #[test]
    fn mirrors_apply_after_the_turn() {
        // The right of the camera's frame is at the bottom after a quarter turn, and at the top if
        // that is mirrored vertically.
        assert_eq!(
            Orientation::new(90, false, true).steps(),
            [(0, -1), (-1, 0)]
        );
        assert_eq!(Orientation::new(90, true, false).steps(), [(0, 1), (1, 0)]);
    }
}
