//! From the resources to what the node is told: [`model::Desired`]. Pure, and incremental: only what
//! a change touched, and what follows from that, is worked out again.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::OrdSet;
use ipnet::IpNet;
use model::{
    Desired, HostName, NetworkId, PortOwner, RemotePort, Role, RouterId, Segment, TunnelKind, VlanTag,
};

use super::record::{FixedIp, Network, NetworkType, Port, Provider, Route, Router, Subnet};
use super::state::{Key, State};

/// What a whole state means.
pub(super) fn whole(state: &State, local: &HostName) -> Desired {
    let mut desired = Desired::default();
    desired.complete = [Role::L2, Role::Dhcp, Role::L3, Role::Metadata].into_iter().collect();
    update(&mut desired, local, &State::default(), state, &state.keys().collect());
    desired
}

/// Brings `desired` from what `old` means to what `new` means; `touched` names the records that differ.
pub(super) fn update(
    desired: &mut Desired,
    local: &HostName,
    old: &State,
    new: &State,
    touched: &BTreeSet<Key>,
) {
    let mut change = Change { local, old, new, routers: BTreeSet::new(), floods: BTreeSet::new() };
    // First what goes, then what comes: a MAC may have moved from one port to another.
    touched.iter().for_each(|key| change.drop_remote(desired, key));
    touched.iter().for_each(|key| change.touch(desired, key));
    change.finish(desired);
}

struct Change<'a> {
    local: &'a HostName,
    old: &'a State,
    new: &'a State,
    /// To be worked out again at the end.
    routers: BTreeSet<RouterId>,
    floods: BTreeSet<NetworkId>,
}

impl Change<'_> {
    fn touch(&mut self, desired: &mut Desired, key: &Key) {
        match key {
            Key::Host(host) => self.host(desired, host),
            Key::Network(id) => {
                match self.new.networks().get(id) {
                    Some(network) => desired.set_network(network_word(network)),
                    None => desired.drop_network(*id),
                }
                self.routers_on(*id);
                self.floods.insert(*id);
            }
            Key::Subnet(id) => {
                match self.new.subnets().get(id) {
                    Some(subnet) => desired.set_subnet(subnet_word(subnet)),
                    None => desired.drop_subnet(*id),
                }
                let both = [self.old.subnets().get(id), self.new.subnets().get(id)];
                both.into_iter().flatten().for_each(|subnet| self.routers_on(subnet.network));
            }
            Key::Port(id) => {
                let (old, new) = (self.old.ports().get(id), self.new.ports().get(id));
                self.port(desired, old, new);
            }
            Key::Router(id) => _ = self.routers.insert(*id),
            Key::FloatingIp(id) => {
                let both = [self.old.floating_ips().get(id), self.new.floating_ips().get(id)];
                let targets = both.into_iter().flatten().filter_map(|floating| floating.target.as_ref());
                self.routers.extend(targets.map(|target| target.router));
            }
        }
    }

    fn drop_remote(&self, desired: &mut Desired, key: &Key) {
        let Key::Port(id) = key else { return };
        let Some(old) = self.old.ports().get(id) else { return };
        if self.new.ports().get(id).is_none_or(|new| new.mac_address != old.mac_address) {
            desired.drop_remote_port(old.network, old.mac_address);
        }
    }

    fn port(&mut self, desired: &mut Desired, old: Option<&Arc<Port>>, new: Option<&Arc<Port>>) {
        for port in old.into_iter().chain(new) {
            self.floods.insert(port.network);
            self.routers.extend(router_of(port));
        }
        if let (Some(old), None) = (old, new) {
            desired.drop_port(old.id);
        }
        if let Some(port) = new {
            desired.set_port(port_word(self.new, port));
            match remote_word(self.new, self.local, port) {
                Some(remote) => desired.set_remote_port(remote),
                None => desired.drop_remote_port(port.network, port.mac_address),
            }
        }
    }

    /// A host's tunnel end came, went or moved: so did everything behind it.
    fn host(&mut self, desired: &mut Desired, host: &HostName) {
        let networks: Vec<_> = self.new.networks_at(host).collect();
        for network in networks {
            self.floods.insert(network);
            for port in self.new.ports_at(network, host) {
                match remote_word(self.new, self.local, port) {
                    Some(remote) => desired.set_remote_port(remote),
                    None => desired.drop_remote_port(port.network, port.mac_address),
                }
            }
        }
    }

    fn routers_on(&mut self, network: NetworkId) {
        let ports = self.new.ports_of(network).chain(self.old.ports_of(network));
        self.routers.extend(ports.filter_map(|port| router_of(port)));
    }

    fn finish(self, desired: &mut Desired) {
        for id in self.routers {
            match self.new.routers().get(&id) {
                Some(router) => {
                    let word = router_word(self.new, router);
                    if desired.routers().get(&id).is_none_or(|old| **old != word) {
                        desired.set_router(word);
                    }
                }
                None => desired.drop_router(id),
            }
        }
        for network in self.floods {
            let endpoints = endpoints(self.new, self.local, network);
            if desired.floods().get(&network).cloned().unwrap_or_default() != endpoints {
                desired.set_flood(network, endpoints);
            }
        }
    }
}

