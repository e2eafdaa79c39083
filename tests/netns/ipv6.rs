//! IPv6 in guests that are given their addresses by hand: neighbours, a router, the outside, and what a guest
//! may not claim.

use tests::{Baryon, DhcpClient, Guest, Node, OUTSIDE_V6, Plug, Settings, Underlay, transfer, wait};

const TOPOLOGY: &str = "version: 1
networks:
  - name: public
    router:external: true
    provider:network_type: flat
    provider:physical_network: public
    subnets:
      - {name: public4, cidr: 203.0.113.0/24, gateway_ip: 203.0.113.1, enable_dhcp: false, allocation_pools: [{start: 203.0.113.50, end: 203.0.113.99}]}
      - {name: public6, cidr: '2001:db8:113::/64', gateway_ip: '2001:db8:113::1', enable_dhcp: false}
  - name: red
    subnets:
      - {name: red4, cidr: 10.1.0.0/24}
      - {name: red6, cidr: '2001:db8:a::/64', enable_dhcp: false}
  - name: blue
    subnets: [{name: blue6, cidr: '2001:db8:b::/64', enable_dhcp: false}]
ports:
  - {name: a1, network: red, fixed_ips: [{ip_address: 10.1.0.11}, {ip_address: '2001:db8:a::11'}]}
  - {name: a2, network: red, fixed_ips: [{ip_address: '2001:db8:a::12'}]}
  - {name: b1, network: blue, fixed_ips: [{ip_address: '2001:db8:b::11'}]}
routers:
  - name: r1
    external_gateway_info: {network: public, external_fixed_ips: [{ip_address: 203.0.113.60}, {ip_address: '2001:db8:113::60'}]}
    interfaces: [{subnet: red4}, {subnet: red6}, {subnet: blue6}]
";

/// A guest with an address and a default route, as an operator would type them. It takes its address only when
/// nobody else answers for it.
fn plug<'n>(baryon: &Baryon<'n>, port: &str, address: &str, gateway: &str) -> Guest<'n> {
    let guest = baryon.plug(port, Plug::Veth);
    // Without DHCP and router advertisements nobody tells it the MTU either.
    let mtu = guest.node().vxlan_mtu();
    guest.sh(&format!("ip link set eth0 mtu {mtu}; ip address add {address}/64 dev eth0"));
    guest.sh(&format!("ip route add default via {gateway} dev eth0"));
    await_addresses(&guest);
    guest
}

/// Until duplicate address detection is through (RFC 4862, 5.4).
fn await_addresses(guest: &Guest<'_>) {
    wait::until(20, "addresses that are nobody else's", || {
        let shown = guest.sh("ip -6 -o address show dev eth0");
        let settled = shown.contains("fe80:") && !shown.contains("tentative") && !shown.contains("dadfailed");
        if settled { Ok(()) } else { Err(shown) }
    });
}

#[test]
fn guests_reach_each_other_across_subnets_and_the_outside() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(TOPOLOGY);
    let a1 = plug(&baryon, "a1", "2001:db8:a::11", "2001:db8:a::1");
    let a2 = plug(&baryon, "a2", "2001:db8:a::12", "2001:db8:a::1");
    let b1 = plug(&baryon, "b1", "2001:db8:b::11", "2001:db8:b::1");
    a1.await_ping("2001:db8:a::12");
    let link_local = a2.sh("ip -6 -o address show dev eth0 scope link | sed 's/.*inet6 //; s,/.*,,'");
    a1.await_ping(&format!("{link_local}%eth0"));
    b1.await_ping("2001:db8:b::1");
    b1.await_ping("2001:db8:a::11");
    transfer(&a1, &a2, "2001:db8:a::12", 2_000_000);
    transfer(&b1, &a2, "2001:db8:a::12", 2_000_000);
    // The other protocol goes on beside it.
    assert_eq!(DhcpClient::Udhcpc.lease(&a1).address.to_string(), "10.1.0.11");
    a1.await_ping("10.1.0.1");

    // IPv6 is not translated, so the outside has to know the way back.
    underlay.sh("ip route add 2001:db8:a::/64 via 2001:db8:113::60 dev br-ext");
    a2.await_ping(OUTSIDE_V6);
    underlay.sh("ping -n -c 1 -w 10 2001:db8:a::12");
}

/// The anti-spoofing flows let a guest answer for its own addresses and for no others.
#[test]
fn nobody_answers_for_an_address_that_is_not_theirs() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(TOPOLOGY);
    let a1 = plug(&baryon, "a1", "2001:db8:a::11", "2001:db8:a::1");
    let a2 = plug(&baryon, "a2", "2001:db8:a::12", "2001:db8:a::1");
    a2.sh("ip address add 2001:db8:a::66/64 dev eth0 nodad");
    a1.await_ping("2001:db8:a::12");
    assert!(a1.is_silent("2001:db8:a::66"));
    let pairs = "allowed_address_pairs: [{ip_address: '2001:db8:a::66'}]";
    let allowed = "fixed_ips: [{ip_address: '2001:db8:a::12'}]";
    baryon.apply(&TOPOLOGY.replace(allowed, &format!("{allowed}, {pairs}")));
    a1.await_ping("2001:db8:a::66");
    baryon.apply(TOPOLOGY);
    a1.sh("ip neigh flush all");
    assert!(a1.is_silent("2001:db8:a::66"));
    a1.await_ping("2001:db8:a::12");
}

/// An agent that starts anew leaves addresses and routes of routers alone.
#[test]
fn a_restart_is_not_noticed() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let mut baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(TOPOLOGY);
    let router = format!("qrouter-{}", baryon.field("routers", "r1", "id"));
    let state = || {
        node.sh_in(
            &router,
            "ip -6 -o address show | sed 's/ *tentative//; s/ *valid_lft.*//' | sort; ip -6 route | sort",
        )
    };
    let before = state();
    assert!(
        before.contains("2001:db8:a::1/64") && before.contains("default via 2001:db8:113::1"),
        "{before}"
    );
    baryon.kill();
    baryon.start_again();
    baryon.await_converged(30);
    assert_eq!(state(), before);
}
