//! The resources as they are kept: one struct per resource of the Neutron v2.0 API, and hosts.
//!
//! These are also the rows of the store and of an export, so every change of a field here is a change
//! of the store's format (`store::FORMAT`). Nothing that can be worked out from other records is in
//! here: the addresses of a router's gateway, for example, are those of its port.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use model::{FloatingIpId, HostName, Mac, NetworkId, PortId, PortOwner, RouterId, SubnetId};
use serde::{Deserialize, Serialize};

/// What every resource has.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Meta {
    /// Position in the order of creation. Addresses are taken from the older subnet first.
    pub serial: u64,
    pub project_id: String,
    pub description: String,
    /// Seconds since 1970, UTC.
    pub created_at: u64,
    pub updated_at: u64,
    /// Grows by one with every change.
    pub revision: u64,
    pub tags: Vec<String>,
}

impl Meta {
    /// Takes the times, revision and place in the order of another.
    pub(super) fn follow(&mut self, other: &Self) {
        self.serial = other.serial;
        self.created_at = other.created_at;
        self.updated_at = other.updated_at;
        self.revision = other.revision;
    }
}

/// Neutron's `provider:network_type`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkType {
    Local,
    Flat,
    Vlan,
    Vxlan,
    Geneve,
    Gre,
}

impl NetworkType {
    pub const ALL: [Self; 6] = [Self::Local, Self::Flat, Self::Vlan, Self::Vxlan, Self::Geneve, Self::Gre];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Flat => "flat",
            Self::Vlan => "vlan",
            Self::Vxlan => "vxlan",
            Self::Geneve => "geneve",
            Self::Gre => "gre",
        }
    }

    pub fn is_tunnel(self) -> bool {
        matches!(self, Self::Vxlan | Self::Geneve | Self::Gre)
    }
}

impl fmt::Display for NetworkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for NetworkType {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|known| known.as_str() == text);
        known.ok_or_else(|| format!("{text:?} is none of local, flat, vlan, vxlan, geneve, gre"))
    }
}

/// Neutron's `provider:*` attributes: what carries a network between nodes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Provider {
    pub network_type: NetworkType,
    pub physical_network: Option<String>,
    pub segmentation_id: Option<u32>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Network {
    pub id: NetworkId,
    pub name: String,
    pub meta: Meta,
    pub admin_state_up: bool,
    pub mtu: u32,
    pub shared: bool,
    /// `router:external`
    pub external: bool,
    /// The default of the ports that do not say.
    pub port_security_enabled: bool,
    pub provider: Provider,
    /// The node that serves DHCP.
    pub dhcp_host: HostName,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Subnet {
    pub id: SubnetId,
    pub name: String,
    pub meta: Meta,
    pub network: NetworkId,
    pub cidr: IpNet,
    pub gateway_ip: Option<IpAddr>,
    pub enable_dhcp: bool,
    pub dns_nameservers: Vec<IpAddr>,
    pub host_routes: Vec<Route>,
    pub allocation_pools: Vec<Pool>,
    /// `slaac`, `dhcpv6-stateful`, `dhcpv6-stateless`; of IPv6 subnets only.
    pub ipv6_ra_mode: Option<String>,
    pub ipv6_address_mode: Option<String>,
}

impl Subnet {
    /// Whether hosts make their addresses from the prefix and their MAC.
    pub fn derives_addresses(&self) -> bool {
        matches!(self.ipv6_address_mode.as_deref(), Some("slaac" | "dhcpv6-stateless"))
    }
}

/// A range of addresses, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Pool {
    pub start: IpAddr,
    pub end: IpAddr,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Route {
    pub destination: IpNet,
    pub nexthop: IpAddr,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Port {
    pub id: PortId,
    pub name: String,
    pub meta: Meta,
    pub network: NetworkId,
    pub mac_address: Mac,
    pub fixed_ips: Vec<FixedIp>,
    pub device_owner: PortOwner,
    pub device_id: String,
    pub admin_state_up: bool,
    pub port_security_enabled: bool,
    pub allowed_address_pairs: Vec<AddressPair>,
    pub extra_dhcp_opts: Vec<DhcpOption>,
    pub dns_name: String,
    /// `binding:host_id`; absent while no node has the port.
    pub host: Option<HostName>,
    pub vnic_type: String,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct FixedIp {
    pub subnet_id: SubnetId,
    pub ip_address: IpAddr,
}

/// An address or range in the words of whoever gave it; without a MAC, the port's own is meant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct AddressPair {
    pub ip_address: IpNet,
    pub mac_address: Option<Mac>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct DhcpOption {
    pub opt_name: String,
    pub opt_value: String,
    pub ip_version: u8,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Router {
    pub id: RouterId,
    pub name: String,
    pub meta: Meta,
    pub admin_state_up: bool,
    pub gateway: Option<Gateway>,
    pub routes: Vec<Route>,
    /// The node that runs the router.
    pub host: HostName,
}

/// `external_gateway_info`; the addresses are those of the port.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Gateway {
    pub network: NetworkId,
    pub port: PortId,
    pub enable_snat: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FloatingIp {
    pub id: FloatingIpId,
    /// What a topology file calls it; Neutron's floating IPs have no name.
    pub name: String,
    pub meta: Meta,
    pub network: NetworkId,
    pub address: IpAddr,
    /// The port of owner `network:floatingip` that holds the address.
    pub own_port: PortId,
    pub target: Option<Target>,
}

/// Where a floating IP leads.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Target {
    pub port: PortId,
    pub fixed: IpAddr,
    pub router: RouterId,
}

/// A node. Those with a tunnel address are each other's tunnel peers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Host {
    pub name: HostName,
    pub tunnel_ip: Option<IpAddr>,
}
