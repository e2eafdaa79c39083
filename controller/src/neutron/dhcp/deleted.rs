//! Ports that are gone for good. What still arrives about them was sent before, or read before. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use model::PortId;

/// As long as a message could wait in a queue that nobody empties.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

const MOST: usize = 65_536;

#[derive(Debug, Default)]
pub(super) struct Deleted {
    since: BTreeMap<PortId, Instant>,
    order: VecDeque<(Instant, PortId)>,
}

impl Deleted {
    pub(super) fn add(&mut self, port: PortId, now: Instant) {
        self.forget_old(now);
        if self.since.insert(port, now).is_none() {
            self.order.push_back((now, port));
        }
    }

    pub(super) fn has(&self, port: PortId) -> bool {
        self.since.contains_key(&port)
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((since, port)) = self.order.front().copied()
            && (self.order.len() >= MOST || now.duration_since(since) > REMEMBERED)
        {
            self.order.pop_front();
            self.since.remove(&port);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn port(number: usize) -> PortId {
        PortId(Uuid::from_u128(number as u128))
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let (mut deleted, now) = (Deleted::default(), Instant::now());
        (0..=MOST).for_each(|number| deleted.add(port(number), now));
        assert!(!deleted.has(port(0)) && deleted.has(port(MOST)));
        deleted.add(port(1), now + REMEMBERED + Duration::from_secs(1));
        assert_eq!(deleted.order.len(), 1);
    }
}
