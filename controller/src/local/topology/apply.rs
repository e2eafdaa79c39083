//! Brings a draft to where a topology file wants it: first what has to go, then what has to come, in
//! the order of what refers to what.
//!
//! Ids of new things are made from their names, and addresses and segments are the lowest free ones.
//! So two nodes that apply the same file from nothing agree on every id, MAC, address and VNI without
//! speaking with each other.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use model::{FloatingIpId, HostName, NetworkId, PortId, RouterId, SubnetId};
use serde_json::{Map, json};

use super::body::{self, Hosts};
use super::difference::{self, Difference};
use super::file::{Interface, Topology};
use super::removal;
use super::words::{self, Words, place};
use crate::local::draft::{Draft, id_from_name};
use crate::local::fault::Fault;
use crate::local::interfaces::Named;
use crate::local::state::{Key, State};
use crate::local::{
    addresses, dhcp_ports, floating_ips, hosts, interfaces, networks, ports, routers, subnets,
};

/// Changes the draft; gives what is different from before.
pub fn apply(draft: &mut Draft<'_>, topology: &Topology) -> Result<Difference, Fault> {
    let before = draft.state.clone();
    words::check_names(topology)?;
    let config = draft.config;
    let hosts = Hosts::new(topology, config)?;
    let mut words = Words::of_existing(&before, topology);
    removal::remove(draft, topology, &words)?;
    put_hosts(draft, topology)?;
    put_networks(draft, topology, &mut words, &hosts)?;
    let reserved = reserve(draft, topology);
    put_ports(draft, topology, &mut words, &hosts)?;
    put_routers(draft, topology, &mut words, &hosts)?;
    put_floating_ips(draft, topology, &mut words)?;
    remove_hosts(draft, topology)?;
    dhcp_ports::settle(draft, &before)?;
    reserved.into_iter().for_each(|(subnet, address)| draft.state.release(subnet, address));
    restore_equals(draft, &before);
    Ok(difference::between(&before, draft))
}

fn put_hosts(draft: &mut Draft<'_>, topology: &Topology) -> Result<(), Fault> {
    for host in &topology.hosts {
        let at = place("hosts", &host.value.name, host);
        let mut given = Map::new();
        given.insert("tunnel_ip".to_owned(), json!(host.value.tunnel_ip));
        let name = HostName(host.value.name.clone());
        check_own_tunnel(draft, &name, host.value.tunnel_ip.as_deref()).map_err(|fault| fault.at(&at))?;
        if name != draft.config.host {
            hosts::put(draft, name, body::fields(given)?).map_err(|fault| fault.at(&at))?;
        }
    }
    Ok(())
}

/// This node's tunnel address is in its settings; a file may repeat it, so that all nodes can have the
/// same file, but not contradict it.
fn check_own_tunnel(draft: &Draft<'_>, name: &HostName, given: Option<&str>) -> Result<(), Fault> {
    let Some(given) = given.filter(|_| *name == draft.config.host) else { return Ok(()) };
    let own = draft.config.tunnel_ip;
    // An IPv6 address can be written in many ways.
    if own.is_some() && given.parse().ok() == own {
        return Ok(());
    }
    let own = own.map_or_else(|| "none".to_owned(), |own| own.to_string());
    Err(Fault::invalid("tunnel_ip", format!("this is the node itself, whose tunnel address is {own}")))
}

fn remove_hosts(draft: &mut Draft<'_>, topology: &Topology) -> Result<(), Fault> {
    let named: BTreeSet<&str> = topology.hosts.iter().map(|host| host.value.name.as_str()).collect();
    let own = draft.local_host();
    let all: Vec<_> = draft.state.hosts().keys().cloned().collect();
    let unnamed = all.into_iter().filter(|name| *name != own && !named.contains(name.0.as_str()));
    unnamed.into_iter().try_for_each(|name| hosts::delete(draft, &name))
}

