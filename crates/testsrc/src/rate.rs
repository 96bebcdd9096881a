//! Frame rate as an exact fraction.

use std::fmt;

/// Frames per second, as a fraction in lowest terms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rate {
    frames: u32,
    seconds: u32,
}

impl Rate {
    /// Returns the rate of this many frames in this many seconds; `None` outside of 0.001 to 240
    /// frames per second, and for terms that the stream cannot carry.
    pub(super) fn new(frames: u32, seconds: u32) -> Option<Self> {
        let (mut divisor, mut rest) = (frames, seconds);
        while rest != 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        let frames = frames.checked_div(divisor)?;
        let seconds = seconds.checked_div(divisor)?;
        let is_in_range = u64::from(frames) <= 240 * u64::from(seconds)
            && u64::from(seconds) <= 1000 * u64::from(frames);
        // The stream counts fields, of which a frame has two.
        (is_in_range && frames <= u32::MAX / 2).then_some(Self { frames, seconds })
    }

    /// Returns frames, and the seconds that they take.
    pub(super) fn fraction(self) -> (u32, u32) {
        (self.frames, self.seconds)
    }

    /// Returns frames per second, rounded up: 1 to 240.
    pub(super) fn ceil(self) -> u32 {
        self.frames.div_ceil(self.seconds)
    }

    /// Returns the milliseconds that `frames` frames take.
    pub(super) fn milliseconds_of(self, frames: u64) -> u64 {
        let time = u128::from(frames) * u128::from(self.seconds) * 1000 / u128::from(self.frames);
        u64::try_from(time).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Rate {
    /// Writes frames per second to the millionth, as short as possible.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MICRO: u64 = 1_000_000;
        let (frames, seconds) = (u64::from(self.frames), u64::from(self.seconds));
        let micro_hertz = (frames * MICRO + seconds / 2) / seconds;
        let text = format!("{}.{:06}", micro_hertz / MICRO, micro_hertz % MICRO);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_exact_and_in_lowest_terms() {
        let rate = |frames, seconds| Rate::new(frames, seconds).unwrap();
        let ntsc = rate(60_000, 2002);
        assert_eq!(ntsc.fraction(), (30_000, 1001));
        assert_eq!((ntsc.ceil(), ntsc.to_string()), (30, "29.97003".to_owned()));
        assert_eq!(ntsc.milliseconds_of(30_000), 1_001_000);
        assert_eq!(rate(1, 1000).to_string(), "0.001");
        assert_eq!(rate(240, 1).to_string(), "240");
    }

    #[test]
    fn rates_out_of_range_are_none() {
        for (frames, seconds) in [
            (0, 1),
            (1, 0),
            (0, 0),
            (241, 1),
            (1, 1001),
            (u32::MAX, u32::MAX - 1),
        ] {
            assert_eq!(Rate::new(frames, seconds), None, "{frames}/{seconds}");
        }
    }
}
