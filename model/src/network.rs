//! Networks, the segments that carry them, and subnets.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{NetworkId, SubnetId};

/// An 802.1Q VLAN id, 1 to 4094 when it is in use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VlanTag(pub u16);

impl fmt::Display for VlanTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The encapsulation of a tunnel network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelKind {
    Vxlan,
    Geneve,
    Gre,
}

impl fmt::Display for TunnelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vxlan => "vxlan",
            Self::Geneve => "geneve",
            Self::Gre => "gre",
        })
    }
}

/// How the frames of a network travel between nodes: Neutron's `provider:*` attributes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Segment {
    /// Does not leave the node.
    Local,
    /// Untagged on a provider bridge.
    Flat { physical_network: String },
    /// Tagged on a provider bridge.
    Vlan { physical_network: String, vlan: VlanTag },
    /// In a tunnel between nodes; `key` is the VNI or the GRE key (24 bits, GRE 32).
    Tunnel { kind: TunnelKind, key: u32 },
}

impl Segment {
    /// Neutron's `network_type`.
    pub fn network_type(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Flat { .. } => "flat",
            Self::Vlan { .. } => "vlan",
            Self::Tunnel { kind: TunnelKind::Vxlan, .. } => "vxlan",
            Self::Tunnel { kind: TunnelKind::Geneve, .. } => "geneve",
            Self::Tunnel { kind: TunnelKind::Gre, .. } => "gre",
        }
    }

    /// Neutron's `segmentation_id`: absent on flat and local networks.
    pub fn segmentation_id(&self) -> Option<u32> {
        match self {
            Self::Local | Self::Flat { .. } => None,
            Self::Vlan { vlan, .. } => Some(u32::from(vlan.0)),
            Self::Tunnel { key, .. } => Some(*key),
        }
    }

    /// Neutron's `physical_network`: of flat and VLAN networks.
    pub fn physical_network(&self) -> Option<&str> {
        match self {
            Self::Flat { physical_network } | Self::Vlan { physical_network, .. } => Some(physical_network),
            Self::Local | Self::Tunnel { .. } => None,
        }
    }
}

/// One broadcast domain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Network {
    pub id: NetworkId,
    pub name: String,
    pub admin_up: bool,
    /// Largest IP packet on this network, in bytes; 0 when the controller does not say.
    pub mtu: u32,
    /// A network that leads outside and can be a router's gateway.
    pub external: bool,
    /// What carries it. Several when the network spans kinds of segments; a port is bound to one.
    pub segments: Vec<Segment>,
}

/// One address range on a network.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Subnet {
    pub id: SubnetId,
    pub network: NetworkId,
    pub name: String,
    pub cidr: IpNet,
    pub gateway: Option<IpAddr>,
    /// Neutron's `enable_dhcp`.
    pub dhcp: bool,
    pub dns_servers: Vec<IpAddr>,
    pub host_routes: Vec<Route>,
}

/// A route to hand out or to install.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Route {
    pub destination: IpNet,
    pub nexthop: IpAddr,
}