fn put_networks(
    draft: &mut Draft<'_>,
    topology: &Topology,
    words: &mut Words,
    hosts: &Hosts<'_>,
) -> Result<(), Fault> {
    for network in &topology.networks {
        let name = &network.value.name;
        let at = |fault: Fault| fault.at(&place("networks", name, network));
        let fields = body::network(&network.value, hosts).map_err(at)?;
        let id = match words.networks.known(name) {
            Some(id) => networks::update(draft, id, fields).map(|()| id),
            None => {
                let id = NetworkId(id_from_name("network", name));
                let id = Some(id).filter(|id| !draft.state.networks().contains_key(id));
                networks::create(draft, id, fields)
            }
        };
        let id = id.map_err(at)?;
        words.networks.set(name, id);
        put_subnets(draft, &network.value.subnets, id, words)?;
    }
    Ok(())
}

fn put_subnets(
    draft: &mut Draft<'_>,
    wanted: &[serde_saphyr::Spanned<super::file::Subnet>],
    network: NetworkId,
    words: &mut Words,
) -> Result<(), Fault> {
    for subnet in wanted {
        let name = &subnet.value.name;
        let at = |fault: Fault| fault.at(&place("subnets", name, subnet));
        let fields = body::subnet(&subnet.value, network).map_err(at)?;
        let id = match words.subnets.known(name) {
            Some(id) => subnets::update(draft, id, fields).map(|()| id),
            None => {
                let id = SubnetId(id_from_name("subnet", &format!("{network}/{name}")));
                let id = Some(id).filter(|id| !draft.state.subnets().contains_key(id));
                subnets::create(draft, id, fields)
            }
        };
        words.subnets.set(name, id.map_err(at)?);
    }
    Ok(())
}

/// Keeps the addresses that the file names from being chosen for something that comes before them.
fn reserve(draft: &mut Draft<'_>, topology: &Topology) -> Vec<(SubnetId, IpAddr)> {
    let of_ports = topology.ports.iter().flat_map(|port| port.value.fixed_ips.iter().flatten());
    let gateways = topology.routers.iter().filter_map(|router| router.value.external_gateway_info.as_ref());
    let of_gateways = gateways.flat_map(|gateway| gateway.external_fixed_ips.iter().flatten());
    let fixed = of_ports.chain(of_gateways).filter_map(|fixed| fixed.ip_address.as_deref());
    let floating = topology.floatingips.iter().filter_map(|it| it.value.floating_ip_address.as_deref());
    // By the whole address range, since tenants' ranges may overlap: a little too much is kept, no more.
    let addresses: BTreeSet<IpAddr> =
        fixed.chain(floating).filter_map(|address| address.parse().ok()).collect();
    let subnets: Vec<(SubnetId, IpNet)> = draft.state.subnets().values().map(|it| (it.id, it.cidr)).collect();
    let mut reserved = Vec::new();
    for (subnet, cidr) in subnets {
        let within = addresses.range(cidr.network()..=cidr.broadcast());
        reserved.extend(within.map(|address| (subnet, *address)));
    }
    reserved.iter().for_each(|(subnet, address)| draft.state.reserve(*subnet, *address));
    reserved
}

fn put_ports(
    draft: &mut Draft<'_>,
    topology: &Topology,
    words: &mut Words,
    hosts: &Hosts<'_>,
) -> Result<(), Fault> {
    let interfaces = topology.routers.iter().flat_map(|router| &router.value.interfaces);
    let of_routers: BTreeSet<&str> = interfaces
        .filter_map(|interface| match interface {
            Interface::Port(name) => Some(name.as_str()),
            Interface::Subnet(_) => None,
        })
        .collect();
    for port in &topology.ports {
        let name = &port.value.name;
        let at = |fault: Fault| fault.at(&place("ports", name, port));
        let old = words.ports.known(name).and_then(|id| draft.state.ports().get(&id).cloned());
        let is_interface = of_routers.contains(name.as_str());
        let fields = body::port(&port.value, words, hosts, is_interface, old.as_deref()).map_err(at)?;
        let id = match old {
            Some(old) => ports::update(draft, old.id, fields).map(|()| old.id),
            None => {
                let network = &port.value.network;
                let id = PortId(id_from_name("port", &format!("{network}/{name}")));
                ports::create(draft, Some(id), fields)
            }
        };
        let id = id.map_err(at)?;
        if port.value.fixed_ips.is_none() {
            address_anew(draft, id).map_err(at)?;
        }
        words.ports.set(name, id);
    }
    Ok(())
}

