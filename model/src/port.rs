//! Ports: a MAC address with its IP addresses on a network, and where it is bound.

use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{HostName, Mac, NetworkId, PortId, Segment, SubnetId};

/// One MAC address on a network.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Port {
    pub id: PortId,
    pub network: NetworkId,
    pub name: String,
    pub mac: Mac,
    pub fixed_ips: Vec<FixedIp>,
    pub owner: PortOwner,
    /// Neutron's `device_id`: the instance, router or DHCP service that uses the port; may be empty.
    pub device: String,
    pub admin_up: bool,
    /// Whether frames with foreign addresses are dropped.
    pub port_security: bool,
    /// Further addresses that the port may send from.
    pub allowed_pairs: Vec<AddressPair>,
    /// Neutron's `extra_dhcp_opts`.
    pub dhcp_options: Vec<DhcpOption>,
    /// The host name to hand out when it is not the one made from the address.
    pub host_name: Option<String>,
    /// Absent while no node has the port.
    pub binding: Option<Binding>,
}

impl Port {
    /// Whether the port is bound to this node.
    pub fn is_on(&self, host: &HostName) -> bool {
        self.binding.as_ref().is_some_and(|binding| binding.host == *host)
    }
}

/// Where a port is plugged in and what carries its frames there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Binding {
    pub host: HostName,
    /// Absent when the binding failed: no segment of the network reaches the node.
    pub segment: Option<Segment>,
}

/// One address of a port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct FixedIp {
    pub subnet: SubnetId,
    pub address: IpAddr,
}

/// An address, or a range of them, that a port may use besides its own. Without a MAC, the port's own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct AddressPair {
    pub address: IpNet,
    pub mac: Option<Mac>,
}

/// One entry of `extra_dhcp_opts`: a number or a dnsmasq name, and its value as text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct DhcpOption {
    pub name: String,
    pub value: String,
    /// 4 or 6.
    pub ip_version: u8,
}

/// Neutron's `device_owner`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PortOwner {
    /// `network:dhcp`
    Dhcp,
    /// `network:router_interface`
    RouterInterface,
    /// `network:router_gateway`
    RouterGateway,
    /// `network:floatingip`
    FloatingIp,
    /// Anything else, `compute:nova` or an empty text among it.
    Other(String),
}

impl PortOwner {
    /// The text of the Neutron API.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Dhcp => "network:dhcp",
            Self::RouterInterface => "network:router_interface",
            Self::RouterGateway => "network:router_gateway",
            Self::FloatingIp => "network:floatingip",
            Self::Other(text) => text,
        }
    }

    /// Ports of Neutron's own services, which are trusted: no anti-spoofing, no firewall.
    pub fn is_network_service(&self) -> bool {
        self.as_str().starts_with("network:")
    }
}

impl From<&str> for PortOwner {
    fn from(text: &str) -> Self {
        match text {
            "network:dhcp" => Self::Dhcp,
            "network:router_interface" => Self::RouterInterface,
            "network:router_gateway" => Self::RouterGateway,
            "network:floatingip" => Self::FloatingIp,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl FromStr for PortOwner {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Display for PortOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for PortOwner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for PortOwner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(String::deserialize(deserializer)?.as_str().into())
    }
}
