//! The harness proves itself on a switch that was set up by hand: what fails here is not Baryon's fault.

use tests::{
    Capture, Datapath, DhcpClient, Guest, Meter, Node, OUTSIDE, Plug, Underlay, Vm, WORLD, transfer,
};

const MACS: [&str; 3] = ["fa:16:3e:00:00:01", "fa:16:3e:00:00:02", "fa:16:3e:00:00:03"];
const PORTS: [&str; 3] = [
    "1aaaaaaa-0001-4000-8000-000000000001",
    "2aaaaaaa-0002-4000-8000-000000000002",
    "3aaaaaaa-0003-4000-8000-000000000003",
];

/// A learning switch in place of Baryon.
fn hand_made_bridge(node: &Node) {
    node.sh(&format!(
        "ovs-vsctl add-br br-int -- set Bridge br-int datapath_type={} fail_mode=standalone",
        node.datapath().name()
    ));
}

/// A DHCP service at 10.7.0.2, in place of Baryon.
fn dnsmasq(node: &Node) {
    node.sh(
        "ip netns add dhcp; ovs-vsctl add-port br-int tapdhcp -- set Interface tapdhcp type=internal
         ip link set tapdhcp netns dhcp; ip -n dhcp address add 10.7.0.2/24 dev tapdhcp; ip -n dhcp link set tapdhcp up
         ip netns exec dhcp dnsmasq --conf-file=/dev/null --no-hosts --no-resolv --port=0 --bind-interfaces --interface=tapdhcp \
            --dhcp-range=10.7.0.100,10.7.0.200,600 --dhcp-option=3,10.7.0.1 --dhcp-option-force=26,1400 --dhcp-option=6,9.9.9.9 \
            --dhcp-option=121,0.0.0.0/0,10.7.0.1,192.0.2.0/24,10.7.0.2 --dhcp-authoritative \
            --dhcp-leasefile=/run/leases --pid-file=/run/dnsmasq.pid",
    );
}

#[test]
fn a_test_cannot_see_the_machine() {
    let devices: Vec<_> = std::fs::read_dir("/sys/class/net").expect("a /sys").flatten().collect();
    assert!(devices.iter().all(|device| device.file_name() == "lo"), "{devices:?}");
    assert!(!std::path::Path::new("/run/openvswitch/db.sock").exists());
}

#[test]
fn guests_of_every_plug_reach_each_other() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    hand_made_bridge(&node);
    let plugs = [Plug::Veth, Plug::Internal, Plug::Hybrid];
    let guests: Vec<_> = (0..3).map(|i| Guest::plug(&node, PORTS[i], MACS[i], plugs[i])).collect();
    for (i, guest) in guests.iter().enumerate() {
        guest.set_address(&format!("10.7.0.{}/24", i + 1));
    }
    for guest in &guests {
        for i in 1..=3 {
            guest.await_ping(&format!("10.7.0.{i}"));
        }
    }
    assert!(guests[0].is_silent("10.7.0.99"));
    transfer(&guests[0], &guests[1], "10.7.0.2", 1_000_000);
    transfer(&guests[1], &guests[2], "10.7.0.3", 1_000_000);
    transfer(&guests[2], &guests[0], "10.7.0.1", 1_000_000);
}

#[test]
fn a_node_reaches_the_outside_and_other_nodes() {
    let underlay = Underlay::new();
    let nodes = [Node::new(&underlay, 1), Node::new(&underlay, 2)];
    for node in &nodes {
        node.ip_batch("link set br-ex up\n");
    }
    nodes[0].sh("ip address add 203.0.113.9/24 dev br-ex; ip route add default via 203.0.113.1");
    tests::wait::until(10, "outside", || {
        nodes[0].try_sh(&format!("ping -c 1 -W 1 {OUTSIDE} && ping -c 1 -W 1 {WORLD}"))
    });
    tests::wait::until(10, "tunnel", || {
        nodes[0].try_sh(&format!("ping -c 1 -W 1 {}", nodes[1].tunnel_address()))
    });
}

