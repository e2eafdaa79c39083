//! All resources at one moment, with the indexes that questions need. Pure.
//!
//! The maps are persistent: a copy costs nothing, so a change is tried on a copy and the copy is
//! dropped when the change turns out to be refused. Nothing here checks whether a change makes sense;
//! that is the business of the modules named after the resources.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use model::{FloatingIpId, HostName, Mac, NetworkId, PortId, RouterId, SubnetId};
use serde::{Deserialize, Serialize};

use super::ipam::Free;
use super::record::{FloatingIp, Host, Network, NetworkType, Port, Provider, Router, Subnet};

/// Names one record.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Key {
    Host(HostName),
    Network(NetworkId),
    Subnet(SubnetId),
    Port(PortId),
    Router(RouterId),
    FloatingIp(FloatingIpId),
}

/// One record of any kind.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Record {
    Host(Arc<Host>),
    Network(Arc<Network>),
    Subnet(Arc<Subnet>),
    Port(Arc<Port>),
    Router(Arc<Router>),
    FloatingIp(Arc<FloatingIp>),
}

/// All records.
#[derive(Clone, Debug, Default)]
pub struct State {
    hosts: OrdMap<HostName, Arc<Host>>,
    networks: OrdMap<NetworkId, Arc<Network>>,
    subnets: OrdMap<SubnetId, Arc<Subnet>>,
    ports: OrdMap<PortId, Arc<Port>>,
    routers: OrdMap<RouterId, Arc<Router>>,
    floating_ips: OrdMap<FloatingIpId, Arc<FloatingIp>>,

    providers: OrdMap<Provider, NetworkId>,
    subnets_of: OrdMap<NetworkId, OrdSet<(u64, SubnetId)>>,
    free: OrdMap<SubnetId, Free>,
    ports_of: OrdMap<NetworkId, OrdSet<PortId>>,
    ports_at: OrdMap<(NetworkId, HostName), OrdSet<PortId>>,
    ports_of_device: OrdMap<String, OrdSet<PortId>>,
    addresses: OrdMap<(SubnetId, IpAddr), PortId>,
    macs: OrdMap<(NetworkId, Mac), PortId>,
    floating_ips_of_router: OrdMap<RouterId, OrdSet<FloatingIpId>>,
    floating_ips_to: OrdMap<PortId, OrdSet<FloatingIpId>>,
    last_serial: u64,
}

impl State {
    pub fn hosts(&self) -> &OrdMap<HostName, Arc<Host>> {
        &self.hosts
    }

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

    pub fn floating_ips(&self) -> &OrdMap<FloatingIpId, Arc<FloatingIp>> {
        &self.floating_ips
    }

    /// The network that has a segment.
    pub fn network_on(&self, provider: &Provider) -> Option<NetworkId> {
        self.providers.get(provider).copied()
    }

