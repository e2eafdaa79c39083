//! Routes: out through the gateway, to the gateway itself where it is on no subnet of ours, to the
//! external network's other subnets, and the extra routes of the router.
//!
//! Every way names its device. That the kernel would find the device itself is of no help: what is
//! wanted could then not be compared with what exists, and a way over a device that is not there yet
//! could not be told from an impossible one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use model::{Gateway, Route, Router, names};

use super::gateway;
use crate::config::Config;
use crate::spec::{Hop, RouterSpec};

pub(super) fn add(router: &Router, config: &Config, spec: &mut RouterSpec) {
    if let Some(gateway) = gateway(router) {
        outward(gateway, config, spec);
    }
    let mut seen = BTreeSet::new();
    for route in &router.routes {
        let destination = route.destination.trunc();
        match way(route, destination, spec) {
            // The first mention takes the place of a route of the gateway, the others join it.
            Ok(hop) if seen.insert(destination) => _ = spec.routes.insert(destination, [hop].into()),
            Ok(hop) => _ = spec.routes.entry(destination).or_default().insert(hop),
            Err(condition) => spec.unmet.push(condition),
        }
    }
}

fn outward(gateway: &Gateway, config: &Config, spec: &mut RouterSpec) {
    let device = names::router_gateway(gateway.interface.port);
    for subnet in &gateway.on_link {
        if !is_connected(spec, subnet.trunc()) {
            spec.routes.insert(subnet.trunc(), directly(&device));
        }
    }
    let known = gateway.next_hops.iter().any(IpAddr::is_ipv6);
    let configured = config.ipv6_gateway.filter(|_| !known).map(IpAddr::V6);
    for next_hop in gateway.next_hops.iter().copied().chain(configured) {
        let near = gateway.interface.addresses.iter().any(|address| address.contains(&next_hop));
        if !near && !is_link_local(next_hop) {
            spec.routes.insert(IpNet::from(next_hop), directly(&device));
        }
        // Of several gateways of one family the last stays, as in Neutron.
        let hop = Hop { via: Some(next_hop), device: device.clone() };
        spec.routes.insert(anywhere(next_hop), [hop].into());
    }
}

/// The way of an extra route, or what would have to change before there is one.
fn way(route: &Route, destination: IpNet, spec: &RouterSpec) -> Result<Hop, String> {
    let Route { nexthop, .. } = *route;
    if destination.addr().is_ipv4() != nexthop.is_ipv4() {
        return Err(format!("a next hop of route {destination} that is of its family, as {nexthop} is not"));
    }
    if is_connected(spec, destination) {
        return Err(format!("the router to leave subnet {destination} before a route there via {nexthop}"));
    }
    let own = |device: &&String| spec.interfaces[*device].addresses.iter().any(|net| net.addr() == nexthop);
    match device_towards(spec, nexthop) {
        Some(device) if own(&&device) => {
            Err(format!("a next hop of route {destination} that is not the router itself, as {nexthop} is"))
        }
        Some(device) => Ok(Hop { via: Some(nexthop), device }),
        None => Err(format!("an interface on the subnet of {nexthop}, the next hop of route {destination}")),
    }
}

/// The device that reaches an address directly: by the longest prefix, as the kernel chooses.
fn device_towards(spec: &RouterSpec, address: IpAddr) -> Option<String> {
    let connected = spec
        .interfaces
        .iter()
        .flat_map(|(device, interface)| interface.addresses.iter().map(move |net| (net.trunc(), device)));
    let direct = spec.routes.iter().flat_map(|(destination, hops)| {
        hops.iter().filter(|hop| hop.via.is_none()).map(|hop| (*destination, &hop.device))
    });
    connected
        .chain(direct)
        .filter(|(net, _)| net.contains(&address))
        .max_by_key(|(net, _)| net.prefix_len())
        .map(|(_, device)| device.clone())
}

fn is_connected(spec: &RouterSpec, destination: IpNet) -> bool {
    spec.interfaces.values().flat_map(|interface| &interface.addresses).any(|net| net.trunc() == destination)
}

fn directly(device: &str) -> BTreeSet<Hop> {
    [Hop { via: None, device: device.to_owned() }].into()
}

fn anywhere(next_hop: IpAddr) -> IpNet {
    match next_hop {
        IpAddr::V4(_) => Ipv4Net::default().into(),
        IpAddr::V6(_) => Ipv6Net::default().into(),
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}
