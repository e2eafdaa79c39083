//! The ports of this node and their networks: what is plugged into the switch or lives in a service here
//! is asked about at the server, kept up to date by what the server pushes, and reported back.
//!
//! Ports that were pushed as bound here and are not plugged in yet are kept too, so that plugging them
//! in needs no question. How tunnels find other nodes is not known here; only that a report of a port can
//! bring a network's table along, and which networks have ports here.

mod cache;
mod keeping;
mod messages;
mod networks;
mod reports;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use imbl::OrdSet;
use model::{HostName, NetworkId, ObjectRef, Outcome, PortId, Report, Segment, SwitchFacts, TunnelKind};
use serde_json::Value;
use uuid::Uuid;

use self::cache::{Buried, Slot, Verdict};
pub(crate) use self::messages::NOTICES;
use self::networks::NetworkEntry;
use self::status::Standing;
use super::batches::{Batches, Failure, Pace};
use super::complaints::Complaints;
use super::fault::Fault;
use super::finding::{Finding, Sighting};
use super::wire::object::{self, Place, PortObject};

const PULLS: Pace = Pace { batch: 200, open: 4, quick: 0 };
/// Neutron's own agent reports as many at once.
const REPORTS: Pace = Pace { batch: 20, open: 4, quick: 5 };

/// A question of this part, or a report.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Ask {
    Ports(Vec<PortId>),
    Networks(Vec<NetworkId>),
    /// Ports are up. With `tables` the server is to send the forwarding tables of these networks, which is
    /// to be asked for by a port of each.
    Up {
        ports: Vec<PortId>,
        tables: Vec<TableAsked>,
    },
    Down(Vec<PortId>),
}

/// A network's table that is asked for; the round tells late answers from right ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TableAsked {
    pub(crate) network: NetworkId,
    pub(crate) port: PortId,
    pub(crate) round: u64,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct L2 {
    host: HostName,
    facts: SwitchFacts,
    ports: BTreeMap<PortId, Entry>,
    networks: BTreeMap<NetworkId, NetworkEntry>,
    buried_ports: Buried<PortId>,
    buried_networks: Buried<NetworkId>,
    /// Ports that are kept although nobody needs them, oldest first.
    kept: BTreeMap<u64, PortId>,
    counter: u64,
    port_pulls: Batches<PortId>,
    network_pulls: Batches<NetworkId>,
    ups: Batches<PortId>,
    downs: Batches<PortId>,
    /// Asked about when nothing is pushed until then; with the revision that is waited for.
    port_hints: BTreeMap<PortId, (Instant, Option<i64>)>,
    network_hints: BTreeMap<NetworkId, (Instant, Option<i64>)>,
    awaited: BTreeSet<PortId>,
    /// Ports whose silence will mean something.
    silent: BTreeSet<PortId>,
    /// Ports here by the tunnel networks that carry them.
    tunnelled: BTreeMap<NetworkId, BTreeMap<PortId, TunnelKind>>,
    tunnelled_changed: BTreeSet<NetworkId>,
    /// Whether the switch was ever seen, and everything asked for.
    sighted: bool,
    begun: bool,
    pub(super) findings: Vec<Finding>,
    pub(super) complaints: Complaints,
}

/// A port of this node.
#[derive(Debug, Default)]
struct Entry {
    /// The rows of its interfaces on the switch.
    rows: OrdSet<Uuid>,
    /// A service of this node lives on it.
    own: bool,
    slot: Slot<PortObject>,
    standing: Standing,
    /// What was last said upwards.
    found: Option<Option<Sighting>>,
    /// Until when it is wired although nothing is plugged in: the server has just bound it to this node,
    /// so that somebody is about to.
    awaited: Option<Instant>,
    /// Where it is counted in.
    network: Option<NetworkId>,
    tunnel: Option<(NetworkId, TunnelKind)>,
    kept: Option<u64>,
}

