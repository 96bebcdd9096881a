//! From moments to figures.

use crate::screen::Place;

/// What was seen in the window of a measurement.
pub struct Report {
    /// When a picture was seen (Unix time), and how long the server had had it; both in milliseconds.
    pub delays: Vec<(f64, f64)>,
    /// From the picture being made, encoding included, in milliseconds.
    since_made: Vec<f64>,
    /// Pictures that the server had in the window.
    had: usize,
    /// The longest time without a new picture, in milliseconds.
    longest_pause: f64,
}

impl Report {
    /// `seen`: clock values and when they were first seen; `arrivals`: when the server's pictures came; all that is counted
    /// came between `start` and `end`. All in milliseconds of Unix time; clock values have the lower 32 bits of that.
    ///
    /// The test source makes a picture only when it has handed out the one before. So a picture is the first to arrive after
    /// its clock was read.
    pub fn new(seen: &[(u32, f64)], arrivals: &[f64], start: f64, end: f64) -> Self {
        // Pictures that came right before the end could not be seen any more.
        const TAIL_MS: f64 = 1000.0;
        let end = end - TAIL_MS;
        let mut delays = Vec::new();
        let mut since_made = Vec::new();
        for &(value, at) in seen {
            let made = unwrapped(value, at);
            let Some(&had) = arrivals.get(arrivals.partition_point(|arrival| *arrival < made))
            else {
                continue;
            };
            if (start..end).contains(&had) {
                delays.push((at, at - had));
                since_made.push(at - made);
            }
        }
        let pauses = delays.windows(2).map(|pair| pair[1].0 - pair[0].0);
        Self {
            longest_pause: pauses.fold(0.0, f64::max),
            had: arrivals
                .iter()
                .filter(|at| (start..end).contains(*at))
                .count(),
            delays,
            since_made,
        }
    }

    /// One line.
    pub fn json(&self, place: &Place) -> String {
        let delays: Vec<f64> = self.delays.iter().map(|(_, delay)| *delay).collect();
        let third = delays.len() / 3;
        let first = quantile(&delays[..third], 0.5);
        let last = quantile(&delays[delays.len() - third..], 0.5);
        let [p5, p50, p95, p99, max] =
            [0.05, 0.5, 0.95, 0.99, 1.0].map(|share| quantile(&delays, share));
        let made = quantile(&self.since_made, 0.5);
        format!(
            "{{\"seen\":{},\"had\":{},\"p5\":{p5:.2},\"p50\":{p50:.2},\"p95\":{p95:.2},\"p99\":{p99:.2},\"max\":{max:.2},\
             \"made_p50\":{made:.2},\"first_third_p50\":{first:.2},\"last_third_p50\":{last:.2},\"longest_pause\":{:.1},\
             \"scale\":{:.3}}}",
            delays.len(),
            self.had,
            self.longest_pause,
            place.block / 16.0,
        )
    }
}

/// The moment whose lower 32 bits are `value`, near `at`.
fn unwrapped(value: u32, at: f64) -> f64 {
    let behind = (at as u64 as u32).wrapping_sub(value) as i32;
    at.floor() - f64::from(behind)
}

/// 0 of nothing.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (share * sorted.len() as f64) as usize;
    sorted
        .get(at.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_the_first_to_arrive_after_its_clock() {
        let start = 1_795_339_845_000.0;
        let value = |ms: f64| (start + ms) as u64 as u32;
        let arrivals = [2.0, 36.0, 70.0].map(|ms| start + ms);
        let seen = [(value(1.0), start + 10.0), (value(67.0), start + 76.5)];
        let report = Report::new(&seen, &arrivals, start, start + 2000.0);
        let delays: Vec<f64> = report.delays.iter().map(|(_, delay)| *delay).collect();
        assert_eq!(delays, [8.0, 6.5]);
        assert_eq!((report.had, report.longest_pause), (3, 66.5));
    }

    #[test]
    fn clock_values_wrap() {
        let at = 4_294_967_296.0 * 418.0 + 5.5;
        assert_eq!(unwrapped(u32::MAX, at), at.floor() - 6.0);
    }
}
