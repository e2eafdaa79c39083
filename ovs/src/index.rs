//! What hangs on what: an index over the controller's will, kept up to date by what changed in it, so
//! that a pass over one port costs the same however many there are.
//!
//! It answers three questions that `Desired` cannot answer without a walk over everything: which
//! segments of a network have ports on this node, which networks lead to an endpoint, and which remote
//! MACs claim an address. When an answer changes, objects that nobody touched have to be looked at
//! again: [`Index::follow`] names them. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use model::{
    Desired, HostName, Mac, NetworkId, ObjectRef, Port, PortId, PortOwner, RemotePort, Router, RouterId,
    Scope, Segment,
};

/// See the head of this module.
#[derive(Clone, Debug)]
pub struct Index {
    host: HostName,
    desired: Desired,
    /// Ports of this node by network and segment.
    local: BTreeMap<NetworkId, BTreeMap<Segment, BTreeSet<PortId>>>,
    /// How many floods and MACs of each network lead to an endpoint.
    endpoints: BTreeMap<IpAddr, BTreeMap<NetworkId, usize>>,
    /// The remote MACs that have an IPv4 address.
    claims: BTreeMap<(NetworkId, Ipv4Addr), BTreeSet<Mac>>,
}

impl Index {
    pub fn new(host: HostName) -> Self {
        Self {
            host,
            desired: Desired::default(),
            local: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            claims: BTreeMap::new(),
        }
    }

    /// Takes up a new state, at the cost of how much it differs from the last one. Returns the objects
    /// that must be looked at because of it, besides those that changed themselves.
    pub fn follow(&mut self, desired: &Desired) -> Scope {
        let old = std::mem::replace(&mut self.desired, desired.clone());
        let mut touched = BTreeSet::new();
        self.follow_remote_ports(&old, desired, &mut touched);
        self.follow_floods(&old, desired);
        for network in self.follow_ports(&old, desired) {
            self.touch_network(&old, network, &mut touched);
            self.touch_network(desired, network, &mut touched);
        }
        self.touch_resized(&old, desired, &mut touched);
        self.touch_services(&old, desired, &mut touched);
        if old.complete == desired.complete { Scope::Objects(touched) } else { Scope::All }
    }

    /// The segments of a network that have ports on this node.
    pub fn segments(&self, network: NetworkId) -> impl Iterator<Item = &Segment> {
        self.local.get(&network).into_iter().flat_map(BTreeMap::keys)
    }

    /// Every network that has ports on this node.
    pub fn networks(&self) -> impl Iterator<Item = NetworkId> {
        self.local.keys().copied()
    }

    /// The ports of a network that are on this node and belong to a service of this kind.
    pub fn service_ports(&self, network: NetworkId, owner: &PortOwner) -> Vec<PortId> {
        let ports = self.local.get(&network).into_iter().flat_map(BTreeMap::values).flatten();
        let is_service =
            |id: &&PortId| self.desired.ports().get(*id).is_some_and(|port| port.owner == *owner);
        ports.filter(is_service).copied().collect()
    }

    /// The ports of a router, wherever they are.
    pub fn router_ports(&self, router: RouterId) -> Vec<PortId> {
        self.desired.routers().get(&router).map_or_else(Vec::new, |router| ports_of(router).collect())
    }

    pub fn uses(&self, network: NetworkId, segment: &Segment) -> bool {
        self.local.get(&network).is_some_and(|segments| segments.contains_key(segment))
    }

    /// The networks with floods or MACs behind an endpoint, whether or not they have ports here.
    pub fn networks_behind(&self, endpoint: IpAddr) -> impl Iterator<Item = NetworkId> {
        self.endpoints.get(&endpoint).into_iter().flat_map(|networks| networks.keys().copied())
    }

    /// Every endpoint that is named at all.
    pub fn endpoints(&self) -> impl Iterator<Item = IpAddr> {
        self.endpoints.keys().copied()
    }

    /// The MAC that answers for an address: the lowest of those that have it.
    pub fn answers(&self, network: NetworkId, address: Ipv4Addr) -> Option<Mac> {
        self.claims.get(&(network, address)).and_then(|macs| macs.first().copied())
    }

    /// What sends to an endpoint: to be looked at when its tunnel port gets another number.
    pub fn senders(&self, endpoint: IpAddr) -> BTreeSet<ObjectRef> {
        let mut senders = BTreeSet::new();
        for network in self.networks_behind(endpoint) {
            senders.insert(ObjectRef::Network(network));
            let behind = remote_macs(&self.desired, network).filter(|port| port.endpoint == endpoint);
            senders.extend(behind.map(|port| ObjectRef::RemoteMac(port.network, port.mac)));
        }
        senders
    }

    /// Returns the networks whose set of segments here changed.
    fn follow_ports(&mut self, old: &Desired, new: &Desired) -> BTreeSet<NetworkId> {
        let mut changed = BTreeSet::new();
        for_each_change(old.ports(), new.ports(), |before, after| {
            if let Some((network, segment, port)) = before.and_then(|port| place(port, &self.host)) {
                let segments = self.local.entry(network).or_default();
                let ports = segments.entry(segment.clone()).or_default();
                ports.remove(&port);
                if ports.is_empty() {
                    segments.remove(&segment);
                    changed.insert(network);
                }
                if segments.is_empty() {
                    self.local.remove(&network);
                }
            }
            if let Some((network, segment, port)) = after.and_then(|port| place(port, &self.host)) {
                let ports = self.local.entry(network).or_default().entry(segment).or_insert_with(|| {
                    changed.insert(network);
                    BTreeSet::new()
                });
                ports.insert(port);
            }
        });
        changed
    }

