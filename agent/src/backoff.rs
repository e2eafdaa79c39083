//! When a failed object is tried again: after a pause that doubles with each failure. Pure: the time
//! is an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use model::ObjectRef;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(60);

/// The failed objects, how often each failed, and when it is due.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failed: BTreeMap<ObjectRef, Attempt>,
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    failures: u32,
    due: Instant,
}

impl Backoff {
    pub(crate) fn failed(&mut self, object: ObjectRef, now: Instant) {
        let failures = self.failures(object) + 1;
        self.failed.insert(object, Attempt { failures, due: now + pause(failures) });
    }

    pub(crate) fn recovered(&mut self, object: ObjectRef) {
        self.failed.remove(&object);
    }

    pub(crate) fn failures(&self, object: ObjectRef) -> u32 {
        self.failed.get(&object).map_or(0, |attempt| attempt.failures)
    }

    /// The objects that are due. They stay counted until they recover, and are due again a pause later
    /// even if nobody says what came of them.
    pub(crate) fn take_due(&mut self, now: Instant) -> BTreeSet<ObjectRef> {
        let due = self.failed.iter_mut().filter(|(_, attempt)| attempt.due <= now);
        due.map(|(object, attempt)| {
            attempt.due = now + pause(attempt.failures);
            *object
        })
        .collect()
    }

    /// When the next object is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.failed.values().map(|attempt| attempt.due).min()
    }
}

fn pause(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_end_with_success() {
        let (mut backoff, start) = (Backoff::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..12 {
            backoff.failed(ObjectRef::Node, start);
            pauses.push(backoff.next().unwrap() - start);
        }
        assert_eq!(pauses[..3], [FIRST, FIRST * 2, FIRST * 4]);
        assert_eq!(pauses[11], LONGEST);
        assert!(backoff.take_due(start).is_empty());
        assert_eq!(backoff.take_due(start + LONGEST), BTreeSet::from([ObjectRef::Node]));
        assert!(backoff.next() > Some(start + LONGEST), "a taken object would be taken again at once");
        backoff.recovered(ObjectRef::Node);
        assert_eq!(backoff.next(), None);
    }
}
