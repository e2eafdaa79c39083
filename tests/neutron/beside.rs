//! A node of Baryon beside one of Neutron's agents: they share networks, and either serves both.

use crate::scene::{Cloud, Machine};
use serde_json::{Value, json};
use tests::neutron::{Agents, Host, Kind, Options, Release};
use tests::{Node, transfer};

/// Two networks of a kind with a router between them. Guests of both nodes take their leases, reach each
/// other on their network and across the router, while DHCP and the router are on one node and then on the other.
fn share(mtu: u32, network: impl Fn(&str) -> Value) {
    let release = Release::Newest;
    let cloud = Cloud::start(release);
    let api = &cloud.api;
    let nodes = [Node::new(&cloud.underlay, 1), Node::new(&cloud.underlay, 2)];
    let hosts = nodes.each_ref().map(|node| Host::prepare(node, &cloud.server, &Options::default()));
    let _theirs = Agents::start(Kind::Stock, &hosts[0], release, api);
    let _ours = Agents::start(Kind::under_test(), &hosts[1], release, api);

    let networks = ["red", "blue"].map(|name| api.create("network", &network(name)));
    let subnets = [api.subnet(&networks[0], "10.10.1.0/24"), api.subnet(&networks[1], "10.10.2.0/24")];
    let router = api.router("r", &[&subnets[0], &subnets[1]], None);
    for serving in &nodes {
        api.move_to("dhcp-network", &networks[0], serving.name());
        api.move_to("dhcp-network", &networks[1], serving.name());
        api.move_to("l3-router", &router, serving.name());
        let near = Machine::boot(api, &nodes[0], &networks[0], "near");
        let far = Machine::boot(api, &nodes[1], &networks[0], "far");
        let beyond = Machine::boot(api, &nodes[1], &networks[1], "beyond");
        near.guest.await_ping(far.address());
        far.guest.await_ping(near.address());
        far.guest.assert_path_mtu(near.address(), mtu);
        near.guest.await_ping(beyond.address());
        far.guest.await_ping(beyond.address());
        transfer(&near.guest, &far.guest, far.address(), 1_000_000);
        transfer(&beyond.guest, &near.guest, near.address(), 1_000_000);
        assert_eq!(near.metadata("/latest"), "near /latest");
        assert_eq!(beyond.metadata("/latest"), "beyond /latest");
        for machine in [near, far, beyond] {
            machine.delete(api);
        }
    }
}

#[test]
fn networks_over_vxlan_are_shared() {
    share(1450, |name| json!({ "name": name }));
}

#[test]
fn networks_over_vlan_are_shared() {
    share(
        1500,
        |name| json!({"name": name, "provider:network_type": "vlan", "provider:physical_network": "public"}),
    );
}
