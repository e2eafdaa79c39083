//! Two nodes: one network over a tunnel and over a provider VLAN, TCP both ways at full size.
//!
//! Both nodes have the same objects; each makes its own part. DHCP and the router are on node1.

use tests::{
    Baryon, Capture, Datapath, DhcpClient, Guest, Node, Plug, Settings, Underlay, WORLD, transfer, wait,
};

const TWO_NODES: &str = include_str!("two_nodes.yaml");

fn settings() -> Settings {
    Settings {
        tunnel_types: "vxlan,geneve,gre".to_owned(),
        more: "[local]\nnetwork_vlan_ranges = public:100:199\n".to_owned(),
        ..Settings::default()
    }
}

fn start<'n>(nodes: &'n [Node; 2], settings: &Settings, topology: &str) -> [Baryon<'n>; 2] {
    let baryons = [Baryon::start(&nodes[0], settings), Baryon::start(&nodes[1], settings)];
    baryons[0].apply(topology);
    baryons[0].share_with(&baryons[1]);
    baryons
}

fn plug<'n>(baryon: &Baryon<'n>, port: &str) -> Guest<'n> {
    let guest = baryon.plug(port, Plug::Veth);
    let _ = DhcpClient::Udhcpc.lease(&guest);
    guest
}

/// Leases from the other node, packets of every size both ways, and the frames are where they belong.
fn assert_one_network(
    nodes: &[Node; 2],
    baryons: &[Baryon<'_>; 2],
    prefix: &str,
    mtu: u32,
    device: &str,
    seen: &str,
) {
    let capture = Capture::start(&nodes[1], "", device, "");
    let near = plug(&baryons[0], &format!("{prefix}1"));
    let far = plug(&baryons[1], &format!("{prefix}2"));
    let address = |guest: &Guest<'_>| guest.sh("ip -4 -o address show eth0 | sed 's/.*inet //; s,/.*,,'");
    let (at_near, at_far) = (address(&near), address(&far));
    near.await_ping(&at_far);
    far.assert_path_mtu(&at_near, mtu);
    transfer(&near, &far, &at_far, 5_000_000);
    transfer(&far, &near, &at_near, 5_000_000);
    capture.await_line(5, seen);
    far.await_ping(WORLD);
}

#[test]
fn one_network_over_vxlan() {
    let underlay = Underlay::new();
    let nodes = [Node::new(&underlay, 1), Node::new(&underlay, 2)];
    let baryons = start(&nodes, &settings(), TWO_NODES);
    assert_one_network(&nodes, &baryons, "t", nodes[0].vxlan_mtu(), "ul0", "vni 1001");
}

#[test]
fn one_network_over_geneve() {
    let underlay = Underlay::new();
    let nodes = [Node::new(&underlay, 1), Node::new(&underlay, 2)];
    let topology = TWO_NODES.replace("network_type: vxlan", "network_type: geneve");
    let baryons = start(&nodes, &settings(), &topology);
    assert_one_network(&nodes, &baryons, "t", 1450, "ul0", "Geneve");
}

#[test]
fn one_network_over_gre() {
    let underlay = Underlay::new();
    let nodes = [Node::new(&underlay, 1), Node::new(&underlay, 2)];
    let topology = TWO_NODES.replace("network_type: vxlan", "network_type: gre");
    let baryons = start(&nodes, &settings(), &topology);
    assert_one_network(&nodes, &baryons, "t", 1458, "ul0", "GRE");
}

#[test]
fn one_network_over_a_provider_vlan() {
    let underlay = Underlay::new();
    let nodes = [Node::new(&underlay, 1), Node::new(&underlay, 2)];
    let baryons = start(&nodes, &settings(), TWO_NODES);
    assert_one_network(&nodes, &baryons, "v", 1500, "ext0", "vlan 100");
}

/// Without known MACs br-tun learns from what it floods.
#[test]
fn one_network_over_vxlan_by_learning() {
    let underlay = Underlay::new();
    let nodes = [Node::new(&underlay, 1), Node::new(&underlay, 2)];
    let learning = Settings { l2_population: false, ..settings() };
    let baryons = start(&nodes, &learning, TWO_NODES);
    assert_one_network(&nodes, &baryons, "t", nodes[0].vxlan_mtu(), "ul0", "vni 1001");
}

/// Everything that the other tests have at 198.18.1.N, at fd18::N.
fn on_ipv6(node: &Node, number: u8) -> String {
    let device = if node.datapath() == Datapath::System { "ul0" } else { "br-phy" };
    node.sh(&format!("ip address del {}/24 dev {device}", node.tunnel_address()));
    node.sh(&format!("ip address add fd18::{number}/64 dev {device} nodad"));
    format!("{}[ovs]\nlocal_ip = fd18::{number}\n", settings().more)
}

/// The wires between the nodes have IPv6 only, and the guests both.
fn one_network_over_ipv6(kind: &str, mtu: u32, seen: &str) {
    let underlay = Underlay::new();
    let nodes = [Node::new(&underlay, 1), Node::new(&underlay, 2)];
    let [first, second] = [(&nodes[0], 1), (&nodes[1], 2)]
        .map(|(node, number)| Settings { more: on_ipv6(node, number), ..settings() });
    let baryons = [Baryon::start(&nodes[0], &first), Baryon::start(&nodes[1], &second)];
    let topology = TWO_NODES
        .replace("198.18.1.", "fd18::")
        .replace("network_type: vxlan", &format!("network_type: {kind}"));
    baryons[0].apply(&topology);
    baryons[0].share_with(&baryons[1]);
    assert_one_network(&nodes, &baryons, "t", mtu, "ul0", seen);
}

#[test]
fn one_network_over_vxlan_on_ipv6() {
    one_network_over_ipv6("vxlan", 1430, "vni 1001");
}

#[test]
fn one_network_over_geneve_on_ipv6() {
    one_network_over_ipv6("geneve", 1430, "Geneve");
}

#[test]
fn one_network_over_gre_on_ipv6() {
    one_network_over_ipv6("gre", 1438, "GRE");
}

/// Neighbours are asked for across the tunnel, and answer.
#[test]
fn guests_speak_ipv6_across_a_tunnel() {
    let underlay = Underlay::new();
    let nodes = [Node::new(&underlay, 1), Node::new(&underlay, 2)];
    let subnets = "{name: tunnelled4, cidr: 10.1.0.0/24}";
    let mut topology = TWO_NODES
        .replace(subnets, &format!("{subnets}, {{name: tunnelled6, cidr: 'fd01::/64', enable_dhcp: false}}"));
    for number in [21, 22] {
        let four = format!("{{ip_address: 10.1.0.{number}}}");
        topology = topology.replace(&four, &format!("{four}, {{ip_address: 'fd01::{number}'}}"));
    }
    let baryons = start(&nodes, &settings(), &topology);
    let (near, far) = (plug(&baryons[0], "t1"), plug(&baryons[1], "t2"));
    near.sh("ip address add fd01::21/64 dev eth0");
    far.sh("ip address add fd01::22/64 dev eth0");
    near.await_ping("fd01::22");
    transfer(&near, &far, "fd01::22", 5_000_000);
    transfer(&far, &near, "fd01::21", 5_000_000);
}

/// An ARP request for a guest of the other node is answered here and does not cross the tunnel.
#[test]
fn arp_for_a_known_guest_stays_on_the_node() {
    let underlay = Underlay::new();
    let nodes = [Node::new(&underlay, 1), Node::new(&underlay, 2)];
    let baryons = start(&nodes, &settings(), TWO_NODES);
    let (near, far) = (plug(&baryons[0], "t1"), plug(&baryons[1], "t2"));
    near.await_ping("10.1.0.22");
    let capture = Capture::start(&nodes[1], far.netns(), "eth0", "arp");
    near.sh("ip neigh flush all");
    let answer = near.sh("arping -c 1 -w 3 -I eth0 10.1.0.22");
    assert!(answer.to_lowercase().contains(&far.mac), "{answer}");
    assert!(capture.lines().is_empty(), "{:?}", capture.lines());
}

/// A peer that goes takes its tunnel with it.
#[test]
fn tunnels_follow_the_hosts() {
    let underlay = Underlay::new();
    let nodes = [Node::new(&underlay, 1), Node::new(&underlay, 2)];
    let baryons = start(&nodes, &settings(), TWO_NODES);
    let tunnels = || nodes[0].try_sh("ovs-vsctl --columns=options list Interface | grep remote_ip");
    wait::until(10, "a tunnel to node2", || {
        let tunnels = tunnels()?;
        if tunnels.contains("198.18.1.2") { Ok(()) } else { Err(tunnels) }
    });
    let alone: String =
        TWO_NODES.lines().filter(|line| !line.contains("node2")).map(|line| format!("{line}\n")).collect();
    baryons[0].apply(&alone);
    assert!(tunnels().is_err(), "{:?}", tunnels());
}
