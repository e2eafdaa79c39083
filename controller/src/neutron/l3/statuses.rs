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
    /// Routers that wait until the server was told the same floating IP's status of another.
    behind: Vec<RouterId>,
}

impl Statuses {
    pub(super) fn new() -> Self {
        let queue = Queue::new(PAUSES);
        Self { untold: BTreeMap::new(), telling: BTreeMap::new(), queue, behind: Vec::new() }
    }

    pub(super) fn tell(&mut self, router: RouterId, statuses: BTreeMap<FloatingIpId, Status>) {
        if !statuses.is_empty() {
            self.untold.entry(router).or_default().extend(statuses);
            self.queue.want(router, Urgency::Event);
        }
    }

    /// Whether the server is being told, or will be, of a floating IP.
    pub(super) fn is_busy(&self, floating_ip: FloatingIpId) -> bool {
        let mut all = self.untold.values().chain(self.telling.values());
        all.any(|statuses| statuses.contains_key(&floating_ip))
    }

    /// Of what was not told of a router yet, only this is of interest still.
    pub(super) fn retain(&mut self, router: RouterId, keep: impl Fn(FloatingIpId, Status) -> bool) {
        if let Some(untold) = self.untold.get_mut(&router) {
            untold.retain(|id, status| keep(*id, *status));
            if untold.is_empty() {
                self.untold.remove(&router);
            }
        }
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
            let Some(statuses) = self.untold.remove(&router) else {
                self.queue.answered(router);
                continue;
            };
            // Of two calls under way nobody knows which one the server carries out first.
            if statuses.keys().any(|id| self.telling.values().any(|other| other.contains_key(id))) {
                self.untold.insert(router, statuses);
                self.queue.answered(router);
                self.behind.push(router);
                continue;
            }
            self.telling.insert(router, statuses.clone());
            return Some((router, statuses));
        }
        None
    }

    pub(super) fn answered(&mut self, router: RouterId, good: bool, now: Instant) {
        let told = self.telling.remove(&router).unwrap_or_default();
        for router in std::mem::take(&mut self.behind) {
            self.queue.want(router, Urgency::Event);
        }
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
