//! Everything that the controller wants of this node, as one value.
//!
//! The maps are persistent: a copy costs nothing, two copies share what is equal, and comparing them
//! costs as much as they differ. So a driver changes its copy and publishes it whole, the engine keeps
//! the one that it worked from, and a change of one port among thousands costs work for one port.
//!
//! Objects may be here that do not concern this node (ports bound elsewhere); compiling sorts that out.

use std::net::IpAddr;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

use crate::{Mac, Network, NetworkId, ObjectRef, Port, PortId, Router, RouterId, Subnet, SubnetId};

/// A part that a node can play. The controller completes its picture role by role.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    L2,
    Dhcp,
    L3,
    Metadata,
}

/// What the controller wants.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Desired {
    /// Roles whose picture is whole. Nothing is taken away for a role that is not in here.
    pub complete: OrdSet<Role>,
    /// Routers and networks that the controller gives to this node in a form that cannot be made here, or
    /// that cannot be understood. What exists of them and is not wanted otherwise stays untouched.
    pub left_alone: OrdSet<ObjectRef>,
    networks: OrdMap<NetworkId, Arc<Network>>,
    subnets: OrdMap<SubnetId, Arc<Subnet>>,
    ports: OrdMap<PortId, Arc<Port>>,
    routers: OrdMap<RouterId, Arc<Router>>,
    remote_ports: OrdMap<(NetworkId, Mac), Arc<RemotePort>>,
    floods: OrdMap<NetworkId, OrdSet<IpAddr>>,
    subnets_of: OrdMap<NetworkId, OrdSet<SubnetId>>,
    ports_of: OrdMap<NetworkId, OrdSet<PortId>>,
}

/// A MAC address of a tunnel network that is behind another node: one entry of Neutron's l2population.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RemotePort {
    pub network: NetworkId,
    pub mac: Mac,
    pub addresses: Vec<IpAddr>,
    /// The tunnel address of the node that has it.
    pub endpoint: IpAddr,
}

impl Desired {
    pub fn networks(&self) -> &OrdMap<NetworkId, Arc<Network>> {
        &self.networks
    }

    pub fn subnets(&self) -> &OrdMap<SubnetId, Arc<Subnet>> {
        &self.subnets
    }

    pub fn ports(&self) -> &OrdMap<PortId, Arc<Port>> {
        &self.ports
    }

    pub fn routers(&self) -> &OrdMap<RouterId, Arc<Router>> {
        &self.routers
    }

    pub fn remote_ports(&self) -> &OrdMap<(NetworkId, Mac), Arc<RemotePort>> {
        &self.remote_ports
    }

    /// The tunnel endpoints that get a network's broadcast and unknown frames.
    pub fn floods(&self) -> &OrdMap<NetworkId, OrdSet<IpAddr>> {
        &self.floods
    }

    /// The subnets of a network, in the order of their ids.
    pub fn subnets_of(&self, network: NetworkId) -> impl Iterator<Item = &Arc<Subnet>> {
        self.subnets_of.get(&network).into_iter().flatten().filter_map(|id| self.subnets.get(id))
    }

    /// The ports of a network, in the order of their ids.
    pub fn ports_of(&self, network: NetworkId) -> impl Iterator<Item = &Arc<Port>> {
        self.ports_of.get(&network).into_iter().flatten().filter_map(|id| self.ports.get(id))
    }

    pub fn set_network(&mut self, network: impl Into<Arc<Network>>) {
        let network = network.into();
        self.networks.insert(network.id, network);
    }

    pub fn drop_network(&mut self, id: NetworkId) {
        self.networks.remove(&id);
        self.floods.remove(&id);
    }

    pub fn set_subnet(&mut self, subnet: impl Into<Arc<Subnet>>) {
        let subnet = subnet.into();
        self.drop_subnet(subnet.id);
        self.subnets_of.entry(subnet.network).or_default().insert(subnet.id);
        self.subnets.insert(subnet.id, subnet);
    }

    pub fn drop_subnet(&mut self, id: SubnetId) {
        if let Some(old) = self.subnets.remove(&id) {
            forget(&mut self.subnets_of, &old.network, &id);
        }
    }

    pub fn set_port(&mut self, port: impl Into<Arc<Port>>) {
        let port = port.into();
        if self.ports.get(&port.id).is_some_and(|old| old.network != port.network) {
            self.drop_port(port.id);
        }
        self.ports_of.entry(port.network).or_default().insert(port.id);
        self.ports.insert(port.id, port);
    }

    pub fn drop_port(&mut self, id: PortId) {
        if let Some(old) = self.ports.remove(&id) {
            forget(&mut self.ports_of, &old.network, &id);
        }
    }

    pub fn set_router(&mut self, router: impl Into<Arc<Router>>) {
        let router = router.into();
        self.routers.insert(router.id, router);
    }

    pub fn drop_router(&mut self, id: RouterId) {
        self.routers.remove(&id);
    }

    pub fn set_remote_port(&mut self, port: impl Into<Arc<RemotePort>>) {
        let port = port.into();
        self.remote_ports.insert((port.network, port.mac), port);
    }

    pub fn drop_remote_port(&mut self, network: NetworkId, mac: Mac) {
        self.remote_ports.remove(&(network, mac));
    }

    /// Replaces the endpoints that a network floods to.
    pub fn set_flood(&mut self, network: NetworkId, endpoints: OrdSet<IpAddr>) {
        if endpoints.is_empty() {
            self.floods.remove(&network);
        } else {
            self.floods.insert(network, endpoints);
        }
    }
}

/// Takes an id out of an index, and the index entry with it when it was the last.
fn forget<K: Ord + Clone, V: Ord + Clone>(index: &mut OrdMap<K, OrdSet<V>>, key: &K, value: &V) {
    if let Some(set) = index.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            index.remove(key);
        }
    }
}
