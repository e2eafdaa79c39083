//! A change in the making: a copy of the state, what was touched in it, and everything that a change
//! may depend on besides (settings, random numbers, the time). Dropping it is undoing it.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{FloatingIpId, HostName, Mac, NetworkId, PortId, RouterId, SubnetId};
use uuid::Uuid;

use super::chance::Chance;
use super::config::Config;
use super::fault::Fault;
use super::record::{FloatingIp, Host, Meta, Network, Port, Router, Subnet};
use super::state::{Key, Record, State};

/// A change that can still be dropped.
#[derive(Debug)]
pub struct Draft<'a> {
    pub state: State,
    pub config: &'a Config,
    pub chance: &'a mut Chance,
    /// Seconds since 1970, UTC.
    pub now: u64,
    /// Every record that was put or removed.
    pub touched: BTreeSet<Key>,
}

impl<'a> Draft<'a> {
    pub fn new(state: State, config: &'a Config, chance: &'a mut Chance, now: u64) -> Self {
        Self { state, config, chance, now, touched: BTreeSet::new() }
    }

    pub fn network(&self, id: NetworkId) -> Result<&Arc<Network>, Fault> {
        self.state.networks().get(&id).ok_or_else(|| Fault::not_found("Network", id))
    }

    pub fn subnet(&self, id: SubnetId) -> Result<&Arc<Subnet>, Fault> {
        self.state.subnets().get(&id).ok_or_else(|| Fault::not_found("Subnet", id))
    }

    pub fn port(&self, id: PortId) -> Result<&Arc<Port>, Fault> {
        self.state.ports().get(&id).ok_or_else(|| Fault::not_found("Port", id))
    }

    pub fn router(&self, id: RouterId) -> Result<&Arc<Router>, Fault> {
        self.state.routers().get(&id).ok_or_else(|| Fault::not_found("Router", id))
    }

    pub fn floating_ip(&self, id: FloatingIpId) -> Result<&Arc<FloatingIp>, Fault> {
        self.state.floating_ips().get(&id).ok_or_else(|| Fault::not_found("Floating IP", id))
    }

    /// The meta data of something new.
    pub fn meta(&self) -> Meta {
        let serial = self.state.next_serial();
        Meta { serial, created_at: self.now, updated_at: self.now, ..Meta::default() }
    }

    pub fn put_host(&mut self, host: Host) {
        self.put(Record::Host(Arc::new(host)));
    }

    pub fn put_network(&mut self, mut network: Network) {
        if self.state.networks().get(&network.id).is_some_and(|old| **old == network) {
            return;
        }
        self.stamp(&mut network.meta, &Key::Network(network.id));
        self.put(Record::Network(Arc::new(network)));
    }

    pub fn put_subnet(&mut self, mut subnet: Subnet) {
        if self.state.subnets().get(&subnet.id).is_some_and(|old| **old == subnet) {
            return;
        }
        self.stamp(&mut subnet.meta, &Key::Subnet(subnet.id));
        self.put(Record::Subnet(Arc::new(subnet)));
    }

    pub fn put_port(&mut self, mut port: Port) {
        if self.state.ports().get(&port.id).is_some_and(|old| **old == port) {
            return;
        }
        self.stamp(&mut port.meta, &Key::Port(port.id));
        self.put(Record::Port(Arc::new(port)));
    }

    pub fn put_router(&mut self, mut router: Router) {
        if self.state.routers().get(&router.id).is_some_and(|old| **old == router) {
            return;
        }
        self.stamp(&mut router.meta, &Key::Router(router.id));
        self.put(Record::Router(Arc::new(router)));
    }

    pub fn put_floating_ip(&mut self, mut floating: FloatingIp) {
        if self.state.floating_ips().get(&floating.id).is_some_and(|old| **old == floating) {
            return;
        }
        self.stamp(&mut floating.meta, &Key::FloatingIp(floating.id));
        self.put(Record::FloatingIp(Arc::new(floating)));
    }

    pub fn remove(&mut self, key: Key) {
        self.state.remove(&key);
        self.touched.insert(key);
    }

    /// Puts a record as it is, its revision and times included.
    pub fn put(&mut self, record: Record) {
        let key = record.key();
        if self.state.get(&key).as_ref() != Some(&record) {
            self.state.put(record);
            self.touched.insert(key);
        }
    }

    /// Counts the revision, once for each change however often it touches the record.
    fn stamp(&self, meta: &mut Meta, key: &Key) {
        meta.updated_at = self.now;
        if meta.revision == 0 {
            meta.revision = 1;
        } else if !self.touched.contains(key) {
            meta.revision += 1;
        }
    }

    /// The id of a port that follows from something else (a router and its subnet, say): the same
    /// when it is made anew, so that guests find the gateway behind the MAC that they know. Another
    /// one when that is taken.
    pub fn derived_port_id(&mut self, from: &str) -> PortId {
        let derived = PortId(Uuid::new_v5(&NAMES, from.as_bytes()));
        if self.is_usable(derived) { derived } else { self.new_port_id() }
    }

    pub fn new_port_id(&mut self) -> PortId {
        loop {
            let id = PortId(self.chance.id());
            if self.is_usable(id) {
                return id;
            }
        }
    }

    /// Devices are named after the first eleven characters of a port's id (`model::names`), so no two
    /// ports may share them.
    pub fn is_usable(&self, id: PortId) -> bool {
        const NAMED: u128 = u128::MAX << (128 - 40);
        let first = PortId(Uuid::from_u128(id.0.as_u128() & NAMED));
        let last = PortId(Uuid::from_u128(id.0.as_u128() | !NAMED));
        self.state.ports().range(first..=last).next().is_none()
    }

    /// A free MAC address: made from the port's id, so that the same port has the same one everywhere.
    pub fn new_mac(&self, network: NetworkId, port: PortId) -> Result<Mac, Fault> {
        let bytes = port.0.as_bytes();
        let start = u32::from_be_bytes([0, bytes[13], bytes[14], bytes[15]]);
        let candidates = (0..=MAC_SUFFIXES).map(|step| mac((start + step) & MAC_SUFFIXES));
        let mut free = candidates.filter(|mac| self.state.port_with_mac(network, *mac).is_none());
        free.next().ok_or_else(|| {
            Fault::conflict(
                "MacAddressGenerationFailure",
                format!("Network {network} has no free MAC address."),
            )
        })
    }

    /// This node's name.
    pub fn local_host(&self) -> HostName {
        self.config.host.clone()
    }
}

/// The namespace of ids that are made from names (UUID version 5).
const NAMES: Uuid = Uuid::from_u128(0x6ba2_7a1e_5f0d_4c6e_9d52_ba72_0e00_0001);
/// The largest number in the last three bytes of a MAC.
const MAC_SUFFIXES: u32 = 0x00ff_ffff;

/// An id that follows from what a thing is called.
pub fn id_from_name(kind: &str, name: &str) -> Uuid {
    Uuid::new_v5(&NAMES, format!("{kind}/{name}").as_bytes())
}

/// `fa:16:3e` is the prefix that Neutron takes its MACs from.
fn mac(suffix: u32) -> Mac {
    let [_, a, b, c] = suffix.to_be_bytes();
    Mac([0xfa, 0x16, 0x3e, a, b, c])
}
