//! What is known of one network, and what follows from hearing more of it: findings, and the next step for
//! our own port. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use model::{Network, NetworkId, PortId, Subnet, SubnetId};

use super::asks::OwnStep;
use super::deleted::Deleted;
use crate::neutron::finding::{Finding, Sighting};
use crate::neutron::wire::network_info::NetworkInfo;

/// The `device_id` of a port that another node's service left for its successor.
const RESERVED: &str = "reserved_dhcp_port";

/// A network that the server gave to this node.
#[derive(Debug)]
pub(super) struct Known {
    id: NetworkId,
    /// The `device_id` of our port here.
    device: String,
    /// As it was found, while it is served.
    network: Option<Arc<Network>>,
    project: String,
    /// Those with DHCP.
    subnets: BTreeMap<SubnetId, Arc<Subnet>>,
    ports: BTreeMap<PortId, Sighting>,
    by_address: BTreeMap<IpAddr, PortId>,
    /// Ports that bear our name. The first is the one that is used.
    mine: BTreeSet<PortId>,
    reserved: BTreeSet<PortId>,
    own: Option<Sighting>,
    /// Ports that were heard of while the network was being read: what is read may be older.
    pub(super) heard: BTreeSet<PortId>,
    /// The server cannot give us what we need; something has to happen first.
    pub(super) stuck: bool,
    /// A port may have been made for us without our knowing.
    pub(super) in_doubt: bool,
    /// Ports that the server was not told of since they changed.
    pub(super) untold: BTreeSet<PortId>,
    pub(super) service: Service,
}

/// Whether the node serves the network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Service {
    /// Nothing was heard of it since it was last arranged anew.
    Unknown(Instant),
    Failing,
    Works,
}

/// What hearing of a port came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    /// Something newer is known.
    Stale,
    Same,
    Changed,
    /// One of its addresses is another port's, as far as is known.
    Clash,
}

/// What reading of a network came to.
#[derive(Debug, Default)]
pub(super) struct TakenIn {
    pub(super) changed: BTreeSet<PortId>,
    pub(super) gone: Vec<PortId>,
    /// The network is served no more, and our port may still be there.
    pub(super) leftover: bool,
    /// What was read is older than what was heard meanwhile.
    pub(super) outdated: bool,
}

impl Known {
    pub(super) fn new(id: NetworkId, device: String, now: Instant) -> Self {
        Self {
            id,
            device,
            network: None,
            project: String::new(),
            subnets: BTreeMap::new(),
            ports: BTreeMap::new(),
            by_address: BTreeMap::new(),
            mine: BTreeSet::new(),
            reserved: BTreeSet::new(),
            own: None,
            heard: BTreeSet::new(),
            stuck: false,
            in_doubt: false,
            untold: BTreeSet::new(),
            service: Service::Unknown(now),
        }
    }

    pub(super) fn is_served(&self) -> bool {
        self.network.is_some()
    }

    pub(super) fn own(&self) -> Option<PortId> {
        self.own.as_ref().map(|own| own.port.id)
    }

    pub(super) fn has_subnet(&self, id: SubnetId) -> bool {
        self.subnets.contains_key(&id)
    }

    pub(super) fn ports(&self) -> impl Iterator<Item = PortId> {
        self.ports.keys().copied()
    }

    /// Whether a guest could get an address on the port here.
    pub(super) fn serves(&self, port: PortId) -> bool {
        let port = self.ports.get(&port);
        port.is_some_and(|known| known.port.fixed_ips.iter().any(|fixed| self.has_subnet(fixed.subnet)))
    }

