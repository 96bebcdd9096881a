//! Motion vectors and their prediction (ITU-T H.264, 8.4.1) where every inter macroblock is 16x16 with
//! the one reference picture.

/// A displacement, in luma samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Vector {
    pub(super) x: i32,
    pub(super) y: i32,
}

impl Vector {
    /// No displacement.
    pub(super) const ZERO: Self = Self { x: 0, y: 0 };
}

/// The motion of each macroblock of a picture, filled in raster order; `None` is intra.
pub(super) struct Motion {
    columns: usize,
    done: Vec<Option<Vector>>,
}

impl Motion {
    /// For pictures of `columns` by `rows` macroblocks.
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        Self {
            columns,
            done: Vec::with_capacity(columns * rows),
        }
    }

    /// Begins a picture.
    pub(super) fn clear(&mut self) {
        self.done.clear();
    }

    /// Adds the next macroblock.
    pub(super) fn push(&mut self, motion: Option<Vector>) {
        self.done.push(motion);
    }

    /// Adds a row of macroblocks that stand still.
    pub(super) fn push_still_row(&mut self) {
        self.done
            .resize(self.done.len() + self.columns, Some(Vector::ZERO));
    }

    /// The vector that P_Skip has at the next macroblock, 8.4.1.1.
    pub(super) fn of_skip(&self) -> Vector {
        let still = Some(Some(Vector::ZERO));
        let (left, above) = (self.left(), self.above());
        if left.is_none() || above.is_none() || left == still || above == still {
            Vector::ZERO
        } else {
            self.predicted()
        }
    }

    /// The predicted vector of the next macroblock, 8.4.1.3.
    pub(super) fn predicted(&self) -> Vector {
        let (left, above) = (self.left(), self.above());
        let corner = self.above_right().or_else(|| self.above_left());
        if let (Some(Some(left)), None, None) = (left, above, corner) {
            return left;
        }
        let around = [left, above, corner].map(Option::flatten);
        match around {
            [Some(one), None, None] | [None, Some(one), None] | [None, None, Some(one)] => one,
            _ => {
                let around = around.map(Option::unwrap_or_default);
                Vector {
                    x: median(around.map(|v| v.x)),
                    y: median(around.map(|v| v.y)),
                }
            }
        }
    }

    fn column(&self) -> usize {
        self.done.len() % self.columns
    }

    /// The macroblock `back` places before the next one; `None` if it is outside the picture.
    fn before(&self, back: usize) -> Option<Option<Vector>> {
        self.done
            .len()
            .checked_sub(back)
            .map(|index| self.done[index])
    }

    fn left(&self) -> Option<Option<Vector>> {
        if self.column() > 0 {
            self.before(1)
        } else {
            None
        }
    }

    fn above(&self) -> Option<Option<Vector>> {
        self.before(self.columns)
    }

    fn above_right(&self) -> Option<Option<Vector>> {
        if self.column() + 1 < self.columns {
            self.before(self.columns - 1)
        } else {
            None
        }
    }

    fn above_left(&self) -> Option<Option<Vector>> {
        if self.column() > 0 {
            self.before(self.columns + 1)
        } else {
            None
        }
    }
}

fn median([a, b, c]: [i32; 3]) -> i32 {
    a.max(b).min(a.min(b).max(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOVED: Vector = Vector { x: -4, y: 2 };

    fn after(columns: usize, done: &[Option<Vector>]) -> Motion {
        let mut motion = Motion::new(columns, 4);
        done.iter().for_each(|one| motion.push(*one));
        motion
    }

    #[test]
    fn skip_at_edge_or_still_neighbour_is_still() {
        assert_eq!(after(2, &[]).of_skip(), Vector::ZERO);
        assert_eq!(after(2, &[Some(MOVED)]).of_skip(), Vector::ZERO);
        let still = Some(Vector::ZERO);
        assert_eq!(
            after(2, &[Some(MOVED), still, Some(MOVED)]).of_skip(),
            Vector::ZERO
        );
    }

    #[test]
    fn skip_between_moved_macroblocks_moves() {
        assert_eq!(after(2, &[Some(MOVED); 3]).of_skip(), MOVED);
        // Both neighbours intra and the corner moved: the corner is the only one with a vector.
        assert_eq!(after(3, &[None, None, Some(MOVED), None]).of_skip(), MOVED);
    }

    #[test]
    fn vector_prediction_is_left_then_median() {
        assert_eq!(after(3, &[Some(MOVED)]).predicted(), MOVED);
        let [a, b, c] = [(1, 9), (5, 3), (2, 4)].map(|(x, y)| Some(Vector { x, y }));
        assert_eq!(
            after(3, &[None, b, c, a]).predicted(),
            Vector { x: 2, y: 4 }
        );
    }
}
