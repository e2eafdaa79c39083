//! From what changed to what has to be looked at again. Pure; the only place that knows how objects
//! depend on each other.
//!
//! The rule of every line here: cost follows the change. A guest's port dirties itself alone; a port
//! that a service of ours lives on dirties what the service serves.

use std::collections::BTreeSet;

use model::{Desired, NetworkId, ObjectRef, Port, PortOwner};

/// What a change from `old` to `new` makes necessary to look at.
pub(crate) fn dirty(old: &Desired, new: &Desired) -> BTreeSet<ObjectRef> {
    let changed = model::changes(old, new);
    let mut dirty = changed.clone();
    for object in changed {
        match object {
            ObjectRef::Port(id) => {
                for port in [old.ports().get(&id), new.ports().get(&id)].into_iter().flatten() {
                    dirty.extend(depends_on_port(port));
                }
            }
            ObjectRef::Network(id) => {
                // Only subnets and the network itself matter to the ports on it, not who else is flooded to.
                if old.networks().get(&id) != new.networks().get(&id) || subnets_differ(old, new, id) {
                    dirty.extend(
                        old.ports_of(id).chain(new.ports_of(id)).map(|port| ObjectRef::Port(port.id)),
                    );
                }
            }
            ObjectRef::Router(id) => {
                for router in [old.routers().get(&id), new.routers().get(&id)].into_iter().flatten() {
                    let gateway = router.gateway.iter().map(|gateway| &gateway.interface);
                    let interfaces = router.interfaces.iter().chain(gateway);
                    dirty.extend(interfaces.map(|interface| ObjectRef::Port(interface.port)));
                }
            }
            ObjectRef::Node | ObjectRef::Endpoint(_) | ObjectRef::RemoteMac(..) => {}
        }
    }
    dirty
}

/// A port that a service lives on concerns what the service serves: the network's DHCP service, and
/// whether it has a gateway. What else hangs on a network's first or last port here, the switch follows
/// by itself.
fn depends_on_port(port: &Port) -> Option<ObjectRef> {
    match port.owner {
        PortOwner::Dhcp | PortOwner::RouterInterface | PortOwner::RouterGateway => {
            Some(ObjectRef::Network(port.network))
        }
        PortOwner::FloatingIp | PortOwner::Other(_) => None,
    }
}

fn subnets_differ(old: &Desired, new: &Desired, network: NetworkId) -> bool {
    !old.subnets_of(network).eq(new.subnets_of(network))
}

#[cfg(test)]
mod tests {
    use model::{Mac, PortId, Subnet};
    use uuid::Uuid;

    use super::*;

    const NETWORK: NetworkId = NetworkId(Uuid::from_u128(1));

    fn port(id: u128, owner: &str) -> Port {
        Port {
            id: PortId(Uuid::from_u128(id)),
            network: NETWORK,
            name: String::new(),
            mac: Mac::ZERO,
            fixed_ips: Vec::new(),
            owner: owner.into(),
            device: String::new(),
            admin_up: true,
            port_security: true,
            allowed_pairs: Vec::new(),
            dhcp_options: Vec::new(),
            host_name: None,
            binding: None,
        }
    }

    fn crowd() -> Desired {
        let mut desired = Desired::default();
        (10..1_000).for_each(|id| desired.set_port(port(id, "compute:nova")));
        desired
    }

    #[test]
    fn a_guest_dirties_itself_alone() {
        let old = crowd();
        let mut new = old.clone();
        new.set_port(Port { admin_up: false, ..port(10, "compute:nova") });
        assert_eq!(dirty(&old, &new), BTreeSet::from([ObjectRef::Port(PortId(Uuid::from_u128(10)))]));
    }

    #[test]
    fn a_service_dirties_its_network() {
        let old = crowd();
        let mut new = old.clone();
        new.set_port(port(2, "network:dhcp"));
        let port = ObjectRef::Port(PortId(Uuid::from_u128(2)));
        assert_eq!(dirty(&old, &new), BTreeSet::from([port, ObjectRef::Network(NETWORK)]));
    }

    #[test]
    fn a_subnet_dirties_every_port_of_its_network() {
        let old = crowd();
        let mut new = old.clone();
        new.set_subnet(Subnet {
            id: model::SubnetId(Uuid::from_u128(3)),
            network: NETWORK,
            name: String::new(),
            cidr: "10.0.0.0/24".parse().unwrap(),
            gateway: None,
            dhcp: true,
            dns_servers: Vec::new(),
            host_routes: Vec::new(),
        });
        assert_eq!(dirty(&old, &new).len(), 1 + 990);
    }
}
