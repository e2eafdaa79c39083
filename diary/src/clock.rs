//! The time of a line: UTC to the microsecond, as RFC 3339 has it.
//!
//! A thread that logs much does so many times a second, so the date is worked out once for each second.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes of `2026-11-20T10:25:57`.
const DATE: usize = 19;
const EMPTY: [u8; DATE] = *b"1970-01-01T00:00:00";

thread_local! {
    static LAST: Cell<(u64, [u8; DATE])> = const { Cell::new((0, EMPTY)) };
}

/// Appends the time of now.
pub(crate) fn write_now(line: &mut Vec<u8>) {
    // A clock before 1970 is no clock.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (mut second, mut date) = LAST.get();
    if second != now.as_secs() {
        second = now.as_secs();
        date = format(second);
        LAST.set((second, date));
    }
    line.extend_from_slice(&date);
    let mut fraction = *b".000000Z";
    digits(&mut fraction, 1, 6, u64::from(now.subsec_micros()));
    line.extend_from_slice(&fraction);
}

/// Seconds since 1970 as date and time. Years have four digits.
fn format(second: u64) -> [u8; DATE] {
    let (year, month, day) = date(second / 86_400);
    let mut text = EMPTY;
    let numbers = [
        (0, 4, year),
        (5, 2, month),
        (8, 2, day),
        (11, 2, second / 3600 % 24),
        (14, 2, second / 60 % 60),
        (17, 2, second % 60),
    ];
    for (at, length, number) in numbers {
        digits(&mut text, at, length, number);
    }
    text
}

/// The Gregorian date of so many days after 1 January 1970. Counted in years that begin with March, so that
/// the leap day is the last one; 719,468 days lie between 1 March of the year 0 and 1970.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

fn digits(text: &mut [u8], at: usize, length: usize, mut number: u64) {
    for place in text.iter_mut().skip(at).take(length).rev() {
        // A remainder of ten fits.
        *place = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(second: u64) -> String {
        String::from_utf8(format(second).to_vec()).unwrap()
    }

    #[test]
    fn seconds_become_dates() {
        // From `date -u -d @SECONDS +%FT%T`.
        assert_eq!(text(0), "1970-01-01T00:00:00");
        assert_eq!(text(951_782_399), "2000-02-28T23:59:59");
        assert_eq!(text(951_782_400), "2000-02-29T00:00:00");
        assert_eq!(text(951_868_800), "2000-03-01T00:00:00");
        assert_eq!(text(1_709_164_800), "2024-02-29T00:00:00");
        assert_eq!(text(1_735_689_599), "2024-12-31T23:59:59");
        assert_eq!(text(1_795_170_357), "2026-11-20T10:25:57");
        assert_eq!(text(4_107_542_400), "2100-03-01T00:00:00");
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut before = date(0);
        for day in 1..100_000 {
            let (year, month, number) = date(day);
            let next = match before {
                (y, 12, 31) => (y + 1, 1, 1),
                (y, m, _) if number == 1 => (y, m + 1, 1),
                (y, m, d) => (y, m, d + 1),
            };
            assert_eq!((year, month, number), next);
            before = next;
        }
    }

    #[test]
    fn a_line_begins_with_a_time() {
        let mut line = Vec::new();
        write_now(&mut line);
        write_now(&mut line);
        let line = String::from_utf8(line).unwrap();
        let (first, second) = line.split_at(27);
        assert!(first <= second && second.ends_with('Z'), "{line}");
    }
}
