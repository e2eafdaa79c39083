//! Keys that the server has to be asked about, in batches: what is waiting, what is under way, and when
//! what failed is tried again. Knows nothing of what is asked.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The longest pause before another try.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How a queue is worked off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Most keys of one batch.
    pub(crate) batch: usize,
    /// Most batches under way.
    pub(crate) open: usize,
    /// How often a key is tried again after a second, before the pauses begin to grow.
    pub(crate) quick: u32,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Batches<K> {
    pace: Pace,
    waiting: BTreeMap<K, Waiting>,
    under_way: BTreeMap<K, UnderWay>,
    open: usize,
}

#[derive(Clone, Copy, Debug)]
struct UnderWay {
    failures: u32,
    then: Then,
}

/// What is to become of a key when its answer is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    Settled,
    /// It became wanted once more while it was under way.
    Again,
    /// Nobody wants to know any more.
    Dropped,
}

#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    failures: u32,
    not_before: Option<Instant>,
}

/// Why a batch came to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// The question never arrived: nothing is wrong with it.
    Unsent,
    /// It may be too large, or one of its keys may be more than the server can bear.
    Trouble,
}

impl<K: Ord + Copy> Batches<K> {
    pub(crate) fn new(pace: Pace) -> Self {
        Self { pace, waiting: BTreeMap::new(), under_way: BTreeMap::new(), open: 0 }
    }

    /// Asks about a key; if that is under way, once more.
    pub(crate) fn want(&mut self, key: K) {
        match self.under_way.get_mut(&key) {
            Some(under_way) => under_way.then = Then::Again,
            None => _ = self.waiting.entry(key).or_default(),
        }
    }

    /// The key is of no interest any more. What is under way goes on.
    pub(crate) fn forget(&mut self, key: K) {
        self.waiting.remove(&key);
        if let Some(under_way) = self.under_way.get_mut(&key) {
            under_way.then = Then::Dropped;
        }
    }

    /// The next batch out of what waits, when there is one to send. It has to be given back to `answered`
    /// or `failed`.
    pub(crate) fn take(&mut self, now: Instant) -> Vec<K> {
        let waiting: Vec<K> = self.waiting.keys().copied().collect();
        self.take_of(waiting, now)
    }

    /// The next batch out of these keys, whether they wait or not. Keys that failed before are asked about in
    /// smaller company, so that one that the server cannot bear is alone in the end.
    pub(crate) fn take_of(&mut self, keys: impl IntoIterator<Item = K>, now: Instant) -> Vec<K> {
        let mut batch = Vec::new();
        if !self.has_room(0) {
            return batch;
        }
        let mut limit = self.pace.batch;
        for key in keys {
            if !self.is_ready(key, now) {
                continue;
            }
            let failures = self.waiting.get(&key).map_or(0, |waiting| waiting.failures);
            let bearable = limit.min((self.pace.batch >> failures.min(16)).max(1));
            if batch.len() >= bearable {
                break;
            }
            limit = bearable;
            batch.push(key);
        }
        for key in &batch {
            let waiting = self.waiting.remove(key).unwrap_or_default();
            self.under_way.insert(*key, UnderWay { failures: waiting.failures, then: Then::Settled });
        }
        self.open += usize::from(!batch.is_empty());
        batch
    }

    /// Whether another batch may be sent, with so many left for others.
    pub(crate) fn has_room(&self, spare: usize) -> bool {
        self.open + spare < self.pace.open
    }

    /// Whether a key may be asked about now.
    pub(crate) fn is_ready(&self, key: K, now: Instant) -> bool {
        let pauses = |waiting: &Waiting| waiting.not_before.is_some_and(|moment| moment > now);
        !self.is_under_way(key) && !self.waiting.get(&key).is_some_and(pauses)
    }

