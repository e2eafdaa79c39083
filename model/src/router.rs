//! Routers. A [`Router`] carries everything that its namespace is built from, ports and prefixes
//! included, so that building one needs no look at any other object.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{FloatingIpId, HostName, Mac, NetworkId, PortForwardingId, PortId, Route, RouterId};

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
    /// Their floating addresses are no [`RouterFloatingIp`]s: each stands for what its ports say.
    #[serde(default)]
    pub port_forwardings: Vec<RouterPortForwarding>,
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

/// Ports of a floating address that stand for ports of an address behind this router.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct RouterPortForwarding {
    pub id: PortForwardingId,
    pub protocol: TransportProtocol,
    pub floating: Ipv4Addr,
    pub external: PortRange,
    pub fixed: Ipv4Addr,
    /// As many ports as `external` has, the first for the first; or one for all of them.
    pub internal: PortRange,
}

/// Transport ports, both ends included; one port is a range whose ends are the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct PortRange {
    pub first: u16,
    pub last: u16,
}

impl PortRange {
    /// How many ports it has; none when its ends are swapped.
    pub fn count(self) -> u32 {
        (u32::from(self.last) + 1).saturating_sub(u32::from(self.first))
    }

    pub fn has(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl From<u16> for PortRange {
    fn from(port: u16) -> Self {
        Self { first: port, last: port }
    }
}

/// `80` or `8000-8010`
impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// A protocol over IP whose packets carry port numbers. Prints as iptables, nftables and Neutron name it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransportProtocol {
    Tcp,
    Udp,
    UdpLite,
    Sctp,
    Dccp,
}

impl TransportProtocol {
    const ALL: [Self; 5] = [Self::Tcp, Self::Udp, Self::UdpLite, Self::Sctp, Self::Dccp];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::UdpLite => "udplite",
            Self::Sctp => "sctp",
            Self::Dccp => "dccp",
        }
    }

    /// IANA's number of the protocol.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Dccp => 33,
            Self::Sctp => 132,
            Self::UdpLite => 136,
        }
    }
}

impl fmt::Display for TransportProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no protocol that has ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a protocol with ports: tcp, udp, udplite, sctp or dccp")]
pub struct TransportProtocolError {
    text: String,
}

/// Its name or its number.
impl FromStr for TransportProtocol {
    type Err = TransportProtocolError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = |protocol: &Self| protocol.as_str() == text || protocol.number().to_string() == text;
        Self::ALL.into_iter().find(known).ok_or_else(|| TransportProtocolError { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_counts_its_ports() {
        assert_eq!(PortRange::from(80).count(), 1);
        assert_eq!(PortRange { first: 1, last: u16::MAX }.count(), 65_535);
        assert_eq!(PortRange { first: 9, last: 3 }.count(), 0);
        assert_eq!(PortRange { first: 80, last: 82 }.to_string(), "80-82");
    }

    #[test]
    fn protocols_are_known_by_name_and_number() {
        for protocol in TransportProtocol::ALL {
            assert_eq!(protocol.as_str().parse(), Ok(protocol));
            assert_eq!(protocol.number().to_string().parse(), Ok(protocol));
        }
        assert!("icmp".parse::<TransportProtocol>().is_err());
    }
}
