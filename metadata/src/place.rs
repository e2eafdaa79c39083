//! Where guests ask: the namespace of a router or of a network's DHCP service, and the addresses there.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use model::{NetworkId, ObjectRef, RouterId, names};

/// Where guests look for metadata (a convention of Amazon's EC2), and the same for IPv6.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// See [`ADDRESS`].
pub const ADDRESS6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe);
pub(crate) const NETWORK_HEADER: &str = "x-neutron-network-id";
pub(crate) const ROUTER_HEADER: &str = "x-neutron-router-id";
/// The port that guests ask on.
pub const PORT: u16 = 80;

/// One namespace that guests' requests come into.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    Network(NetworkId),
    Router(RouterId),
}

impl Place {
    /// The name of its namespace.
    pub fn namespace(self) -> String {
        match self {
            Self::Network(id) => names::dhcp_namespace(id),
            Self::Router(id) => names::router_namespace(id),
        }
    }

    pub fn object(self) -> ObjectRef {
        match self {
            Self::Network(id) => ObjectRef::Network(id),
            Self::Router(id) => ObjectRef::Router(id),
        }
    }

    /// The header by which Neutron's agents tell each other the place.
    pub(crate) fn header(self) -> &'static str {
        match self {
            Self::Network(_) => NETWORK_HEADER,
            Self::Router(_) => ROUTER_HEADER,
        }
    }

    /// The place that an object is, if it is one.
    pub fn of(object: ObjectRef) -> Option<Self> {
        match object {
            ObjectRef::Network(id) => Some(Self::Network(id)),
            ObjectRef::Router(id) => Some(Self::Router(id)),
            _ => None,
        }
    }

    /// Its id alone, as files of Neutron's agents are named.
    pub fn id(self) -> String {
        match self {
            Self::Network(id) => id.to_string(),
            Self::Router(id) => id.to_string(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object().fmt(f)
    }
}

/// What a listener listens on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Bind {
    /// A port of every address, of both versions of IP: in a router, whose rules lead requests there.
    Port(u16),
    /// [`ADDRESS`]
    V4,
    /// [`ADDRESS6`] on a device.
    V6 { device: String },
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(f, "[::]:{port}"),
            Self::V4 => write!(f, "{ADDRESS}:{PORT}"),
            Self::V6 { device } => write!(f, "[{ADDRESS6}%{device}]:{PORT}"),
        }
    }
}
