//! Which ports shape a network's service: its DHCP ports and its routers' interfaces. Kept beside the
//! controller's picture and brought up to date by what differs between two of them, because looking for
//! these few ports among the thousands of a network would cost as much as the network is large.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::OrdMap;
use model::change::differ;
use model::{Desired, NetworkId, Port, PortId, PortOwner};

/// See the head of this module.
#[derive(Clone, Debug, Default)]
pub struct Index {
    seen: OrdMap<PortId, Arc<Port>>,
    service_ports: BTreeMap<NetworkId, BTreeSet<PortId>>,
}

impl Index {
    /// Takes up a newer picture. Costs as much as it differs from the last one.
    pub fn update(&mut self, desired: &Desired) {
        let mut changed = Vec::new();
        differ(&self.seen, desired.ports(), |id, port| changed.push((*id, port.network)));
        self.seen = desired.ports().clone();
        for (id, network) in changed {
            if let Some(ports) = self.service_ports.get_mut(&network) {
                ports.remove(&id);
                if ports.is_empty() {
                    self.service_ports.remove(&network);
                }
            }
            // The same for the old and the new value of a port, whichever comes last.
            if let Some(port) = desired.ports().get(&id).filter(|port| shapes_service(port)) {
                self.service_ports.entry(port.network).or_default().insert(id);
            }
        }
    }

    /// The ports that shape a network's service, in the order of their ids.
    pub fn service_ports(&self, network: NetworkId) -> impl Iterator<Item = &Arc<Port>> {
        self.service_ports.get(&network).into_iter().flatten().filter_map(|id| self.seen.get(id))
    }

    /// The networks that have such ports.
    pub fn networks(&self) -> impl Iterator<Item = NetworkId> {
        self.service_ports.keys().copied()
    }
}

fn shapes_service(port: &Port) -> bool {
    matches!(port.owner, PortOwner::Dhcp) || is_router_interface(port)
}

/// Whether a port is a router's way into a network. Routers of all kinds count.
pub fn is_router_interface(port: &Port) -> bool {
    const OTHERS: [&str; 2] =
        ["network:ha_router_replicated_interface", "network:router_interface_distributed"];
    port.owner == PortOwner::RouterInterface || OTHERS.contains(&port.owner.as_str())
}
