//! What the switch lets through and what it does not.

use tests::{Baryon, DhcpClient, Guest, Node, ONE_NODE, Plug, Settings, Underlay, wait};

fn plug<'n>(baryon: &Baryon<'n>, port: &str) -> Guest<'n> {
    let guest = baryon.plug(port, Plug::Veth);
    let _ = DhcpClient::Udhcpc.lease(&guest);
    guest
}

#[test]
fn networks_are_apart_below_the_router() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    let (a1, b1) = (plug(&baryon, "a1"), plug(&baryon, "b1"));
    a1.sh("ip address add 172.16.0.1/24 dev eth0");
    b1.sh("ip address add 172.16.0.2/24 dev eth0");
    assert!(a1.is_silent("172.16.0.2"));
}

/// Both checks need a working guest first, or silence would prove nothing.
#[test]
fn a_guest_cannot_use_what_is_not_its_own() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    let (a1, a2) = (plug(&baryon, "a1"), plug(&baryon, "a2"));
    a1.await_ping("10.1.0.12");

    // Another IP address: ARP for it is dropped, so nobody learns the way back.
    a1.sh("ip address add 10.1.0.200/24 dev eth0");
    a2.sh("ip neigh flush all");
    assert!(a2.is_silent("10.1.0.200"));
    a2.await_ping("10.1.0.11");

    // Another MAC.
    a1.sh("ip link set eth0 address fa:16:3e:99:99:99; ip neigh flush all");
    assert!(a1.is_silent("10.1.0.12"));
    a1.sh(&format!("ip link set eth0 address {}; ip neigh flush all", a1.mac));
    a1.await_ping("10.1.0.12");
}

#[test]
fn a_disabled_port_is_dead_until_enabled() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    let (a1, _a2) = (plug(&baryon, "a1"), plug(&baryon, "a2"));
    a1.await_ping("10.1.0.12");
    baryon.set_admin_state("a1", false);
    wait::until(10, "the port is on the dead VLAN", || tag(&node, &a1, |tag| tag == "4095"));
    assert!(a1.is_silent("10.1.0.12"));
    baryon.set_admin_state("a1", true);
    a1.await_ping("10.1.0.12");
}

#[test]
fn a_port_that_nobody_knows_is_dead() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    let a1 = plug(&baryon, "a1");
    let stranger =
        Guest::plug(&node, "deadbeef-0000-4000-8000-000000000000", "fa:16:3e:de:ad:00", Plug::Veth);
    stranger.set_address("10.1.0.99/24");
    assert!(stranger.is_silent("10.1.0.11"));
    assert!(stranger.is_silent("10.1.0.1"));
    a1.await_ping("10.1.0.1");
}

/// A guest's VLAN on br-int must not change under a running agent's successor: its flows would not match.
#[test]
fn local_vlans_survive_restarts() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let mut baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    let (a1, b1) = (plug(&baryon, "a1"), plug(&baryon, "b1"));
    let tags = || {
        let read = |guest: &Guest<'_>| node.sh(&format!("ovs-vsctl get Port {} tag", guest.plugged));
        (read(&a1), read(&b1))
    };
    let before = tags();
    assert_ne!(before.0, before.1);
    baryon.kill();
    baryon.start_again();
    baryon.await_converged(30);
    assert_eq!(tags(), before);
}

fn tag(node: &Node, guest: &Guest<'_>, wanted: impl Fn(&str) -> bool) -> Result<(), String> {
    let tag = node.try_sh(&format!("ovs-vsctl get Port {} tag", guest.plugged))?;
    if wanted(&tag) { Ok(()) } else { Err(tag) }
}
