//! What the machines found out, put together: the [`Desired`] of this node. Pure.
//!
//! A port may be known from several sources (its bound form, the network's DHCP service, a router). The
//! source that saw it last, by its revision, says what the port is; whether and how it is bound here is
//! only ever said by the bound form.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Binding, Desired, HostName, Network, NetworkId, Port, PortId};

use super::finding::{Finding, Sighting};
use super::heartbeat::Load;

/// See the head of this module.
#[derive(Debug)]
pub(crate) struct Picture {
    host: HostName,
    /// Whether somebody else's agent wires ports here: then a binding is taken from the port itself,
    /// and what carries it is not ours to know.
    wired_elsewhere: bool,
    desired: Desired,
    bound: BTreeMap<PortId, Sighting>,
    served: BTreeMap<PortId, Sighting>,
    own: BTreeMap<PortId, Sighting>,
    wired_networks: BTreeMap<NetworkId, Arc<Network>>,
    served_networks: BTreeMap<NetworkId, Arc<Network>>,
    changed: bool,
}

impl Picture {
    pub(crate) fn new(host: HostName, wired_elsewhere: bool) -> Self {
        Self {
            host,
            wired_elsewhere,
            desired: Desired::default(),
            bound: BTreeMap::new(),
            served: BTreeMap::new(),
            own: BTreeMap::new(),
            wired_networks: BTreeMap::new(),
            served_networks: BTreeMap::new(),
            changed: false,
        }
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
                put(&mut self.wired_networks, id, network);
                self.network(id);
            }
            Finding::ServedNetwork(id, network) => {
                put(&mut self.served_networks, id, network);
                self.network(id);
            }
            Finding::ServedSubnet(id, subnet) => match subnet {
                Some(subnet) if self.desired.subnets().get(&id) == Some(&subnet) => return,
                Some(subnet) => self.desired.set_subnet(subnet),
                None => self.desired.drop_subnet(id),
            },
            Finding::Router(id, router) => match router {
                Some(router) if self.desired.routers().get(&id) == Some(&router) => return,
                Some(router) => self.desired.set_router(router),
                None => self.desired.drop_router(id),
            },
            Finding::Remote(network, mac, remote) => match remote {
                Some(remote) => self.desired.set_remote_port(remote),
                None => self.desired.drop_remote_port(network, mac),
            },
            Finding::Flood(network, endpoints) => self.desired.set_flood(network, endpoints),
            Finding::Complete(role, true) => _ = self.desired.complete.insert(role),
            Finding::Complete(role, false) => _ = self.desired.complete.remove(&role),
        }
        self.changed = true;
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
        let mut picture = Picture::new(HostName("here".to_owned()), wired_elsewhere);
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
