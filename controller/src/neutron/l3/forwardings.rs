//! The port forwardings of floating IPs: pulled when a router is read, and kept up by pushes. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use model::{FloatingIpId, PortForwardingId, RouterId, RouterPortForwarding};

use crate::neutron::queue::{Pauses, Queue, Urgency};
use crate::neutron::wire::port_forwarding::{Forwarding, Push};

/// Floating IPs in one pull.
const TOGETHER: usize = 256;

/// After so many refusals a floating IP is taken to have none.
const REFUSALS: u32 = 3;

const PAUSES: Pauses = Pauses { shortest: Duration::from_secs(1), longest: Duration::from_secs(30) };

#[derive(Debug)]
pub(super) struct Forwardings {
    /// Whose they are: only those of routers of ours are kept.
    routers: BTreeMap<FloatingIpId, RouterId>,
    known: BTreeMap<FloatingIpId, BTreeMap<PortForwardingId, Forwarding>>,
    queue: Queue<FloatingIpId>,
    pulling: bool,
}

impl Forwardings {
    pub(super) fn new() -> Self {
        Self { routers: BTreeMap::new(), known: BTreeMap::new(), queue: Queue::new(PAUSES), pulling: false }
    }

    /// A router was read that has these floating IPs; `old` are those that it had.
    pub(super) fn need(
        &mut self,
        router: RouterId,
        old: &BTreeSet<FloatingIpId>,
        new: &BTreeSet<FloatingIpId>,
        urgency: Urgency,
    ) {
        for floating_ip in old.difference(new) {
            if self.routers.get(floating_ip) == Some(&router) {
                self.routers.remove(floating_ip);
                self.known.remove(floating_ip);
                self.queue.cancel(*floating_ip);
            }
        }
        for floating_ip in new {
            self.routers.insert(*floating_ip, router);
            self.queue.want(*floating_ip, urgency);
        }
    }

    /// The forwardings of these floating IPs; nothing while some were never heard.
    pub(super) fn of(&self, floating_ips: &BTreeSet<FloatingIpId>) -> Option<Vec<RouterPortForwarding>> {
        let all: Option<Vec<_>> = floating_ips.iter().map(|id| self.known.get(id)).collect();
        let rules = all?.into_iter().flat_map(BTreeMap::values).map(|forwarding| forwarding.rule.clone());
        Some(rules.collect())
    }

    /// The floating IPs of the next pull, when it is time for one.
    pub(super) fn take(&mut self, now: Instant) -> Option<Vec<FloatingIpId>> {
        if self.pulling {
            return None;
        }
        let floating_ips: Vec<_> = std::iter::from_fn(|| self.queue.next(now)).take(TOGETHER).collect();
        self.pulling = !floating_ips.is_empty();
        self.pulling.then_some(floating_ips)
    }

    /// What a pull of these gave. The routers that it concerns.
    pub(super) fn pulled(&mut self, asked: &[FloatingIpId], push: Push) -> BTreeSet<RouterId> {
        self.pulling = false;
        let mut all: BTreeMap<FloatingIpId, BTreeMap<_, _>> = BTreeMap::new();
        for forwarding in push.forwardings {
            all.entry(forwarding.floating_ip).or_default().insert(forwarding.rule.id, forwarding);
        }
        let mut routers = BTreeSet::new();
        for floating_ip in asked {
            if !self.queue.answered(*floating_ip) {
                continue;
            }
            self.queue.succeeded(*floating_ip);
            let Some(router) = self.routers.get(floating_ip) else { continue };
            // What is there and was not understood stays as it was.
            let keep = push.unread.contains(floating_ip) && self.known.contains_key(floating_ip);
            if !keep {
                self.known.insert(*floating_ip, all.remove(floating_ip).unwrap_or_default());
            }
            routers.insert(*router);
        }
        routers
    }

    /// A pull of these failed. The routers that need not wait any longer.
    pub(super) fn failed(
        &mut self,
        asked: &[FloatingIpId],
        refused: bool,
        now: Instant,
    ) -> BTreeSet<RouterId> {
        self.pulling = false;
        let mut routers = BTreeSet::new();
        for floating_ip in asked {
            if !self.queue.answered(*floating_ip) {
                continue;
            }
            self.queue.failed(*floating_ip, now);
            let given_up = refused && self.queue.failures(*floating_ip) >= REFUSALS;
            if given_up && !self.known.contains_key(floating_ip) {
                self.known.insert(*floating_ip, BTreeMap::new());
                routers.extend(self.routers.get(floating_ip));
            }
        }
        routers
    }

    /// What was pushed. The routers that it concerns, and those that are to be read: which floating IPs have
    /// forwardings is only said by their router.
    pub(super) fn pushed(&mut self, push: Push) -> (BTreeSet<RouterId>, BTreeSet<RouterId>) {
        let (mut routers, mut to_read) = (BTreeSet::new(), BTreeSet::new());
        for forwarding in push.forwardings {
            let floating_ip = forwarding.floating_ip;
            let Some(router) = self.routers.get(&floating_ip) else {
                to_read.extend(forwarding.router.filter(|_| !push.gone));
                continue;
            };
            if self.queue.is_asking(floating_ip) {
                // What is on its way may be older.
                self.queue.want(floating_ip, Urgency::Event);
            }
            let Some(known) = self.known.get_mut(&floating_ip) else { continue };
            match known.get_mut(&forwarding.rule.id) {
                _ if push.gone => {
                    if known.remove(&forwarding.rule.id).is_some() {
                        routers.insert(*router);
                    }
                    if known.is_empty() {
                        to_read.insert(*router);
                    }
                }
                Some(old) if old.revision <= forwarding.revision => {
                    *old = forwarding;
                    routers.insert(*router);
                }
                Some(_) => {}
                // New, or deleted since: the server knows.
                None => self.queue.want(floating_ip, Urgency::Event),
            }
        }
        for floating_ip in push.unread {
            if self.routers.contains_key(&floating_ip) {
                self.queue.want(floating_ip, Urgency::Event);
            }
        }
        (routers, to_read)
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.queue.due().filter(|_| !self.pulling)
    }
}
