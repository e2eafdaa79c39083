//! The networks of the ports here: counted by their ports, asked about and pushed like them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use model::{Network, NetworkId, PortId};
use serde_json::Value;

use super::cache::{Slot, Verdict};
use super::{Ask, L2, list};
use crate::neutron::fault::Fault;
use crate::neutron::finding::Finding;
use crate::neutron::wire::object::{self, NetworkObject};

/// A network that ports here are on.
#[derive(Debug, Default)]
pub(super) struct NetworkEntry {
    /// Its ports, and whether each is needed or only kept.
    ports: BTreeMap<PortId, bool>,
    pub(super) slot: Slot<NetworkObject>,
    /// What was last said upwards.
    found: Option<Option<Arc<Network>>>,
}

impl NetworkEntry {
    fn is_needed(&self) -> bool {
        self.ports.values().any(|needed| *needed)
    }
}

impl L2 {
    /// Counts a port in with its network, and out of the one where it was before.
    pub(super) fn count_network(
        &mut self,
        port: PortId,
        before: Option<NetworkId>,
        after: Option<NetworkId>,
        is_needed: bool,
    ) {
        if before != after {
            self.uncount_network(port, before);
        }
        let Some(id) = after else { return };
        let entry = self.networks.entry(id).or_default();
        let known = entry.ports.insert(port, is_needed);
        if entry.ports.len() == 1 && known.is_none() {
            self.network_pulls.want(id);
        }
        if known != Some(is_needed) {
            self.say_network(id);
        }
    }

    pub(super) fn uncount_network(&mut self, port: PortId, network: Option<NetworkId>) {
        let Some(id) = network else { return };
        let Some(entry) = self.networks.get_mut(&id) else { return };
        entry.ports.remove(&port);
        if entry.ports.is_empty() {
            self.network_pulls.forget(id);
            self.network_hints.remove(&id);
            if let Some(NetworkEntry { found: Some(Some(_)), .. }) = self.networks.remove(&id) {
                self.findings.push(Finding::WiredNetwork(id, None));
            }
        } else {
            self.say_network(id);
        }
    }

    pub(super) fn tick_networks(&mut self, now: Instant) {
        let due = self.network_hints.iter().filter(|(_, (moment, _))| *moment <= now);
        for id in due.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.network_hints.remove(&id);
            self.network_pulls.want(id);
        }
    }

    pub(super) fn ask_networks(&mut self, asks: &mut Vec<Ask>, now: Instant) {
        loop {
            let networks = self.network_pulls.take(now);
            if networks.is_empty() {
                break;
            }
            for id in &networks {
                if let Some(entry) = self.networks.get_mut(id) {
                    entry.slot.asked();
                }
            }
            asks.push(Ask::Networks(networks));
        }
    }

    pub(crate) fn networks_answered(
        &mut self,
        ids: &[NetworkId],
        answer: Result<Value, Fault>,
        now: Instant,
    ) {
        let objects = match list(answer, &mut self.complaints) {
            Ok(objects) => objects,
            Err(failure) => return self.network_pulls.failed(ids, failure, now),
        };
        self.network_pulls.answered(ids, |_| false, now);
        let mut read: BTreeMap<NetworkId, Option<NetworkObject>> = BTreeMap::new();
        for value in &objects {
            let id = object::peek_id(value).map(NetworkId);
            let network = self.read_network(value, "answer about networks");
            if let Some(id) = id {
                read.insert(id, network);
            }
        }
        for id in ids {
            match read.remove(id) {
                Some(Some(network)) => self.network_pulled(*id, Some(network)),
                Some(None) => {
                    if let Some(entry) = self.networks.get_mut(id) {
                        entry.slot.unreadable();
                    }
                }
                None => self.network_pulled(*id, None),
            }
        }
    }

    /// Reads a network and complains of what cannot be read.
    pub(super) fn read_network(&mut self, value: &Value, place: &str) -> Option<NetworkObject> {
        match object::network(value) {
            Ok((network, complaints)) => {
                for malformed in complaints {
                    self.complaints.add(format!("{place}: {malformed}"));
                }
                Some(network)
            }
            Err(malformed) => {
                self.complaints.add(format!("{place}: {malformed}"));
                None
            }
        }
    }

    fn network_pulled(&mut self, id: NetworkId, network: Option<NetworkObject>) {
        let network = network.filter(|_| !self.buried_networks.contains(id));
        let Some(entry) = self.networks.get_mut(&id) else { return };
        let before = entry.slot.object().cloned();
        match entry.slot.pulled(network.map(|network| (network.clone(), network.revision))) {
            Verdict::Doubtful => self.network_pulls.want(id),
            Verdict::Stale => self.say_network(id),
            Verdict::Taken => self.network_changed(id, before.as_ref()),
        }
    }

    pub(super) fn network_pushed(&mut self, network: NetworkObject) {
        let id = network.network.id;
        let revision = network.revision;
        let Some(entry) = self.networks.get_mut(&id) else { return };
        let before = entry.slot.object().cloned();
        match entry.slot.push(network, revision) {
            Verdict::Doubtful => self.network_pulls.want(id),
            Verdict::Stale => {}
            Verdict::Taken => {
                if self.network_hints.get(&id).is_some_and(|(_, awaited)| *awaited <= revision) {
                    self.network_hints.remove(&id);
                }
                self.network_changed(id, before.as_ref());
            }
        }
    }

    pub(super) fn network_buried(&mut self, id: NetworkId) {
        self.buried_networks.insert(id);
        self.network_hints.remove(&id);
        if let Some(entry) = self.networks.get_mut(&id) {
            entry.slot.bury();
            self.say_network(id);
        }
    }

    fn network_changed(&mut self, id: NetworkId, before: Option<&NetworkObject>) {
        let Some(entry) = self.networks.get(&id) else { return };
        // A port's object holds its segment, and is not pushed when the segment changes.
        if let (Some(before), Some(after)) = (before, entry.slot.object())
            && before.network.segments != after.network.segments
        {
            entry.ports.keys().for_each(|port| self.port_pulls.want(*port));
        }
        self.say_network(id);
    }

    /// Says upwards what is new of a network.
    fn say_network(&mut self, id: NetworkId) {
        let Some(entry) = self.networks.get_mut(&id) else { return };
        let is_needed = entry.is_needed();
        let found = entry.slot.object().filter(|_| is_needed).map(|object| object.network.clone());
        let is_open = found.is_none() && is_needed && self.network_pulls.is_pending(id);
        let said = entry.found.as_ref();
        if !is_open && said != Some(&found) && (found.is_some() || is_needed || said.is_some()) {
            entry.found = Some(found.clone());
            self.findings.push(Finding::WiredNetwork(id, found));
        }
    }
}
