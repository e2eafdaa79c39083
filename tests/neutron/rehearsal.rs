//! What is said of a node before its agents are exchanged, while Neutron's own are at work, and that it comes true.

use crate::scene::{Cloud, Machine};
use serde_json::Value;
use tests::Node;
use tests::neutron::{Agents, Footprint, Host, Kind, Options, Release, text};
use tests::wait;

#[test]
fn a_healthy_node_is_taken_over_without_a_change_as_foretold() {
    let release = Release::Newest;
    let cloud = Cloud::start(release);
    let api = &cloud.api;
    let node = Node::new(&cloud.underlay, 1);
    let host = Host::prepare(&node, &cloud.server, &Options::default());
    let mut agents = Agents::start(Kind::Stock, &host, release, api);
    let external = api.external_network();
    let (red, subnet) = api.network_with_subnet("red", "10.10.1.0/24");
    let _router = api.router("r", &[&subnet], Some(&external));
    let machine = Machine::boot(api, &node, &red, "a");
    let floating = api.floating_ip(&external, &machine.port);
    let address = text(&floating, "floating_ip_address");
    api.await_status("floatingip", text(&floating, "id"), "ACTIVE", 60);
    cloud.await_ping_from_outside(address);
    let before = Footprint::of(&node);

    assert_nothing_changes(&host.check_takeover_json());
    // What a person would want to know of is told.
    node.sh("ovs-ofctl add-flow br-ex 'table=0,priority=0,actions=drop'");
    let said = host.check_takeover();
    node.sh("ovs-ofctl --strict mod-flows br-ex 'table=0,priority=0,actions=normal'");
    println!("{said}");
    for what in
        ["neutron-openvswitch-agent", "neutron-dhcp-agent", "neutron-l3-agent", "neutron-metadata-agent"]
    {
        let stop = |line: &str| line.contains(what) && line.contains("stop it first");
        assert!(said.lines().any(stop), "{what} is not named:\n{said}");
    }
    let taken = said.lines().find(|line| line.starts_with("taken over without a change: "));
    for what in ["flows get our cookie", "1 dnsmasq is replaced", "1 haproxy is replaced", "1 router's rules"]
    {
        assert!(taken.is_some_and(|line| line.contains(what)), "{what}:\n{said}");
    }
    let changes: Vec<&str> = said.lines().skip_while(|line| !line.contains("would change")).collect();
    assert_eq!(changes.first(), Some(&"1 thing would change on this node:"), "{said}");
    assert!(changes[1].contains("add-flow br-ex") && changes[1].contains("NORMAL"), "{said}");
    // Nobody noticed.
    agents.await_alive(api);
    machine.arrive(api);

    agents.change_to(Kind::under_test(), api);
    agents.await_alive(api);
    if let Some(baryon) = agents.baryon() {
        baryon.await_converged(30);
    }
    cloud.await_ping_from_outside(address);
    machine.arrive(api);
    wait::seldom(30, "the node is as before", || {
        let differences = before.differences(&Footprint::of(&node));
        if differences.is_empty() { Ok(()) } else { Err(differences.join("\n")) }
    });
}

fn assert_nothing_changes(check: &Value) {
    let steps = check["plan"]["steps"].as_array().map_or(&[][..], Vec::as_slice);
    let all_but: Vec<&Value> = steps
        .iter()
        .filter(|step| match step["effect"].as_str() {
            Some("cookie" | "mark" | "service" | "rules") => false,
            // The check of neighbour advertisements, which Neutron's agent has in another place.
            Some("differs") => !step["command"].as_str().is_some_and(|flow| flow.contains("nd_target")),
            _ => true,
        })
        .collect();
    assert!(all_but.is_empty(), "{all_but:#?}");
    assert_eq!(check["changes"], 0, "{check}");
    let of = |effect: &str| steps.iter().filter(|step| step["effect"] == effect).count();
    assert!(of("cookie") > 30 && of("mark") > 3 && of("service") > 2 && of("rules") > 0, "{check}");
}
