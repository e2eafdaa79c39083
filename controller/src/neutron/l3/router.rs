//! What is known of one router, and what follows from hearing it again. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{FloatingIpId, NetworkId, PortId, Router, RouterPortForwarding};

use crate::neutron::finding::{Finding, Sighting};
use crate::neutron::wire::l3_calls::Status;
use crate::neutron::wire::router::RouterDict;

/// A router that this node runs.
#[derive(Debug)]
pub(super) struct Known {
    /// As it was last read, without port forwardings.
    word: Router,
    /// As it was found.
    found: Option<Arc<Router>>,
    ports: BTreeMap<PortId, Sighting>,
    /// Floating IPs that stand for what their port forwardings say.
    pub(super) forwarded: BTreeSet<FloatingIpId>,
    /// What the server believes of every floating IP; nothing when it is something else than these three.
    pub(super) believed: BTreeMap<FloatingIpId, Option<Status>>,
    /// Those of which something else was read while the server was being told: one of the two is older.
    pub(super) doubted: BTreeSet<FloatingIpId>,
    /// Floating IPs that were here and are gone, until that is true on the node as well.
    pub(super) departed: BTreeSet<FloatingIpId>,
    /// Whether the node has made the router as it was found; nothing while the engine did not say.
    pub(super) works: Option<bool>,
}

impl Known {
    pub(super) fn new(word: Router) -> Self {
        Self {
            word,
            found: None,
            ports: BTreeMap::new(),
            forwarded: BTreeSet::new(),
            believed: BTreeMap::new(),
            doubted: BTreeSet::new(),
            departed: BTreeSet::new(),
            works: None,
        }
    }

    /// Whether the node was told of it.
    pub(super) fn is_found(&self) -> bool {
        self.found.is_some()
    }

    /// The floating IPs that are on the node when the router is.
    pub(super) fn floating_ips(&self) -> impl Iterator<Item = FloatingIpId> {
        let single = self.word.floating_ips.iter().map(|floating| floating.id);
        single.chain(self.forwarded.iter().copied()).filter(|_| self.word.gateway.is_some())
    }

    /// Whether a port of it is on a network with another MTU than this one; any, when it is not said.
    pub(super) fn is_on(&self, network: NetworkId, mtu: Option<u32>) -> bool {
        let outside = self.word.gateway.iter().map(|gateway| &gateway.interface);
        let mut legs = self.word.interfaces.iter().chain(outside);
        legs.any(|leg| leg.network == network && mtu.is_none_or(|mtu| mtu != leg.mtu))
    }

    /// Takes in what was read. `busy`: floating IPs that the server is just being told of; `unsure`: those
    /// that it was told of since it was asked.
    pub(super) fn take_in(
        &mut self,
        dict: RouterDict,
        busy: impl Fn(FloatingIpId) -> bool,
        unsure: &BTreeSet<FloatingIpId>,
        found: &mut Vec<Finding>,
    ) {
        self.word = dict.router;
        self.forwarded = dict.forwarded.into_iter().collect();
        self.set_ports(dict.ports, found);
        let statuses = dict.statuses;
        let gone = self.believed.keys().filter(|id| !statuses.contains_key(id));
        self.departed.extend(gone);
        self.departed.retain(|id| !statuses.contains_key(id));
        let old = std::mem::take(&mut self.believed);
        let all = [Status::Active, Status::Down, Status::Error];
        for (id, text) in statuses {
            let read = all.into_iter().find(|status| status.as_str() == text);
            let told = old.get(&id).copied().filter(|_| busy(id));
            if busy(id) && told != Some(read) {
                self.doubted.insert(id);
            }
            let read = read.filter(|_| !unsure.contains(&id));
            self.believed.insert(id, told.unwrap_or(read));
        }
    }

    /// The router with its port forwardings is to be on the node.
    pub(super) fn find(&mut self, port_forwardings: Vec<RouterPortForwarding>, found: &mut Vec<Finding>) {
        let router = Router { port_forwardings, ..self.word.clone() };
        if self.found.as_deref() == Some(&router) {
            return;
        }
        let router = Arc::new(router);
        self.works = None;
        found.push(Finding::Router(router.id, Some(router.clone())));
        self.found = Some(router);
    }

    /// The router is not ours any more.
    pub(super) fn withdraw(self, found: &mut Vec<Finding>) {
        if let Some(router) = self.found {
            found.push(Finding::Router(router.id, None));
        }
        found.extend(self.ports.into_keys().map(|id| Finding::OwnPort(id, None)));
    }

    fn set_ports(&mut self, ports: Vec<Sighting>, found: &mut Vec<Finding>) {
        let ports: BTreeMap<_, _> = ports.into_iter().map(|sighting| (sighting.port.id, sighting)).collect();
        for (id, sighting) in &ports {
            if self.ports.get(id) != Some(sighting) {
                found.push(Finding::OwnPort(*id, Some(sighting.clone())));
            }
        }
        let gone = self.ports.keys().filter(|id| !ports.contains_key(id));
        found.extend(gone.map(|id| Finding::OwnPort(*id, None)));
        self.ports = ports;
    }
}
