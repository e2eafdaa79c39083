//! What was switched off, or taken away behind our back, comes back.

use tests::{Baryon, DhcpClient, Guest, Node, ONE_NODE, Plug, Settings, Underlay, wait};

fn two_guests<'n>(baryon: &Baryon<'n>) -> [Guest<'n>; 2] {
    let guests = ["a1", "b1"].map(|port| baryon.plug(port, Plug::Veth));
    for guest in &guests {
        let _ = DhcpClient::Udhcpc.lease(guest);
    }
    guests[0].await_ping("10.2.0.11");
    guests
}

#[test]
fn a_router_that_was_disabled_routes_again() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    let [a1, _b1] = two_guests(&baryon);
    baryon.cli("router set --disable r1");
    baryon.await_converged(20);
    assert!(a1.is_silent("10.2.0.11"));
    baryon.cli("router set --enable r1");
    baryon.await_converged(20);
    a1.await_ping("10.2.0.11");
}

#[test]
fn a_network_that_was_disabled_gets_its_leases_again() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    baryon.cli("network set --disable red");
    baryon.await_converged(20);
    assert!(!node.sh("ip netns").contains(&format!("qdhcp-{}", baryon.field("networks", "red", "id"))));
    baryon.cli("network set --enable red");
    baryon.await_converged(20);
    let _ = two_guests(&baryon);
}

/// Neither tells us: the flows are missed by the canary, and found again without a look at everything.
#[test]
fn flows_that_somebody_deleted_are_back_in_seconds() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    let [a1, _b1] = two_guests(&baryon);
    node.sh("ovs-ofctl del-flows br-int");
    wait::until(15, "the flows of br-int are back", || a1.try_sh("ping -n -c 1 -W 1 10.2.0.11"));
    node.sh("ovs-vsctl del-fail-mode br-int");
    wait::until(15, "br-int is secure again", || {
        let mode = node.sh("ovs-vsctl get-fail-mode br-int");
        if mode == "secure" { Ok(()) } else { Err(mode) }
    });
    wait::until(15, "the flows are back again", || a1.try_sh("ping -n -c 1 -W 1 10.2.0.11"));
}
