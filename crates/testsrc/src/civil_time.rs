//! Unix time as the digits of a date and a time of day, in UTC.

const DAY_MS: u64 = 86_400_000;

/// Places of the parts in what [`digits`] gives.
pub(super) const YEAR: usize = 0;
pub(super) const MONTH: usize = 4;
pub(super) const DAY: usize = 6;
pub(super) const HOUR: usize = 8;
pub(super) const MINUTE: usize = 10;
pub(super) const SECOND: usize = 12;
pub(super) const MILLISECOND: usize = 14;

/// `YYYYMMDDhhmmssmmm`, each digit as a number; years count up to 9999 and start again.
pub(super) fn digits(unix_ms: u64) -> [u8; 17] {
    let (year, month, day) = date(unix_ms / DAY_MS);
    let of_day = unix_ms % DAY_MS;
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, millisecond) = (of_day / 1000 % 60, of_day % 1000);
    let parts = [
        (YEAR, 4, year % 10_000),
        (MONTH, 2, month),
        (DAY, 2, day),
        (HOUR, 2, hour),
        (MINUTE, 2, minute),
        (SECOND, 2, second),
        (MILLISECOND, 3, millisecond),
    ];
    let mut digits = [0; 17];
    for (place, count, mut value) in parts {
        for digit in digits[place..place + count].iter_mut().rev() {
            *digit = (value % 10) as u8;
            value /= 10;
        }
    }
    digits
}

/// Year, month and day of the month in the Gregorian calendar, `days` after 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    // Years that begin in March have their leap day at the end; eras of 400 years are all alike.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (400 * era + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(unix_ms: u64) -> String {
        digits(unix_ms)
            .iter()
            .map(|digit| char::from(b'0' + digit))
            .collect()
    }

    #[test]
    fn known_times_have_known_dates() {
        assert_eq!(text(0), "19700101000000000");
        assert_eq!(text(951_782_399_999), "20000228235959999");
        assert_eq!(text(951_782_400_000), "20000229000000000");
        assert_eq!(text(1_795_339_845_678), "20261122093045678");
        assert_eq!(text(4_107_542_400_000), "21000301000000000");
    }

    #[test]
    fn any_time_can_be_written() {
        assert_eq!(digits(u64::MAX).len(), 17);
    }
}
