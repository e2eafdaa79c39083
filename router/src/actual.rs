//! What exists on this node and is ours, as a value. `observe` makes it; foreign things are not in it:
//!
//! * namespaces that are not named `qrouter-` and a UUID;
//! * devices in a router's namespace that are not named `qr-…` or `qg-…` (but `lo` is here);
//! * routes that are not of protocol `static`, are not in the main table, have a metric of their own or
//!   lead over a foreign device: what the kernel, a routing daemon or an operator's bare
//!   `ip route add` (protocol `boot`) made is theirs;
//! * addresses that the kernel or an advertisement brings and takes;
//! * nftables tables other than `ip baryon` and `ip6 baryon`, but for the chains of Neutron's L3 agent in those of
//!   iptables (see `leftover`).

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use model::{Mac, RouterId};

use crate::leftover::Leftover;
use crate::ruleset::Family;
use crate::spec::{Routes, Translations};

/// What exists, of the routers in scope.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Actual {
    /// Routers that have a namespace.
    pub routers: BTreeMap<RouterId, Found>,
    /// Devices in the root namespace that are named like a router's.
    pub arrived: BTreeSet<String>,
}

/// What a router's name in the folder of namespaces stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// A namespace, and what is in it.
    Namespace(Snapshot),
    /// It could not be read; why, for people.
    Unreadable(String),
}

/// The content of one namespace.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Snapshot {
    /// By device name.
    pub links: BTreeMap<String, Link>,
    pub routes: Routes,
    /// Those of the sysctls that matter which exist.
    pub sysctls: BTreeMap<String, String>,
    /// The comments of our tables. Of those that somebody may have changed since they were loaded, [`CHANGED`].
    pub tables: BTreeMap<Family, String>,
    /// The number of the namespace's whole ruleset, which every change by anybody makes another one.
    pub generation: u32,
    /// What Neutron's L3 agent left here.
    pub leftovers: Vec<Leftover>,
    /// What addresses stand for under these tables; absent when this process did not want it so itself.
    pub translations: Option<Translations>,
}

/// Stands for the comment of a table whose content may not be what its comment says. No table has it.
pub const CHANGED: &str = "changed by somebody else";

impl Snapshot {
    /// Somebody changed rules here since `loaded`, the generation in which ours were last seen to be right: ours may be
    /// among them.
    pub(crate) fn doubt(&mut self, loaded: u32) {
        if self.generation != loaded {
            self.tables.values_mut().for_each(|comment| CHANGED.clone_into(comment));
        }
    }
}

/// One device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    pub mac: Mac,
    /// In bytes.
    pub mtu: u32,
    /// Whether it is set up, carrier or not.
    pub up: bool,
    pub addresses: BTreeSet<IpNet>,
}