    /// The segment numbers that are taken of one kind on one physical network, in order.
    pub fn taken_segments<'a>(
        &'a self,
        kind: NetworkType,
        physical: &'a Option<String>,
    ) -> impl Iterator<Item = u32> + 'a {
        let from = Provider { network_type: kind, physical_network: physical.clone(), segmentation_id: None };
        let same = move |provider: &Provider| {
            provider.network_type == kind && provider.physical_network == *physical
        };
        let after = self.providers.range(from..).map(|(provider, _)| provider);
        after.take_while(move |provider| same(provider)).filter_map(|provider| provider.segmentation_id)
    }

    /// The subnets of a network, oldest first.
    pub fn subnets_of(&self, network: NetworkId) -> impl Iterator<Item = &Arc<Subnet>> {
        self.subnets_of.get(&network).into_iter().flatten().filter_map(|(_, id)| self.subnets.get(id))
    }

    /// The ports of a network, in the order of their ids.
    pub fn ports_of(&self, network: NetworkId) -> impl Iterator<Item = &Arc<Port>> {
        self.ports_of.get(&network).into_iter().flatten().filter_map(|id| self.ports.get(id))
    }

    /// The ports of a `device_id`.
    pub fn ports_of_device(&self, device: &str) -> impl Iterator<Item = &Arc<Port>> {
        self.ports_of_device.get(device).into_iter().flatten().filter_map(|id| self.ports.get(id))
    }

    /// The nodes that have ports of a network.
    pub fn hosts_with(&self, network: NetworkId) -> impl Iterator<Item = &HostName> {
        let from = (network, HostName(String::new()));
        self.ports_at
            .range(from..)
            .map(|(key, _)| key)
            .take_while(move |key| key.0 == network)
            .map(|key| &key.1)
    }

    /// The networks that have ports on a node. Looks at every pair of network and node.
    pub fn networks_at<'a>(&'a self, host: &'a HostName) -> impl Iterator<Item = NetworkId> + 'a {
        self.ports_at.keys().filter(move |key| key.1 == *host).map(|key| key.0)
    }

    /// The ports of a network on one node.
    pub fn ports_at(&self, network: NetworkId, host: &HostName) -> impl Iterator<Item = &Arc<Port>> {
        let ids = self.ports_at.get(&(network, host.clone()));
        ids.into_iter().flatten().filter_map(|id| self.ports.get(id))
    }

    /// The port that has an address.
    pub fn port_with_address(&self, subnet: SubnetId, address: IpAddr) -> Option<PortId> {
        self.addresses.get(&(subnet, address)).copied()
    }

    /// The addresses in use on a subnet, and by whom.
    pub fn addresses_on(&self, subnet: SubnetId) -> impl Iterator<Item = (IpAddr, PortId)> {
        let first = (subnet, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let last = (subnet, IpAddr::V6(Ipv6Addr::from(u128::MAX)));
        self.addresses.range(first..=last).map(|((_, address), port)| (*address, *port))
    }

    pub fn port_with_mac(&self, network: NetworkId, mac: Mac) -> Option<PortId> {
        self.macs.get(&(network, mac)).copied()
    }

    /// The free addresses of a subnet's pools.
    pub(super) fn free(&self, subnet: SubnetId) -> Option<&Free> {
        self.free.get(&subnet)
    }

    pub fn floating_ips_of(&self, router: RouterId) -> impl Iterator<Item = &Arc<FloatingIp>> {
        let ids = self.floating_ips_of_router.get(&router);
        ids.into_iter().flatten().filter_map(|id| self.floating_ips.get(id))
    }

    pub fn floating_ips_to(&self, port: PortId) -> impl Iterator<Item = &Arc<FloatingIp>> {
        let ids = self.floating_ips_to.get(&port);
        ids.into_iter().flatten().filter_map(|id| self.floating_ips.get(id))
    }

    /// The number after the last that a record has.
    pub fn next_serial(&self) -> u64 {
        self.last_serial + 1
    }

    pub fn get(&self, key: &Key) -> Option<Record> {
        match key {
            Key::Host(id) => self.hosts.get(id).cloned().map(Record::Host),
            Key::Network(id) => self.networks.get(id).cloned().map(Record::Network),
            Key::Subnet(id) => self.subnets.get(id).cloned().map(Record::Subnet),
            Key::Port(id) => self.ports.get(id).cloned().map(Record::Port),
            Key::Router(id) => self.routers.get(id).cloned().map(Record::Router),
            Key::FloatingIp(id) => self.floating_ips.get(id).cloned().map(Record::FloatingIp),
        }
    }

    /// Every record's name: hosts, then networks, subnets, ports, routers, floating IPs.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        let hosts = self.hosts.keys().cloned().map(Key::Host);
        let networks = self.networks.keys().copied().map(Key::Network);
        let subnets = self.subnets.keys().copied().map(Key::Subnet);
        let ports = self.ports.keys().copied().map(Key::Port);
        let routers = self.routers.keys().copied().map(Key::Router);
        let floating_ips = self.floating_ips.keys().copied().map(Key::FloatingIp);
        hosts.chain(networks).chain(subnets).chain(ports).chain(routers).chain(floating_ips)
    }

    /// Adds or replaces a record.
    pub fn put(&mut self, record: Record) {
        self.remove(&record.key());
        match record {
            Record::Host(host) => _ = self.hosts.insert(host.name.clone(), host),
            Record::Network(network) => self.add_network(network),
            Record::Subnet(subnet) => self.add_subnet(subnet),
            Record::Port(port) => self.add_port(port),
            Record::Router(router) => {
                self.saw(router.meta.serial);
                self.routers.insert(router.id, router);
            }
            Record::FloatingIp(floating) => self.add_floating_ip(floating),
        }
    }

    pub fn remove(&mut self, key: &Key) {
        match key {
            Key::Host(id) => _ = self.hosts.remove(id),
            Key::Network(id) => self.remove_network(*id),
            Key::Subnet(id) => self.remove_subnet(*id),
            Key::Port(id) => self.remove_port(*id),
            Key::Router(id) => _ = self.routers.remove(id),
            Key::FloatingIp(id) => self.remove_floating_ip(*id),
        }
    }

    fn saw(&mut self, serial: u64) {
        self.last_serial = self.last_serial.max(serial);
    }

    fn add_network(&mut self, network: Arc<Network>) {
        self.saw(network.meta.serial);
        if network.provider.network_type != NetworkType::Local {
            self.providers.insert(network.provider.clone(), network.id);
        }
        self.networks.insert(network.id, network);
    }

    fn remove_network(&mut self, id: NetworkId) {
        if let Some(old) = self.networks.remove(&id) {
            self.providers.remove(&old.provider);
        }
    }

    fn add_subnet(&mut self, subnet: Arc<Subnet>) {
        self.saw(subnet.meta.serial);
        let taken = self.addresses_on(subnet.id).map(|(address, _)| address);
        let free = Free::new(&subnet.allocation_pools, taken);
        self.free.insert(subnet.id, free);
        insert(&mut self.subnets_of, subnet.network, (subnet.meta.serial, subnet.id));
        self.subnets.insert(subnet.id, subnet);
    }

    fn remove_subnet(&mut self, id: SubnetId) {
        if let Some(old) = self.subnets.remove(&id) {
            self.free.remove(&id);
            forget(&mut self.subnets_of, &old.network, &(old.meta.serial, id));
        }
    }

    fn add_port(&mut self, port: Arc<Port>) {
        self.saw(port.meta.serial);
        for fixed in &port.fixed_ips {
            self.addresses.insert((fixed.subnet_id, fixed.ip_address), port.id);
            if let Some(free) = self.free.get_mut(&fixed.subnet_id) {
                free.take(fixed.ip_address);
            }
        }
        self.macs.insert((port.network, port.mac_address), port.id);
        insert(&mut self.ports_of, port.network, port.id);
        if let Some(host) = &port.host {
            insert(&mut self.ports_at, (port.network, host.clone()), port.id);
        }
        if !port.device_id.is_empty() {
            insert(&mut self.ports_of_device, port.device_id.clone(), port.id);
        }
        self.ports.insert(port.id, port);
    }

    fn remove_port(&mut self, id: PortId) {
        let Some(old) = self.ports.remove(&id) else { return };
        for fixed in &old.fixed_ips {
            self.addresses.remove(&(fixed.subnet_id, fixed.ip_address));
            if let Some(subnet) = self.subnets.get(&fixed.subnet_id)
                && let Some(free) = self.free.get_mut(&fixed.subnet_id)
            {
                free.give_back(fixed.ip_address, &subnet.allocation_pools);
            }
        }
        self.macs.remove(&(old.network, old.mac_address));
        forget(&mut self.ports_of, &old.network, &id);
        if let Some(host) = &old.host {
            forget(&mut self.ports_at, &(old.network, host.clone()), &id);
        }
        forget(&mut self.ports_of_device, &old.device_id, &id);
    }

    fn add_floating_ip(&mut self, floating: Arc<FloatingIp>) {
        self.saw(floating.meta.serial);
        if let Some(target) = &floating.target {
            insert(&mut self.floating_ips_of_router, target.router, floating.id);
            insert(&mut self.floating_ips_to, target.port, floating.id);
        }
        self.floating_ips.insert(floating.id, floating);
    }

    fn remove_floating_ip(&mut self, id: FloatingIpId) {
        if let Some(old) = self.floating_ips.remove(&id)
            && let Some(target) = &old.target
        {
            forget(&mut self.floating_ips_of_router, &target.router, &id);
            forget(&mut self.floating_ips_to, &target.port, &id);
        }
    }

    /// Keeps an address from being handed out until it is released; it can still be asked for by name.
    pub fn reserve(&mut self, subnet: SubnetId, address: IpAddr) {
        if let Some(free) = self.free.get_mut(&subnet) {
            free.take(address);
        }
    }

    /// Ends a reservation.
    pub fn release(&mut self, subnet: SubnetId, address: IpAddr) {
        if !self.addresses.contains_key(&(subnet, address))
            && let Some(record) = self.subnets.get(&subnet)
            && let Some(free) = self.free.get_mut(&subnet)
        {
            free.give_back(address, &record.allocation_pools);
        }
    }
}

