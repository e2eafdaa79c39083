//! What there is to ask about, one question at a time for each key: networks, routers. Pure.
//!
//! What is asked for again while it is being asked is asked once more afterwards, however often; what failed
//! waits, longer each time. Of what may be asked now, the more urgent goes first, then the older.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Whom a question is for, the most urgent first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Urgency {
    /// Somebody changed something just now.
    Event,
    /// Everything is gone through, or something failed before.
    Sync,
}

/// Pauses between tries, doubling from the shortest to the longest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pauses {
    pub(crate) shortest: Duration,
    pub(crate) longest: Duration,
}

impl Pauses {
    /// The pause after so many failures in a row.
    pub(crate) fn after(self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1).min(30));
        self.shortest.saturating_mul(doubled).min(self.longest)
    }
}

/// See the head of this module.
#[derive(Debug)]
pub(crate) struct Queue<K> {
    pauses: Pauses,
    now: BTreeMap<(Urgency, u64), K>,
    later: BTreeSet<(Instant, K)>,
    waiting: BTreeMap<K, Place>,
    asking: BTreeMap<K, Asking>,
    failures: BTreeMap<K, u32>,
    count: u64,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Now(Urgency, u64),
    Later(Instant),
}

#[derive(Clone, Copy, Debug, Default)]
struct Asking {
    again: Option<Urgency>,
    void: bool,
}

impl<K: Ord + Copy> Queue<K> {
    pub(crate) fn new(pauses: Pauses) -> Self {
        Self {
            pauses,
            now: BTreeMap::new(),
            later: BTreeSet::new(),
            waiting: BTreeMap::new(),
            asking: BTreeMap::new(),
            failures: BTreeMap::new(),
            count: 0,
        }
    }

    /// Something is to be asked about `key`. A pause after failures ends.
    pub(crate) fn want(&mut self, key: K, urgency: Urgency) {
        if let Some(asking) = self.asking.get_mut(&key) {
            asking.again = Some(asking.again.map_or(urgency, |again| again.min(urgency)));
            return;
        }
        if let Some(Place::Now(old, _)) = self.waiting.get(&key)
            && *old <= urgency
        {
            return;
        }
        self.drop_waiting(key);
        self.count += 1;
        self.now.insert((urgency, self.count), key);
        self.waiting.insert(key, Place::Now(urgency, self.count));
    }

    /// The next key to ask about; it counts as being asked until [`Queue::answered`].
    pub(crate) fn next(&mut self, now: Instant) -> Option<K> {
        self.end_pauses(now);
        let (_, key) = self.now.pop_first()?;
        self.begin(key)
    }

    /// The same, but only of what cannot wait.
    pub(crate) fn next_event(&mut self, now: Instant) -> Option<K> {
        self.end_pauses(now);
        let first = self.now.first_entry().filter(|first| first.key().0 == Urgency::Event)?;
        let key = first.remove();
        self.begin(key)
    }

    /// The same, but only of what can wait.
    pub(crate) fn next_sync(&mut self, now: Instant) -> Option<K> {
        self.end_pauses(now);
        let place = *self.now.range((Urgency::Sync, 0)..).next()?.0;
        let key = self.now.remove(&place)?;
        self.begin(key)
    }

    fn begin(&mut self, key: K) -> Option<K> {
        self.waiting.remove(&key);
        self.asking.insert(key, Asking::default());
        Some(key)
    }

    fn end_pauses(&mut self, now: Instant) {
        while let Some((moment, key)) = self.later.first().copied()
            && moment <= now
        {
            self.want(key, Urgency::Sync);
        }
    }

    /// An answer came, whichever. False when it is of no interest any more.
    pub(crate) fn answered(&mut self, key: K) -> bool {
        let Some(asking) = self.asking.remove(&key) else { return false };
        if let Some(urgency) = asking.again {
            self.want(key, urgency);
        }
        !asking.void
    }

    /// What was asked about came to nothing: it is asked about again after a pause.
    pub(crate) fn failed(&mut self, key: K, now: Instant) {
        let failures = self.failures.entry(key).or_default();
        *failures = failures.saturating_add(1);
        if self.waiting.contains_key(&key) || self.asking.contains_key(&key) {
            return;
        }
        let moment = now + self.pauses.after(*failures);
        self.later.insert((moment, key));
        self.waiting.insert(key, Place::Later(moment));
    }