/// A port that does not say and has lost its addresses (its subnet is gone), or came before its
/// network had any subnet, gets the usual ones.
fn address_anew(draft: &mut Draft<'_>, id: PortId) -> Result<(), Fault> {
    let port = draft.port(id)?;
    if !port.fixed_ips.is_empty() {
        return Ok(());
    }
    let wishes = addresses::usual(draft, port.network)?;
    let wishes: Vec<_> = wishes.into_iter().map(|wish| json!({"subnet_id": wish.subnet})).collect();
    let mut body = Map::new();
    body.insert("fixed_ips".to_owned(), wishes.into());
    ports::update(draft, id, body::fields(body)?)
}

fn put_routers(
    draft: &mut Draft<'_>,
    topology: &Topology,
    words: &mut Words,
    hosts: &Hosts<'_>,
) -> Result<(), Fault> {
    for router in &topology.routers {
        let name = &router.value.name;
        let at = |fault: Fault| fault.at(&place("routers", name, router));
        let fields = body::router(&router.value, words, hosts).map_err(at)?;
        let id = match words.routers.known(name) {
            Some(id) => routers::update(draft, id, fields).map(|()| id),
            None => {
                let id = RouterId(id_from_name("router", name));
                let id = Some(id).filter(|id| !draft.state.routers().contains_key(id));
                routers::create(draft, id, fields)
            }
        };
        let id = id.map_err(at)?;
        words.routers.set(name, id);
        put_interfaces(draft, id, &router.value.interfaces, words).map_err(at)?;
        let routes = body::router_routes(&router.value).map_err(at)?;
        routers::update(draft, id, routes).map_err(at)?;
    }
    Ok(())
}

fn put_interfaces(
    draft: &mut Draft<'_>,
    router: RouterId,
    wanted: &[Interface],
    words: &Words,
) -> Result<(), Fault> {
    for (index, interface) in wanted.iter().enumerate() {
        let field = format!("interfaces[{index}]");
        if wanted[..index].contains(interface) {
            return Err(Fault::invalid(field, "it is there twice"));
        }
        let named = match interface {
            Interface::Subnet(name) => {
                let subnet = words.subnets.find(&format!("{field}.subnet"), name)?;
                Named { subnet: Some(subnet), port: None }
            }
            Interface::Port(name) => {
                let port = words.ports.find(&format!("{field}.port"), name)?;
                Named { subnet: None, port: Some(port) }
            }
        };
        let is_there = interfaces::of(draft, router).iter().any(|port| match named {
            Named { port: Some(id), .. } => port.id == id,
            Named { subnet, .. } => port.fixed_ips.iter().any(|fixed| Some(fixed.subnet_id) == subnet),
        });
        if !is_there {
            interfaces::add(draft, router, named).map_err(|fault| fault.at(&field))?;
        }
    }
    Ok(())
}

fn put_floating_ips(draft: &mut Draft<'_>, topology: &Topology, words: &mut Words) -> Result<(), Fault> {
    for floating in &topology.floatingips {
        let name = &floating.value.name;
        let at = |fault: Fault| fault.at(&place("floatingips", name, floating));
        let fields = body::floating_ip(&floating.value, words).map_err(at)?;
        let id = match words.floating_ips.known(name) {
            Some(id) => floating_ips::update(draft, id, fields).map(|()| id),
            None => {
                let id = FloatingIpId(id_from_name("floatingip", name));
                let id = Some(id).filter(|id| !draft.state.floating_ips().contains_key(id));
                floating_ips::create(draft, id, fields)
            }
        };
        words.floating_ips.set(name, id.map_err(at)?);
    }
    Ok(())
}

/// What was touched and came back the same was not touched.
fn restore_equals(draft: &mut Draft<'_>, before: &State) {
    let touched: Vec<Key> = draft.touched.iter().cloned().collect();
    for key in touched {
        match (before.get(&key), draft.state.get(&key)) {
            (None, None) => _ = draft.touched.remove(&key),
            (Some(old), Some(new)) if old.differs_in_meta_only(&new) => {
                draft.state.put(old);
                draft.touched.remove(&key);
            }
            _ => {}
        }
    }
}
