//! What the machines found out, put together: the [`Desired`] of this node. Pure.
//!
//! A port may be known from several sources (its bound form, the network's DHCP service, a router). The
//! source that saw it last, by its revision, says what the port is; whether and how it is bound here is
//! only ever said by the bound form.
//!
//! A picture may begin with what is remembered from before. That counts until the server says otherwise,
//! and goes when everything has been heard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::OrdSet;
use model::{
    Binding, Desired, HostName, Mac, Network, NetworkId, ObjectRef, Port, PortId, Role, RouterId, SubnetId,
};

use super::finding::{Finding, Sighting};
use super::heartbeat::Load;

/// See the head of this module.
#[derive(Debug)]
pub(crate) struct Picture {
    host: HostName,
    /// Whether somebody else's agent wires ports here: then a binding is taken from the port itself,
    /// and what carries it is not ours to know.
    wired_elsewhere: bool,
    /// What has to be complete until nothing is remembered any more.
    roles: BTreeSet<Role>,
    desired: Desired,
    remembered: Remembered,
    bound: BTreeMap<PortId, Sighting>,
    served: BTreeMap<PortId, Sighting>,
    own: BTreeMap<PortId, Sighting>,
    wired_networks: BTreeMap<NetworkId, Arc<Network>>,
    served_networks: BTreeMap<NetworkId, Arc<Network>>,
    changed: bool,
}

/// What is only remembered so far. The ports and networks are among the bound and wired ones.
#[derive(Debug, Default)]
struct Remembered {
    ports: BTreeSet<PortId>,
    networks: BTreeSet<NetworkId>,
    subnets: BTreeSet<SubnetId>,
    routers: BTreeSet<RouterId>,
    remotes: BTreeSet<(NetworkId, Mac)>,
    floods: BTreeSet<NetworkId>,
}

impl Picture {
    pub(crate) fn new(host: HostName, roles: BTreeSet<Role>) -> Self {
        Self {
            host,
            wired_elsewhere: !roles.contains(&Role::L2),
            roles,
            desired: Desired::default(),
            remembered: Remembered::default(),
            bound: BTreeMap::new(),
            served: BTreeMap::new(),
            own: BTreeMap::new(),
            wired_networks: BTreeMap::new(),
            served_networks: BTreeMap::new(),
            changed: false,
        }
    }

    /// Begins with what is remembered. To be called before anything is taken in.
    pub(crate) fn remember(&mut self, before: Desired) {
        for (id, port) in before.ports() {
            let host = port.binding.as_ref().map(|binding| binding.host.clone());
            self.bound.insert(*id, Sighting { port: port.clone(), host, revision: None });
            self.remembered.ports.insert(*id);
        }
        for (id, network) in before.networks() {
            self.wired_networks.insert(*id, network.clone());
            self.remembered.networks.insert(*id);
        }
        self.remembered.subnets.extend(before.subnets().keys());
        self.remembered.routers.extend(before.routers().keys());
        self.remembered.remotes.extend(before.remote_ports().keys());
        self.remembered.floods.extend(before.floods().keys());
        self.desired = before;
        self.desired.complete.clear();
        self.changed = true;
    }

    /// Everything was heard: what is only remembered is not so any more. A network that could not be understood goes on
    /// as it is remembered.
    fn forget(&mut self) {
        let old = std::mem::take(&mut self.remembered);
        for id in old.ports {
            if self.desired.ports().get(&id).is_some_and(|port| self.is_left_alone(port.network)) {
                self.remembered.ports.insert(id);
                continue;
            }
            self.bound.remove(&id);
            self.port(id);
        }
        for id in old.networks {
            if self.is_left_alone(id) {
                self.remembered.networks.insert(id);
                continue;
            }
            self.wired_networks.remove(&id);
            self.network(id);
        }
        for id in old.subnets {
            if self.desired.subnets().get(&id).is_some_and(|subnet| self.is_left_alone(subnet.network)) {
                self.remembered.subnets.insert(id);
                continue;
            }
            self.desired.drop_subnet(id);
        }
        old.routers.into_iter().for_each(|id| self.desired.drop_router(id));
        old.remotes.into_iter().for_each(|(network, mac)| self.desired.drop_remote_port(network, mac));
        old.floods.into_iter().for_each(|network| self.desired.set_flood(network, OrdSet::new()));
    }

    fn is_left_alone(&self, network: NetworkId) -> bool {
        self.desired.left_alone.contains(&ObjectRef::Network(network))
    }

    pub(crate) fn desired(&self) -> &Desired {
        &self.desired
    }