    /// Takes in everything that was read of the network.
    pub(super) fn take_in(
        &mut self,
        info: &NetworkInfo,
        deleted: &Deleted<PortId>,
        now: Instant,
        found: &mut Vec<Finding>,
    ) -> TakenIn {
        let kept = self.subnets.values().filter(|subnet| info.unread.has_subnet(subnet.id));
        let mut subnets: BTreeMap<_, _> = kept.map(|subnet| (subnet.id, subnet.clone())).collect();
        subnets.extend(info.subnets.iter().map(|subnet| (subnet.id, subnet.clone())));
        self.project = info.project.clone();
        self.stuck = false;
        let had_own = self.own.is_some() || std::mem::take(&mut self.in_doubt);
        if !info.network.admin_up || subnets.is_empty() {
            let gone = self.ports().collect();
            self.withdraw(found);
            let leftover = info.leftover || had_own;
            return TakenIn { gone, leftover, ..TakenIn::default() };
        }
        if self.network.as_ref() != Some(&info.network) {
            found.push(Finding::ServedNetwork(self.id, Some(info.network.clone())));
            if self.network.is_none() {
                self.service = Service::Unknown(now);
            }
            self.network = Some(info.network.clone());
        }
        self.set_subnets(subnets, now, found);
        let mut taken = TakenIn::default();
        self.set_ports(info, deleted, &mut taken, found);
        self.find_own(now, found);
        taken
    }

    /// Takes in one port that was heard of.
    pub(super) fn hear(&mut self, sighting: Sighting, now: Instant, found: &mut Vec<Finding>) -> Heard {
        let id = sighting.port.id;
        if self.is_newer(&sighting) {
            return Heard::Stale;
        }
        let mut addresses = sighting.port.fixed_ips.iter().map(|fixed| self.by_address.get(&fixed.address));
        if addresses.any(|holder| holder.is_some_and(|holder| *holder != id)) {
            return Heard::Clash;
        }
        let heard = self.set_port(sighting, found);
        self.find_own(now, found);
        heard
    }

    /// A port is gone. True when it was ours.
    pub(super) fn drop_port(&mut self, id: PortId, now: Instant, found: &mut Vec<Finding>) -> bool {
        let was_own = self.own() == Some(id);
        if self.forget_port(id) {
            found.push(Finding::ServedPort(id, None));
        }
        self.find_own(now, found);
        was_own
    }

    /// The network is served no more.
    pub(super) fn withdraw(&mut self, found: &mut Vec<Finding>) {
        if let Some(own) = self.own.take() {
            found.push(Finding::OwnPort(own.port.id, None));
        }
        found.extend(self.ports.keys().map(|id| Finding::ServedPort(*id, None)));
        found.extend(self.subnets.keys().map(|id| Finding::ServedSubnet(*id, None)));
        if self.network.take().is_some() {
            found.push(Finding::ServedNetwork(self.id, None));
        }
        self.ports.clear();
        self.subnets.clear();
        self.by_address.clear();
        self.mine.clear();
        self.reserved.clear();
        self.untold.clear();
        self.heard.clear();
    }

    /// What is to be done for our port, if anything can be done.
    pub(super) fn next_step(&self) -> Option<OwnStep> {
        if !self.is_served() || self.stuck {
            return None;
        }
        match (&self.own, self.reserved.first()) {
            (Some(own), _) => self.addresses(own),
            (None, Some(port)) => Some(OwnStep::Adopt { port: *port }),
            (None, None) => {
                let subnets = self.subnets.keys().copied().collect();
                Some(OwnStep::Create { project: self.project.clone(), subnets })
            }
        }
    }

    /// The addresses that our port should have, when they are others than it has.
    fn addresses(&self, own: &Sighting) -> Option<OwnStep> {
        let fixed_ips = &own.port.fixed_ips;
        let has: BTreeSet<SubnetId> = fixed_ips.iter().map(|fixed| fixed.subnet).collect();
        if has.iter().eq(self.subnets.keys()) {
            return None;
        }
        let kept = fixed_ips.iter().filter(|fixed| self.has_subnet(fixed.subnet));
        let kept = kept.map(|fixed| (fixed.subnet, Some(fixed.address)));
        let missing = self.subnets.keys().filter(|id| !has.contains(id)).map(|id| (*id, None));
        Some(OwnStep::SetAddresses { port: own.port.id, addresses: kept.chain(missing).collect() })
    }

