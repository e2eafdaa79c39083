//! Three nodes: a machine moves from one to another while a third one talks to it, and a node is taken out of the
//! cloud.

use crate::scene::{Cloud, Machine};
use serde_json::{Value, json};
use std::time::Instant;
use tests::neutron::{Agents, Api, Host, Kind, Options, Release, text};
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

fn tag(guest: &Guest<'_>) -> String {
    guest.node().sh(&format!("ovs-vsctl get Port {} tag", guest.plugged))
}

fn must(api: &Api, method: &str, path: &str, body: &Value) -> Value {
    api.call(method, path, body).unwrap_or_else(|said| panic!("{said}"))
}

/// What Nova asks of the API for a port that moves.
struct Moving<'c> {
    api: &'c Api,
    port: Value,
}

impl Moving<'_> {
    fn id(&self) -> &str {
        text(&self.port, "id")
    }

    fn address(&self) -> &str {
        text(&self.port["fixed_ips"][0], "ip_address")
    }

    /// A second binding, which sleeps; and the device over there.
    fn prepare<'n>(&self, to: &'n Node) -> Guest<'n> {
        let wanted = json!({"binding": {"host": to.name()}});
        let binding = must(self.api, "POST", &format!("ports/{}/bindings", self.id()), &wanted);
        assert_eq!(binding["binding"]["status"], "INACTIVE", "{binding}");
        let guest = Guest::plug(to, self.id(), text(&self.port, "mac_address"), Plug::Veth);
        guest.set_address(&format!("{}/24", self.address()));
        guest
    }

    /// The machine goes over to `there`, as `peer` sees it.
    #[allow(clippy::print_stdout)] // the measurement
    fn go(&self, here: Guest<'_>, there: &Guest<'_>, peer: &Machine<'_>) {
        let (api, mac, start) = (self.api, &there.mac, Instant::now());
        let bindings = format!("ports/{}/bindings", self.id());
        must(api, "PUT", &format!("{bindings}/{}/activate", there.node().name()), &Value::Null);
        api.await_active(&self.port, 60);
        let active = start.elapsed();
        await_way(peer.guest.node(), mac, there.node());
        let led = start.elapsed();
        peer.guest.await_ping(self.address());
        let answered = start.elapsed();
        println!(
            "activated: ACTIVE after {active:.1?}, the peer's node sends there after {led:.1?}, answered after {answered:.1?}"
        );
        there.await_ping(peer.address());
        assert_ne!(tag(there), "4095");
        // Where it was, it is nobody.
        wait::until(30, "the port is cut off where it was", || {
            let tag = here.node().try_sh(&format!("ovs-vsctl get Port {} tag", here.plugged));
            if tag.as_deref().is_ok_and(|tag| tag != "4095") { Err(format!("{tag:?}")) } else { Ok(()) }
        });
        assert!(here.is_silent(peer.address()), "the machine is heard from where it was");
        assert_eq!(api.show("port", self.id())["binding:host_id"], there.node().name());
        // That the device goes where the machine was says nothing of the machine.
        must(api, "DELETE", &format!("{bindings}/{}", here.node().name()), &Value::Null);
        here.unplug();
        let lease = wait::until(40, "a lease over there", || DhcpClient::Udhcpc.try_lease(there));
        assert_eq!(lease.address.to_string(), self.address());
        peer.guest.await_ping(self.address());
    }
}

/// Plugged where it is not yet, a machine is not heard, and nobody sends there.
fn assert_not_arrived(guest: &Guest<'_>, moving: &Moving<'_>, peer: &Machine<'_>) {
    let capture = Capture::start(peer.guest.node(), peer.guest.netns(), "eth0", "arp");
    assert!(guest.is_silent(peer.address()), "a machine that has not arrived is heard");
    let asks = format!("tell {}", moving.address());
    let lines = capture.lines();
    assert!(!lines.iter().any(|line| line.contains(&asks)), "{lines:?}");
    peer.guest.await_ping(moving.address());
}

#[test]
fn a_machine_moves_and_a_node_leaves() {
    let cloud = Cloud::start(Release::Newest);
    let api = &cloud.api;
    let nodes = [1, 2, 3].map(|number| Node::new(&cloud.underlay, number));
    let hosts = nodes.each_ref().map(|node| Host::prepare(node, &cloud.server, &Options::default()));
    let mut agents = hosts.map(|host| Agents::start(Kind::under_test(), &host, Release::Newest, api));
    let [from, to, third] = &nodes;
    let (red, _) = api.network_with_subnet("red", "10.10.1.0/24");
    // The service stays where the machine is not.
    api.move_to("dhcp-network", &red, third.name());
    let peer = Machine::boot(api, third, &red, "peer");
    let machine = Machine::boot(api, from, &red, "moving");
    peer.guest.await_ping(machine.address());
    await_way(third, &machine.guest.mac, from);
    let moving = Moving { api, port: machine.port };

    let there = moving.prepare(to);
    assert_not_arrived(&there, &moving, &peer);
    // While it moves both are ready for it, and it still is where it was.
    let profile = json!({"port": {"binding:profile": {"migrating_to": to.name()}}});
    must(api, "PUT", &format!("ports/{}", moving.id()), &profile);
    wait::until(30, "the port is wired before the machine comes", || match tag(&there).as_str() {
        "4095" | "[]" => Err(tag(&there)),
        _ => Ok(()),
    });
    assert_eq!(way_to(third, &there.mac), Some(from.tunnel_address()));
    moving.go(machine.guest, &there, &peer);
    // Back again, unannounced.
    let back = moving.prepare(from);
    assert_not_arrived(&back, &moving, &peer);
    moving.go(there, &back, &peer);
    for baryon in agents.iter().filter_map(Agents::baryon) {
        baryon.await_converged(30);
    }
    api.await_active(&moving.port, 1);

    // A node is taken out of the cloud: its tunnels go, and no other.
    await_tunnels(third, &[from, to]);
    agents[1].kill();
    let gone = api.list("agent", &format!("host={}&binary=neutron-openvswitch-agent", to.name()));
    api.delete("agent", text(&gone[0], "id"));
    await_tunnels(third, &[from]);
    await_tunnels(from, &[third]);
    peer.guest.await_ping(moving.address());
}
