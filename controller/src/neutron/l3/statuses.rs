//! What the server has yet to be told of floating IPs. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use model::{FloatingIpId, RouterId};

use crate::neutron::queue::{Pauses, Queue, Urgency};
use crate::neutron::wire::l3_calls::Status;

/// Calls under way at a time.
const CALLS: usize = 4;

/// So often the server is told.
const TRIES: u32 = 10;

const PAUSES: Pauses = Pauses { shortest: Duration::from_secs(1), longest: Duration::from_secs(30) };

#[derive(Debug)]
pub(super) struct Statuses {
    untold: BTreeMap<RouterId, BTreeMap<FloatingIpId, Status>>,
    telling: BTreeMap<RouterId, BTreeMap<FloatingIpId, Status>>,
    queue: Queue<RouterId>,
}

impl Statuses {
    pub(super) fn new() -> Self {
        Self { untold: BTreeMap::new(), telling: BTreeMap::new(), queue: Queue::new(PAUSES) }
    }

    pub(super) fn tell(&mut self, router: RouterId, statuses: BTreeMap<FloatingIpId, Status>) {
        if !statuses.is_empty() {
            self.untold.entry(router).or_default().extend(statuses);
            self.queue.want(router, Urgency::Event);
        }
    }

    /// Whether the server is being told, or will be, of a floating IP of a router.
    pub(super) fn is_busy(&self, router: RouterId, floating_ip: FloatingIpId) -> bool {
        let all = [&self.untold, &self.telling].into_iter().filter_map(|all| all.get(&router));
        all.into_iter().any(|statuses| statuses.contains_key(&floating_ip))
    }

    /// What was not told of a router yet is of no interest any more.
    pub(super) fn forget(&mut self, router: RouterId) {
        self.untold.remove(&router);
        self.queue.cancel(router);
    }

    /// What to tell next.
    pub(super) fn take(&mut self, now: Instant) -> Option<(RouterId, BTreeMap<FloatingIpId, Status>)> {
        while self.queue.asking() < CALLS {
            let router = self.queue.next(now)?;
            if let Some(statuses) = self.untold.remove(&router) {
                self.telling.insert(router, statuses.clone());
                return Some((router, statuses));
            }
            self.queue.answered(router);
        }
        None
    }

    pub(super) fn answered(&mut self, router: RouterId, good: bool, now: Instant) {
        let told = self.telling.remove(&router).unwrap_or_default();
        if !self.queue.answered(router) {
            return;
        }
        if good || self.queue.failures(router) >= TRIES {
            self.queue.succeeded(router);
            return;
        }
        // What was decided since is newer.
        let untold = self.untold.entry(router).or_default();
        for (floating_ip, status) in told {
            untold.entry(floating_ip).or_insert(status);
        }
        self.queue.failed(router, now);
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.queue.due().filter(|_| self.queue.asking() < CALLS)
    }
}