    pub(crate) fn succeeded(&mut self, key: K) {
        self.failures.remove(&key);
    }

    /// How often it failed in a row.
    pub(crate) fn failures(&self, key: K) -> u32 {
        self.failures.get(&key).copied().unwrap_or(0)
    }

    /// Nothing is to be asked about `key` any more, and what is on its way does not count.
    pub(crate) fn cancel(&mut self, key: K) {
        self.drop_waiting(key);
        self.failures.remove(&key);
        if let Some(asking) = self.asking.get_mut(&key) {
            *asking = Asking { again: None, void: true };
        }
    }

    pub(crate) fn is_asking(&self, key: K) -> bool {
        self.asking.contains_key(&key)
    }

    pub(crate) fn keys_asking(&self) -> impl Iterator<Item = &K> {
        self.asking.keys()
    }

    pub(crate) fn is_waiting(&self, key: K) -> bool {
        self.waiting.contains_key(&key)
    }

    /// How many are being asked about.
    pub(crate) fn asking(&self) -> usize {
        self.asking.len()
    }

    /// How many wait to be asked about.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// How many could be asked about at once.
    pub(crate) fn ready(&self) -> usize {
        self.now.len()
    }

    /// How many of these cannot wait.
    pub(crate) fn events(&self) -> usize {
        self.now.range(..(Urgency::Sync, 0)).count()
    }

    /// When the next pause ends.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.later.first().map(|(moment, _)| *moment)
    }

    fn drop_waiting(&mut self, key: K) {
        match self.waiting.remove(&key) {
            Some(Place::Now(urgency, count)) => _ = self.now.remove(&(urgency, count)),
            Some(Place::Later(moment)) => _ = self.later.remove(&(moment, key)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue<u8> {
        Queue::new(Pauses { shortest: Duration::from_secs(1), longest: Duration::from_secs(5) })
    }

    #[test]
    fn events_go_first_then_the_older() {
        let (mut queue, now) = (queue(), Instant::now());
        for (key, urgency) in
            [(1, Urgency::Sync), (2, Urgency::Sync), (3, Urgency::Event), (2, Urgency::Event)]
        {
            queue.want(key, urgency);
        }
        queue.want(3, Urgency::Sync);
        let order: Vec<u8> = std::iter::from_fn(|| queue.next(now)).collect();
        assert_eq!(order, [3, 2, 1]);
        assert_eq!((queue.asking(), queue.len()), (3, 0));
    }

    #[test]
    fn what_changes_while_it_is_asked_is_asked_once_more() {
        let (mut queue, now) = (queue(), Instant::now());
        queue.want(1, Urgency::Sync);
        assert_eq!(queue.next(now), Some(1));
        queue.want(1, Urgency::Event);
        queue.want(1, Urgency::Event);
        assert_eq!(queue.next(now), None);
        assert!(queue.answered(1));
        assert_eq!(queue.next(now), Some(1));
        assert!(queue.answered(1));
        assert_eq!((queue.next(now), queue.len()), (None, 0));
    }

    #[test]
    fn pauses_grow_and_end_with_an_event() {
        let (mut queue, mut now) = (queue(), Instant::now());
        queue.want(1, Urgency::Sync);
        for pause in [1, 2, 4, 5, 5] {
            assert_eq!(queue.next(now), Some(1));
            queue.answered(1);
            queue.failed(1, now);
            assert_eq!(queue.due(), Some(now + Duration::from_secs(pause)));
            assert_eq!(queue.next(now), None);
            now += Duration::from_secs(pause);
        }
        assert_eq!(queue.next(now), Some(1));
        queue.answered(1);
        queue.failed(1, now);
        queue.want(1, Urgency::Event);
        assert_eq!((queue.next(now), queue.due()), (Some(1), None));
        queue.answered(1);
        queue.succeeded(1);
        assert_eq!(queue.failures(1), 0);
    }

    #[test]
    fn what_was_cancelled_is_of_no_interest() {
        let (mut queue, now) = (queue(), Instant::now());
        queue.want(1, Urgency::Event);
        queue.want(2, Urgency::Event);
        queue.next(now);
        queue.cancel(1);
        queue.cancel(2);
        assert_eq!(queue.next(now), None);
        assert!(!queue.answered(1));
        assert!(!queue.answered(1));
    }
}
