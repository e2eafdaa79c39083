//! From what the controller wants to what must exist here: which networks are served on this node, with
//! what device, and which hosts their servers know. What a subnet's clients are told is worked out in
//! [`crate::told`]. Pure.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use host::Route;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use model::{Desired, Network, NetworkId, ObjectRef, Port, PortId, PortOwner, Scope, Subnet, names};

use crate::config::Config;
use crate::index::Index;
use crate::named;
use crate::server::table::Host;
use crate::spec::{Device, HostSpec, NetworkSpec, Spec};
use crate::told;

/// Where guests ask for metadata.
pub(crate) const METADATA: Ipv4Net = Ipv4Net::new_assert(std::net::Ipv4Addr::new(169, 254, 169, 254), 32);
const METADATA6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe), 128);

/// What must exist, of the objects in scope. `index` is of the same picture; `loaded` are the networks in
/// scope whose servers know their hosts already; it is not looked at when everything is in scope.
pub fn compile(
    desired: &Desired,
    config: &Config,
    index: &Index,
    loaded: &BTreeSet<NetworkId>,
    scope: &Scope,
) -> Spec {
    let everything = *scope == Scope::All;
    let left_alone = desired.left_alone.iter().filter_map(|object| match object {
        ObjectRef::Network(id) => Some(*id),
        _ => None,
    });
    let mut spec = Spec { everything, left_alone: left_alone.collect(), ..Spec::default() };
    for id in networks(desired, index, scope) {
        let whole = everything || !loaded.contains(&id);
        spec.networks.insert(id, network(desired, config, index, id, whole));
    }
    if let Scope::Objects(objects) = scope {
        for object in objects {
            if let ObjectRef::Port(id) = object {
                spec.ports.insert(*id, port(desired, *id));
            }
        }
    }
    spec
}

fn networks(desired: &Desired, index: &Index, scope: &Scope) -> Vec<NetworkId> {
    match scope {
        Scope::All => index.networks().filter(|id| desired.networks().contains_key(id)).collect(),
        Scope::Objects(objects) => objects
            .iter()
            .filter_map(|object| match object {
                ObjectRef::Network(id) => Some(*id),
                _ => None,
            })
            .collect(),
    }
}

fn network(
    desired: &Desired,
    config: &Config,
    index: &Index,
    id: NetworkId,
    whole: bool,
) -> Option<NetworkSpec> {
    let network = desired.networks().get(&id).filter(|network| network.admin_up)?;
    let subnets: Vec<&Arc<Subnet>> = desired.subnets_of(id).collect();
    if !subnets.iter().any(|subnet| subnet.dhcp) {
        return None;
    }
    let services: Vec<&Port> = index.service_ports(id).map(|port| &**port).collect();
    let own = own_port(config, id, &services)?;
    let device = device(config, network, own);
    let addresses = addresses(config, own, &subnets);
    let routes = routes(&device.name, &addresses, &subnets);
    Some(NetworkSpec {
        routes,
        times: config.times(),
        subnets: told::subnets(config, network, &subnets, own, &services),
        hosts: whole.then(|| desired.ports_of(id).filter_map(|port| host(desired, port)).collect()),
        addresses,
        device,
    })
}

/// The DHCP port that is served here. One that a user made for a server of his own comes second to the one
/// that the service has from the controller, which names it after its node and the network.
fn own_port<'a>(config: &Config, network: NetworkId, services: &[&'a Port]) -> Option<&'a Port> {
    let network = network.to_string();
    let is_ours = |port: &Port| port.device.starts_with("dhcp") && port.device.ends_with(&network);
    let here = services.iter().filter(|port| port.owner == PortOwner::Dhcp && port.is_on(&config.host));
    here.min_by_key(|port| !is_ours(port)).copied()
}

fn device(config: &Config, network: &Network, port: &Port) -> Device {
    let tap = names::tap(port.id);
    let (name, peer) = if config.use_veth { (names::dhcp_veth(port.id), Some(tap)) } else { (tap, None) };
    Device {
        name,
        mac: port.mac,
        mtu: Some(network.mtu).filter(|mtu| *mtu > 0),
        whole_checksums: peer.is_some() && config.userspace_datapath,
        peer,
    }
}

/// The port's addresses on subnets with DHCP, and where guests find metadata.
fn addresses(config: &Config, port: &Port, subnets: &[&Arc<Subnet>]) -> Vec<IpNet> {
    let mut addresses: Vec<IpNet> = port
        .fixed_ips
        .iter()
        .filter_map(|fixed| {
            let subnet = subnets.iter().find(|subnet| subnet.id == fixed.subnet && subnet.dhcp)?;
            IpNet::new(fixed.address, subnet.cidr.prefix_len()).ok()
        })
        .collect();
    if config.force_metadata || config.isolated_metadata {
        addresses.push(METADATA.into());
        if subnets.iter().any(|subnet| subnet.cidr.addr().is_ipv6()) {
            addresses.push(METADATA6.into());
        }
    }
    addresses
}