    fn set_subnets(
        &mut self,
        subnets: BTreeMap<SubnetId, Arc<Subnet>>,
        now: Instant,
        found: &mut Vec<Finding>,
    ) {
        let gone = self.subnets.keys().filter(|id| !subnets.contains_key(id));
        found.extend(gone.map(|id| Finding::ServedSubnet(*id, None)));
        let changed = subnets.values().filter(|subnet| self.subnets.get(&subnet.id) != Some(subnet));
        found.extend(changed.map(|subnet| Finding::ServedSubnet(subnet.id, Some(subnet.clone()))));
        if !self.subnets.keys().eq(subnets.keys()) {
            self.arrange_anew(now);
        }
        self.subnets = subnets;
    }

    fn set_ports(
        &mut self,
        info: &NetworkInfo,
        deleted: &Deleted<PortId>,
        taken: &mut TakenIn,
        found: &mut Vec<Finding>,
    ) {
        let there: BTreeSet<PortId> = info.ports.iter().map(|sighting| sighting.port.id).collect();
        let missing: Vec<PortId> = self.ports().filter(|id| !there.contains(id)).collect();
        for id in missing {
            if self.heard.contains(&id) {
                taken.outdated = true;
            } else if !info.unread.has_port(id) {
                self.forget_port(id);
                found.push(Finding::ServedPort(id, None));
                taken.gone.push(id);
            }
        }
        for sighting in &info.ports {
            let id = sighting.port.id;
            if deleted.has(id) || self.is_newer(sighting) {
                continue;
            }
            if self.set_port(sighting.clone(), found) == Heard::Changed {
                taken.changed.insert(id);
            }
        }
    }

    /// Whether something newer than this is known.
    fn is_newer(&self, sighting: &Sighting) -> bool {
        let known = self.ports.get(&sighting.port.id);
        known.is_some_and(|known| known.revision.is_some() && known.revision > sighting.revision)
    }

    fn set_port(&mut self, sighting: Sighting, found: &mut Vec<Finding>) -> Heard {
        let port = &sighting.port;
        let id = port.id;
        let old = self.ports.get(&id);
        if old == Some(&sighting) {
            return Heard::Same;
        }
        let same = old.is_some_and(|old| old.port == *port);
        if !same {
            self.forget_port(id);
            self.by_address.extend(port.fixed_ips.iter().map(|fixed| (fixed.address, id)));
            if port.device == self.device {
                self.mine.insert(id);
            } else if port.device == RESERVED {
                self.reserved.insert(id);
            }
        }
        found.push(Finding::ServedPort(id, Some(sighting.clone())));
        self.ports.insert(id, sighting);
        if same { Heard::Same } else { Heard::Changed }
    }

    fn forget_port(&mut self, id: PortId) -> bool {
        self.mine.remove(&id);
        self.reserved.remove(&id);
        self.untold.remove(&id);
        let Some(old) = self.ports.remove(&id) else { return false };
        for fixed in &old.port.fixed_ips {
            if self.by_address.get(&fixed.address) == Some(&id) {
                self.by_address.remove(&fixed.address);
            }
        }
        true
    }

    fn find_own(&mut self, now: Instant, found: &mut Vec<Finding>) {
        let own = self.mine.first().and_then(|id| self.ports.get(id)).cloned();
        if own == self.own {
            return;
        }
        let (old, new) = (self.own(), own.as_ref().map(|own| own.port.id));
        if old != new {
            found.extend(old.map(|old| Finding::OwnPort(old, None)));
            self.arrange_anew(now);
        }
        found.extend(own.iter().map(|own| Finding::OwnPort(own.port.id, Some(own.clone()))));
        self.own = own;
    }

    /// The node has to arrange the service again, and every port is to be told of anew.
    fn arrange_anew(&mut self, now: Instant) {
        self.service = Service::Unknown(now);
        self.untold = self.ports().collect();
    }
}