    /// A batch was answered. `failed` are keys that the answer excludes.
    pub(crate) fn answered(&mut self, batch: &[K], failed: impl Fn(K) -> bool, now: Instant) {
        self.open = self.open.saturating_sub(1);
        for key in batch {
            match self.under_way.remove(key) {
                None | Some(UnderWay { then: Then::Dropped, .. }) => {}
                Some(UnderWay { failures, .. }) if failed(*key) => self.again(*key, failures + 1, now),
                Some(UnderWay { then: Then::Again, .. }) => {
                    self.waiting.insert(*key, Waiting::default());
                }
                Some(UnderWay { then: Then::Settled, .. }) => {}
            }
        }
    }

    pub(crate) fn failed(&mut self, batch: &[K], failure: Failure, now: Instant) {
        self.open = self.open.saturating_sub(1);
        for key in batch {
            let Some(UnderWay { failures, then }) = self.under_way.remove(key) else { continue };
            match failure {
                _ if then == Then::Dropped => {}
                Failure::Unsent => _ = self.waiting.insert(*key, Waiting { failures, not_before: None }),
                Failure::Trouble => self.again(*key, failures + 1, now),
            }
        }
    }

    /// Pauses are over: there is another connection.
    pub(crate) fn hasten(&mut self) {
        self.waiting.values_mut().for_each(|waiting| waiting.not_before = None);
    }

    pub(crate) fn is_under_way(&self, key: K) -> bool {
        self.under_way.contains_key(&key)
    }

    /// Whether the key waits or is under way.
    pub(crate) fn is_pending(&self, key: K) -> bool {
        self.waiting.contains_key(&key) || self.is_under_way(key)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    /// When a key that has to pause may be asked about.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let moments = self.waiting.values().filter_map(|waiting| waiting.not_before);
        moments.filter(|moment| *moment > now).min()
    }

    fn again(&mut self, key: K, failures: u32, now: Instant) {
        let doublings = failures.saturating_sub(1).saturating_sub(self.pace.quick).min(5);
        let pause = Duration::from_secs(1 << doublings).min(LONGEST_PAUSE);
        self.waiting.insert(key, Waiting { failures, not_before: Some(now + pause) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { batch: 4, open: 2, quick: 0 };

    fn queue(keys: std::ops::Range<u32>) -> Batches<u32> {
        let mut queue = Batches::new(PACE);
        keys.for_each(|key| queue.want(key));
        queue
    }

    #[test]
    fn batches_are_bounded_in_size_and_number() {
        let now = Instant::now();
        let mut queue = queue(0..20);
        assert_eq!(queue.take(now), [0, 1, 2, 3]);
        assert_eq!(queue.take(now), [4, 5, 6, 7]);
        assert!(queue.take(now).is_empty());
        queue.answered(&[0, 1, 2, 3], |_| false, now);
        assert_eq!(queue.take_of(11..20, now), [11, 12, 13, 14]);
    }

    #[test]
    fn what_fails_comes_again_later_in_smaller_company() {
        let start = Instant::now();
        let mut now = start;
        let mut queue = queue(0..4);
        for (size, pause) in [(4, 1), (2, 2), (1, 4), (1, 8), (1, 16), (1, 30), (1, 30)] {
            let batch = queue.take(now);
            assert_eq!(batch.len(), size);
            queue.failed(&batch, Failure::Trouble, now);
            // The others of the same age.
            while let batch = queue.take(now)
                && !batch.is_empty()
            {
                queue.failed(&batch, Failure::Trouble, now);
            }
            let due = queue.due(now);
            assert_eq!(due, Some(now + Duration::from_secs(pause)));
            now += Duration::from_secs(pause);
        }
    }

    #[test]
    fn what_was_never_sent_costs_nothing() {
        let now = Instant::now();
        let mut queue = queue(0..4);
        let batch = queue.take(now);
        queue.failed(&batch, Failure::Unsent, now);
        assert_eq!(queue.take(now), batch);
    }

    #[test]
    fn wanted_while_under_way_is_asked_again() {
        let now = Instant::now();
        let mut queue = queue(0..1);
        let batch = queue.take(now);
        queue.want(0);
        queue.answered(&batch, |_| false, now);
        assert_eq!(queue.take(now), [0]);
        queue.want(0);
        queue.forget(0);
        queue.answered(&batch, |_| false, now);
        assert!(queue.is_idle());
    }
}