#[test]
fn every_dhcp_client_takes_a_lease() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    hand_made_bridge(&node);
    dnsmasq(&node);
    for (i, client) in DhcpClient::ALL.into_iter().enumerate() {
        let guest = Guest::plug(&node, PORTS[i], MACS[i], Plug::Veth);
        let capture = Capture::start(&node, guest.netns(), "eth0", "udp port 67");
        let lease = client.lease(&guest);
        assert_eq!((lease.prefix, lease.mtu), (24, Some(1400)), "{client:?} {lease:?}");
        assert_eq!(lease.dns, ["9.9.9.9".parse::<std::net::Ipv4Addr>().expect("an address")], "{client:?}");
        capture.await_line(5, "BOOTP/DHCP, Reply");
        guest.await_ping("10.7.0.2");
        let routes = guest.sh("ip route; cat /sys/class/net/eth0/mtu");
        assert!(routes.contains("192.0.2.0/24 via 10.7.0.2"), "{client:?} {routes}");
        assert!(routes.contains("default via 10.7.0.1") && routes.contains("1400"), "{client:?} {routes}");
    }
}

#[test]
fn the_meter_sees_a_switch_die() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    hand_made_bridge(&node);
    let a = Guest::plug(&node, PORTS[0], MACS[0], Plug::Veth);
    let b = Guest::plug(&node, PORTS[1], MACS[1], Plug::Veth);
    a.set_address("10.7.0.1/24");
    b.set_address("10.7.0.2/24");
    a.await_ping("10.7.0.2");
    let meter = Meter::start(&a, &b, "10.7.0.2");
    meter.last(1);
    let quiet = meter.finish();
    assert!(quiet.sent > 150 && quiet.lost == 0 && quiet.tcp_broken.is_none(), "{quiet:?}");

    let meter = Meter::start(&a, &b, "10.7.0.2");
    node.kill_vswitchd();
    node.start_vswitchd();
    a.await_ping("10.7.0.2");
    let losses = meter.finish();
    assert!(losses.tcp_broken.is_none(), "{losses:?}");
    match node.datapath() {
        Datapath::Netdev => assert!(losses.lost > 0, "{losses:?}"),
        Datapath::System => {}
    }
    println!("{losses:?}");
}

#[test]
fn the_database_outlives_its_server() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    node.kill_ovsdb();
    assert!(node.try_sh("ovs-vsctl --timeout=1 show").is_err());
    node.start_ovsdb();
    assert!(node.sh("ovs-vsctl list-br").contains("br-ex"));
    node.stop_vswitchd();
    node.start_vswitchd();
    assert!(node.sh("ovs-vsctl --timeout=10 get Interface ext0 ofport") != "-1");
}

#[test]
fn a_machine_boots_and_takes_a_lease() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    hand_made_bridge(&node);
    dnsmasq(&node);
    let vm = Vm::start(&node, "m1", PORTS[0], MACS[0]);
    let guest = Guest::plug(&node, PORTS[1], MACS[1], Plug::Veth);
    guest.set_address("10.7.0.9/24");
    let lease = vm.await_word(60, "lease");
    assert!(lease.contains("mtu=1400 routes=0.0.0.0/0 10.7.0.1 192.0.2.0/24 10.7.0.2"), "{lease}");
    vm.await_word(60, "ready");
    assert_eq!(vm.sh("hostname"), "m1");
    assert_eq!(vm.try_sh("echo no; exit 3"), Err("status 3: no\n".to_owned()));
    vm.await_ping("10.7.0.9");
    let address = vm.sh("ip -4 -o address show eth0 | awk '{ print $4 }'");
    let address = address.trim_end_matches("/24");
    guest.await_ping(address);
    assert!(guest.sh(&format!("curl -s --max-time 10 http://{address}/")).contains("m1"));
}
