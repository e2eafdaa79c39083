//! What the controller of the tests wants.

use std::net::IpAddr;

use model::{
    AddressPair, Binding, Desired, FixedIp, Mac, Network, NetworkId, Port, PortId, RemotePort, Role, Segment,
    SubnetId, TunnelKind, VlanTag,
};
use ovs::{Config, DatapathType};
use uuid::Uuid;

use super::node::Node;

pub(crate) const HOST: &str = "node1";

pub(crate) fn config(node: &Node) -> Config {
    Config {
        host: HOST.into(),
        bridge_mappings: [("public".to_owned(), "br-ex".to_owned())].into(),
        datapath_type: DatapathType::Netdev,
        local_ip: Some("198.18.1.1".parse().unwrap()),
        tunnel_types: vec![TunnelKind::Vxlan, TunnelKind::Geneve],
        arp_responder: true,
        l2_population: true,
        ovsdb: format!("unix:{}", node.path("db.sock")),
        rundir: node.folder(),
        ..Config::default()
    }
}

pub(crate) fn network_id(number: u8) -> NetworkId {
    NetworkId(Uuid::from_u128(0xa000_0000_0000_4000_8000_0000_0000_0000 + u128::from(number)))
}

/// Ids differ in the digits that device names are made of.
pub(crate) fn port_id(number: u8) -> PortId {
    PortId(Uuid::from_u128((0xb000_0000 + u128::from(number)) << 96))
}

pub(crate) fn mac(number: u8) -> Mac {
    Mac([0xfa, 0x16, 0x3e, 0, 0, number])
}

pub(crate) fn vxlan(key: u32) -> Segment {
    Segment::Tunnel { kind: TunnelKind::Vxlan, key }
}

pub(crate) fn vlan(id: u16) -> Segment {
    Segment::Vlan { physical_network: "public".to_owned(), vlan: VlanTag(id) }
}

pub(crate) fn flat() -> Segment {
    Segment::Flat { physical_network: "public".to_owned() }
}

pub(crate) fn network(number: u8, segment: Segment) -> Network {
    Network {
        id: network_id(number),
        name: format!("network {number}"),
        admin_up: true,
        mtu: 1450,
        external: false,
        segments: vec![segment],
    }
}

/// A guest's port with an IPv4 and an IPv6 address, bound here.
pub(crate) fn port(number: u8, network: u8, segment: Segment) -> Port {
    let address = |text: String| FixedIp { subnet: SubnetId(Uuid::nil()), address: text.parse().unwrap() };
    Port {
        id: port_id(number),
        network: network_id(network),
        name: String::new(),
        mac: mac(number),
        fixed_ips: vec![
            address(format!("10.0.{network}.{number}")),
            address(format!("2001:db8:{network}::{number}")),
        ],
        owner: "compute:nova".into(),
        device: String::new(),
        admin_up: true,
        port_security: true,
        allowed_pairs: vec![AddressPair { address: "10.99.0.0/24".parse().unwrap(), mac: None }],
        dhcp_options: Vec::new(),
        host_name: None,
        binding: Some(Binding { host: HOST.into(), segment: Some(segment) }),
    }
}

/// A port of one of our services.
pub(crate) fn service(number: u8, network: u8, segment: Segment, owner: &str) -> Port {
    Port { owner: owner.into(), ..port(number, network, segment) }
}

pub(crate) fn complete() -> Desired {
    let mut desired = Desired::default();
    desired.complete.insert(Role::L2);
    desired
}

/// Networks 1 (vxlan), 2 (vlan), 3 (flat), 4 (local), 5 (geneve), each with a guest's port of its number;
/// a DHCP port (11) and a router's (12) on network 1, which goes on on two other nodes.
pub(crate) fn everything() -> Desired {
    let mut desired = complete();
    let geneve = Segment::Tunnel { kind: TunnelKind::Geneve, key: 500 };
    let segments = [vxlan(100), vlan(200), flat(), Segment::Local, geneve];
    for (number, segment) in (1..).zip(segments) {
        desired.set_network(network(number, segment.clone()));
        desired.set_port(port(number, number, segment));
    }
    desired.set_port(service(11, 1, vxlan(100), "network:dhcp"));
    desired.set_port(service(12, 1, vxlan(100), "network:router_interface"));
    let (two, three): (IpAddr, IpAddr) = ("198.18.1.2".parse().unwrap(), "198.18.1.3".parse().unwrap());
    desired.set_flood(network_id(1), [two, three].into_iter().collect());
    desired.set_flood(network_id(5), [two].into_iter().collect());
    desired.set_remote_port(RemotePort {
        network: network_id(1),
        mac: mac(91),
        addresses: vec!["10.0.1.91".parse().unwrap(), "2001:db8:1::91".parse().unwrap()],
        endpoint: two,
    });
    desired
}

/// Plugs the guests of [`everything`] in.
pub(crate) fn plug_everything(node: &Node) {
    for number in 1..=5 {
        node.plug(&tap(number), &port_id(number).to_string(), &mac(number).to_string());
    }
}

pub(crate) fn tap(number: u8) -> String {
    model::names::tap(port_id(number))
}
