//! Telling the server on which ports guests can get their addresses. It keeps a port from becoming active
//! until it is told, so the first is told at once, and many go together. Pure.

use std::time::{Duration, Instant};

use model::PortId;

use crate::neutron::queue::{Pauses, Queue, Urgency};

/// As many ports as the server likes in one call.
const TOGETHER: usize = 64;

/// Between two calls that are not full.
const PAUSE: Duration = Duration::from_millis(200);

/// Calls under way at a time.
const CALLS: usize = 2;

/// Pauses after a call that failed.
const PAUSES: Pauses = Pauses { shortest: Duration::from_secs(1), longest: Duration::from_secs(30) };

#[derive(Debug)]
pub(super) struct Ready {
    queue: Queue<PortId>,
    calls: usize,
    next: Option<Instant>,
}

impl Ready {
    pub(super) fn new() -> Self {
        Self { queue: Queue::new(PAUSES), calls: 0, next: None }
    }

    pub(super) fn add(&mut self, port: PortId, urgency: Urgency) {
        self.queue.want(port, urgency);
    }

    /// The port is gone.
    pub(super) fn drop(&mut self, port: PortId) {
        self.queue.cancel(port);
    }

    /// The ports of the next call, when it is time for one.
    pub(super) fn take(&mut self, now: Instant) -> Option<Vec<PortId>> {
        if self.calls >= CALLS || self.next.is_some_and(|next| next > now) {
            return None;
        }
        let ports: Vec<PortId> = std::iter::from_fn(|| self.queue.next(now)).take(TOGETHER).collect();
        if ports.is_empty() {
            return None;
        }
        self.calls += 1;
        self.next = (ports.len() < TOGETHER).then(|| now + PAUSE);
        Some(ports)
    }

    pub(super) fn answered(&mut self, ports: &[PortId], good: bool, now: Instant) {
        self.calls = self.calls.saturating_sub(1);
        for port in ports {
            let counts = self.queue.answered(*port);
            if good {
                self.queue.succeeded(*port);
            } else if counts {
                self.queue.failed(*port, now);
            }
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        if self.calls >= CALLS {
            return None;
        }
        let wanted = if self.queue.ready() > 0 { self.next } else { self.queue.due() };
        wanted.map(|moment| self.next.map_or(moment, |next| next.max(moment)))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn port(number: u128) -> PortId {
        PortId(Uuid::from_u128(number))
    }

    #[test]
    fn the_first_goes_at_once_and_those_of_events_before_others() {
        let (mut ready, now) = (Ready::new(), Instant::now());
        ready.add(port(1), Urgency::Event);
        assert_eq!(ready.take(now), Some(vec![port(1)]));
        (10..100).for_each(|number| ready.add(port(number), Urgency::Sync));
        ready.add(port(5), Urgency::Event);
        assert_eq!((ready.take(now), ready.due()), (None, Some(now + PAUSE)));
        let full = ready.take(now + PAUSE).unwrap();
        assert_eq!((full.len(), full[0]), (TOGETHER, port(5)));
        // A call is still under way, but what is left need not wait longer than for that.
        assert_eq!(ready.take(now + PAUSE), None);
        ready.answered(&[port(1)], true, now + PAUSE);
        assert_eq!(ready.take(now + PAUSE).unwrap().len(), 91 - TOGETHER);
    }

    #[test]
    fn what_was_not_taken_is_told_again() {
        let (mut ready, now) = (Ready::new(), Instant::now());
        ready.add(port(1), Urgency::Event);
        let ports = ready.take(now).unwrap();
        ready.answered(&ports, false, now);
        assert_eq!(ready.take(now + PAUSE), None);
        let later = ready.due().unwrap();
        assert_eq!(later, now + Duration::from_secs(1));
        assert_eq!(ready.take(later), Some(ports));
    }
}