/// Default routes, by the first subnet of each family that has DHCP and a gateway. A gateway that is on
/// none of the device's subnets is reached over the link all the same.
fn routes(device: &str, addresses: &[IpNet], subnets: &[&Arc<Subnet>]) -> Vec<Route> {
    let mut routes = Vec::new();
    for ipv4 in [true, false] {
        let gateways = subnets.iter().filter(|subnet| subnet.dhcp).filter_map(|subnet| subnet.gateway);
        let Some(gateway) = gateways.into_iter().find(|gateway| gateway.is_ipv4() == ipv4) else { continue };
        if !addresses.iter().any(|address| address.contains(&gateway)) {
            routes.push(Route::on_link(IpNet::from(gateway), device));
        }
        let everywhere: IpNet = match gateway {
            IpAddr::V4(_) => Ipv4Net::default().into(),
            IpAddr::V6(_) => Ipv6Net::default().into(),
        };
        routes.push(Route::via(everywhere, gateway, device));
    }
    routes
}

fn port(desired: &Desired, id: PortId) -> Option<HostSpec> {
    let port = desired.ports().get(&id)?;
    Some(HostSpec { network: port.network, host: host(desired, port)? })
}

/// The host of a port: its IPv4 addresses on subnets with DHCP.
fn host(desired: &Desired, port: &Port) -> Option<Arc<Host>> {
    const WITHOUT_HOST: [&str; 2] = ["network:router_ha_interface", "network:distributed"];
    if matches!(port.owner, PortOwner::Dhcp | PortOwner::FloatingIp)
        || WITHOUT_HOST.contains(&port.owner.as_str())
    {
        return None;
    }
    let served =
        |id| desired.subnets().get(id).is_some_and(|subnet| subnet.dhcp && subnet.network == port.network);
    let addresses: Vec<_> = port
        .fixed_ips
        .iter()
        .filter_map(|fixed| match fixed.address {
            IpAddr::V4(address) if served(&fixed.subnet) => Some(address),
            _ => None,
        })
        .collect();
    let name = port.host_name.as_deref().and_then(|name| name.split('.').next());
    let host = Host {
        port: port.id,
        mac: port.mac,
        addresses,
        name: name.filter(|name| !name.is_empty()).map(str::to_owned),
        extra: named::extra(&port.dhcp_options).map(Box::new),
    };
    (!host.addresses.is_empty()).then(|| Arc::new(host))
}

#[cfg(test)]
mod tests {
    use model::{Binding, FixedIp, HostName, Mac, PortOwner, SubnetId};
    use uuid::Uuid;

    use super::*;

    const NETWORK: NetworkId = NetworkId(Uuid::from_u128(7));
    const SUBNET: SubnetId = SubnetId(Uuid::from_u128(8));

    fn dhcp_port(number: u8, device: &str) -> Port {
        Port {
            id: PortId(Uuid::from_u128(number.into())),
            network: NETWORK,
            name: String::new(),
            mac: Mac([2, 0, 0, 0, 0, number]),
            fixed_ips: vec![FixedIp { subnet: SUBNET, address: IpAddr::from([10, 0, 0, number]) }],
            owner: PortOwner::Dhcp,
            device: device.to_owned(),
            admin_up: true,
            port_security: false,
            allowed_pairs: Vec::new(),
            dhcp_options: Vec::new(),
            host_name: None,
            binding: Some(Binding { host: HostName::from("node1"), segment: None }),
        }
    }

    #[test]
    fn the_services_own_port_goes_before_a_users() {
        let mut desired = Desired::default();
        desired.set_network(Network {
            id: NETWORK,
            name: String::new(),
            admin_up: true,
            mtu: 1450,
            external: false,
            segments: Vec::new(),
        });
        desired.set_subnet(Subnet {
            id: SUBNET,
            network: NETWORK,
            name: String::new(),
            cidr: "10.0.0.0/24".parse().unwrap(),
            gateway: None,
            dhcp: true,
            dns_servers: Vec::new(),
            host_routes: Vec::new(),
        });
        let own = dhcp_port(9, &format!("dhcpe0130025-5ee5-5094-8d98-24d0a68981b3-{NETWORK}"));
        desired.set_port(dhcp_port(3, "guest"));
        desired.set_port(own.clone());
        let mut index = Index::default();
        index.update(&desired);
        let config = Config::new(HostName::from("node1"));
        let spec = compile(&desired, &config, &index, &BTreeSet::new(), &Scope::All);
        let served = spec.networks[&NETWORK].as_ref().unwrap();
        assert_eq!(served.device.mac, own.mac);
    }
}
