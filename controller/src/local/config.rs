//! What the embedded controller has to be told about the node that it runs on, as checked values.
//! Reading a configuration file is the agent's business.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use model::HostName;

use super::record::NetworkType;

/// Settings of the embedded controller.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node's name.
    pub host: HostName,
    /// This node's end of its tunnels; absent on a node without tunnels.
    pub tunnel_ip: Option<IpAddr>,
    /// What carries a network that does not say.
    pub network_type: NetworkType,
    /// VNIs and GRE keys for networks that do not say.
    pub tunnel_keys: RangeInclusive<u32>,
    /// VLAN ids for networks that do not say, by physical network.
    pub vlans: BTreeMap<String, RangeInclusive<u16>>,
    /// MTU of the wires, in bytes: of flat and VLAN networks, and what tunnels have to fit in.
    pub wire_mtu: u32,
}

impl Config {
    /// The usual settings.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: HostName(host.into()),
            tunnel_ip: None,
            network_type: NetworkType::Vxlan,
            tunnel_keys: 1..=65_535,
            vlans: BTreeMap::new(),
            wire_mtu: 1500,
        }
    }

    /// The largest MTU of a network of this type: the wire's less what the tunnel adds, as Neutron
    /// reckons it (VXLAN 30, Geneve 30, GRE 22 bytes after the IP header).
    pub fn largest_mtu(&self, kind: NetworkType) -> u32 {
        let ip = if self.tunnel_ip.is_some_and(|address| address.is_ipv6()) { 40 } else { 20 };
        let overhead = match kind {
            NetworkType::Local | NetworkType::Flat | NetworkType::Vlan => 0,
            NetworkType::Vxlan | NetworkType::Geneve => ip + 30,
            NetworkType::Gre => ip + 22,
        };
        self.wire_mtu.saturating_sub(overhead)
    }
}
