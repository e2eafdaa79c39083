//! Routers. A [`Router`] carries everything that its namespace is built from, ports and prefixes
//! included, so that building one needs no look at any other object.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{FloatingIpId, HostName, Mac, NetworkId, PortId, Route, RouterId};

/// A router and all its parts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Router {
    pub id: RouterId,
    pub name: String,
    /// A router that is down has no namespace.
    pub admin_up: bool,
    /// The node that runs it; absent when none was chosen.
    pub host: Option<HostName>,
    pub interfaces: Vec<RouterInterface>,
    pub gateway: Option<Gateway>,
    /// Extra routes. The same destination twice is one route over several next hops.
    pub routes: Vec<Route>,
    pub floating_ips: Vec<RouterFloatingIp>,
}

/// A port of a router: `qr-` on an internal network, or the port of its [`Gateway`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RouterInterface {
    pub port: PortId,
    pub network: NetworkId,
    pub mac: Mac,
    /// MTU of the network in bytes; 0 when unknown.
    pub mtu: u32,
    pub admin_up: bool,
    /// Every fixed IP with the prefix length of its subnet.
    pub addresses: Vec<IpNet>,
}

/// The way out: `qg-` on an external network.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Gateway {
    pub interface: RouterInterface,
    pub enable_snat: bool,
    /// The gateways of the subnets that the port has addresses on.
    pub next_hops: Vec<IpAddr>,
    /// Subnets of the external network that the port has no address on: reached directly.
    pub on_link: Vec<IpNet>,
}

/// A floating IP that is associated with a fixed address behind this router.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct RouterFloatingIp {
    pub id: FloatingIpId,
    pub floating: Ipv4Addr,
    pub fixed: Ipv4Addr,
}
