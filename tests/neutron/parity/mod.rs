//! The same calls of the API, served by Neutron's agents and by Baryon: everything that can be seen of a node is
//! compared line by line, and each line that differs must be named and argued in `docs/parity.md`.
//!
//! Both serve a node of the same name, one after the other, under a server that knows no difference: ids, MAC
//! addresses, IP addresses and VNIs are the same, and only what a node chooses for itself has to be normalised.

mod normal;
mod state;

use crate::scene::{Cloud, Machine};
use serde_json::{Value, json};
use state::State;
use tests::neutron::{Agent, Agents, Host, Kind, Options, Release, Stock, text};
use tests::{DhcpClient, Guest, Node, Plug, WORLD, wait};

const ARGUED: &str = include_str!("../../../docs/parity.md");

/// What the API was told, once for both.
struct Wanted {
    /// Ports of this node, by names.
    ports: Vec<Value>,
    peer: Value,
    floating: Value,
}

fn order(cloud: &Cloud, node: &Node, other: &Node) -> Wanted {
    let api = &cloud.api;
    let external = api.external_network();
    let (red, red_subnet) = api.network_with_subnet("red", "10.10.1.0/24");
    let blue = api.create(
        "network",
        &json!({"name": "blue", "provider:network_type": "vlan",
        "provider:physical_network": "public"}),
    );
    let blue_subnet = api.create("subnet", &json!({"network_id": blue["id"], "ip_version": 4, "cidr": "10.10.2.0/24",
        "dns_nameservers": ["9.9.9.9"], "host_routes": [{"destination": "192.0.2.0/24", "nexthop": "10.10.2.9"}]}));
    let (lone, _) = api.network_with_subnet("lone", "10.10.3.0/24");
    let _ = api.router("r", &[&red_subnet, &blue_subnet], Some(&external));
    let port = |network, name, host: &Node| {
        api.port(network, host.name(), &json!({"name": name, "device_id": name}))
    };
    let peer = port(&red, "peer", other);
    let ports = vec![
        port(&red, "a", node),
        port(&red, "b", node),
        port(&blue, "c", node),
        port(&lone, "d", node),
        api.port(
            &red,
            node.name(),
            &json!({"name": "open", "device_id": "open", "port_security_enabled": false,
            "security_groups": []}),
        ),
        api.port(
            &red,
            node.name(),
            &json!({"name": "pairs", "device_id": "pairs",
            "allowed_address_pairs": [{"ip_address": "10.10.1.200"}, {"ip_address": "10.99.0.0/16"}]}),
        ),
    ];
    let floating = api.floating_ip(&external, &ports[0]);
    Wanted { ports, peer, floating }
}

fn plug<'n>(node: &'n Node, port: &Value) -> Guest<'n> {
    Guest::plug(node, text(port, "id"), text(port, "mac_address"), Plug::Veth)
}

/// Plugs everything, waits until it works, and looks.
fn served(cloud: &Cloud, node: &Node, wanted: &Wanted) -> State {
    let machines: Vec<Machine<'_>> =
        wanted.ports.iter().map(|port| Machine { port: port.clone(), guest: plug(node, port) }).collect();
    for machine in &machines {
        machine.arrive(&cloud.api);
    }
    let address = text(&wanted.floating, "floating_ip_address");
    cloud.api.await_status("floatingip", text(&wanted.floating, "id"), "ACTIVE", 90);
    cloud.await_ping_from_outside(address);
    let [a, b, c, d, ..] = &machines[..] else { panic!("there are four") };
    a.guest.await_ping(text(&wanted.peer["fixed_ips"][0], "ip_address"));
    a.guest.await_ping(c.address());
    let mut state = State::of(node, &wanted.ports);
    for machine in [a, c, d] {
        let name = text(&machine.port, "name");
        for client in DhcpClient::ALL {
            state.lease(&format!("{name} {client:?}"), &client.lease(&machine.guest));
        }
        let before = cloud.nova.heard().len();
        machine.metadata("/latest/meta-data/local-ipv4");
        state.metadata(name, &cloud.nova.heard()[before..]);
    }
    for (name, machine) in [("a", a), ("b", b)] {
        machine.guest.await_ping(WORLD);
        state.seen_outside(name, &cloud.underlay, &machine.guest);
    }
    for owner in ["network:dhcp", "network:router_interface", "network:router_gateway"] {
        state.services(&cloud.api.list("port", &format!("device_owner={owner}")));
    }
    state.silence("a floating address of nobody", a.guest.is_silent("203.0.113.198"));
    state
}

/// One node of a program beside one of Neutron's agents, which stays.
fn look(kind: Kind, cloud: &Cloud, other: &Node, wanted: &mut Option<Wanted>) -> State {
    // The kernel takes the links of the node before away in its own time.
    let gone = || cloud.underlay.try_sh("for link in mgmt ul ext; do ! ip link show $link-node1 2>&1; done");
    wait::until(20, "the wires of the node before are gone", gone);
    let node = Node::new(&cloud.underlay, 1);
    let host = Host::prepare(&node, &cloud.server, &Options::default());
    let _agents = Agents::start(kind, &host, cloud.server.release(), &cloud.api);
    let wanted = wanted.get_or_insert_with(|| {
        let wanted = order(cloud, &node, other);
        let guest = plug(other, &wanted.peer);
        cloud.api.await_active(&wanted.peer, 90);
        let _ = DhcpClient::Udhcpc.try_lease(&guest);
        wanted
    });
    served(cloud, &node, wanted)
}

#[test]
fn a_node_looks_as_with_neutrons_agents() {
    let cloud = Cloud::start(Release::Newest);
    let other = Node::new(&cloud.underlay, 2);
    let host = Host::prepare(&other, &cloud.server, &Options::default());
    // Not the others: DHCP and routers are to be where they are compared.
    let _wires = Stock::start(&host, Release::Newest, &[Agent::OpenVswitch]);
    wait::seldom(90, "an Open vSwitch agent on node2", || {
        let agents = cloud.api.list("agent", "host=node2");
        if agents.iter().any(|agent| agent["alive"] == true) { Ok(()) } else { Err(json!(agents)) }
    });
    let mut wanted = None;
    let theirs = look(Kind::Stock, &cloud, &other, &mut wanted);
    let ours = look(Kind::under_test(), &cloud, &other, &mut wanted);
    let argued = normal::patterns(ARGUED);
    let differences = theirs.differences(&ours);
    let (known, unknown): (Vec<_>, Vec<_>) =
        differences.iter().partition(|line| argued.iter().any(|pattern| normal::fits(pattern, line)));
    println!("{} lines are the same, {} differ as argued", theirs.same(&ours), known.len());
    let idle: Vec<_> =
        argued.iter().filter(|pattern| !differences.iter().any(|line| normal::fits(pattern, line))).collect();
    println!("argued, and not seen: {idle:#?}");
    let text: String = unknown.iter().map(|line| format!("{line}\n")).collect();
    assert!(unknown.is_empty(), "{} lines differ that docs/parity.md does not argue:\n{text}", unknown.len());
}
