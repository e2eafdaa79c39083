//! What resources mean for the node.

use std::collections::BTreeSet;

use model::ObjectRef;

use super::*;

#[test]
fn a_router_carries_all_its_parts() {
    let mut bench = Bench::new();
    let tenant = bench.network(json!({"mtu": 1400})).unwrap();
    let inside = bench.subnet(json!({"network_id": tenant, "cidr": "10.0.0.0/24"})).unwrap();
    let flat = json!({"router:external": true, "provider:network_type": "flat", "provider:physical_network": "public"});
    let outside = bench.network(flat).unwrap();
    let used = json!({"network_id": outside, "cidr": "203.0.113.0/24", "enable_dhcp": false});
    let used = bench.subnet(used).unwrap();
    let second = json!({"network_id": outside, "cidr": "198.51.100.0/24", "enable_dhcp": false});
    bench.subnet(second).unwrap();
    let info =
        json!({"network_id": outside, "external_fixed_ips": [{"subnet_id": used}], "enable_snat": false});
    let router = bench.router(json!({"name": "edge", "external_gateway_info": info})).unwrap();
    let interface = bench.interface(router, inside).unwrap();
    let guest = bench.port(json!({"network_id": tenant})).unwrap();
    bench.floating_ip(json!({"floating_network_id": outside, "port_id": guest})).unwrap();
    bench.check();

    let word = &bench.desired.routers()[&router];
    assert_eq!(word.host.as_ref().unwrap().0, "node1");
    assert_eq!(word.interfaces.len(), 1);
    assert_eq!(word.interfaces[0].port, interface);
    assert_eq!(word.interfaces[0].mtu, 1400);
    assert_eq!(word.interfaces[0].addresses, ["10.0.0.1/24".parse().unwrap()]);
    let gateway = word.gateway.as_ref().unwrap();
    assert!(!gateway.enable_snat);
    assert_eq!(gateway.interface.addresses, ["203.0.113.2/24".parse().unwrap()]);
    assert_eq!(gateway.next_hops, ["203.0.113.1".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(gateway.on_link, ["198.51.100.0/24".parse().unwrap()]);
    assert_eq!(word.floating_ips.len(), 1);
    assert_eq!(word.floating_ips[0].fixed.to_string(), "10.0.0.3");

    let mtu = fields(json!({"mtu": 1300}));
    bench.change(|draft| super::super::networks::update(draft, tenant, mtu)).unwrap();
    assert_eq!(bench.desired.routers()[&router].interfaces[0].mtu, 1300);
    bench.check();
}

#[test]
fn ports_elsewhere_are_behind_tunnels() {
    let mut bench = Bench::new();
    bench.host("node1", &json!("192.0.2.1")).unwrap();
    bench.host("node2", &json!("192.0.2.2")).unwrap();
    let network = bench.network(json!({})).unwrap();
    bench.subnet(json!({"network_id": network, "cidr": "10.0.0.0/24"})).unwrap();
    let at = |host: &str| json!({"network_id": network, "binding:host_id": host});
    bench.port(at("node1")).unwrap();
    assert!(bench.desired.remote_ports().is_empty());
    assert!(bench.desired.floods().is_empty());
    let there = bench.port(at("node2")).unwrap();
    let mac = bench.state.ports()[&there].mac_address;
    let remote = bench.desired.remote_ports()[&(network, mac)].clone();
    assert_eq!(remote.endpoint.to_string(), "192.0.2.2");
    assert_eq!(remote.addresses.len(), 1);
    assert_eq!(bench.desired.floods()[&network].len(), 1);

    bench.host("node2", &json!("192.0.2.22")).unwrap();
    assert_eq!(bench.desired.remote_ports()[&(network, mac)].endpoint.to_string(), "192.0.2.22");
    bench.check();
    let home = fields(json!({"binding:host_id": "node1"}));
    bench.change(|draft| super::super::ports::update(draft, there, home)).unwrap();
    assert!(bench.desired.remote_ports().is_empty());
    assert!(bench.desired.floods().is_empty());
    bench.check();
}

/// A MAC that moves from one port to another in one change leaves the entry of the one that has it.
#[test]
fn a_mac_can_move_between_remote_ports() {
    let mut bench = Bench::new();
    bench.host("node2", &json!("192.0.2.2")).unwrap();
    let network = bench.network(json!({})).unwrap();
    let at =
        || json!({"network_id": network, "binding:host_id": "node2", "mac_address": "02:00:00:00:00:01"});
    for _ in 0..8 {
        let old = bench.state.ports_of(network).next().map(|port| port.id);
        let moved = bench.change(|draft| {
            old.map_or(Ok(()), |old| super::super::ports::delete(draft, old))?;
            super::super::ports::create(draft, None, fields(at()))
        });
        moved.unwrap();
        assert_eq!(bench.desired.remote_ports().len(), 1);
        bench.check();
    }
}

#[test]
fn one_port_among_thousands_is_one_change() {
    let mut bench = Bench::new();
    let network = bench.network(json!({})).unwrap();
    bench.subnet(json!({"network_id": network, "cidr": "10.0.0.0/16"})).unwrap();
    let made = bench.change(|draft| {
        let make = |_| super::super::ports::create(draft, None, fields(json!({"network_id": network})));
        (0..3_000).map(make).collect::<Result<Vec<_>, _>>()
    });
    let port = made.unwrap()[1_234];
    let before = bench.desired.clone();
    let down = fields(json!({"admin_state_up": false}));
    bench.change(|draft| super::super::ports::update(draft, port, down)).unwrap();
    assert_eq!(model::changes(&before, &bench.desired), BTreeSet::from([ObjectRef::Port(port)]));
    bench.check();
}
