//! The DHCP part of the driver: which networks this node serves, with which port of its own, and when the
//! server may let guests go. To the server it is a DHCP agent. Pure.
//!
//! ```text
//!   casts (hear) ──> queue of networks ──> asks ──> answers ──> network (findings, next step of our port)
//!   reports of the engine (tell) ──────────────────────────────> ready ──> dhcp_ready_on_ports
//! ```
//!
//! A port in an event is taken as it is when it is newer than what is known: that is what makes it quick.
//! Everything else is a reason to read its network again. Not here: what a guest is told.

mod answers;
mod asks;
mod deleted;
mod hear;
mod network;
mod ready;
mod tell;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use imbl::{OrdMap, OrdSet};
use model::{HostName, NetworkId, ObjectRef, PortId, Role};
use uuid::Uuid;

pub(crate) use self::asks::Ask;
use self::deleted::Deleted;
use self::network::Known;
use self::ready::Ready;
use super::complaints::Complaints;
use super::finding::Finding;
use super::queue::{Pauses, Queue, Urgency};
use super::role::{Event, Machine, Request};
use super::settings::DhcpSettings;
use super::topic::Topic;
use super::wire::dhcp_casts;

/// As many networks may be waiting to be read; beyond that everything is read at once.
const MOST_WAITING: usize = 4096;

/// See the head of this module.
#[derive(Debug)]
pub(crate) struct Dhcp {
    host: HostName,
    /// What the `device_id` of our ports begins with, the same on every start of this node.
    service: String,
    parallel: usize,
    open: bool,
    networks: BTreeMap<NetworkId, Known>,
    homes: BTreeMap<PortId, NetworkId>,
    everything: Queue<()>,
    /// Whether the list of all networks was heard.
    listed: bool,
    complete: bool,
    /// Networks of the first list of which not all was heard yet.
    unsettled: BTreeSet<NetworkId>,
    /// Networks that are ours and of which too little was ever understood to serve them: what exists of them, from a
    /// process before this one, is not to be taken for stale.
    alone: BTreeSet<NetworkId>,
    queue: Queue<NetworkId>,
    /// To be read, before anything else is done about them.
    outdated: BTreeSet<NetworkId>,
    /// Those on which a port of ours is to be given back.
    releases: BTreeSet<NetworkId>,
    /// Asked about since everything was asked for: these answers are newer.
    asked_since: BTreeSet<NetworkId>,
    /// Given to this node, and taken from it, since everything was asked for.
    given_since: BTreeSet<NetworkId>,
    taken_since: BTreeSet<NetworkId>,
    /// Ports that are gone for good.
    deleted: Deleted<PortId>,
    /// Networks that were ours and are not, until they are given to us again.
    taken: Deleted<NetworkId>,
    ready: Ready,
    /// Ports and networks of which the engine should have reported by then.
    late_ports: BTreeSet<(Instant, PortId)>,
    late_networks: BTreeSet<(Instant, NetworkId)>,
    plugged: Option<OrdMap<PortId, OrdSet<Uuid>>>,
    findings: Vec<Finding>,
    complaints: Complaints,
}

impl Dhcp {
    pub(crate) fn new(host: HostName, settings: &DhcpSettings) -> Self {
        let throttle = settings.resync_throttle.max(Duration::from_millis(100));
        let pauses = Pauses { shortest: throttle, longest: settings.resync_interval.max(throttle) };
        let short = host.0.split('.').next().unwrap_or_default();
        let service = format!("dhcp{}-", Uuid::new_v5(&Uuid::NAMESPACE_DNS, short.as_bytes()));
        let mut everything = Queue::new(pauses);
        everything.want((), Urgency::Sync);
        Self {
            host,
            service,
            parallel: settings.parallel.max(1),
            open: false,
            networks: BTreeMap::new(),
            homes: BTreeMap::new(),
            everything,
            listed: false,
            complete: false,
            unsettled: BTreeSet::new(),
            alone: BTreeSet::new(),
            queue: Queue::new(pauses),
            outdated: BTreeSet::new(),
            releases: BTreeSet::new(),
            asked_since: BTreeSet::new(),
            given_since: BTreeSet::new(),
            taken_since: BTreeSet::new(),
            deleted: Deleted::new(),
            taken: Deleted::new(),
            ready: Ready::new(),
            late_ports: BTreeSet::new(),
            late_networks: BTreeSet::new(),
            plugged: None,
            findings: Vec::new(),
            complaints: Complaints::default(),
        }
    }

    /// What the machine wants to hear.
    pub(crate) fn topics() -> Vec<Topic> {
        vec![Topic::both(dhcp_casts::TOPIC, dhcp_casts::VERSION, dhcp_casts::METHODS)]
    }

    fn device(&self, network: NetworkId) -> String {
        format!("{}{network}", self.service)
    }

    /// Everything is asked for again; what is on its way is too old.
    fn resync(&mut self) {
        self.everything.cancel(());
        self.everything.want((), Urgency::Sync);
    }

    /// A network is to be read.
    fn read(&mut self, network: NetworkId, urgency: Urgency) {
        if !self.networks.contains_key(&network) && self.queue.len() >= MOST_WAITING {
            return self.everything.want((), Urgency::Sync);
        }
        if let Some(known) = self.networks.get_mut(&network) {
            known.stuck = false;
        }
        self.outdated.insert(network);
        self.queue.want(network, urgency);
    }

