//! Keys that the server has to be asked about, in batches: what is waiting, what is under way, and when
//! what failed is tried again. Knows nothing of what is asked.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The longest pause before another try.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How a queue is worked off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Most keys of one batch.
    pub(super) batch: usize,
    /// Most batches under way.
    pub(super) open: usize,
    /// How often a key is tried again after a second, before the pauses begin to grow.
    pub(super) quick: u32,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Queue<K> {
    pace: Pace,
    waiting: BTreeMap<K, Waiting>,
    /// Under way, with the failures before, and whether it has to be asked again when the answer is there.
    under_way: BTreeMap<K, (u32, bool)>,
    open: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    failures: u32,
    not_before: Option<Instant>,
}

/// Why a batch came to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// The question never arrived: nothing is wrong with it.
    Unsent,
    /// It may be too large, or one of its keys may be more than the server can bear.
    Trouble,
}

impl<K: Ord + Copy> Queue<K> {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, waiting: BTreeMap::new(), under_way: BTreeMap::new(), open: 0 }
    }

    /// Asks about a key; if that is under way, once more.
    pub(super) fn want(&mut self, key: K) {
        match self.under_way.get_mut(&key) {
            Some((_, again)) => *again = true,
            None => _ = self.waiting.entry(key).or_default(),
        }
    }

    /// The key is of no interest any more. What is under way goes on.
    pub(super) fn forget(&mut self, key: K) {
        self.waiting.remove(&key);
        if let Some((_, again)) = self.under_way.get_mut(&key) {
            *again = false;
        }
    }

    /// The next batch, when there is one to send. It has to be given back to `answered` or `failed`.
    /// Keys that failed before are asked about in smaller company, so that one that the server cannot bear is
    /// alone in the end.
    pub(super) fn take(&mut self, now: Instant, may: impl Fn(K) -> bool) -> Vec<K> {
        let mut batch = Vec::new();
        if self.open >= self.pace.open {
            return batch;
        }
        let mut limit = self.pace.batch;
        for (key, waiting) in &self.waiting {
            if waiting.not_before.is_some_and(|moment| moment > now) || !may(*key) {
                continue;
            }
            let bearable = (self.pace.batch >> waiting.failures.min(16)).max(1);
            if batch.len() >= limit.min(bearable) {
                break;
            }
            limit = limit.min(bearable);
            batch.push(*key);
        }
        for key in &batch {
            let waiting = self.waiting.remove(key).unwrap_or_default();
            self.under_way.insert(*key, (waiting.failures, false));
        }
        self.open += usize::from(!batch.is_empty());
        batch
    }

    /// A batch was answered. `failed` are keys that the answer excludes.
    pub(super) fn answered(&mut self, batch: &[K], failed: impl Fn(K) -> bool, now: Instant) {
        self.open = self.open.saturating_sub(1);
        for key in batch {
            let Some((failures, again)) = self.under_way.remove(key) else { continue };
            if failed(*key) {
                self.again(*key, failures + 1, now);
            } else if again {
                self.waiting.insert(*key, Waiting::default());
            }
        }
    }

    pub(super) fn failed(&mut self, batch: &[K], failure: Failure, now: Instant) {
        self.open = self.open.saturating_sub(1);
        for key in batch {
            let Some((failures, _)) = self.under_way.remove(key) else { continue };
            match failure {
                Failure::Unsent => _ = self.waiting.insert(*key, Waiting { failures, not_before: None }),
                Failure::Trouble => self.again(*key, failures + 1, now),
            }
        }
    }

    /// Pauses are over: there is another connection.
    pub(super) fn hasten(&mut self) {
        self.waiting.values_mut().for_each(|waiting| waiting.not_before = None);
    }

    pub(super) fn is_under_way(&self, key: K) -> bool {
        self.under_way.contains_key(&key)
    }

    pub(super) fn is_waiting(&self, key: K) -> bool {
        self.waiting.contains_key(&key)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = K> {
        self.waiting.keys().copied()
    }

    /// When a key that has to pause may be asked about.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
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

    fn queue(keys: std::ops::Range<u32>) -> Queue<u32> {
        let mut queue = Queue::new(PACE);
        keys.for_each(|key| queue.want(key));
        queue
    }

    #[test]
    fn batches_are_bounded_in_size_and_number() {
        let now = Instant::now();
        let mut queue = queue(0..20);
        assert_eq!(queue.take(now, |_| true), [0, 1, 2, 3]);
        assert_eq!(queue.take(now, |_| true), [4, 5, 6, 7]);
        assert_eq!(queue.take(now, |_| true), []);
        queue.answered(&[0, 1, 2, 3], |_| false, now);
        assert_eq!(queue.take(now, |key| key > 10), [11, 12, 13, 14]);
    }

    #[test]
    fn what_fails_comes_again_later_in_smaller_company() {
        let start = Instant::now();
        let mut now = start;
        let mut queue = queue(0..4);
        for (size, pause) in [(4, 1), (2, 2), (1, 4), (1, 8), (1, 16), (1, 30), (1, 30)] {
            let batch = queue.take(now, |_| true);
            assert_eq!(batch.len(), size);
            queue.failed(&batch, Failure::Trouble, now);
            // The others of the same age.
            while let batch = queue.take(now, |_| true)
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
        let batch = queue.take(now, |_| true);
        queue.failed(&batch, Failure::Unsent, now);
        assert_eq!(queue.take(now, |_| true), batch);
    }

    #[test]
    fn wanted_while_under_way_is_asked_again() {
        let now = Instant::now();
        let mut queue = queue(0..1);
        let batch = queue.take(now, |_| true);
        queue.want(0);
        queue.answered(&batch, |_| false, now);
        assert_eq!(queue.take(now, |_| true), [0]);
        queue.want(0);
        queue.forget(0);
        queue.answered(&batch, |_| false, now);
        assert!(queue.is_idle());
    }
}
