//! The rate that a camera is asked for, in frames per second: a checked decimal number.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

const MICRO: u32 = 1_000_000;

/// Frames per second, 0.001 to 240, to the millionth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FrameRate(NonZeroU32);

/// Reason why a text is no frame rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParseError {
    /// The text is neither a decimal number nor a fraction.
    NotANumber,
    /// The number is below [`FrameRate::MIN`] or above [`FrameRate::MAX`].
    OutOfRange,
}

impl FrameRate {
    /// Lowest rate: a frame in 1000 s.
    pub const MIN: Self = Self::from_micro_hertz(MICRO / 1000);
    /// Highest rate: the fastest displays and cameras in common use.
    pub const MAX: Self = Self::from_micro_hertz(240 * MICRO);

    /// Returns the rate of this many frames per second, the nearest one in range.
    pub const fn whole(frames_per_second: u32) -> Self {
        Self::from_micro_hertz(frames_per_second.saturating_mul(MICRO))
    }

    const fn from_micro_hertz(micro_hertz: u32) -> Self {
        let nearest = match micro_hertz {
            0..1000 => 1000,
            1000..=240_000_000 => micro_hertz,
            _ => 240_000_000,
        };
        match NonZeroU32::new(nearest) {
            Some(nearest) => Self(nearest),
            None => Self(NonZeroU32::MIN),
        }
    }

    /// Returns millionths of a frame per second.
    pub const fn micro_hertz(self) -> u32 {
        self.0.get()
    }

    /// Returns frames per second.
    pub fn hertz(self) -> f64 {
        f64::from(self.micro_hertz()) / f64::from(MICRO)
    }

    /// Returns frames per second, rounded up to a whole number: 1 to 240.
    pub const fn ceil(self) -> u32 {
        self.micro_hertz().div_ceil(MICRO)
    }

    /// Returns the time from one frame to the next.
    pub const fn interval(self) -> Duration {
        self.duration_of(1)
    }

    /// Returns the time that `frames` frames take; nothing adds up over many of them.
    pub const fn duration_of(self, frames: u64) -> Duration {
        let nanos = frames as u128 * MICRO as u128 * 1_000_000_000 / self.micro_hertz() as u128;
        if nanos > u64::MAX as u128 {
            Duration::from_nanos(u64::MAX)
        } else {
            Duration::from_nanos(nanos as u64)
        }
    }

    /// Returns how many whole frames have passed after `time`.
    pub fn frames_within(self, time: Duration) -> u64 {
        let frames =
            time.as_nanos() * u128::from(self.micro_hertz()) / (u128::from(MICRO) * 1_000_000_000);
        u64::try_from(frames).unwrap_or(u64::MAX)
    }

    /// Returns the time of a frame as a fraction of a second in lowest terms: numerator and denominator.
    pub const fn fraction(self) -> (u32, u32) {
        let (mut a, mut b) = (MICRO, self.micro_hertz());
        while b != 0 {
            (a, b) = (b, a % b);
        }
        (MICRO / a, self.micro_hertz() / a)
    }
}

impl FromStr for FrameRate {
    type Err = ParseError;

    /// Reads `25`, `0.5` or `30000/1001`.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let number = |text: &str| -> Result<f64, ParseError> {
            let number: f64 = text.trim().parse().map_err(|_| ParseError::NotANumber)?;
            if number.is_finite() {
                Ok(number)
            } else {
                Err(ParseError::NotANumber)
            }
        };
        let hertz = match text.split_once('/') {
            None => number(text)?,
            Some((frames, seconds)) => number(frames)? / number(seconds)?,
        };
        let micro_hertz = (hertz * f64::from(MICRO)).round();
        let [low, high] = [Self::MIN, Self::MAX].map(|rate| f64::from(rate.micro_hertz()));
        if (low..=high).contains(&micro_hertz) {
            Ok(Self::from_micro_hertz(micro_hertz as u32))
        } else {
            Err(ParseError::OutOfRange)
        }
    }
}

impl fmt::Display for FrameRate {
    /// Writes the shortest decimal number that is read as this rate again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!(
            "{}.{:06}",
            self.micro_hertz() / MICRO,
            self.micro_hertz() % MICRO
        );
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_and_fractions_are_parsed() {
        for (text, micro_hertz, shown) in [
            ("30", 30_000_000, "30"),
            (" 30 ", 30_000_000, "30"),
            ("29.97", 29_970_000, "29.97"),
            ("30000/1001", 29_970_030, "29.97003"),
            ("1/10", 100_000, "0.1"),
            (".5", 500_000, "0.5"),
            ("1e-3", 1000, "0.001"),
            ("240.0", 240_000_000, "240"),
        ] {
            let rate: FrameRate = text.parse().unwrap();
            assert_eq!(
                (rate.micro_hertz(), &*rate.to_string()),
                (micro_hertz, shown)
            );
        }
        for (text, error) in [
            ("", ParseError::NotANumber),
            ("fast", ParseError::NotANumber),
            ("nan", ParseError::NotANumber),
            ("inf", ParseError::NotANumber),
            ("0,5", ParseError::NotANumber),
            ("1/", ParseError::NotANumber),
            ("1/0", ParseError::OutOfRange),
            ("0/0", ParseError::OutOfRange),
            ("0", ParseError::OutOfRange),
            ("0.0009", ParseError::OutOfRange),
            ("-1", ParseError::OutOfRange),
            ("240.001", ParseError::OutOfRange),
        ] {
            assert_eq!(text.parse::<FrameRate>(), Err(error), "{text}");
        }
    }

    #[test]
    fn time_of_a_day_of_frames_is_exact() {
        let ntsc: FrameRate = "29.97".parse().unwrap();
        assert_eq!(ntsc.duration_of(2997 * 864), Duration::from_secs(86_400));
        assert_eq!(ntsc.frames_within(Duration::from_secs(86_400)), 2997 * 864);
        assert_eq!(ntsc.fraction(), (100, 2997));
        assert_eq!(FrameRate::MIN.fraction(), (1000, 1));
        assert_eq!(FrameRate::MIN.interval(), Duration::from_secs(1000));
        assert_eq!((FrameRate::MIN.ceil(), ntsc.ceil()), (1, 30));
        assert_eq!(FrameRate::whole(0), FrameRate::MIN);
        assert_eq!(FrameRate::whole(u32::MAX), FrameRate::MAX);
    }

    proptest! {
        #[test]
        fn every_rate_round_trips(micro_hertz in 1000u32..=240_000_000) {
            let rate = FrameRate::from_micro_hertz(micro_hertz);
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
            let (numerator, denominator) = rate.fraction();
            prop_assert_eq!(u64::from(numerator) * u64::from(micro_hertz), u64::from(denominator) * 1_000_000);
        }
    }
}