impl Entry {
    fn is_needed(&self) -> bool {
        self.own || !self.rows.is_empty() || self.awaited.is_some()
    }

    fn place(&self) -> Option<Place> {
        self.slot.object().map(|object| object.place)
    }
}

impl L2 {
    pub(crate) fn new(host: HostName) -> Self {
        Self {
            host,
            facts: SwitchFacts::default(),
            ports: BTreeMap::new(),
            networks: BTreeMap::new(),
            buried_ports: Buried::default(),
            buried_networks: Buried::default(),
            kept: BTreeMap::new(),
            counter: 0,
            port_pulls: Batches::new(PULLS),
            network_pulls: Batches::new(PULLS),
            ups: Batches::new(REPORTS),
            downs: Batches::new(REPORTS),
            port_hints: BTreeMap::new(),
            network_hints: BTreeMap::new(),
            awaited: BTreeSet::new(),
            silent: BTreeSet::new(),
            tunnelled: BTreeMap::new(),
            tunnelled_changed: BTreeSet::new(),
            sighted: false,
            begun: false,
            findings: Vec::new(),
            complaints: Complaints::default(),
        }
    }

    /// Asks for everything that is needed again, and forgets what is only kept.
    pub(crate) fn doubt(&mut self, now: Instant) {
        self.begun = true;
        self.port_hints.clear();
        self.network_hints.clear();
        let ids: Vec<PortId> = self.ports.keys().copied().collect();
        for id in ids {
            let Some(entry) = self.ports.get_mut(&id) else { continue };
            entry.slot.doubt();
            let reports = self.ups.is_pending(id) || self.downs.is_pending(id);
            if entry.is_needed() || reports {
                self.port_pulls.want(id);
            } else {
                self.drop_port(id);
            }
        }
        for (id, entry) in &mut self.networks {
            entry.slot.doubt();
            self.network_pulls.want(*id);
        }
        self.tick(now);
    }

    /// There is another connection.
    pub(crate) fn hasten(&mut self) {
        self.port_pulls.hasten();
        self.network_pulls.hasten();
        self.ups.hasten();
        self.downs.hasten();
    }

    pub(crate) fn switch(&mut self, facts: &SwitchFacts, now: Instant) {
        self.sighted |= facts.alive;
        let mut changed = BTreeSet::new();
        model::change::differ(&self.facts.plugged, &facts.plugged, |id, _| _ = changed.insert(*id));
        self.facts = facts.clone();
        for id in changed {
            let rows = facts.plugged.get(&id).cloned().unwrap_or_default();
            let entry = self.ports.entry(id).or_default();
            let are_others = entry.rows.iter().all(|row| !rows.contains(row));
            entry.standing.plugged(entry.rows.len(), rows.len(), are_others, now);
            let newly = !entry.is_needed();
            entry.rows = rows;
            entry.awaited = None;
            self.needed(id, newly, now);
        }
    }

    pub(crate) fn own_port(&mut self, id: PortId, is_own: bool, now: Instant) {
        let entry = self.ports.entry(id).or_default();
        let newly = !entry.is_needed();
        entry.own = is_own;
        self.needed(id, newly, now);
    }

    /// What came of a pass of the engine.
    pub(crate) fn report(&mut self, report: &Report, now: Instant) {
        for (object, outcome) in &report.0 {
            if let ObjectRef::Port(id) = object
                && let Some(entry) = self.ports.get_mut(id)
            {
                entry.standing.outcome(*outcome == Outcome::Done);
                self.touch(*id, now);
            }
        }
    }

