//! From what the controller wants to what must listen here: which routers and networks of this node, and on what
//! addresses. Pure.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use model::{Desired, NetworkId, Port, PortOwner, Router, RouterId, Scope, Subnet, names};

use crate::config::Config;
use crate::place::{Bind, Place};
use crate::spec::{PlaceSpec, Spec};

/// What a subnet lies in that only leads to metadata.
const METADATA_SUBNETS: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16);

/// What must listen, of the objects in scope.
pub fn compile(desired: &Desired, config: &Config, scope: &Scope) -> Spec {
    let places: Vec<Place> = match scope {
        Scope::All => {
            let routers = desired.routers().keys().copied().map(Place::Router);
            desired.networks().keys().copied().map(Place::Network).chain(routers).collect()
        }
        Scope::Objects(objects) => objects.iter().copied().filter_map(Place::of).collect(),
    };
    let spec = |place: Place| match place {
        Place::Network(id) => network(desired, config, id),
        Place::Router(id) => router(desired, config, id),
    };
    let places = places.into_iter().map(|place| (place, spec(place)));
    let mut places: BTreeMap<Place, Option<PlaceSpec>> = places.collect();
    if *scope == Scope::All {
        places.retain(|_, spec| spec.is_some());
    }
    let left_alone = desired.left_alone.iter().copied().filter_map(Place::of).collect();
    Spec { everything: *scope == Scope::All, left_alone, places }
}

fn router(desired: &Desired, config: &Config, id: RouterId) -> Option<PlaceSpec> {
    let here = |router: &&Arc<Router>| router.admin_up && router.host.as_ref() == Some(&config.host);
    desired.routers().get(&id).filter(here).filter(|_| config.routers)?;
    Some(PlaceSpec { binds: [Bind::Port(config.port)].into(), guests_of: Place::Router(id) })
}

fn network(desired: &Desired, config: &Config, id: NetworkId) -> Option<PlaceSpec> {
    if !config.force && !config.isolated {
        return None;
    }
    desired.networks().get(&id).filter(|network| network.admin_up)?;
    let subnets: Vec<&Arc<Subnet>> = desired.subnets_of(id).collect();
    if !subnets.iter().any(|subnet| subnet.dhcp) {
        return None;
    }
    let served = own_port(desired, config, id)?;
    let routers: Vec<&Arc<Port>> = desired.ports_of(id).filter(|port| is_router_interface(port)).collect();
    if !config.force && !is_needed(config, &subnets, &routers) {
        return None;
    }
    let mut binds = [Bind::V4].into_iter().collect::<std::collections::BTreeSet<_>>();
    if subnets.iter().any(|subnet| subnet.cidr.addr().is_ipv6()) {
        let device = if config.use_veth { names::dhcp_veth(served.id) } else { names::tap(served.id) };
        binds.insert(Bind::V6 { device });
    }
    Some(PlaceSpec { binds, guests_of: guests_of(config, id, &routers) })
}

/// The DHCP port that is served here: the controller's own one before one that a user made.
fn own_port<'a>(desired: &'a Desired, config: &Config, network: NetworkId) -> Option<&'a Arc<Port>> {
    let name = network.to_string();
    let is_ours = |port: &Port| port.device.starts_with("dhcp") && port.device.ends_with(&name);
    let ports = desired.ports_of(network);
    let here = ports.filter(|port| port.owner == PortOwner::Dhcp && port.is_on(&config.host));
    here.min_by_key(|port| !is_ours(port))
}

/// Whether guests have no router to ask by.
fn is_needed(config: &Config, subnets: &[&Arc<Subnet>], routers: &[&Arc<Port>]) -> bool {
    let leads_to_metadata = |subnet: &&Arc<Subnet>| match subnet.cidr {
        IpNet::V4(cidr) => METADATA_SUBNETS.contains(&cidr),
        IpNet::V6(_) => false,
    };
    if config.metadata_network && subnets.iter().any(leads_to_metadata) {
        return true;
    }
    subnets.iter().filter(|subnet| subnet.dhcp).any(|subnet| is_isolated(subnet, routers))
}

/// Whether no router has the gateway's address. A router with another address does not count: guests do not send
/// to it.
fn is_isolated(subnet: &Subnet, routers: &[&Arc<Port>]) -> bool {
    let has_gateway = |port: &&Arc<Port>| {
        port.fixed_ips.iter().any(|fixed| fixed.subnet == subnet.id && Some(fixed.address) == subnet.gateway)
    };
    !routers.iter().any(has_gateway)
}

/// With metadata networks the first router of a network is the one whose guests ask there.
fn guests_of(config: &Config, network: NetworkId, routers: &[&Arc<Port>]) -> Place {
    let router = routers.iter().find_map(|port| port.device.parse().ok());
    let router = router.filter(|_| config.metadata_network).map(Place::Router);
    router.unwrap_or(Place::Network(network))
}

fn is_router_interface(port: &Port) -> bool {
    const OTHERS: [&str; 2] =
        ["network:ha_router_replicated_interface", "network:router_interface_distributed"];
    port.owner == PortOwner::RouterInterface || OTHERS.contains(&port.owner.as_str())
}