    /// A network is to be read after a pause: something went wrong.
    fn read_later(&mut self, network: NetworkId, now: Instant) {
        self.outdated.insert(network);
        self.queue.failed(network, now);
    }

    /// The network is not ours any more. `release`: our port may still be there.
    fn leave(&mut self, network: NetworkId, release: bool, now: Instant) {
        self.disregard(network);
        self.leave_alone(network, false);
        let Some(mut known) = self.networks.remove(&network) else { return };
        self.taken.add(network, now);
        let had_own = known.own().is_some() || known.in_doubt;
        self.forget_ports(known.ports().collect());
        known.withdraw(&mut self.findings);
        if release && had_own {
            self.releases.insert(network);
            self.queue.want(network, Urgency::Sync);
        } else {
            self.releases.remove(&network);
        }
    }

    /// One that is served goes on as it was understood.
    fn leave_alone(&mut self, network: NetworkId, alone: bool) {
        let alone = alone && !self.networks.get(&network).is_some_and(Known::is_served);
        let is_news = if alone { self.alone.insert(network) } else { self.alone.remove(&network) };
        if is_news {
            self.findings.push(Finding::LeftAlone(ObjectRef::Network(network), alone));
        }
    }

    fn forget_ports(&mut self, ports: Vec<PortId>) {
        for port in ports {
            self.homes.remove(&port);
            self.ready.drop(port);
        }
    }

    /// The list of all networks covers what was heard before of networks that are not known.
    fn begin_everything(&mut self) {
        self.asked_since.clear();
        self.given_since.clear();
        self.taken_since.clear();
        let unknown = |id: &&NetworkId| !self.networks.contains_key(id) && !self.queue.is_asking(**id);
        let covered: Vec<NetworkId> = self.outdated.iter().filter(unknown).copied().collect();
        covered.into_iter().for_each(|network| self.disregard(network));
    }

    /// What was heard of a network, or is being asked, does not count.
    fn disregard(&mut self, network: NetworkId) {
        self.outdated.remove(&network);
        self.queue.cancel(network);
        if self.releases.contains(&network) {
            self.queue.want(network, Urgency::Sync);
        }
    }

    /// The next thing to ask about a network.
    fn next_ask(&mut self, network: NetworkId) -> Option<Ask> {
        if self.outdated.remove(&network) {
            if self.everything.asking() > 0 {
                self.asked_since.insert(network);
            }
            return Some(Ask::Network(network));
        }
        let known = self.networks.get(&network).filter(|known| known.is_served());
        match known {
            Some(known) => known.next_step().map(|step| Ask::Own(network, step)),
            None => self.releases.contains(&network).then_some(Ask::Release(network)),
        }
    }

    fn ask_of_networks(&mut self, now: Instant) -> Vec<Ask> {
        let mut asks = Vec::new();
        loop {
            let asking = self.queue.asking();
            let next = if asking < self.parallel {
                self.queue.next(now)
            } else if asking < self.parallel * 2 {
                self.queue.next_event(now)
            } else {
                None
            };
            let Some(network) = next else { return asks };
            match self.next_ask(network) {
                Some(ask) => asks.push(ask),
                None => _ = self.queue.answered(network),
            }
        }
    }

    /// Whether of every network of the first list all was heard that can be heard now.
    fn settle(&mut self) {
        if self.complete || !self.listed {
            return;
        }
        let queue = &self.queue;
        self.unsettled
            .retain(|id| (queue.is_waiting(*id) || queue.is_asking(*id)) && queue.failures(*id) == 0);
        if self.unsettled.is_empty() {
            self.complete = true;
            self.findings.push(Finding::Complete(Role::Dhcp, true));
        }
    }
}

impl Machine for Dhcp {
    type Ask = Ask;

    fn request(&self, ask: &Ask) -> Request {
        ask.request(&self.host, |network| self.device(network))
    }

    fn hear(&mut self, event: Event<'_, Ask>, now: Instant) {
        match event {
            Event::Gap => self.resync(),
            Event::Open => self.open = true,
            Event::Closed => self.open = false,
            Event::Message(message) => self.message(message, now),
            Event::Answer(ask, answer) => self.answer(ask, answer, now),
            Event::Report(report) => self.report(report, now),
            Event::Switch(facts) => self.switch(facts),
            Event::OwnPort(..) | Event::Tick => {}
        }
        self.tell_the_late(now);
    }

    fn asks(&mut self, now: Instant) -> Vec<Ask> {
        if !self.open {
            return Vec::new();
        }
        let mut asks = Vec::new();
        if self.everything.next(now).is_some() {
            self.begin_everything();
            asks.push(Ask::Everything);
        }
        asks.extend(self.ask_of_networks(now));
        asks.extend(std::iter::from_fn(|| self.ready.take(now)).map(Ask::Ready));
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
        let late = self.late_ports.first().map(|(moment, _)| *moment);
        let late = late.into_iter().chain(self.late_networks.first().map(|(moment, _)| *moment));
        if !self.open {
            return late.min();
        }
        let networks = self.queue.due().filter(|_| self.queue.asking() < self.parallel);
        late.chain(self.everything.due()).chain(networks).chain(self.ready.due()).min()
    }
}
