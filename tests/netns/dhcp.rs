//! Leases, as other people's clients understand them.

use tests::{Baryon, Capture, DhcpClient, Guest, Node, ONE_NODE, Plug, Settings, Underlay, wait};

fn assert_a1s_lease(client: DhcpClient, guest: &Guest<'_>) {
    let lease = client.lease(guest);
    assert_eq!(lease.address.to_string(), "10.1.0.11", "{client:?}");
    assert_eq!((lease.prefix, lease.mtu), (24, Some(guest.node().vxlan_mtu())), "{client:?} {lease:?}");
    assert_eq!(lease.dns.iter().map(ToString::to_string).collect::<Vec<_>>(), ["9.9.9.9"], "{client:?}");
    let routes = guest.sh("ip route");
    assert!(routes.contains("default via 10.1.0.1 "), "{client:?} {routes}");
    assert!(routes.contains("192.0.2.0/24 via 10.1.0.77 "), "{client:?} {routes}");
}

#[test]
fn every_client_and_every_plug_gets_the_address_of_its_port() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    for (client, plug) in DhcpClient::ALL.into_iter().zip([Plug::Veth, Plug::Internal, Plug::Hybrid]) {
        let guest = baryon.plug("a1", plug);
        assert_a1s_lease(client, &guest);
        guest.await_ping("10.1.0.1");
        guest.unplug();
    }
    let leases = baryon.cli("dhcp leases");
    assert!(leases.contains("10.1.0.11"), "{leases}");
    for message in ["DISCOVER", "OFFER", "REQUEST", "ACK"] {
        assert!(baryon.log().contains(message), "no {message} in the log");
    }
}

#[test]
fn a_change_of_a_port_is_served_at_once() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    let guest = baryon.plug("a1", Plug::Veth);
    assert_a1s_lease(DhcpClient::Udhcpc, &guest);
    baryon.apply(&ONE_NODE.replace("10.1.0.11", "10.1.0.111"));
    let lease = DhcpClient::Udhcpc.lease(&guest);
    assert_eq!(lease.address.to_string(), "10.1.0.111");
}

#[test]
fn a_client_without_a_port_hears_nothing() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    let guest = baryon.plug("a1", Plug::Veth);
    assert_a1s_lease(DhcpClient::Udhcpc, &guest);
    guest.sh("ip address flush dev eth0");
    let server = format!("qdhcp-{}", baryon.field("networks", "red", "id"));
    // Seen where the server is, so that a dropped request would not count as silence.
    let device = node.sh_in(&server, "ls /sys/class/net | grep -v '^lo$'");
    let capture = Capture::start(&node, &server, &device, "udp port 67");
    guest.sh("ip link set eth0 address fa:16:3e:99:99:99");
    assert!(DhcpClient::Udhcpc.try_lease(&guest).is_err());
    assert!(!capture.lines().iter().any(|line| line.contains("Reply")), "{:?}", capture.lines());
}

/// RFC 2131 has no bytes that may stop a server.
#[test]
fn hostile_packets_change_nothing() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    let guest = baryon.plug("a1", Plug::Veth);
    assert_a1s_lease(DhcpClient::Udhcpc, &guest);
    guest.sh("server=$(ip neigh show to 10.1.0.2 | head -n 1; echo 10.1.0.2)
         for size in 0 1 43 236 240 241 300 576 1400; do
            head -c $size /dev/urandom | timeout 2 busybox nc -u -w 1 -p 68 10.1.0.2 67 || true
         done");
    assert_a1s_lease(DhcpClient::Udhcpc, &guest);
}

#[test]
fn equal_addresses_in_two_networks_stay_apart() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(OVERLAP);
    let guests: Vec<_> = ["x1", "x2", "y1"].map(|port| baryon.plug(port, Plug::Veth)).into();
    for guest in &guests {
        let lease = DhcpClient::Udhcpc.lease(guest);
        assert_eq!(lease.prefix, 24);
    }
    guests[0].await_ping("10.9.0.12");
    assert!(guests[2].is_silent("10.9.0.12"));
    let answers = wait::until(10, "neighbours", || guests[0].try_sh("ip neigh show 10.9.0.12"));
    assert!(answers.contains(&guests[1].mac), "{answers}");
}

const OVERLAP: &str = "version: 1
networks:
  - name: x
    provider:network_type: vxlan
    provider:segmentation_id: 2001
    subnets: [{name: x4, cidr: 10.9.0.0/24}]
  - name: y
    provider:network_type: vxlan
    provider:segmentation_id: 2002
    subnets: [{name: y4, cidr: 10.9.0.0/24}]
ports:
  - {name: x1, network: x, fixed_ips: [{ip_address: 10.9.0.11}], \"binding:host_id\": node1}
  - {name: x2, network: x, fixed_ips: [{ip_address: 10.9.0.12}], \"binding:host_id\": node1}
  - {name: y1, network: y, fixed_ips: [{ip_address: 10.9.0.11}], \"binding:host_id\": node1}
";
