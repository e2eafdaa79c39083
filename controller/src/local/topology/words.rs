//! The names of a topology file: that each is there once, what they stand for, and which of the
//! resources that are there already they mean.

use std::collections::{BTreeMap, BTreeSet};

use model::{FloatingIpId, NetworkId, PortId, PortOwner, RouterId, SubnetId};
use serde_saphyr::Spanned;

use super::file::Topology;
use crate::local::fault::Fault;
use crate::local::fields::nearest;
use crate::local::record::Meta;
use crate::local::state::State;

/// What the names of one kind stand for. Filled with what is there, then with what is made.
#[derive(Debug)]
pub(super) struct Names<T> {
    kind: &'static str,
    ids: BTreeMap<String, T>,
}

impl<T: Copy> Names<T> {
    fn new(kind: &'static str) -> Self {
        Self { kind, ids: BTreeMap::new() }
    }

    pub(super) fn known(&self, name: &str) -> Option<T> {
        self.ids.get(name).copied()
    }

    pub(super) fn set(&mut self, name: &str, id: T) {
        self.ids.insert(name.to_owned(), id);
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = T> + '_ {
        self.ids.values().copied()
    }

    /// What a reference means, once everything is made.
    pub(super) fn find(&self, field: &str, name: &str) -> Result<T, Fault> {
        self.known(name).ok_or_else(|| {
            let names: Vec<&str> = self.ids.keys().map(String::as_str).collect();
            let reason = match nearest(name, &names) {
                Some(meant) => format!("the file has no {} {name:?}, perhaps {meant:?} is meant", self.kind),
                None => format!("the file has no {} {name:?}", self.kind),
            };
            Fault::invalid(field, reason)
        })
    }
}

/// What all names stand for.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) networks: Names<NetworkId>,
    pub(super) subnets: Names<SubnetId>,
    pub(super) ports: Names<PortId>,
    pub(super) routers: Names<RouterId>,
    pub(super) floating_ips: Names<FloatingIpId>,
}

impl Words {
    /// The resources that are there and that the file means. Of several with the same name the oldest.
    pub(super) fn of_existing(state: &State, topology: &Topology) -> Self {
        let mut words = Self {
            networks: Names::new("network"),
            subnets: Names::new("subnet"),
            ports: Names::new("port"),
            routers: Names::new("router"),
            floating_ips: Names::new("floating IP"),
        };
        words.match_networks(state, topology);
        words.match_ports(state, topology);
        words.match_routers(state, topology);
        words.match_floating_ips(state, topology);
        words
    }

    fn match_networks(&mut self, state: &State, topology: &Topology) {
        let by_name = oldest(state.networks().values().map(|it| (it.name.as_str(), &it.meta, it.id)));
        for network in &topology.networks {
            let Some(id) = by_name.get(network.value.name.as_str()) else { continue };
            self.networks.set(&network.value.name, *id);
            let by_name = oldest(state.subnets_of(*id).map(|it| (it.name.as_str(), &it.meta, it.id)));
            for subnet in &network.value.subnets {
                if let Some(id) = by_name.get(subnet.value.name.as_str()) {
                    self.subnets.set(&subnet.value.name, *id);
                }
            }
        }
    }

    fn match_ports(&mut self, state: &State, topology: &Topology) {
        let made_by_others =
            |owner: &PortOwner| matches!(owner, PortOwner::RouterGateway | PortOwner::FloatingIp);
        let own = state.ports().values().filter(|port| !made_by_others(&port.device_owner));
        let by_name = oldest(own.map(|it| ((it.name.as_str(), it.network), &it.meta, it.id)));
        for port in &topology.ports {
            let Some(network) = self.networks.known(&port.value.network) else { continue };
            if let Some(id) = by_name.get(&(port.value.name.as_str(), network)) {
                self.ports.set(&port.value.name, *id);
            }
        }
    }

    fn match_routers(&mut self, state: &State, topology: &Topology) {
        let by_name = oldest(state.routers().values().map(|it| (it.name.as_str(), &it.meta, it.id)));
        for router in &topology.routers {
            if let Some(id) = by_name.get(router.value.name.as_str()) {
                self.routers.set(&router.value.name, *id);
            }
        }
    }

    fn match_floating_ips(&mut self, state: &State, topology: &Topology) {
        let all = state.floating_ips().values();
        let by_name = oldest(all.map(|it| ((it.name.as_str(), it.network), &it.meta, it.id)));
        for floating in &topology.floatingips {
            let Some(network) = self.networks.known(&floating.value.floating_network) else { continue };
            if let Some(id) = by_name.get(&(floating.value.name.as_str(), network)) {
                self.floating_ips.set(&floating.value.name, *id);
            }
        }
    }
}

fn oldest<'a, K: Ord, T>(records: impl Iterator<Item = (K, &'a Meta, T)>) -> BTreeMap<K, T> {
    let mut by_name: BTreeMap<K, (u64, T)> = BTreeMap::new();
    for (name, meta, id) in records {
        match by_name.get(&name) {
            Some((serial, _)) if *serial <= meta.serial => {}
            _ => _ = by_name.insert(name, (meta.serial, id)),
        }
    }
    by_name.into_iter().map(|(name, (_, id))| (name, id)).collect()
}

/// Refuses names that are empty or there twice.
pub(super) fn check_names(topology: &Topology) -> Result<(), Fault> {
    let subnets = topology.networks.iter().flat_map(|network| &network.value.subnets);
    unique("hosts", topology.hosts.iter().map(|it| (it.value.name.as_str(), line(it))))?;
    unique("networks", topology.networks.iter().map(|it| (it.value.name.as_str(), line(it))))?;
    unique("subnets", subnets.map(|it| (it.value.name.as_str(), line(it))))?;
    unique("ports", topology.ports.iter().map(|it| (it.value.name.as_str(), line(it))))?;
    unique("routers", topology.routers.iter().map(|it| (it.value.name.as_str(), line(it))))?;
    unique("floatingips", topology.floatingips.iter().map(|it| (it.value.name.as_str(), line(it))))
}

fn unique<'a>(kind: &str, names: impl Iterator<Item = (&'a str, u64)>) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    for (name, line) in names {
        let field = || format!("{kind} (line {line}).name");
        if name.is_empty() {
            return Err(Fault::invalid(field(), "it is empty"));
        }
        if !seen.insert(name) {
            return Err(Fault::invalid(field(), format!("{name:?} is there twice")));
        }
    }
    Ok(())
}

/// The line of a thing in the file.
pub(super) fn line<T>(thing: &Spanned<T>) -> u64 {
    thing.referenced.line()
}

/// The place of a thing in the file, for refusals.
pub(super) fn place<T>(kind: &str, name: &str, thing: &Spanned<T>) -> String {
    format!("{kind} {name} (line {})", line(thing))
}
