//! A server that is slow, and a broker that says everything more than once, some of it late: what is made of it is
//! what a fresh start would make.

use crate::scene::{Cloud, Machine};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tests::neutron::{Agents, Footprint, Host, Kind, Options, Release, Server, text};
use tests::{Node, wait};

/// Everything of a node that must be the same, flow by flow. What was learned from packets goes by itself.
fn look(node: &Node) -> (Footprint, Vec<String>) {
    let said = node.sh("for bridge in $(ovs-vsctl list-br); do
             ovs-ofctl -O OpenFlow13 --names --no-stats dump-flows $bridge | sed \"s/^/$bridge/\"
         done | grep -v hard_timeout | sort");
    (Footprint::of(node), said.lines().map(str::to_owned).collect())
}

/// Until it is dropped, the database stands still now and then.
struct Slow<'a>(&'a AtomicBool);

impl Drop for Slow<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn stand_still_now_and_then(server: &Server, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        server.freeze("database", true);
        wait::pass(Duration::from_secs(2));
        server.freeze("database", false);
        wait::pass(Duration::from_secs(3));
    }
}

#[test]
fn a_slow_database_and_messages_said_again_change_nothing() {
    let cloud = Cloud::start(Release::Newest);
    let api = &cloud.api;
    let nodes = [1, 2].map(|number| Node::new(&cloud.underlay, number));
    let hosts = nodes.each_ref().map(|node| Host::prepare(node, &cloud.server, &Options::default()));
    let mut agents = hosts.map(|host| Agents::start(Kind::under_test(), &host, Release::Newest, api));
    let external = api.external_network();
    let (red, red_subnet) = api.network_with_subnet("red", "10.10.1.0/24");
    let (blue, blue_subnet) = api.network_with_subnet("blue", "10.10.2.0/24");
    let _router = api.router("r", &[&red_subnet, &blue_subnet], Some(&external));
    let echo = cloud.server.echo(&["node1", "node2"]);
    let boot = |name: &str| {
        let places = [(&nodes[0], &red, "a"), (&nodes[1], &red, "b"), (&nodes[1], &blue, "c")];
        places.map(|(node, network, letter)| Machine::plug(api, node, network, &format!("{letter}{name}")))
    };
    let ended = AtomicBool::new(false);
    let stay = std::thread::scope(|scope| {
        let _slow = Slow(&ended);
        scope.spawn(|| stand_still_now_and_then(&cloud.server, &ended));
        let go = boot("-go");
        let floating = api.floating_ip(&external, &go[0].port);
        go.iter().for_each(|machine| api.await_active(&machine.port, 120));
        let _ = api.update("port", go[1].id(), &json!({"admin_state_up": false}));
        api.delete("floatingip", text(&floating, "id"));
        go.into_iter().for_each(|machine| machine.delete(api));
        let (passing, subnet) = api.network_with_subnet("passing", "10.10.3.0/24");
        let stay = boot("-stay");
        let _ = api.update("subnet", text(&red_subnet, "id"), &json!({"dns_nameservers": ["9.9.9.9"]}));
        api.delete("subnet", text(&subnet, "id"));
        api.delete("network", text(&passing, "id"));
        let floating = api.floating_ip(&external, &stay[0].port);
        api.await_status("floatingip", text(&floating, "id"), "ACTIVE", 120);
        stay
    });
    stay.iter().for_each(|machine| machine.arrive(api));
    let repeated = echo.finish();
    println!("{repeated} messages said again");
    assert!(repeated > 20.0, "{repeated}");
    for baryon in agents.iter().filter_map(Agents::baryon) {
        let dropped = baryon.controller()["messages"]["dropped"].take();
        let twice =
            dropped.as_object().is_some_and(|dropped| dropped.keys().any(|what| what.ends_with("duplicate")));
        assert!(twice, "nothing was heard twice: {dropped}");
    }
    for (from, to) in [(0, 1), (1, 2), (2, 0)] {
        stay[from].guest.await_ping(stay[to].address());
    }
    agents_idle(&agents);
    let before = nodes.each_ref().map(look);
    for (agents, node) in agents.iter_mut().zip(&nodes) {
        agents.kill();
        node.sh("rm -rf /run/neutron/state/baryon");
        agents.start_again(api);
    }
    agents.iter().for_each(|agents| agents.await_alive(api));
    agents_idle(&agents);
    for (before, after) in before.iter().zip(nodes.each_ref().map(look)) {
        assert_eq!(before.0.differences(&after.0), Vec::<String>::new());
        assert_eq!(before.1, after.1);
    }
}

fn agents_idle(agents: &[Agents<'_>]) {
    agents.iter().filter_map(Agents::baryon).for_each(|baryon| baryon.await_converged(30));
}
