//! What must exist on this node, in the node's words: a namespace with one device for each network that
//! is served here, what its server hands out, and a host for each port. Nothing is left to choose.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use host::Route;
use ipnet::IpNet;
use model::{Mac, NetworkId, PortId};

use crate::server::table::{Host, ServedSubnet, Times};

/// What must exist, of the objects in scope.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spec {
    /// True when everything was looked at: a namespace of a network that is not listed is stale.
    pub everything: bool,
    /// `None`: the network must not be served here.
    pub networks: BTreeMap<NetworkId, Option<NetworkSpec>>,
    /// What exists of these is not stale, whatever is known of them.
    pub left_alone: BTreeSet<NetworkId>,
    /// The host of each port in scope, and its network. `None`: the port has no host.
    pub ports: BTreeMap<PortId, Option<HostSpec>>,
}

/// One served network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSpec {
    pub device: Device,
    /// With the lengths of their prefixes.
    pub addresses: Vec<IpNet>,
    /// In the order in which they can be made: what a gateway needs comes before it.
    pub routes: Vec<Route>,
    pub times: Times,
    pub subnets: Vec<ServedSubnet>,
    /// Every host of the network, when its server is new or everything is looked at. Otherwise hosts come
    /// and go with their ports, so that a network with many of them costs no more than one with few.
    pub hosts: Option<Vec<Arc<Host>>>,
}

/// The device in the namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub name: String,
    pub mac: Mac,
    /// In bytes; absent when the controller does not say, and then the device keeps what it has.
    pub mtu: Option<u32>,
    /// The end that the switch has, when the device is one end of a pair that we make.
    pub peer: Option<String>,
    /// Whether the kernel must compute checksums itself.
    pub whole_checksums: bool,
}

/// The host of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSpec {
    pub network: NetworkId,
    pub host: Arc<Host>,
}
