//! What is gone. What still arrives about it was sent before, or read before. Pure.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// As long as a message could wait in a queue that nobody empties.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

const MOST: usize = 65_536;

#[derive(Debug)]
pub(super) struct Deleted<K> {
    all: BTreeSet<K>,
    order: VecDeque<(Instant, K)>,
}

impl<K: Ord + Copy> Deleted<K> {
    pub(super) fn new() -> Self {
        Self { all: BTreeSet::new(), order: VecDeque::new() }
    }

    pub(super) fn add(&mut self, key: K, now: Instant) {
        self.forget_old(now);
        if self.all.insert(key) {
            self.order.push_back((now, key));
        }
    }

    /// It is there again.
    pub(super) fn remove(&mut self, key: K) {
        if self.all.remove(&key) {
            self.order.retain(|(_, other)| *other != key);
        }
    }

    pub(super) fn has(&self, key: K) -> bool {
        self.all.contains(&key)
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((since, key)) = self.order.front().copied()
            && (self.order.len() >= MOST || now.duration_since(since) > REMEMBERED)
        {
            self.order.pop_front();
            self.all.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use model::PortId;
    use uuid::Uuid;

    use super::*;

    fn port(number: usize) -> PortId {
        PortId(Uuid::from_u128(number as u128))
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let (mut deleted, now) = (Deleted::new(), Instant::now());
        (0..=MOST).for_each(|number| deleted.add(port(number), now));
        assert!(!deleted.has(port(0)) && deleted.has(port(MOST)));
        deleted.add(port(1), now + REMEMBERED + Duration::from_secs(1));
        assert_eq!(deleted.order.len(), 1);
    }
}
