//! What has to go before a topology file can be brought about: things that the file does not name, and
//! ties between things that it does name but wants otherwise. Ties are cut generously here and made
//! again later; the difference is taken at the end, so that nothing is said of what came back the same.

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::{NetworkId, PortId, PortOwner, SubnetId};

use super::file::{Interface, Port as FilePort, Router as FileRouter, Topology};
use super::words::Words;
use super::{body, make_way};
use crate::local::draft::Draft;
use crate::local::fault::Fault;
use crate::local::record::{FloatingIp, Port, Router};
use crate::local::state::Key;
use crate::local::{dhcp_ports, floating_ips, interfaces, ports, routers};

pub(super) fn remove(draft: &mut Draft<'_>, topology: &Topology, words: &Words) -> Result<(), Fault> {
    floating(draft, words)?;
    unnamed_routers(draft, words);
    for router in &topology.routers {
        loosen_router(draft, topology, &router.value, words);
    }
    unnamed_ports(draft, words);
    for port in &topology.ports {
        loosen_port(draft, &port.value, words);
    }
    unnamed_subnets(draft, words)?;
    unnamed_networks(draft, words)?;
    make_way::make_way(draft, topology, words);
    Ok(())
}

/// Those that are named lead nowhere until everything else is in place.
fn floating(draft: &mut Draft<'_>, words: &Words) -> Result<(), Fault> {
    let named: BTreeSet<_> = words.floating_ips.ids().collect();
    let all: Vec<_> = draft.state.floating_ips().values().cloned().collect();
    for floating in all {
        if named.contains(&floating.id) {
            draft.put_floating_ip(FloatingIp { target: None, ..FloatingIp::clone(&floating) });
        } else {
            floating_ips::delete(draft, floating.id)?;
        }
    }
    Ok(())
}

fn unnamed_routers(draft: &mut Draft<'_>, words: &Words) {
    let named: BTreeSet<_> = words.routers.ids().collect();
    let unnamed: Vec<_> = draft.state.routers().keys().filter(|id| !named.contains(id)).copied().collect();
    for id in unnamed {
        routers::ports_of(draft, id).iter().for_each(|port| ports::discard(draft, port.id));
        draft.remove(Key::Router(id));
    }
}

fn loosen_router(draft: &mut Draft<'_>, topology: &Topology, wanted: &FileRouter, words: &Words) {
    let Some(id) = words.routers.known(&wanted.name) else { return };
    let Some(router) = draft.state.routers().get(&id).cloned() else { return };
    let networks: BTreeSet<NetworkId> = words.networks.ids().collect();
    let gateway = router.gateway.clone().filter(|gateway| networks.contains(&gateway.network));
    if gateway.is_none()
        && let Some(old) = &router.gateway
    {
        ports::discard(draft, old.port);
    }
    draft.put_router(Router { gateway, routes: Vec::new(), ..Router::clone(&router) });
    for port in interfaces::of(draft, id) {
        if !wanted.interfaces.iter().any(|interface| is_interface(interface, &port, topology, words)) {
            ports::discard(draft, port.id);
        }
    }
}

/// Whether a port is what the file means by an interface: the named port, or the one that has the
/// subnet's gateway address.
fn is_interface(interface: &Interface, port: &Port, topology: &Topology, words: &Words) -> bool {
    match interface {
        Interface::Port(name) => words.ports.known(name) == Some(port.id),
        Interface::Subnet(name) => {
            let Some(id) = words.subnets.known(name) else { return false };
            let mut subnets = topology.networks.iter().flat_map(|network| &network.value.subnets);
            let subnet = subnets.find(|subnet| subnet.value.name == *name);
            let gateway = subnet.and_then(|subnet| body::gateway(&subnet.value));
            let at_gateway = |address: IpAddr| Some(address) == gateway;
            port.fixed_ips.iter().any(|fixed| fixed.subnet_id == id && at_gateway(fixed.ip_address))
        }
    }
}

fn unnamed_ports(draft: &mut Draft<'_>, words: &Words) {
    let named: BTreeSet<PortId> = words.ports.ids().collect();
    let is_unnamed =
        |port: &Port| !ports::is_part(port) && !dhcp_ports::is_ours(port) && !named.contains(&port.id);
    let all = draft.state.ports().values();
    let unnamed: Vec<_> = all.filter(|port| is_unnamed(port)).map(|port| port.id).collect();
    unnamed.into_iter().for_each(|id| ports::discard(draft, id));
}

/// Gives up the addresses that the file wants otherwise, so that ports can exchange theirs.
fn loosen_port(draft: &mut Draft<'_>, wanted: &FilePort, words: &Words) {
    let Some(wishes) = &wanted.fixed_ips else { return };
    let Some(port) = words.ports.known(&wanted.name).and_then(|id| draft.state.ports().get(&id).cloned())
    else {
        return;
    };
    let mut changed = Port::clone(&port);
    changed.fixed_ips.retain(|fixed| {
        wishes.iter().any(|wish| match &wish.ip_address {
            Some(address) => address.parse() == Ok(fixed.ip_address),
            None => {
                wish.subnet.as_deref().and_then(|name| words.subnets.known(name)) == Some(fixed.subnet_id)
            }
        })
    });
    draft.put_port(changed);
}

fn unnamed_subnets(draft: &mut Draft<'_>, words: &Words) -> Result<(), Fault> {
    let named: BTreeSet<SubnetId> = words.subnets.ids().collect();
    let unnamed: Vec<_> =
        draft.state.subnets().values().filter(|it| !named.contains(&it.id)).cloned().collect();
    for subnet in unnamed {
        let users: Vec<_> = draft.state.addresses_on(subnet.id).collect();
        for (address, user) in users {
            if draft.port(user)?.device_owner == PortOwner::FloatingIp {
                let reason = format!(
                    "Subnet {:?} is not in the file, but floating IP {address} is on it and is.",
                    subnet.name
                );
                return Err(Fault::conflict("SubnetInUse", reason));
            }
            ports::strip_subnet(draft, user, subnet.id)?;
        }
        draft.remove(Key::Subnet(subnet.id));
    }
    Ok(())
}

fn unnamed_networks(draft: &mut Draft<'_>, words: &Words) -> Result<(), Fault> {
    let named: BTreeSet<NetworkId> = words.networks.ids().collect();
    let unnamed: Vec<_> = draft.state.networks().keys().filter(|id| !named.contains(id)).copied().collect();
    unnamed.into_iter().try_for_each(|id| crate::local::networks::delete(draft, id))
}
