//! Questions after the owner of a guest's port, as the metadata proxy has them, in words that every driver can
//! answer.

use std::net::IpAddr;

use model::{Mac, NetworkId, RouterId};

/// Where a guest was heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Near {
    /// On a network.
    Network(NetworkId),
    /// On any of the networks that a router has an interface on.
    Router(RouterId),
}

/// What was heard of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// A fixed address of its port.
    Address(IpAddr),
    Mac(Mac),
}

/// Whom a port belongs to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Owner {
    /// Neutron's `device_id`: the instance.
    pub device: String,
    /// Neutron's `project_id`.
    pub project: String,
}