/// The router that a port belongs to.
fn router_of(port: &Port) -> Option<RouterId> {
    let of_router = matches!(port.device_owner, PortOwner::RouterInterface | PortOwner::RouterGateway);
    of_router.then(|| port.device_id.parse().ok()).flatten()
}

fn network_word(network: &Network) -> model::Network {
    model::Network {
        id: network.id,
        name: network.name.clone(),
        admin_up: network.admin_state_up,
        mtu: network.mtu,
        external: network.external,
        segments: vec![segment(&network.provider)],
    }
}

fn segment(provider: &Provider) -> Segment {
    let physical_network = provider.physical_network.clone().unwrap_or_default();
    let key = provider.segmentation_id.unwrap_or_default();
    match provider.network_type {
        NetworkType::Local => Segment::Local,
        NetworkType::Flat => Segment::Flat { physical_network },
        NetworkType::Vlan => {
            let vlan = VlanTag(u16::try_from(key).unwrap_or_default());
            Segment::Vlan { physical_network, vlan }
        }
        NetworkType::Vxlan => Segment::Tunnel { kind: TunnelKind::Vxlan, key },
        NetworkType::Geneve => Segment::Tunnel { kind: TunnelKind::Geneve, key },
        NetworkType::Gre => Segment::Tunnel { kind: TunnelKind::Gre, key },
    }
}

fn subnet_word(subnet: &Subnet) -> model::Subnet {
    model::Subnet {
        id: subnet.id,
        network: subnet.network,
        name: subnet.name.clone(),
        cidr: subnet.cidr,
        gateway: subnet.gateway_ip,
        dhcp: subnet.enable_dhcp,
        dns_servers: subnet.dns_nameservers.clone(),
        host_routes: subnet.host_routes.iter().map(route_word).collect(),
    }
}

fn route_word(route: &Route) -> model::Route {
    model::Route { destination: route.destination, nexthop: route.nexthop }
}

fn port_word(state: &State, port: &Port) -> model::Port {
    let segment = || state.networks().get(&port.network).map(|network| segment(&network.provider));
    let binding = port.host.clone().map(|host| model::Binding { host, segment: segment() });
    model::Port {
        id: port.id,
        network: port.network,
        name: port.name.clone(),
        mac: port.mac_address,
        fixed_ips: port.fixed_ips.iter().map(fixed_word).collect(),
        owner: port.device_owner.clone(),
        device: port.device_id.clone(),
        admin_up: port.admin_state_up,
        port_security: port.port_security_enabled,
        allowed_pairs: port
            .allowed_address_pairs
            .iter()
            .map(|pair| model::AddressPair { address: pair.ip_address, mac: pair.mac_address })
            .collect(),
        dhcp_options: port
            .extra_dhcp_opts
            .iter()
            .map(|option| model::DhcpOption {
                name: option.opt_name.clone(),
                value: option.opt_value.clone(),
                ip_version: option.ip_version,
            })
            .collect(),
        host_name: Some(port.dns_name.clone()).filter(|name| !name.is_empty()),
        binding,
    }
}

