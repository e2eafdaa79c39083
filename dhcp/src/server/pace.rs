//! When the servers' thread rests: under load. Pure; the thread says what came, and sleeps.
//!
//! Woken for each packet, the thread spends more on waking, and on finding its memory in no cache, than on
//! answers. Where packets come so fast that one more will be there anyway, it lets some gather, as network
//! cards do with their interrupts. A client that is served at a quiet time waits for nothing, as a rest
//! comes after the answer.

use std::time::{Duration, Instant};

/// How long a packet may wait for others. Little beside the time in which a client asks again (seconds), or
/// makes use of an answer.
const REST: Duration = Duration::from_millis(2);
/// The mean time between packets from which on it is worth it: two in a rest.
const FAST: Duration = Duration::from_millis(1);

/// See the head of this module.
#[derive(Debug)]
pub struct Pace {
    last: Instant,
}

impl Pace {
    pub fn new(now: Instant) -> Self {
        Self { last: now }
    }

    /// How long to rest after a round in which so many packets came. `more`: there may be some that wait
    /// already.
    pub fn rest(&mut self, now: Instant, packets: u32, more: bool) -> Option<Duration> {
        let since = now.saturating_duration_since(self.last);
        self.last = now;
        (!more && since < FAST * packets).then_some(REST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rests after rounds of so many packets, each so many microseconds after the one before.
    fn rests<const N: usize>(rounds: [(u64, u32, bool); N]) -> [bool; N] {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        rounds.map(|(microseconds, packets, more)| {
            now += Duration::from_micros(microseconds);
            pace.rest(now, packets, more).is_some()
        })
    }

    #[test]
    fn it_rests_while_much_comes_and_not_after() {
        let rounds =
            [(9000, 1, false), (500, 1, false), (2100, 4, false), (2100, 3, false), (2600, 1, false)];
        assert_eq!(rests(rounds), [false, true, true, true, false]);
    }

    #[test]
    fn nothing_waits_behind_a_full_batch() {
        assert_eq!(rests([(100, 16, true), (100, 16, true), (100, 3, false)]), [false, false, true]);
    }

    #[test]
    fn no_packets_are_no_load() {
        assert_eq!(rests([(0, 0, false), (100, 0, false)]), [false, false]);
    }
}
