//! What came of guests' requests, in numbers, and when it is time to log again: a guest can send as much nonsense as
//! it likes, and must not fill the log with it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

/// What can come of a request or a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Nova's answer was passed on, of whatever code.
    Answered,
    /// No instance, or several, have the guest's address, or nobody says whose it is.
    Unknown,
    /// Not HTTP, too long, or not a request for a document.
    Malformed,
    /// More than the rate limit allows.
    Limited,
    /// The controller could not be asked.
    NoLookup,
    /// Nova could not be asked, or gave no answer that is for guests.
    NoNova,
    /// The guest was too slow, or went away within a request.
    BrokenOff,
    /// A connection beyond those that are allowed.
    Crowded,
}

const EVENTS: [(Event, &str); 8] = [
    (Event::Answered, "answered"),
    (Event::Unknown, "unknown"),
    (Event::Malformed, "malformed"),
    (Event::Limited, "limited"),
    (Event::NoLookup, "no_lookup"),
    (Event::NoNova, "no_nova"),
    (Event::BrokenOff, "broken_off"),
    (Event::Crowded, "crowded"),
];

/// How long after a line another of its kind is kept back.
const QUIET: Duration = Duration::from_secs(10);

/// The numbers since the start.
#[derive(Debug, Default)]
pub struct Counters {
    counts: [AtomicU64; EVENTS.len()],
    said: Mutex<[Option<Instant>; EVENTS.len()]>,
}

/// The numbers at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    pub answered: u64,
    pub unknown: u64,
    pub malformed: u64,
    pub limited: u64,
    pub no_lookup: u64,
    pub no_nova: u64,
    pub broken_off: u64,
    pub crowded: u64,
}

impl Counters {
    /// Counts; gives the number so far when it is time for a line in the log.
    pub(crate) fn count(&self, event: Event) -> Option<u64> {
        let index = EVENTS.iter().position(|(known, _)| *known == event)?;
        let count = self.counts[index].fetch_add(1, Ordering::Relaxed) + 1;
        if event == Event::Answered {
            return None;
        }
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let due = said[index].is_none_or(|last| now.duration_since(last) >= QUIET);
        due.then(|| said[index] = Some(now)).map(|()| count)
    }

    pub fn read(&self) -> Counts {
        let [answered, unknown, malformed, limited, no_lookup, no_nova, broken_off, crowded] =
            std::array::from_fn(|index| self.counts[index].load(Ordering::Relaxed));
        Counts { answered, unknown, malformed, limited, no_lookup, no_nova, broken_off, crowded }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = EVENTS.iter().find(|(known, _)| known == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_counted_and_little_is_said() {
        let counters = Counters::default();
        let said: Vec<_> = (0..3).map(|_| counters.count(Event::Malformed)).collect();
        assert_eq!(said, [Some(1), None, None]);
        assert_eq!(counters.count(Event::Crowded), Some(1));
        assert_eq!(counters.read(), Counts { malformed: 3, crowded: 1, ..Counts::default() });
    }
}
