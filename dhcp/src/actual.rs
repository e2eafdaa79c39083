//! What exists on this node and is ours, as a value. `observe` makes it; foreign things are not in it:
//!
//! * namespaces that are not named `qdhcp-` and a UUID;
//! * devices in such a namespace that are not named `tap…` or `ns-…` (but `lo` is here);
//! * routes that are not of protocol `static`, and those over foreign devices;
//! * addresses that the kernel makes itself (link-local ones).

use std::collections::{BTreeMap, BTreeSet};

use host::Route;
use imbl::OrdMap;
use ipnet::IpNet;
use model::{Mac, NetworkId, PortId};

use crate::server::table::Table;

/// What exists, of the objects in scope.
#[derive(Debug, Clone, Default)]
pub struct Actual {
    /// Networks in scope that have a namespace or a server.
    pub networks: BTreeMap<NetworkId, Found>,
    /// Devices of the root namespace that are named like ours, as far as they were looked for.
    pub root: BTreeMap<String, Link>,
    /// Names that were looked for in the root namespace; all of them when absent.
    pub looked_for: Option<BTreeSet<String>>,
    /// The networks whose servers know their hosts, with what they know.
    pub tables: OrdMap<NetworkId, Table>,
    /// The network that each port has its host in.
    pub homes: OrdMap<PortId, NetworkId>,
}

/// What there is of one network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    pub namespace: Namespace,
    /// The index of the device that the server listens on; absent when no server does.
    pub listens_on: Option<u32>,
}

/// What a network's name in the folder of namespaces stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Namespace {
    #[default]
    Absent,
    Present(Content),
    /// It could not be read; why, for people.
    Unreadable(String),
}

/// What a namespace holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// Whether the loopback device is up: the last thing that is done to a new namespace.
    pub complete: bool,
    pub devices: BTreeMap<String, Link>,
    /// By device, with the lengths of their prefixes.
    pub addresses: BTreeMap<String, Vec<IpNet>>,
    pub routes: Vec<Route>,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub mac: Option<Mac>,
    pub mtu: u32,
    pub up: bool,
}