impl Record {
    /// Whether two records say the same but for their times and revisions.
    pub(super) fn differs_in_meta_only(&self, new: &Self) -> bool {
        let mut new = new.clone();
        match (self, &mut new) {
            (Self::Network(old), Self::Network(new)) => Arc::make_mut(new).meta.follow(&old.meta),
            (Self::Subnet(old), Self::Subnet(new)) => Arc::make_mut(new).meta.follow(&old.meta),
            (Self::Port(old), Self::Port(new)) => Arc::make_mut(new).meta.follow(&old.meta),
            (Self::Router(old), Self::Router(new)) => Arc::make_mut(new).meta.follow(&old.meta),
            (Self::FloatingIp(old), Self::FloatingIp(new)) => Arc::make_mut(new).meta.follow(&old.meta),
            _ => {}
        }
        *self == new
    }

    pub fn key(&self) -> Key {
        match self {
            Self::Host(host) => Key::Host(host.name.clone()),
            Self::Network(network) => Key::Network(network.id),
            Self::Subnet(subnet) => Key::Subnet(subnet.id),
            Self::Port(port) => Key::Port(port.id),
            Self::Router(router) => Key::Router(router.id),
            Self::FloatingIp(floating) => Key::FloatingIp(floating.id),
        }
    }
}

fn insert<K: Ord + Clone, V: Ord + Clone>(index: &mut OrdMap<K, OrdSet<V>>, key: K, value: V) {
    index.entry(key).or_default().insert(value);
}

fn forget<K: Ord + Clone, V: Ord + Clone>(index: &mut OrdMap<K, OrdSet<V>>, key: &K, value: &V) {
    if let Some(set) = index.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            index.remove(key);
        }
    }
}
