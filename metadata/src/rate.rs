//! How many requests a guest may send: two windows of time, each with its limit, per guest and per listener. Pure:
//! time is an argument.
//!
//! A window slides: requests of the window before count by the share of it that is still inside. Requests that are
//! refused count too, as they do in haproxy's tables, so a guest that never pauses is never served again.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// `[metadata_rate_limiting]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// `ip_versions`: guests of the other version are not limited.
    pub version: IpVersion,
    /// `base_window_duration` and `base_query_rate_limit`.
    pub base: Window,
    /// `burst_window_duration` and `burst_query_rate_limit`.
    pub burst: Window,
}

/// A version of IP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IpVersion {
    V4,
    V6,
}

/// So many requests in so much time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    pub duration: Duration,
    pub requests: u32,
}

/// Guests that are kept count of; haproxy's tables have as many entries.
const GUESTS: usize = 10_240;

/// The counts of one listener's guests.
#[derive(Debug, Default)]
pub struct Meter {
    guests: HashMap<IpAddr, [Count; 2]>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    /// When the running window began.
    since: Instant,
    now: u32,
    before: u32,
}

impl Meter {
    /// Counts a request; false when the guest has sent too many.
    pub fn admit(&mut self, limit: &Limit, guest: IpAddr, now: Instant) -> bool {
        if guest.is_ipv4() != (limit.version == IpVersion::V4) {
            return true;
        }
        if self.guests.len() >= GUESTS && !self.guests.contains_key(&guest) {
            self.make_room(limit, now);
        }
        let fresh = Count { since: now, now: 0, before: 0 };
        let counts = self.guests.entry(guest).or_insert([fresh; 2]);
        let mut admitted = true;
        for (count, window) in counts.iter_mut().zip([limit.base, limit.burst]) {
            admitted &= count.add(window, now) <= window.requests;
        }
        admitted
    }

    /// Forgets guests that were quiet for two windows, or all: a table must not grow with what guests make up.
    fn make_room(&mut self, limit: &Limit, now: Instant) {
        let longest = limit.base.duration.max(limit.burst.duration);
        self.guests
            .retain(|_, counts| counts.iter().any(|count| now.duration_since(count.since) < 2 * longest));
        if self.guests.len() >= GUESTS {
            self.guests.clear();
        }
    }
}

impl Count {
    /// Counts one more, and gives how many there were in the window that ends now.
    fn add(&mut self, window: Window, now: Instant) -> u32 {
        let length = window.duration.max(Duration::from_millis(1));
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= 2 * length {
            *self = Self { since: now, now: 0, before: 0 };
        } else if elapsed >= length {
            *self = Self { since: self.since + length, now: 0, before: self.now };
        }
        self.now = self.now.saturating_add(1);
        let left = length.saturating_sub(now.saturating_duration_since(self.since));
        let share = u128::from(self.before) * left.as_nanos() / length.as_nanos();
        self.now.saturating_add(u32::try_from(share).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GUEST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 5));

    fn limit(base: (u64, u32), burst: (u64, u32)) -> Limit {
        let window = |(seconds, requests)| Window { duration: Duration::from_secs(seconds), requests };
        Limit { version: IpVersion::V4, base: window(base), burst: window(burst) }
    }

    #[test]
    fn the_request_after_the_last_allowed_one_is_refused() {
        let (mut meter, limit, start) = (Meter::default(), limit((10, 10), (10, 10)), Instant::now());
        assert!((0..10).all(|_| meter.admit(&limit, GUEST, start)));
        assert!(!meter.admit(&limit, GUEST, start));
        assert!(meter.admit(&limit, "10.0.0.6".parse().unwrap(), start));
        assert!(!meter.admit(&limit, GUEST, start + Duration::from_secs(10)));
        assert!(meter.admit(&limit, GUEST, start + Duration::from_secs(40)));
    }

    #[test]
    fn a_burst_is_limited_by_itself() {
        let (mut meter, limit, start) = (Meter::default(), limit((60, 100), (1, 2)), Instant::now());
        let answers: Vec<bool> = (0..3).map(|_| meter.admit(&limit, GUEST, start)).collect();
        assert_eq!(answers, [true, true, false]);
        assert!(meter.admit(&limit, GUEST, start + Duration::from_secs(2)));
    }

    #[test]
    fn the_other_version_is_not_limited() {
        let (mut meter, limit, start) = (Meter::default(), limit((10, 1), (10, 1)), Instant::now());
        assert!((0..9).all(|_| meter.admit(&limit, "fe80::1".parse().unwrap(), start)));
    }

    #[test]
    fn the_table_is_bounded() {
        let (mut meter, limit, start) = (Meter::default(), limit((10, 1), (10, 1)), Instant::now());
        for number in 0..30_000u32 {
            meter.admit(&limit, IpAddr::V4(number.into()), start + Duration::from_millis(number.into()));
        }
        assert!(meter.guests.len() <= GUESTS);
    }

    proptest! {
        /// In no window of fixed ends are more admitted than twice the limit, whatever the times.
        #[test]
        fn never_more_than_the_limit_in_a_window(pauses in proptest::collection::vec(0..3_000u64, 1..200)) {
            let (mut meter, limit, start) = (Meter::default(), limit((10, 5), (10, 5)), Instant::now());
            let mut now = start;
            let mut admitted: Vec<Instant> = Vec::new();
            for pause in pauses {
                now += Duration::from_millis(pause);
                if meter.admit(&limit, GUEST, now) {
                    admitted.push(now);
                }
            }
            for (index, first) in admitted.iter().enumerate() {
                let within = admitted[index..].iter().take_while(|at| **at - *first < Duration::from_secs(10));
                prop_assert!(within.count() <= 10);
            }
        }
    }
}
