//! When the server is told that a port's guest can get its address: when the engine says that the port's
//! network is served, and that what changed of the port has arrived. Pure.
//!
//! The engine speaks of what it looked at, and it looks at what changed. A change that was none for it is
//! never spoken of: so what was not spoken of for a while counts as done.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use model::{NetworkId, ObjectRef, Outcome, PortId, Report, SwitchFacts};

use super::Dhcp;
use super::network::{Heard, Service};
use crate::neutron::queue::Urgency;

/// How long the engine may take for one port.
const PORT: Duration = Duration::from_secs(1);

/// How long the engine may take to say anything at all of a network.
const NETWORK: Duration = Duration::from_secs(15);

impl Dhcp {
    pub(super) fn report(&mut self, report: &Report, now: Instant) {
        for (object, outcome) in &report.0 {
            match object {
                ObjectRef::Network(network) => self.network_reported(*network, outcome),
                ObjectRef::Port(port) => self.port_reported(*port, outcome),
                ObjectRef::Router(_) => break,
                _ => {}
            }
        }
        self.tell_the_late(now);
    }

    fn network_reported(&mut self, network: NetworkId, outcome: &Outcome) {
        let Some(known) = self.networks.get_mut(&network).filter(|known| known.is_served()) else { return };
        known.service = match outcome {
            Outcome::Done | Outcome::Expecting { .. } => Service::Works,
            Outcome::Waiting { .. } | Outcome::Failed { .. } => Service::Failing,
        };
        self.tell_all(network);
    }

    fn port_reported(&mut self, port: PortId, outcome: &Outcome) {
        // A guest's port that is still to be plugged in can be served already.
        if !matches!(outcome, Outcome::Done | Outcome::Expecting { .. }) {
            return;
        }
        let Some(network) = self.homes.get(&port).copied() else { return };
        if self.works(network) {
            self.tell(port, network, Urgency::Event);
        }
    }

    pub(super) fn switch(&mut self, facts: &SwitchFacts) {
        if !facts.alive {
            return;
        }
        let before = self.plugged.replace(facts.plugged.clone());
        let new: Vec<NetworkId> = match before {
            None => self.networks.keys().copied().collect(),
            Some(before) => {
                let new = before.diff(&facts.plugged).filter_map(|change| match change {
                    imbl::ordmap::DiffItem::Add(port, _) => self.homes.get(port),
                    _ => None,
                });
                new.copied().collect()
            }
        };
        new.into_iter().for_each(|network| self.tell_all(network));
    }

    /// A port was heard of, and the server waits for it.
    pub(super) fn untold(&mut self, port: PortId, network: NetworkId, heard: Heard, now: Instant) {
        let Some(known) = self.networks.get_mut(&network) else { return };
        known.untold.insert(port);
        if heard == Heard::Same && self.works(network) {
            return self.tell(port, network, Urgency::Event);
        }
        self.late_ports.insert((now + PORT, port));
        self.expect_report(network, now);
    }

    /// All ports of a network are to be told of again.
    pub(super) fn tell_again(&mut self, network: NetworkId) {
        if let Some(known) = self.networks.get_mut(&network) {
            known.untold = known.ports().collect();
        }
    }

    /// Some ports of a network changed, all of it was read.
    pub(super) fn untold_all(&mut self, network: NetworkId, changed: &BTreeSet<PortId>, now: Instant) {
        let Some(known) = self.networks.get_mut(&network) else { return };
        known.untold.extend(changed);
        if !self.works(network) {
            return self.expect_report(network, now);
        }
        let Some(known) = self.networks.get(&network) else { return };
        let same: Vec<PortId> = known.untold.difference(changed).copied().collect();
        same.into_iter().for_each(|port| self.tell(port, network, Urgency::Sync));
        self.late_ports.extend(changed.iter().map(|port| (now + PORT, *port)));
    }

    pub(super) fn expect_report(&mut self, network: NetworkId, now: Instant) {
        let known = self.networks.get(&network);
        if known.is_some_and(|known| matches!(known.service, Service::Unknown(_))) {
            self.late_networks.insert((now + NETWORK, network));
        }
    }

    /// Tells of what the engine had nothing to say about for long.
    pub(super) fn tell_the_late(&mut self, now: Instant) {
        while let Some((moment, port)) = self.late_ports.first().copied()
            && moment <= now
        {
            self.late_ports.pop_first();
            if let Some(network) = self.homes.get(&port).copied()
                && self.works(network)
            {
                self.tell(port, network, Urgency::Event);
            }
        }
        while let Some((moment, network)) = self.late_networks.first().copied()
            && moment <= now
        {
            self.late_networks.pop_first();
            let Some(known) = self.networks.get_mut(&network) else { continue };
            if matches!(known.service, Service::Unknown(since) if now.duration_since(since) >= NETWORK) {
                known.service = Service::Works;
                self.tell_all(network);
            }
        }
    }

    /// Whether guests of the network can get addresses.
    fn works(&self, network: NetworkId) -> bool {
        let Some(known) = self.networks.get(&network) else { return false };
        let Some(own) = known.own() else { return false };
        known.service == Service::Works
            && self.plugged.as_ref().is_none_or(|plugged| plugged.contains_key(&own))
    }

    pub(super) fn tell_all(&mut self, network: NetworkId) {
        if !self.works(network) {
            return;
        }
        let Some(known) = self.networks.get(&network) else { return };
        let untold: Vec<PortId> = known.untold.iter().copied().collect();
        untold.into_iter().for_each(|port| self.tell(port, network, Urgency::Sync));
    }

    fn tell(&mut self, port: PortId, network: NetworkId, urgency: Urgency) {
        let Some(known) = self.networks.get_mut(&network) else { return };
        if known.untold.remove(&port) && known.serves(port) {
            self.ready.add(port, urgency);
        }
    }
}
