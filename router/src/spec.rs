//! What must exist on this node, in the node's words: namespaces, devices, addresses, routes, sysctls,
//! rules. Nothing is left to choose here; `parts` makes it, `plan` compares it with what exists.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use model::{Mac, PortRange, RouterId, TransportProtocol};

use crate::ruleset::Ruleset;

/// What must exist, of the routers in scope.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Spec {
    /// True when every router was looked at: a namespace of a router that is not listed is stale.
    pub everything: bool,
    /// The routers in scope. `None`: the router must not exist here.
    pub routers: BTreeMap<RouterId, Option<RouterSpec>>,
    /// Routers that are not ours to touch, whatever exists of them.
    pub left_alone: BTreeSet<RouterId>,
}

/// One router's namespace.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RouterSpec {
    /// By the name of the device.
    pub interfaces: BTreeMap<String, InterfaceSpec>,
    pub routes: Routes,
    /// Keys and values of the namespace as a whole, in `sysctl` spelling.
    pub sysctls: BTreeMap<String, String>,
    /// The rules of the tables `baryon`; empty when the router translates nothing.
    pub ruleset: Ruleset,
    pub translations: Translations,
    /// What would have to change before everything that the controller asked for could be made. The rest
    /// is made all the same.
    pub unmet: Vec<String>,
}

/// What addresses outside stand for inside: what connections are to be cut for when it changes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Translations {
    /// Floating addresses and the fixed addresses that they stand for.
    pub floating: BTreeMap<Ipv4Addr, Ipv4Addr>,
    /// Floating addresses whose ports stand for others.
    pub forwarded: BTreeMap<Ipv4Addr, Vec<Forwarding>>,
}

/// Ports of a floating address and what they stand for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Forwarding {
    pub protocol: TransportProtocol,
    pub external: PortRange,
    pub fixed: Ipv4Addr,
    /// As many ports as `external` has, or one.
    pub internal: PortRange,
}

impl Forwarding {
    /// The port inside that a port outside stands for.
    pub fn inside(&self, outside: u16) -> Option<u16> {
        let offset = outside.checked_sub(self.external.first).filter(|_| self.external.has(outside))?;
        match self.internal.count() {
            1 => Some(self.internal.first),
            _ => self.internal.first.checked_add(offset),
        }
    }
}

/// One device in a router's namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InterfaceSpec {
    pub mac: Mac,
    /// In bytes; absent when the controller does not say, and then the device keeps what it has.
    pub mtu: Option<u32>,
    /// Whether this is the way out.
    pub gateway: bool,
    /// The port's own addresses with the length of their subnets, in the controller's order of the first
    /// mention: the order matters to the kernel, which prefers the first as a source.
    pub addresses: Vec<IpNet>,
    /// Addresses that live here as `/32` because rules translate them; made after the rules, and deleted
    /// after them too.
    pub floating: BTreeSet<Ipv4Addr>,
    /// Keys and values that exist only with the device.
    pub sysctls: BTreeMap<String, String>,
}

impl InterfaceSpec {
    /// Whether the device should have this address.
    pub fn has(&self, address: &IpNet) -> bool {
        self.addresses.contains(address)
            || matches!(address, IpNet::V4(net) if net.prefix_len() == 32 && self.floating.contains(&net.addr()))
    }
}

/// Routes of the main table by destination (no bits set beyond the prefix).
pub type Routes = BTreeMap<IpNet, BTreeSet<Hop>>;

/// One way that a route can take. A route with several is spread over them (ECMP).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Hop {
    /// Absent: the destination is reached directly on the device (`scope link`).
    pub via: Option<IpAddr>,
    pub device: String,
}
