//! Viewers that come and go and behave badly: who does what when.

/// What a restless viewer does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    Come,
    Stall,
    Resume,
    CloseHalf,
    Leave,
}

/// Each viewer lives for as long as it takes `rate` of them a second to come; what it does in the quarters of its life goes
/// round.
pub struct Restless {
    begun_at: u64,
    rate: f64,
    life_ns: u64,
    /// Of each viewer: lives begun, and quarters of the present one that are over.
    lives: Vec<(u64, u64)>,
    /// How many came again.
    pub came: u64,
}

impl Restless {
    pub fn new(viewers: usize, rate: f64, begun_at: u64) -> Self {
        Self {
            begun_at,
            rate,
            life_ns: (viewers as f64 / rate * 1e9) as u64,
            lives: vec![(0, 0); viewers],
            came: 0,
        }
    }

    /// False for one that only sends half a request, so never is sent the stream.
    pub fn asks(&self, id: usize) -> bool {
        self.kind(id) != 4
    }

    /// Which of the five ways to behave the viewer's present life is.
    fn kind(&self, id: usize) -> u64 {
        (self.lives[id].0 + id as u64) % 5
    }

    /// What is to be done at the time `now`, of the first `there` viewers.
    pub fn due(
        &mut self,
        now: u64,
        there: usize,
        is_open: impl Fn(usize) -> bool,
    ) -> Vec<(usize, Deed)> {
        let mut deeds = vec![];
        for id in 0..self.lives.len().min(there) {
            let begin = self.begun_at + (id as f64 / self.rate * 1e9) as u64;
            let Some(age) = now.checked_sub(begin) else {
                continue;
            };
            let (life, quarter) = (age / self.life_ns, age % self.life_ns * 4 / self.life_ns);
            let (lived, done) = self.lives[id];
            if life > lived {
                self.lives[id] = (life, 0);
                self.came += 1;
                deeds.extend([(id, Deed::Leave), (id, Deed::Come)]);
            } else if quarter > done {
                self.lives[id].1 = quarter;
                let deed = match (self.kind(id), quarter) {
                    (1 | 2, 1) => Some(Deed::Stall),
                    (1, 3) => Some(Deed::Resume),
                    (3, 2) => Some(Deed::CloseHalf),
                    _ => None,
                };
                deeds.extend(deed.filter(|_| is_open(id)).map(|deed| (id, deed)));
            }
        }
        deeds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_viewer_behaves_in_each_way_in_turn() {
        let second = 1_000_000_000;
        // Two viewers, each with a life of a second.
        let mut restless = Restless::new(2, 2.0, 0);
        let mut told = vec![];
        for step in 0..20 {
            let asks = restless.asks(0);
            let deeds = restless.due(step * second / 4, 2, |_| true);
            told.extend(
                deeds
                    .into_iter()
                    .filter(|(id, _)| *id == 0)
                    .map(|(_, deed)| (step, deed)),
            );
            assert!(asks || step > 16);
        }
        use Deed::*;
        assert_eq!(
            told,
            [
                (4, Leave),
                (4, Come),
                (5, Stall),
                (7, Resume),
                (8, Leave),
                (8, Come),
                (9, Stall),
                (12, Leave),
                (12, Come),
                (14, CloseHalf),
                (16, Leave),
                (16, Come),
            ]
        );
        assert!(!restless.asks(0));
        assert!(restless
            .due(21 * second / 4, 2, |_| false)
            .iter()
            .all(|(_, deed)| matches!(deed, Leave | Come)));
    }
}
