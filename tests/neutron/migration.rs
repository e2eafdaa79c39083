//! Three nodes: a machine moves from one to another while a third one talks to it, and a node is taken out of the
//! cloud.

use crate::scene::{Cloud, Machine};
use serde_json::{Value, json};
use std::time::Instant;
use tests::neutron::{Agents, Host, Kind, Options, Release, text};
use tests::{Capture, DhcpClient, Guest, Node, Plug, wait};

/// The tunnel ports of a node, by the addresses of the other ends.
fn tunnels(node: &Node) -> Vec<String> {
    remote_ends(&node.sh("ovs-vsctl --bare --columns=options find Interface type=vxlan"))
}

fn remote_ends(options: &str) -> Vec<String> {
    let ends = options.split_whitespace().filter_map(|word| word.strip_prefix("remote_ip="));
    let mut ends: Vec<String> = ends.map(|end| end.trim_matches('"').to_owned()).collect();
    ends.sort();
    ends
}

fn await_tunnels(node: &Node, others: &[&Node]) {
    let wanted: Vec<String> = others.iter().map(|other| other.tunnel_address()).collect();
    wait::until(30, &format!("tunnels of {}", node.name()), || {
        let found = tunnels(node);
        if found == wanted { Ok(()) } else { Err(format!("{found:?}, not {wanted:?}")) }
    });
}

/// The tunnel by which a node sends to a MAC address: the address of the other end.
fn way_to(node: &Node, mac: &str) -> Option<String> {
    let flows = node.sh("ovs-ofctl -O OpenFlow13 dump-flows br-tun table=20");
    let told = |flow: &&str| flow.contains("priority=2,") && flow.contains(&format!("dl_dst={mac}"));
    let port = flows.lines().find(told)?.split("output:").nth(1)?.trim();
    remote_ends(
        &node.sh(&format!("ovs-vsctl --bare --columns=options find Interface type=vxlan ofport={port}")),
    )
    .pop()
}

fn await_way(node: &Node, mac: &str, to: &Node) {
    wait::until(30, &format!("the way of {} to {mac}", node.name()), || {
        let way = way_to(node, mac);
        if way.as_deref() == Some(&to.tunnel_address()) { Ok(()) } else { Err(format!("{way:?}")) }
    });
}

fn tag(node: &Node, guest: &Guest<'_>) -> String {
    node.sh(&format!("ovs-vsctl get Port {} tag", guest.plugged))
}

/// As Nova does it: a second binding that sleeps, the machine made ready over there, the binding activated, and
/// the machine here taken away.
#[test]
fn a_machine_moves_and_a_node_leaves() {
    let cloud = Cloud::start(Release::Newest);
    let api = &cloud.api;
    let [from, to, third] = [1, 2, 3].map(|number| Node::new(&cloud.underlay, number));
    let hosts = [&from, &to, &third].map(|node| Host::prepare(node, &cloud.server, &Options::default()));
    let mut agents = hosts.map(|host| Agents::start(Kind::under_test(), &host, Release::Newest, api));
    let (red, _) = api.network_with_subnet("red", "10.10.1.0/24");
    // The service stays where the machine is not.
    api.move_to("dhcp-network", &red, third.name());
    let peer = Machine::boot(api, &third, &red, "peer");
    let moving = Machine::boot(api, &from, &red, "moving");
    peer.guest.await_ping(moving.address());
    await_way(&third, &moving.guest.mac, &from);

    let bindings = format!("ports/{}/bindings", moving.id());
    let call = |method: &str, path: &str, body: &Value| {
        api.call(method, path, body).unwrap_or_else(|said| panic!("{said}"))
    };
    let binding = call("POST", &bindings, &json!({"binding": {"host": to.name()}}));
    assert_eq!(binding["binding"]["status"], "INACTIVE", "{binding}");
    let arrived = Guest::plug(&to, moving.id(), &moving.guest.mac, Plug::Veth);
    arrived.set_address(&format!("{}/24", moving.address()));
    // Plugged, and not yet the machine: what it sends goes nowhere.
    let capture = Capture::start(&third, peer.guest.netns(), "eth0", "arp");
    assert!(arrived.is_silent(peer.address()), "a machine that has not arrived is heard");
    assert!(
        !capture.lines().iter().any(|line| line.contains(&format!("tell {}", moving.address()))),
        "{:?}",
        capture.lines()
    );
    drop(capture);
    peer.guest.await_ping(moving.address());

    let start = Instant::now();
    call("PUT", &format!("{bindings}/{}/activate", to.name()), &Value::Null);
    api.await_active(&moving.port, 60);
    println!("ACTIVE over there after {:.1?}", start.elapsed());
    await_way(&third, &moving.guest.mac, &to);
    println!("the third node sends there after {:.1?}", start.elapsed());
    peer.guest.await_ping(moving.address());
    arrived.await_ping(peer.address());
    println!("the peer is answered after {:.1?}", start.elapsed());
    assert_ne!(tag(&to, &arrived), "4095");
    // Where it was, it is nobody.
    wait::until(30, "the port is cut off where it was", || {
        let said = from.try_sh(&format!("ovs-vsctl get Port {} tag", moving.guest.plugged));
        if said.as_deref().is_ok_and(|tag| tag != "4095") { Err(format!("{said:?}")) } else { Ok(()) }
    });
    assert!(moving.guest.is_silent(peer.address()), "the machine is heard from where it was");
    assert_eq!(api.show("port", moving.id())["binding:host_id"], to.name());
    // Nova deletes the old binding and takes the device away; that must not take the machine down.
    call("DELETE", &format!("{bindings}/{}", from.name()), &Value::Null);
    let id = moving.id().to_owned();
    moving.guest.unplug();
    let lease = wait::until(40, "a lease over there", || DhcpClient::Udhcpc.try_lease(&arrived));
    peer.guest.await_ping(&lease.address.to_string());
    for agents in &agents {
        agents.baryon().into_iter().for_each(|baryon| baryon.await_converged(30));
    }
    api.await_status("port", &id, "ACTIVE", 1);

    // A node is taken out of the cloud.
    await_tunnels(&third, &[&from, &to]);
    agents[0].kill();
    let gone = api.list("agent", &format!("host={}&binary=neutron-openvswitch-agent", from.name()));
    api.delete("agent", text(&gone[0], "id"));
    await_tunnels(&third, &[&to]);
    await_tunnels(&to, &[&third]);
    peer.guest.await_ping(&lease.address.to_string());
}
