//! What an operator can choose about routers, with Neutron's defaults.

use std::net::Ipv6Addr;

use model::HostName;

/// The checked configuration of this domain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The name of this node. Only routers that name it are built.
    pub host: HostName,
    /// Neutron's `use_random_fully`: source ports of translated connections are chosen at random, so that
    /// two connections never compete for one port.
    pub use_random_fully: bool,
    /// Neutron's `external_ingress_mark`: the low 16 bits of the mark of packets from outside.
    pub external_ingress_mark: u16,
    /// Neutron's `metadata_port`: where the metadata proxy listens in every router's namespace. None without
    /// `enable_metadata_proxy`.
    pub metadata_port: Option<u16>,
    /// Neutron's `metadata_access_mark`: the low 16 bits of the mark of requests for metadata.
    pub metadata_access_mark: u16,
    /// Neutron's `ipv6_gateway`: the link-local address of the IPv6 router outside, for external networks
    /// whose subnets name none. Without it the gateway device listens to router advertisements.
    pub ipv6_gateway: Option<Ipv6Addr>,
}

impl Config {
    /// Neutron's defaults for a node.
    pub fn new(host: HostName) -> Self {
        Self {
            host,
            use_random_fully: true,
            external_ingress_mark: 0x2,
            metadata_port: Some(9697),
            metadata_access_mark: 0x1,
            ipv6_gateway: None,
        }
    }
}
