//! A node that starts while there is no broker: what it was told last is on its disk.

use crate::scene::{Cloud, Machine};
use serde_json::Value;
use std::collections::BTreeMap;
use tests::neutron::{Agents, Footprint, Host, Kind, Options, Release, text};
use tests::{Baryon, Datapath, DhcpClient, Meter, Node, WORLD, wait};

const PICTURE: &str = "/run/neutron/state/baryon/picture.redb";

/// Waits until a look at everything finds nothing to do, with or without a server.
fn await_idle(baryon: &Baryon<'_>) {
    wait::until(60, "nothing is left to do", || {
        let plan = baryon.try_cli("plan --json")?;
        let idle = serde_json::from_str::<Value>(&plan)
            .is_ok_and(|plan| plan["steps"].as_array().is_some_and(Vec::is_empty));
        if idle { Ok(()) } else { Err(plan) }
    });
}

/// The picture is written a moment after a change; the file holds the objects as text.
fn await_kept(node: &Node, words: &[&str]) {
    wait::until(20, "the picture is on the disk", || {
        words.iter().try_for_each(|word| node.try_sh(&format!("grep -q -a {word} {PICTURE}")).map(|_| ()))
    });
}

/// How often each call was made.
fn calls(baryon: &Baryon<'_>) -> BTreeMap<String, u64> {
    let controller = baryon.controller();
    let calls = controller["messages"]["calls"].as_object();
    let calls = calls.unwrap_or_else(|| panic!("no calls in {controller}"));
    calls.iter().map(|(method, calls)| (method.clone(), calls["made"].as_u64().unwrap_or(0))).collect()
}

/// What a reboot takes: the processes, the flows, the namespaces, and the files below /run. The database of the
/// switch is on the disk.
fn reboot(node: &Node) {
    node.kill_vswitchd();
    node.sh("for netns in $(ip netns list | sed 's/ .*//' | grep '^q'); do ip netns delete $netns; done; rm -rf /run/baryon");
    node.start_vswitchd();
    if node.datapath() == Datapath::Netdev {
        // The operator's own bridge.
        node.ip_batch(&format!("addr replace {}/24 dev br-phy\nlink set br-phy up\n", node.tunnel_address()));
    }
}

#[test]
fn a_node_starts_without_a_broker() {
    let cloud = Cloud::start(Release::Newest);
    let api = &cloud.api;
    let [node, other] = [1, 2].map(|number| Node::new(&cloud.underlay, number));
    let [host, far] = [&node, &other].map(|node| Host::prepare(node, &cloud.server, &Options::default()));
    let mut baryon = host.start_baryon();
    let neighbour = Agents::start(Kind::Baryon, &far, Release::Newest, api);
    wait::seldom(90, "agents alive on node1", || {
        let agents = api.list("agent", "host=node1");
        if agents.len() == 4 && agents.iter().all(|agent| agent["alive"] == true) {
            Ok(())
        } else {
            Err(format!("{agents:?}"))
        }
    });
    let external = api.external_network();
    let (red, red_subnet) = api.network_with_subnet("red", "10.10.1.0/24");
    let (blue, blue_subnet) = api.network_with_subnet("blue", "10.10.2.0/24");
    let router = api.router("r", &[&red_subnet, &blue_subnet], Some(&external));
    for network in [&red, &blue] {
        api.move_to("dhcp-network", network, node.name());
    }
    api.move_to("l3-router", &router, node.name());
    let a = Machine::boot(api, &node, &red, "a");
    let b = Machine::boot(api, &node, &blue, "b");
    let c = Machine::boot(api, &other, &red, "c");
    let floating = api.floating_ip(&external, &a.port);
    let address = text(&floating, "floating_ip_address");
    let serve = || {
        a.guest.await_ping(b.address());
        a.guest.await_ping(c.address());
        b.guest.await_ping(WORLD);
        cloud.await_ping_from_outside(address);
        for machine in [&a, &b, &c] {
            let lease = wait::until(40, "a lease", || DhcpClient::Udhcpc.try_lease(&machine.guest));
            assert_eq!(lease.address.to_string(), machine.address());
        }
    };
    serve();
    baryon.await_converged(30);
    await_kept(&node, &[a.id(), b.id(), &c.guest.mac, address]);
    let before = Footprint::of(&node);

    cloud.server.kill_parts("broker rpc");
    let meter = Meter::start(&a.guest, &b.guest, b.address());
    baryon.kill();
    baryon.start_again();
    await_idle(&baryon);
    serve();
    let losses = meter.finish();
    println!("killed and started without a broker: {losses:?}");
    assert!(losses.tcp_broken.is_none() && losses.longest_gap_ms < 2000, "{losses:?}");
    assert_eq!(before.differences(&Footprint::of(&node)), Vec::<String>::new());

    baryon.kill();
    reboot(&node);
    assert!(a.guest.is_silent(b.address()), "something forwards without a flow");
    baryon.start_again();
    serve();
    await_idle(&baryon);
    let after = Footprint::of(&node);
    assert_eq!(before.differences(&after), Vec::<String>::new());
    assert_ne!(baryon.controller()["broker"]["state"], "up");

    // The broker returns: everything is asked for once, and nothing is taken away.
    let meter = Meter::start(&a.guest, &c.guest, c.address());
    cloud.server.start_parts("broker rpc");
    wait::until(60, "everything was asked for", || {
        let controller = baryon.controller();
        if controller["complete"].as_array().is_some_and(|roles| roles.len() == 4) {
            Ok(())
        } else {
            Err(controller)
        }
    });
    neighbour.await_alive(api);
    baryon.await_converged(60);
    serve();
    let losses = meter.finish();
    println!("the broker returns: {losses:?}");
    assert!(losses.tcp_broken.is_none() && losses.longest_gap_ms < 2000, "{losses:?}");
    let now = Footprint::of(&node);
    assert_eq!(after.differences(&now), Vec::<String>::new());
    assert_eq!(after.flows, now.flows);
    let calls = calls(&baryon);
    println!("calls: {calls:?}");
    // Reports come by the clock, and a look at all ports may be made in parts.
    let often = |(method, made): (&String, &u64)| !method.contains("report_state") && *made > 3;
    assert!(!calls.is_empty() && !calls.iter().any(often), "{calls:?}");
    for machine in [&a, &b] {
        api.await_active(&machine.port, 30);
    }
}