    fn follow_floods(&mut self, old: &Desired, new: &Desired) {
        let mut changes = Vec::new();
        model::change::differ(old.floods(), new.floods(), |network, _| changes.push(*network));
        for network in changes.into_iter().collect::<BTreeSet<_>>() {
            for endpoint in old.floods().get(&network).into_iter().flatten() {
                self.leave(*endpoint, network);
            }
            for endpoint in new.floods().get(&network).into_iter().flatten() {
                self.lead(*endpoint, network);
            }
        }
    }

    fn follow_remote_ports(&mut self, old: &Desired, new: &Desired, touched: &mut BTreeSet<ObjectRef>) {
        for_each_change(old.remote_ports(), new.remote_ports(), |before, after| {
            if let Some(port) = before {
                self.leave(port.endpoint, port.network);
                for address in ipv4(port) {
                    let key = (port.network, address);
                    let claims = self.claims.entry(key).or_default();
                    claims.remove(&port.mac);
                    touched.extend(claims.first().map(|mac| ObjectRef::RemoteMac(port.network, *mac)));
                    if claims.is_empty() {
                        self.claims.remove(&key);
                    }
                }
            }
            if let Some(port) = after {
                self.lead(port.endpoint, port.network);
                for address in ipv4(port) {
                    let claims = self.claims.entry((port.network, address)).or_default();
                    touched.extend(claims.first().map(|mac| ObjectRef::RemoteMac(port.network, *mac)));
                    claims.insert(port.mac);
                }
            }
        });
    }

    fn lead(&mut self, endpoint: IpAddr, network: NetworkId) {
        *self.endpoints.entry(endpoint).or_default().entry(network).or_default() += 1;
    }

    fn leave(&mut self, endpoint: IpAddr, network: NetworkId) {
        let Some(networks) = self.endpoints.get_mut(&endpoint) else { return };
        if let Some(count) = networks.get_mut(&network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                networks.remove(&network);
            }
        }
        if networks.is_empty() {
            self.endpoints.remove(&endpoint);
        }
    }

    /// A network got its first port here or lost its last one.
    fn touch_network(&self, desired: &Desired, network: NetworkId, touched: &mut BTreeSet<ObjectRef>) {
        touched.insert(ObjectRef::Network(network));
        let floods = desired.floods().get(&network).into_iter().flatten();
        touched.extend(floods.map(|endpoint| ObjectRef::Endpoint(*endpoint)));
        for port in remote_macs(desired, network) {
            touched.insert(ObjectRef::RemoteMac(network, port.mac));
            touched.insert(ObjectRef::Endpoint(port.endpoint));
        }
    }

    /// The ports that we make get the MTU of their network.
    fn touch_resized(&self, old: &Desired, new: &Desired, touched: &mut BTreeSet<ObjectRef>) {
        for_each_change(old.networks(), new.networks(), |before, after| {
            let mtu = |network: Option<&std::sync::Arc<model::Network>>| network.map(|network| network.mtu);
            if mtu(before) != mtu(after) {
                let network = before.or(after).and_then(|network| self.local.get(&network.id));
                let ports = network.into_iter().flat_map(BTreeMap::values).flatten();
                touched.extend(ports.map(|port| ObjectRef::Port(*port)));
            }
        });
    }

    /// The ports of a service come and go with it.
    fn touch_services(&self, old: &Desired, new: &Desired, touched: &mut BTreeSet<ObjectRef>) {
        let mut served = BTreeSet::new();
        for_each_change(old.networks(), new.networks(), |before, after| {
            served.extend(before.or(after).map(|network| network.id));
        });
        for_each_change(old.subnets(), new.subnets(), |before, after| {
            served.extend([before, after].into_iter().flatten().map(|subnet| subnet.network));
        });
        for network in served {
            touched.extend(self.service_ports(network, &PortOwner::Dhcp).into_iter().map(ObjectRef::Port));
        }
        for_each_change(old.routers(), new.routers(), |before, after| {
            for router in [before, after].into_iter().flatten() {
                touched.extend(ports_of(router).map(ObjectRef::Port));
            }
        });
    }
}

fn ports_of(router: &Router) -> impl Iterator<Item = PortId> {
    let gateway = router.gateway.iter().map(|gateway| &gateway.interface);
    router.interfaces.iter().chain(gateway).map(|interface| interface.port)
}

/// The remote MACs of one network.
pub fn remote_macs(desired: &Desired, network: NetworkId) -> impl Iterator<Item = &RemotePort> {
    let all = (network, Mac::ZERO)..=(network, Mac::BROADCAST);
    desired.remote_ports().range(all).map(|(_, port)| port.as_ref())
}

/// The addresses that ARP can be answered for.
pub fn ipv4(port: &RemotePort) -> impl Iterator<Item = Ipv4Addr> + '_ {
    port.addresses.iter().filter_map(|address| match address {
        IpAddr::V4(address) if !address.is_unspecified() => Some(*address),
        _ => None,
    })
}

fn place(port: &Port, host: &HostName) -> Option<(NetworkId, Segment, PortId)> {
    if port.owner == PortOwner::FloatingIp {
        return None; // an address, not a device
    }
    let binding = port.binding.as_ref().filter(|binding| binding.host == *host)?;
    Some((port.network, binding.segment.clone()?, port.id))
}

fn for_each_change<K, V>(
    old: &OrdMap<K, V>,
    new: &OrdMap<K, V>,
    mut change: impl FnMut(Option<&V>, Option<&V>),
) where
    K: Ord + Clone,
    V: PartialEq + Clone,
{
    for item in old.diff(new) {
        match item {
            DiffItem::Add(_, value) => change(None, Some(value)),
            DiffItem::Remove(_, value) => change(Some(value), None),
            DiffItem::Update { old, new } => change(Some(old.1), Some(new.1)),
        }
    }
}