    /// What was waited for in silence.
    pub(crate) fn tick(&mut self, now: Instant) {
        let due = |hints: &BTreeMap<PortId, (Instant, Option<i64>)>| -> Vec<PortId> {
            hints.iter().filter(|(_, (moment, _))| *moment <= now).map(|(id, _)| *id).collect()
        };
        for id in due(&self.port_hints) {
            self.port_hints.remove(&id);
            self.port_pulls.want(id);
        }
        self.tick_networks(now);
        self.stop_awaiting(now);
        for id in std::mem::take(&mut self.silent) {
            self.touch(id, now);
        }
    }

    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let queues = [
            self.port_pulls.due(now),
            self.network_pulls.due(now),
            self.ups.due(now),
            self.downs.due(now),
            self.port_hints.values().map(|(moment, _)| *moment).min(),
            self.network_hints.values().map(|(moment, _)| *moment).min(),
            self.awaited.iter().filter_map(|id| self.ports.get(id)?.awaited).min(),
            self.silent.iter().filter_map(|id| self.ports.get(id)?.standing.due()).min(),
        ];
        queues.into_iter().flatten().min()
    }

    /// Whether everything about the ports and networks of this node has been heard.
    pub(crate) fn knows_all(&self) -> bool {
        self.sighted && self.begun && self.port_pulls.is_idle() && self.network_pulls.is_idle()
    }

    /// Questions about ports and networks. Reports are in `reports`.
    pub(crate) fn questions(&mut self, now: Instant) -> Vec<Ask> {
        let mut asks = Vec::new();
        loop {
            let ports = self.port_pulls.take(now);
            if ports.is_empty() {
                break;
            }
            for id in &ports {
                if let Some(entry) = self.ports.get_mut(id) {
                    entry.slot.asked();
                }
            }
            asks.push(Ask::Ports(ports));
        }
        self.ask_networks(&mut asks, now);
        asks
    }

    pub(crate) fn ports_answered(&mut self, ids: &[PortId], answer: Result<Value, Fault>, now: Instant) {
        let objects = match list(answer, &mut self.complaints) {
            Ok(objects) => objects,
            Err(failure) => return self.port_pulls.failed(ids, failure, now),
        };
        self.port_pulls.answered(ids, |_| false, now);
        let mut read: BTreeMap<PortId, Option<PortObject>> = BTreeMap::new();
        for value in &objects {
            match (object::peek_id(value), object::port(value, &self.host)) {
                (_, Ok(port)) => _ = read.insert(port.sighting.port.id, Some(port)),
                (id, Err(malformed)) => {
                    self.complaints.add(format!("answer about ports: {malformed}"));
                    if let Some(id) = id {
                        read.insert(PortId(id), None);
                    }
                }
            }
        }
        for id in ids {
            match read.remove(id) {
                Some(Some(port)) => self.port_pulled(*id, Some(port), now),
                Some(None) => {
                    if let Some(entry) = self.ports.get_mut(id) {
                        entry.slot.unreadable();
                    }
                }
                None => self.port_pulled(*id, None, now),
            }
        }
    }

    fn port_pulled(&mut self, id: PortId, port: Option<PortObject>, now: Instant) {
        let port = port.filter(|_| !self.buried_ports.contains(id));
        let Some(entry) = self.ports.get_mut(&id) else { return };
        let before = entry.slot.object().cloned();
        if let Some(port) = &port {
            entry.standing.looked(port);
        }
        let with_revision = port.map(|port| (port.sighting.revision, port)).map(|(rev, port)| (port, rev));
        match entry.slot.pulled(with_revision) {
            Verdict::Doubtful => self.port_pulls.want(id),
            Verdict::Stale => self.touch(id, now),
            Verdict::Taken => self.port_changed(id, before.as_ref(), now),
        }
    }

    /// Takes in a pushed object that is of interest.
    fn port_pushed(&mut self, port: PortObject, now: Instant) {
        let id = port.sighting.port.id;
        let revision = port.sighting.revision;
        let entry = self.ports.entry(id).or_default();
        let before = entry.slot.object().cloned();
        match entry.slot.push(port, revision) {
            Verdict::Doubtful => {
                if entry.is_needed() {
                    self.port_pulls.want(id);
                } else {
                    self.touch(id, now);
                }
            }
            Verdict::Stale => {}
            Verdict::Taken => {
                if self.port_hints.get(&id).is_some_and(|(_, awaited)| *awaited <= revision) {
                    self.port_hints.remove(&id);
                }
                self.await_plug(id, before.as_ref(), now);
                self.port_changed(id, before.as_ref(), now);
            }
        }
    }

    fn port_buried(&mut self, id: PortId, now: Instant) {
        self.buried_ports.insert(id);
        self.port_hints.remove(&id);
        if let Some(entry) = self.ports.get_mut(&id) {
            entry.slot.bury();
            self.port_changed(id, None, now);
        }
    }

    fn port_changed(&mut self, id: PortId, before: Option<&PortObject>, now: Instant) {
        let Some(entry) = self.ports.get_mut(&id) else { return };
        match entry.slot.object() {
            Some(object) => entry.standing.object(before, object, now),
            None => entry.standing.gone(),
        }
        self.touch(id, now);
    }

    /// The need for a port changed. One that was kept is known well enough.
    fn needed(&mut self, id: PortId, newly: bool, now: Instant) {
        let Some(entry) = self.ports.get(&id) else { return };
        if entry.is_needed() {
            if newly && entry.slot.object().is_none() {
                self.port_pulls.want(id);
            }
        } else {
            self.port_pulls.forget(id);
            self.port_hints.remove(&id);
        }
        self.touch(id, now);
    }

    /// Works out everything that follows from what is known of a port.
    fn touch(&mut self, id: PortId, now: Instant) {
        self.settle_report(id, now);
        let Some(entry) = self.ports.get_mut(&id) else { return };
        let is_needed = entry.is_needed();
        let object = entry.slot.object();
        let network = object.map(|object| object.sighting.port.network);
        let tunnel = object.filter(|_| is_needed).and_then(tunnel);
        let found = object.filter(|_| is_needed).map(|object| object.sighting.clone());
        if entry.standing.due().is_some_and(|moment| moment > now) {
            self.silent.insert(id);
        }
        // Of a port that is still asked about for the first time there is nothing to say.
        let is_open = found.is_none() && is_needed && self.port_pulls.is_pending(id);
        if !is_open
            && entry.found.as_ref() != Some(&found)
            && (found.is_some() || is_needed || entry.found.is_some())
        {
            entry.found = Some(found.clone());
            self.findings.push(Finding::BoundPort(id, found));
        }
        let counted = entry.network;
        let tunnelled = entry.tunnel;
        entry.network = network;
        entry.tunnel = tunnel;
        self.count_tunnel(id, tunnelled, tunnel);
        self.count_network(id, counted, network, is_needed);
        self.keep_or_drop(id);
    }
}

/// The tunnel that carries a port here. A port that is cut off needs none.
fn tunnel(object: &PortObject) -> Option<(NetworkId, TunnelKind)> {
    let port = &object.sighting.port;
    if !port.admin_up {
        return None;
    }
    match port.binding.as_ref()?.segment.as_ref()? {
        Segment::Tunnel { kind, .. } => Some((port.network, *kind)),
        Segment::Local | Segment::Flat { .. } | Segment::Vlan { .. } => None,
    }
}

/// The objects of an answer, or what kind of failure it is.
fn list(answer: Result<Value, Fault>, complaints: &mut Complaints) -> Result<Vec<Value>, Failure> {
    match answer {
        Ok(Value::Array(objects)) => Ok(objects),
        Ok(_) => {
            complaints.add("answer to bulk_pull: no list");
            Err(Failure::Trouble)
        }
        Err(fault) => Err(failure(&fault)),
    }
}

fn failure(fault: &Fault) -> Failure {
    match fault {
        Fault::Unreachable => Failure::Unsent,
        Fault::Timeout(_) | Fault::Refused { .. } | Fault::Malformed(_) => Failure::Trouble,
    }
}
