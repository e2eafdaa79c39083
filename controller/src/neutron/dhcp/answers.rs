//! What came of asks. Nothing is ever taken away because an ask failed. Pure.

use std::collections::BTreeSet;
use std::time::Instant;

use model::NetworkId;
use serde_json::Value;

use super::Dhcp;
use super::asks::{Ask, OwnStep};
use super::network::Known;
use crate::neutron::fault::{Fault, Malformed};
use crate::neutron::queue::Urgency;
use crate::neutron::wire::network_info::{self, All, NetworkInfo};
use crate::neutron::wire::{dhcp_calls, port::PortDict};

/// So often a port is tried to be given back. What stays is found when the network comes again.
const RELEASES: u32 = 5;

/// The pool of a subnet is used up.
const NO_ADDRESS: &str = "IpAddressGenerationFailure";

impl Dhcp {
    pub(super) fn answer(&mut self, ask: Ask, answer: Result<Value, Fault>, now: Instant) {
        match ask {
            Ask::Everything => self.everything_answered(answer, now),
            Ask::Network(network) => self.network_answered(network, answer, now),
            Ask::Own(network, step) => self.own_answered(network, &step, answer, now),
            Ask::Release(network) => self.release_answered(network, answer, now),
            Ask::Ready(ports) => self.ready.answered(&ports, answer.is_ok(), now),
        }
    }

    fn everything_answered(&mut self, answer: Result<Value, Fault>, now: Instant) {
        if !self.everything.answered(()) {
            return;
        }
        let all = answer.map(|answer| network_info::all(&answer, |network| self.device(network)));
        match all {
            Ok(Ok(all)) => {
                self.everything.succeeded(());
                self.take_in_all(all, now);
            }
            Ok(Err(why)) => {
                self.complaints.add(format_args!("get_active_networks_info: {why}"));
                self.everything.failed((), now);
            }
            Err(_) => self.everything.failed((), now),
        }
    }

    fn take_in_all(&mut self, all: All, now: Instant) {
        all.why.iter().for_each(|why| self.complaints.add(format_args!("get_active_networks_info: {why}")));
        let named = all.networks.iter().map(|info| info.network.id);
        let there: BTreeSet<NetworkId> = named.chain(all.unread.iter().flatten().copied()).collect();
        if !all.unread.contains(&None) {
            self.leave_all_but(&there, now);
        }
        there.iter().for_each(|network| self.taken.remove(*network));
        for info in all.networks {
            let network = info.network.id;
            if self.taken_since.contains(&network) {
                // One of the two is older; the next list tells which.
                self.everything.want((), Urgency::Sync);
                continue;
            }
            if self.asked_since.contains(&network) {
                self.tell_again(network);
                self.tell_all(network);
                continue;
            }
            if self.queue.is_asking(network) {
                // It was asked before, and its answer will be older than this one.
                self.read(network, Urgency::Sync);
            }
            self.take_in(&info, true, now);
        }
        for network in all.unread.into_iter().flatten() {
            self.leave_alone(network, true);
            self.read(network, Urgency::Sync);
        }
        if !self.listed {
            self.listed = true;
            let waiting = |id: &&NetworkId| self.queue.is_waiting(**id) || self.queue.is_asking(**id);
            self.unsettled = there.iter().chain(&self.given_since).filter(waiting).copied().collect();
        }
    }

    /// What is not in the list is not ours, unless it was given to us since the list was asked for.
    fn leave_all_but(&mut self, there: &BTreeSet<NetworkId>, now: Instant) {
        let is_gone = |id: &&NetworkId| !there.contains(id) && !self.given_since.contains(id);
        let ours = self.networks.keys().chain(&self.alone);
        let gone: BTreeSet<NetworkId> = ours.filter(is_gone).copied().collect();
        let rumours = self.outdated.iter().chain(self.queue.keys_asking());
        let rumours: Vec<NetworkId> = rumours.filter(is_gone).copied().collect();
        gone.into_iter().for_each(|network| self.leave(network, true, now));
        rumours.into_iter().for_each(|network| self.disregard(network));
    }

    fn network_answered(&mut self, network: NetworkId, answer: Result<Value, Fault>, now: Instant) {
        if !self.queue.answered(network) {
            return;
        }
        let answer = match answer {
            // What was heard meanwhile is newer: it may be back.
            Ok(Value::Null) if self.outdated.contains(&network) => return,
            Ok(Value::Null) => return self.leave(network, false, now),
            Ok(answer) => answer,
            Err(fault) => {
                if fault.is_not_found() {
                    self.resync();
                }
                return self.read_later(network, now);
            }
        };
        match network_info::one("network", &answer, |network| self.device(network)) {
            Ok(info) if info.network.id == network => {
                self.queue.succeeded(network);
                self.take_in(&info, false, now);
            }
            Ok(_) => {
                let why = format_args!("get_network_info {network}: another network is told of");
                self.complaints.add(why);
            }
            // The same would be answered again until something changes.
            Err(why) => {
                self.complaints.add(format_args!("get_network_info {network}: {why}"));
                self.leave_alone(network, true);
            }
        }
    }