    /// Whether anything was taken in since this was last called.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// How much the DHCP role has to do.
    pub(crate) fn served(&self) -> Load {
        Load {
            networks: self.served_networks.len(),
            subnets: self.desired.subnets().len(),
            ports: self.served.len(),
            ..Load::default()
        }
    }

    pub(crate) fn take_in(&mut self, finding: Finding) {
        match finding {
            Finding::BoundPort(id, sighting) => {
                self.remembered.ports.remove(&id);
                put(&mut self.bound, id, sighting);
                self.port(id);
            }
            Finding::ServedPort(id, sighting) => {
                put(&mut self.served, id, sighting);
                self.port(id);
            }
            Finding::OwnPort(id, sighting) => {
                put(&mut self.own, id, sighting);
                self.port(id);
            }
            Finding::WiredNetwork(id, network) => {
                self.remembered.networks.remove(&id);
                put(&mut self.wired_networks, id, network);
                self.network(id);
            }
            Finding::ServedNetwork(id, network) => {
                put(&mut self.served_networks, id, network);
                self.network(id);
            }
            Finding::ServedSubnet(id, subnet) => {
                self.remembered.subnets.remove(&id);
                match subnet {
                    Some(subnet) if self.desired.subnets().get(&id) == Some(&subnet) => return,
                    Some(subnet) => self.desired.set_subnet(subnet),
                    None => self.desired.drop_subnet(id),
                }
            }
            Finding::Router(id, router) => {
                self.remembered.routers.remove(&id);
                match router {
                    Some(router) if self.desired.routers().get(&id) == Some(&router) => return,
                    Some(router) => self.desired.set_router(router),
                    None => self.desired.drop_router(id),
                }
            }
            Finding::LeftAlone(id, true) => _ = self.desired.left_alone.insert(id),
            Finding::LeftAlone(id, false) => {
                self.desired.left_alone.remove(&id);
                if self.desired.complete.contains(&Role::Metadata) {
                    self.forget();
                }
            }
            Finding::Remote(network, mac, remote) => {
                self.remembered.remotes.remove(&(network, mac));
                match remote {
                    Some(remote) => self.desired.set_remote_port(remote),
                    None => self.desired.drop_remote_port(network, mac),
                }
            }
            Finding::Flood(network, endpoints) => {
                self.remembered.floods.remove(&network);
                self.desired.set_flood(network, endpoints);
            }
            Finding::Complete(role, true) => self.complete(role),
            Finding::Complete(role, false) => _ = self.desired.complete.remove(&role),
        }
        self.changed = true;
    }

    /// The proxies of metadata follow the networks and routers that are served.
    fn complete(&mut self, role: Role) {
        self.desired.complete.insert(role);
        let heard = |role: &Role| *role == Role::Metadata || self.desired.complete.contains(role);
        if self.roles.iter().all(heard) {
            self.desired.complete.insert(Role::Metadata);
            self.forget();
        }
    }

    fn network(&mut self, id: NetworkId) {
        let wired = self.wired_networks.get(&id);
        let network = match (self.served_networks.get(&id), wired) {
            (Some(served), Some(wired)) => {
                Arc::new(Network { segments: wired.segments.clone(), ..Network::clone(served) })
            }
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => return self.desired.drop_network(id),
        };
        if self.desired.networks().get(&id) != Some(&network) {
            self.desired.set_network(network);
        }
    }

    fn port(&mut self, id: PortId) {
        let bound = self.bound.get(&id);
        // Of equals the first counts: the bound form is read the latest.
        let sources = [bound, self.own.get(&id), self.served.get(&id)];
        let newest = sources.into_iter().flatten().rev().max_by_key(|sighting| sighting.revision);
        let Some(newest) = newest else { return self.desired.drop_port(id) };
        let binding = match bound {
            Some(bound) => bound.port.binding.clone(),
            None if self.wired_elsewhere && newest.host.as_ref() == Some(&self.host) => {
                Some(Binding { host: self.host.clone(), segment: None })
            }
            None => None,
        };
        let port = if newest.port.binding == binding {
            newest.port.clone()
        } else {
            Arc::new(Port { binding, ..Port::clone(&newest.port) })
        };
        if self.desired.ports().get(&id) != Some(&port) {
            self.desired.set_port(port);
        }
    }
}

fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => _ = map.insert(key, value),
        None => _ = map.remove(&key),
    }
}

#[cfg(test)]
mod tests {
    use model::{Mac, Segment};
    use uuid::Uuid;

    use super::*;

    const PORT: PortId = PortId(Uuid::from_u128(1));
    const NETWORK: NetworkId = NetworkId(Uuid::from_u128(2));

