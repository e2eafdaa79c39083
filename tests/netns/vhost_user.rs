//! Ports that a virtual machine shares with a switch of user space: `vhu…`, and no device in the kernel.

use tests::{Baryon, DhcpClient, Guest, Node, ONE_NODE, Plug, Settings, Underlay, wait};

/// What `ovs-vsctl` says of an interface.
fn tag(node: &Node, interface: &str) -> String {
    node.sh(&format!("ovs-vsctl get Port {interface} tag"))
}

/// A patch port stands for the socket: it has no device either.
#[test]
fn a_port_without_a_device_is_served_as_any_other() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    let a2 = baryon.plug("a2", Plug::Veth);
    let _ = DhcpClient::Udhcpc.lease(&a2);
    let a1 = baryon.plug("a1", Plug::Deviceless);
    assert!(a1.plugged.starts_with("vhu"), "{}", a1.plugged);
    node.sh(&format!("! ip link show {}", a1.plugged));
    assert_eq!(DhcpClient::Udhcpc.lease(&a1).address.to_string(), "10.1.0.11");
    a1.await_ping("10.1.0.12");
    assert_eq!(tag(&node, &a1.plugged), tag(&node, &a2.plugged));
    baryon.await_converged(20);
    let why = baryon.cli(&format!("why port {}", a1.plugged));
    assert!(why.contains("as wanted"), "{why}");
    // Its guard is up: another address is not answered for.
    a1.sh(&format!("ip address add 10.1.0.200/24 dev {}", a1.interface));
    a2.sh("ip neigh flush all");
    assert!(a2.is_silent("10.1.0.200"));
    a2.await_ping("10.1.0.11");
}

/// A switch without DPDK refuses the type. Its own words are what an operator needs, and the port's neighbours
/// are none of its business.
#[test]
fn a_port_that_the_switch_cannot_open_is_told_in_its_words_and_holds_nobody_up() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    let (id, mac) = (baryon.field("ports", "a1", "id"), baryon.field("ports", "a1", "mac_address"));
    let name = format!("vhu{}", &id[..11]);
    node.sh(&format!(
        "ovs-vsctl add-port br-int {name} -- set Interface {name} type=dpdkvhostuserclient \
         options:vhost-server-path=/run/openvswitch/{name} external_ids:iface-id={id} \
         external_ids:iface-status=active external_ids:attached-mac={mac} 2>&1 || true"
    ));
    let said = node.sh(&format!("ovs-vsctl get Interface {name} error")).trim().trim_matches('"').to_owned();
    assert!(said.len() > 10, "the switch has opened it: {said}");
    let why = wait::until(10, "the reason is told", || {
        let why = baryon.cli(&format!("why port {name}"));
        if why.contains(&said) { Ok(why) } else { Err(format!("{said:?} is not in: {why}")) }
    });
    assert!(why.contains(&name), "{why}");

    let others = ["a2", "b1"].map(|port| baryon.plug(port, Plug::Veth));
    others.iter().for_each(|guest| _ = DhcpClient::Udhcpc.lease(guest));
    others[0].await_ping("10.2.0.11");
    // The next one in its place is served.
    node.sh(&format!("ovs-vsctl del-port br-int {name}"));
    let a1: Guest<'_> = baryon.plug("a1", Plug::Deviceless);
    let _ = DhcpClient::Udhcpc.lease(&a1);
    baryon.await_converged(20);
}