fn fixed_word(fixed: &FixedIp) -> model::FixedIp {
    model::FixedIp { subnet: fixed.subnet_id, address: fixed.ip_address }
}

/// The port as seen from this node, when a tunnel leads to it.
fn remote_word(state: &State, local: &HostName, port: &Port) -> Option<RemotePort> {
    let host = port.host.as_ref().filter(|host| *host != local)?;
    let network = state.networks().get(&port.network)?;
    if !network.provider.network_type.is_tunnel() {
        return None;
    }
    let endpoint = state.hosts().get(host)?.tunnel_ip?;
    let addresses = port.fixed_ips.iter().map(|fixed| fixed.ip_address).collect();
    Some(RemotePort { network: port.network, mac: port.mac_address, addresses, endpoint })
}

/// The tunnel ends of the other nodes that have ports of a network.
fn endpoints(state: &State, local: &HostName, network: NetworkId) -> OrdSet<std::net::IpAddr> {
    let is_tunnel = |network: &Arc<Network>| network.provider.network_type.is_tunnel();
    if !state.networks().get(&network).is_some_and(is_tunnel) {
        return OrdSet::new();
    }
    let others = state.hosts_with(network).filter(|host| *host != local);
    others.filter_map(|host| state.hosts().get(host)?.tunnel_ip).collect()
}

fn router_word(state: &State, router: &Router) -> model::Router {
    let mut interfaces = Vec::new();
    for port in state.ports_of_device(&router.id.to_string()) {
        if port.device_owner == PortOwner::RouterInterface {
            interfaces.push(interface_word(state, port));
        }
    }
    let floating_ips = state.floating_ips_of(router.id).filter_map(|floating| {
        let target = floating.target.as_ref()?;
        match (floating.address, target.fixed) {
            (std::net::IpAddr::V4(floating_address), std::net::IpAddr::V4(fixed)) => {
                Some(model::RouterFloatingIp { id: floating.id, floating: floating_address, fixed })
            }
            _ => None,
        }
    });
    model::Router {
        id: router.id,
        name: router.name.clone(),
        admin_up: router.admin_state_up,
        host: Some(router.host.clone()),
        interfaces,
        gateway: gateway_word(state, router),
        routes: router.routes.iter().map(route_word).collect(),
        floating_ips: floating_ips.collect(),
        port_forwardings: Vec::new(),
    }
}

fn interface_word(state: &State, port: &Port) -> model::RouterInterface {
    let prefixed = |fixed: &FixedIp| {
        let subnet = state.subnets().get(&fixed.subnet_id)?;
        IpNet::new(fixed.ip_address, subnet.cidr.prefix_len()).ok()
    };
    model::RouterInterface {
        port: port.id,
        network: port.network,
        mac: port.mac_address,
        mtu: state.networks().get(&port.network).map(|network| network.mtu).unwrap_or_default(),
        admin_up: port.admin_state_up,
        addresses: port.fixed_ips.iter().filter_map(prefixed).collect(),
    }
}

fn gateway_word(state: &State, router: &Router) -> Option<model::Gateway> {
    let gateway = router.gateway.as_ref()?;
    let port = state.ports().get(&gateway.port)?;
    let has_address = |subnet: &&Arc<Subnet>| port.fixed_ips.iter().any(|fixed| fixed.subnet_id == subnet.id);
    let (on, off): (Vec<_>, Vec<_>) = state.subnets_of(gateway.network).partition(has_address);
    Some(model::Gateway {
        interface: interface_word(state, port),
        enable_snat: gateway.enable_snat,
        next_hops: on.iter().filter_map(|subnet| subnet.gateway_ip).collect(),
        on_link: off.iter().map(|subnet| subnet.cidr).collect(),
    })
}
