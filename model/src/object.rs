//! The name of anything that can be dirty, planned for, failed or asked about.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Mac, NetworkId, PortId, RouterId};

/// One object of a node. Plans, reports and the engine's dirty set speak of these.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectRef {
    /// What the node has once: bridges, patch ports, the flows that every packet meets.
    Node,
    /// The far end of tunnels.
    Endpoint(IpAddr),
    Network(NetworkId),
    Port(PortId),
    /// A MAC address behind an endpoint.
    RemoteMac(NetworkId, Mac),
    Router(RouterId),
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node => f.write_str("node"),
            Self::Endpoint(address) => write!(f, "endpoint {address}"),
            Self::Network(id) => write!(f, "network {id}"),
            Self::Port(id) => write!(f, "port {id}"),
            Self::RemoteMac(network, mac) => write!(f, "remote MAC {mac} of network {network}"),
            Self::Router(id) => write!(f, "router {id}"),
        }
    }
}