    fn sighting(name: &str, revision: i64, bound: bool) -> Sighting {
        let host = HostName("here".to_owned());
        let port = Port {
            id: PORT,
            network: NETWORK,
            name: name.to_owned(),
            mac: Mac::ZERO,
            fixed_ips: Vec::new(),
            owner: "network:dhcp".into(),
            device: String::new(),
            admin_up: true,
            port_security: false,
            allowed_pairs: Vec::new(),
            dhcp_options: Vec::new(),
            host_name: None,
            binding: bound.then(|| Binding { host: host.clone(), segment: Some(Segment::Local) }),
        };
        Sighting { port: Arc::new(port), host: Some(host), revision: Some(revision) }
    }

    fn picture(wired_elsewhere: bool, findings: Vec<Finding>) -> Picture {
        let roles = if wired_elsewhere { vec![Role::Dhcp] } else { vec![Role::L2, Role::Dhcp] };
        let mut picture = Picture::new(HostName("here".to_owned()), roles.into_iter().collect());
        findings.into_iter().for_each(|finding| picture.take_in(finding));
        picture
    }

    fn name_and_binding(picture: &Picture) -> (String, bool) {
        let port = &picture.desired().ports()[&PORT];
        (port.name.clone(), port.binding.is_some())
    }

    #[test]
    fn the_newest_source_says_what_a_port_is_and_the_bound_form_where() {
        let mut all = vec![
            Finding::BoundPort(PORT, Some(sighting("bound", 3, true))),
            Finding::ServedPort(PORT, Some(sighting("served", 5, false))),
            Finding::OwnPort(PORT, Some(sighting("own", 4, false))),
        ];
        assert_eq!(name_and_binding(&picture(false, all.clone())), ("served".to_owned(), true));
        all.reverse();
        assert_eq!(name_and_binding(&picture(false, all.clone())), ("served".to_owned(), true));
        all.push(Finding::BoundPort(PORT, None));
        assert_eq!(name_and_binding(&picture(false, all.clone())), ("served".to_owned(), false));
        assert_eq!(name_and_binding(&picture(true, all)), ("served".to_owned(), true));
    }

    #[test]
    fn of_equally_new_sources_the_bound_form_counts() {
        let served = Finding::ServedPort(PORT, Some(sighting("served", 3, false)));
        let bound = Finding::BoundPort(PORT, Some(sighting("bound", 3, true)));
        let name = |findings| name_and_binding(&picture(false, findings)).0;
        assert_eq!(name(vec![served.clone(), bound.clone()]), "bound");
        assert_eq!(name(vec![bound, served]), "bound");
    }

    #[test]
    fn what_is_remembered_counts_until_everything_was_heard() {
        let before = picture(false, vec![Finding::BoundPort(PORT, Some(sighting("before", 3, true)))]);
        let mut picture = picture(false, Vec::new());
        picture.remember(before.desired().clone());
        assert_eq!(name_and_binding(&picture), ("before".to_owned(), true));
        picture.take_in(Finding::ServedPort(PORT, Some(sighting("served", 1, false))));
        assert_eq!(name_and_binding(&picture), ("served".to_owned(), true));
        picture.take_in(Finding::Complete(Role::Dhcp, true));
        assert_eq!(name_and_binding(&picture), ("served".to_owned(), true));
        picture.take_in(Finding::Complete(Role::L2, true));
        assert_eq!(name_and_binding(&picture), ("served".to_owned(), false));
    }

    #[test]
    fn what_is_remembered_of_a_network_that_was_not_understood_stays_until_it_is() {
        let before = picture(false, vec![Finding::BoundPort(PORT, Some(sighting("before", 3, true)))]);
        let mut picture = picture(false, Vec::new());
        picture.remember(before.desired().clone());
        picture.take_in(Finding::LeftAlone(ObjectRef::Network(NETWORK), true));
        picture.take_in(Finding::Complete(Role::L2, true));
        picture.take_in(Finding::Complete(Role::Dhcp, true));
        assert_eq!(name_and_binding(&picture), ("before".to_owned(), true));
        picture.take_in(Finding::LeftAlone(ObjectRef::Network(NETWORK), false));
        assert!(picture.desired().ports().is_empty());
    }

    #[test]
    fn a_port_that_nobody_knows_is_gone() {
        let findings = vec![
            Finding::OwnPort(PORT, Some(sighting("own", 1, false))),
            Finding::ServedPort(PORT, Some(sighting("served", 1, false))),
            Finding::OwnPort(PORT, None),
            Finding::ServedPort(PORT, None),
        ];
        assert!(picture(false, findings).desired().ports().is_empty());
    }
}
