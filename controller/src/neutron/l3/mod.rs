//! The L3 part of the driver: which routers this node runs, with everything on them, and what became of their
//! floating IPs. To the server it is an L3 agent. Pure.
//!
//! ```text
//!   casts (hear) ──> queue of routers ──> asks ──> answers ──> router (findings) <── forwardings
//!   reports of the engine ──────────────────────────────────────> statuses ──> update_floatingip_statuses
//! ```
//!
//! Casts carry no more than ids; a router is always read, and it is ours if the server gives it. So a
//! removal that comes late takes nothing away. Not here: what a router is made of on a node.

mod answers;
mod asks;
mod forwardings;
mod hear;
mod router;
mod statuses;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use model::{FloatingIpId, HostName, ObjectRef, Role, RouterId};

pub(crate) use self::asks::Ask;
use self::asks::Reason;
use self::forwardings::Forwardings;
use self::router::Known;
use self::statuses::Statuses;
use super::complaints::Complaints;
use super::finding::Finding;
use super::queue::{Pauses, Queue, Urgency};
use super::role::{Event, Machine, Request};
use super::settings::RouterSettings;
use super::topic::Topic;
use super::wire::{l3_casts, port_forwarding};

/// The extension that makes port forwardings.
const PORT_FORWARDING: &str = "port_forwarding";

/// Routers in one call of a reading of all, at most and at least.
const PART: usize = 256;
const SMALLEST_PART: usize = 32;

/// Calls because of events, under way at a time, and routers in one of them.
const CALLS: usize = 4;
const TOGETHER: usize = 32;

/// As many routers may be waiting to be read; beyond that everything is read.
const MOST_WAITING: usize = 4096;

/// See the head of this module.
#[derive(Debug)]
pub(crate) struct L3 {
    host: HostName,
    /// Whether routers without a gateway are run here.
    internal_only: bool,
    port_forwarding: bool,
    open: bool,
    routers: BTreeMap<RouterId, Known>,
    /// Routers that are ours and beyond what this node can do, and why.
    beyond: BTreeMap<RouterId, &'static str>,
    everything: Queue<()>,
    /// Whether the list of all routers was heard.
    listed: bool,
    complete: bool,
    /// Routers of the first list that were not heard yet.
    unsettled: BTreeSet<RouterId>,
    queue: Queue<RouterId>,
    /// Routers in one call.
    part: usize,
    calls: usize,
    is_reading_part: bool,
    /// Heard of since the list was asked for.
    heard_since: BTreeSet<RouterId>,
    forwardings: Forwardings,
    statuses: Statuses,
    /// Floating IPs that the server was told of while routers were being read: what is read may be older.
    told_since: BTreeSet<FloatingIpId>,
    /// Routers with floating IPs whose status is in doubt while the server is being told.
    doubtful: BTreeSet<RouterId>,
    /// Routers with floating IPs that are gone, and maybe at another router.
    departing: BTreeSet<RouterId>,
    findings: Vec<Finding>,
    complaints: Complaints,
}

impl L3 {
    pub(crate) fn new(host: HostName, settings: &RouterSettings) -> Self {
        let shortest = Duration::from_secs(1);
        let longest = settings.periodic_interval.clamp(shortest, Duration::from_secs(30));
        let pauses = Pauses { shortest, longest };
        let mut everything = Queue::new(pauses);
        everything.want((), Urgency::Sync);
        Self {
            host,
            internal_only: settings.handle_internal_only_routers,
            port_forwarding: settings.extensions.iter().any(|extension| extension == PORT_FORWARDING),
            open: false,
            routers: BTreeMap::new(),
            beyond: BTreeMap::new(),
            everything,
            listed: false,
            complete: false,
            unsettled: BTreeSet::new(),
            queue: Queue::new(pauses),
            part: PART,
            calls: 0,
            is_reading_part: false,
            heard_since: BTreeSet::new(),
            forwardings: Forwardings::new(),
            statuses: Statuses::new(),
            told_since: BTreeSet::new(),
            doubtful: BTreeSet::new(),
            departing: BTreeSet::new(),
            findings: Vec::new(),
            complaints: Complaints::default(),
        }
    }

    /// What the machine wants to hear.
    pub(crate) fn topics(settings: &RouterSettings) -> Vec<Topic> {
        let mut topics = vec![
            Topic::both(l3_casts::TOPIC, l3_casts::VERSION, l3_casts::METHODS),
            Topic::fanout(l3_casts::NETWORKS, l3_casts::NETWORKS_VERSION, l3_casts::NETWORKS_METHODS),
        ];
        if settings.extensions.iter().any(|extension| extension == PORT_FORWARDING) {
            let version = port_forwarding::PUSH_VERSION;
            topics.push(Topic::fanout(port_forwarding::TOPIC, version, port_forwarding::METHODS));
        }
        topics
    }

