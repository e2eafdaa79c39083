//! Times as the Neutron API and Neutron's agents write them, in UTC. Seconds are read from the clock in
//! one place, [`now`].

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970, UTC.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}

/// `2026-11-20T07:26:26Z`, from seconds since 1970.
pub(crate) fn text(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// `2026-11-20T07:26:26.000123`, as a state report has it: no zone, and the fraction is needed.
pub(crate) fn precise(moment: SystemTime) -> String {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = text(since.as_secs());
    format!("{}.{:06}", seconds.trim_end_matches('Z'), since.subsec_micros())
}

/// The Gregorian date of a day counted from 1970-01-01: the year is reckoned from March, so that the
/// leap day is its last (Hinnant, "chrono-compatible low-level date algorithms").
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_in_neutron() {
        assert_eq!(text(0), "1970-01-01T00:00:00Z");
        assert_eq!(text(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(text(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(text(1_795_159_586), "2026-11-20T07:26:26Z");
        let moment = UNIX_EPOCH + std::time::Duration::new(1_795_159_586, 123_456);
        assert_eq!(precise(moment), "2026-11-20T07:26:26.000123");
        assert_eq!(text(4_107_542_400), "2100-03-01T00:00:00Z");
    }
}
