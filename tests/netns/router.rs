//! Routing, source NAT and floating IPs, as guests and the outside see them.

use tests::{
    Baryon, Capture, DhcpClient, FLOATING_A1, Guest, Node, ONE_NODE, Plug, Settings, Underlay, WORLD,
    transfer, wait,
};

fn plug<'n>(baryon: &Baryon<'n>, port: &str) -> Guest<'n> {
    let guest = baryon.plug(port, Plug::Veth);
    let _ = DhcpClient::Udhcpc.lease(&guest);
    guest
}

#[test]
fn guests_reach_other_subnets_and_the_outside() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    let (a2, b1) = (plug(&baryon, "a2"), plug(&baryon, "b1"));
    a2.await_ping("10.1.0.1");
    a2.await_ping("10.2.0.11");
    b1.await_ping("10.1.0.12");
    transfer(&a2, &b1, "10.2.0.11", 2_000_000);
    a2.assert_path_mtu("10.2.0.11", node.vxlan_mtu());
    // The world knows no way to 10.0.0.0/8: what it answers to is the router's address.
    let capture = Capture::start(&underlay, "", "br-ext", "icmp");
    a2.await_ping(WORLD);
    capture.await_line(5, &format!("203.0.113.60 > {WORLD}"));
    assert!(!capture.lines().iter().any(|line| line.contains("10.1.0.12")), "{:?}", capture.lines());
}

#[test]
fn a_floating_ip_is_announced_and_works_both_ways() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    let announced = Capture::start(&underlay, "", "br-ext", "arp");
    baryon.apply(ONE_NODE);
    let a1 = plug(&baryon, "a1");
    announced.await_line(10, &format!("tell {FLOATING_A1}"));
    let ping = |address: &str| underlay.try_sh(&format!("ping -n -c 1 -W 1 {address}"));
    wait::until(20, "the floating IP answers", || ping(FLOATING_A1));
    let capture = Capture::start(&underlay, "", "br-ext", "icmp");
    a1.await_ping(WORLD);
    capture.await_line(5, &format!("{FLOATING_A1} > {WORLD}"));

    // To another port, with an established flow that must not keep the old way.
    let a2 = plug(&baryon, "a2");
    baryon.apply(&ONE_NODE.replace("port: a1}", "port: a2}"));
    let seen = Capture::start(&node, a2.netns(), "eth0", "icmp");
    wait::until(20, "the floating IP leads to a2", || ping(FLOATING_A1));
    seen.await_line(5, "10.1.0.12: ICMP echo request");
}

#[test]
fn without_snat_only_floating_ips_lead_out() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(&ONE_NODE.replace("{network: public,", "{network: public, enable_snat: false,"));
    let (a1, a2) = (plug(&baryon, "a1"), plug(&baryon, "a2"));
    a1.await_ping(WORLD);
    let capture = Capture::start(&underlay, "", "br-ext", "icmp and host 10.1.0.12");
    assert!(a2.is_silent(WORLD));
    capture.await_line(5, &format!("10.1.0.12 > {WORLD}"));
}

#[test]
fn what_is_not_wanted_any_more_goes() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    let (networks, floating) = (ONE_NODE.find("networks:"), ONE_NODE.find("ports:"));
    assert!(networks < floating);
    baryon.apply(&ONE_NODE[..floating.unwrap_or_default()]);
    let namespaces = node.sh("ip netns");
    assert!(!namespaces.contains("qrouter-"), "{namespaces}");
    assert!(namespaces.contains("qdhcp-"), "{namespaces}");
    baryon.apply("version: 1\n");
    let left = node.sh("ip netns; ovs-vsctl --columns=name list Port");
    for prefix in ["qdhcp-", "qrouter-", "\"tap", "qr-", "qg-"] {
        assert!(!left.contains(prefix), "{prefix} in {left}");
    }
}
