//! From what changed to what has to be looked at again. Pure; the only place that knows how objects
//! depend on each other.
//!
//! The rule of every line here: cost follows the change. A guest's port dirties itself alone; a port
//! that a service of ours lives on dirties what the service serves.

use std::collections::BTreeSet;

use model::{Desired, HostName, NetworkId, ObjectRef, Port, PortOwner};

/// What a change from `old` to `new` makes necessary to look at on the node called `host`.
pub(crate) fn dirty(old: &Desired, new: &Desired, host: &HostName) -> BTreeSet<ObjectRef> {
    let changed = model::changes(old, new);
    let mut dirty = changed.clone();
    for object in changed {
        match object {
            ObjectRef::Port(id) => {
                for port in [old.ports().get(&id), new.ports().get(&id)].into_iter().flatten() {
                    dirty.extend(depends_on_port(port, host));
                }
            }
            ObjectRef::Network(id) => {
                for desired in [old, new] {
                    dirty.extend(depends_on_network(desired, id, host));
                }
                // Only subnets and the network itself matter to the ports on it, not who else is flooded to.
                if old.networks().get(&id) != new.networks().get(&id) || subnets_differ(old, new, id) {
                    dirty.extend(old.ports_of(id).chain(new.ports_of(id)).map(|port| ObjectRef::Port(port.id)));
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

/// A port that a service of this node or of the network lives on concerns the network: its local VLAN,
/// its DHCP service, its gateway. So does the first or last port of a network on this node, which the
/// switch finds out by itself when it looks at the port.
fn depends_on_port(port: &Port, host: &HostName) -> Vec<ObjectRef> {
    match port.owner {
        PortOwner::Dhcp | PortOwner::RouterInterface | PortOwner::RouterGateway => {
            vec![ObjectRef::Network(port.network)]
        }
        PortOwner::FloatingIp => Vec::new(),
        PortOwner::Other(_) if port.is_on(host) => vec![ObjectRef::Network(port.network)],
        PortOwner::Other(_) => Vec::new(),
    }
}

fn depends_on_network(desired: &Desired, id: NetworkId, host: &HostName) -> Vec<ObjectRef> {
    // A tunnel network that comes to this node or leaves it brings its remote MACs along.
    let remote = desired.remote_ports().range((id, model::Mac::ZERO)..=(id, model::Mac::BROADCAST));
    let mut objects: Vec<ObjectRef> =
        remote.map(|((network, mac), _)| ObjectRef::RemoteMac(*network, *mac)).collect();
    if let Some(endpoints) = desired.floods().get(&id) {
        objects.extend(endpoints.iter().map(|endpoint| ObjectRef::Endpoint(*endpoint)));
    }
    let own = desired.ports_of(id).filter(|port| port.is_on(host) && port.owner.is_network_service());
    objects.extend(own.map(|port| ObjectRef::Port(port.id)));
    objects
}

fn subnets_differ(old: &Desired, new: &Desired, network: NetworkId) -> bool {
    !old.subnets_of(network).eq(new.subnets_of(network))
}