    fn take_in(&mut self, info: &NetworkInfo, whole: bool, now: Instant) {
        let network = info.network.id;
        for why in &info.unread.why {
            self.complaints.add(format_args!("network {network}: {why}"));
        }
        let device = self.device(network);
        let known = self.networks.entry(network).or_insert_with(|| Known::new(network, device, now));
        let ports: Vec<_> = info.ports.iter().map(|sighting| sighting.port.id).collect();
        let taken = known.take_in(info, &self.deleted, now, &mut self.findings);
        if self.everything.asking() == 0 && !self.queue.is_asking(network) {
            known.heard.clear();
        }
        self.leave_alone(network, info.network.admin_up && info.unread.has_subnets());
        if taken.leftover {
            self.releases.insert(network);
        } else {
            self.releases.remove(&network);
        }
        self.homes
            .extend(ports.into_iter().filter(|port| !self.deleted.has(*port)).map(|port| (port, network)));
        self.forget_ports(taken.gone);
        if taken.outdated {
            self.read(network, Urgency::Event);
        }
        if whole {
            self.tell_again(network);
        }
        self.untold_all(network, &taken.changed, now);
        self.go_on(network, Urgency::Sync);
    }

    fn own_answered(
        &mut self,
        network: NetworkId,
        step: &OwnStep,
        answer: Result<Value, Fault>,
        now: Instant,
    ) {
        if !self.queue.answered(network) {
            // The network was taken from us meanwhile; whatever was made is not wanted.
            if !self.networks.contains_key(&network) {
                self.releases.insert(network);
                self.queue.want(network, Urgency::Sync);
            }
            return;
        }
        if let Some(known) = self.networks.get_mut(&network) {
            known.in_doubt = true;
        }
        let answer = answer.and_then(|answer| dhcp_calls::changed_port(&answer).map_err(Fault::Malformed));
        match answer {
            Ok(Some(port)) => self.own_changed(network, step, port, now),
            Ok(None) if matches!(step, OwnStep::Create { .. }) => self.stick(network),
            Ok(None) => self.read_later(network, now),
            Err(Fault::Refused { class, .. }) if class == NO_ADDRESS => {
                self.complaints
                    .add(format_args!("network {network} has no address left for its DHCP service"));
                self.stick(network);
            }
            Err(fault) => {
                if let Fault::Malformed(Malformed { at, why }) = &fault {
                    self.complaints.add(format_args!("the DHCP port of network {network}: {at}: {why}"));
                }
                if fault.is_not_found() {
                    // The server says that the network is not ours; the list of ours tells for sure.
                    self.resync();
                    return self.stick(network);
                }
                self.read_later(network, now);
            }
        }
    }

    /// Nothing more is tried before something happens on the network.
    fn stick(&mut self, network: NetworkId) {
        if let Some(known) = self.networks.get_mut(&network) {
            known.stuck = true;
        }
    }

    fn own_changed(&mut self, network: NetworkId, step: &OwnStep, port: PortDict, now: Instant) {
        let sighting = port.sighting;
        let id = sighting.port.id;
        let Some(known) = self.networks.get_mut(&network) else { return };
        if self.deleted.has(id) || sighting.port.network != network || !known.is_served() {
            return self.read_later(network, now);
        }
        known.hear(sighting, now, &mut self.findings);
        self.homes.insert(id, network);
        known.untold.insert(id);
        if self.everything.asking() > 0 {
            known.heard.insert(id);
        }
        match (step, known.next_step()) {
            (_, None) => self.queue.succeeded(network),
            // What was asked for was not done: the server would do the same again.
            (OwnStep::SetAddresses { .. }, Some(_))
            | (_, Some(OwnStep::Create { .. } | OwnStep::Adopt { .. })) => {
                self.read_later(network, now);
            }
            (_, Some(OwnStep::SetAddresses { .. })) => self.queue.want(network, Urgency::Event),
        }
        self.expect_report(network, now);
    }

    fn release_answered(&mut self, network: NetworkId, answer: Result<Value, Fault>, now: Instant) {
        self.queue.answered(network);
        let done = match answer {
            Ok(_) => true,
            Err(fault) => fault.is_not_found() || self.queue.failures(network) >= RELEASES,
        };
        if !done {
            return self.queue.failed(network, now);
        }
        self.releases.remove(&network);
        self.queue.succeeded(network);
        if self.networks.get(&network).is_some_and(Known::is_served) {
            // It came back, and what was read of it may be from before.
            self.read(network, Urgency::Event);
        }
    }
}