    /// Routers that the server gives to this node and that it cannot run.
    #[cfg(test)]
    pub(crate) fn left_alone(&self) -> impl Iterator<Item = RouterId> {
        self.beyond.keys().copied()
    }

    /// Everything is asked for again; what is on its way is too old to take anything away.
    fn resync(&mut self) {
        self.everything.cancel(());
        self.everything.want((), Urgency::Sync);
        let reading: Vec<RouterId> = self.queue.keys_asking().copied().collect();
        reading.into_iter().for_each(|router| self.queue.want(router, Urgency::Sync));
    }

    fn is_known(&self, router: RouterId) -> bool {
        self.routers.contains_key(&router) || self.beyond.contains_key(&router)
    }

    /// A router is to be read.
    fn read(&mut self, router: RouterId) {
        if !self.is_known(router) && self.queue.len() >= MOST_WAITING {
            return self.everything.want((), Urgency::Sync);
        }
        if self.everything.asking() > 0 {
            self.heard_since.insert(router);
        }
        self.queue.want(router, Urgency::Event);
    }

    fn not_beyond(&mut self, router: RouterId) {
        if self.beyond.remove(&router).is_some() {
            self.findings.push(Finding::LeftAlone(ObjectRef::Router(router), false));
        }
    }

    /// The router is not ours any more.
    fn leave(&mut self, router: RouterId) {
        self.not_beyond(router);
        self.statuses.forget(router);
        let Some(known) = self.routers.remove(&router) else { return };
        self.forwardings.need(router, &known.forwarded, &BTreeSet::new(), Urgency::Sync);
        known.withdraw(&mut self.findings);
    }

    /// Tells the node of a router, once everything of it is known.
    fn find(&mut self, router: RouterId) {
        let Some(known) = self.routers.get_mut(&router) else { return };
        if let Some(rules) = self.forwardings.of(&known.forwarded) {
            known.find(rules, &mut self.findings);
        }
        self.tell(router);
    }

    fn ask_for_routers(&mut self, now: Instant) -> Vec<Ask> {
        let mut asks = Vec::new();
        while self.calls < CALLS {
            let share = self.queue.events().div_ceil(CALLS - self.calls).clamp(1, TOGETHER);
            let routers: Vec<_> = std::iter::from_fn(|| self.queue.next_event(now)).take(share).collect();
            if routers.is_empty() {
                break;
            }
            self.calls += 1;
            asks.push(Ask::Routers(routers, Reason::Event));
        }
        if !self.is_reading_part {
            let routers: Vec<_> = std::iter::from_fn(|| self.queue.next_sync(now)).take(self.part).collect();
            self.is_reading_part = !routers.is_empty();
            asks.extend((!routers.is_empty()).then_some(Ask::Routers(routers, Reason::Part)));
        }
        asks
    }

    /// Whether of every router of the first list all was heard that can be heard now.
    fn settle(&mut self) {
        if self.complete || !self.listed {
            return;
        }
        let queue = &self.queue;
        self.unsettled
            .retain(|id| (queue.is_waiting(*id) || queue.is_asking(*id)) && queue.failures(*id) == 0);
        if self.unsettled.is_empty() && self.routers.values().all(Known::is_found) {
            self.complete = true;
            self.findings.push(Finding::Complete(Role::L3, true));
        }
    }
}

impl Machine for L3 {
    type Ask = Ask;

    fn request(&self, ask: &Ask) -> Request {
        ask.request(&self.host)
    }

    fn hear(&mut self, event: Event<'_, Ask>, now: Instant) {
        match event {
            Event::Gap => self.resync(),
            Event::Open => self.open = true,
            Event::Closed => self.open = false,
            Event::Message(message) => self.message(message),
            Event::Answer(ask, answer) => self.answer(ask, answer, now),
            Event::Report(report) => self.report(report),
            Event::OwnPort(..) | Event::Switch(_) | Event::Tick => {}
        }
    }

    fn asks(&mut self, now: Instant) -> Vec<Ask> {
        if !self.open {
            return Vec::new();
        }
        let mut asks = Vec::new();
        if self.everything.next(now).is_some() {
            self.heard_since.clear();
            asks.push(Ask::Ids);
        }
        asks.extend(self.ask_for_routers(now));
        asks.extend(self.forwardings.take(now).map(Ask::Forwardings));
        let statuses = std::iter::from_fn(|| self.statuses.take(now));
        asks.extend(statuses.map(|(router, statuses)| Ask::Statuses(router, statuses)));
        asks
    }

    fn findings(&mut self) -> Vec<Finding> {
        self.settle();
        std::mem::take(&mut self.findings)
    }

    fn complaints(&mut self) -> Vec<String> {
        self.complaints.take()
    }

    fn due(&self) -> Option<Instant> {
        if !self.open {
            return None;
        }
        let routers = self.queue.due().filter(|_| !self.is_reading_part);
        let parts = [self.everything.due(), routers, self.forwardings.due(), self.statuses.due()];
        parts.into_iter().flatten().min()
    }
}
