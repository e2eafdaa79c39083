//! The broker, the server, the agent go away and come back: guests notice nothing, and nothing is missed.

use crate::scene::{Cloud, Machine};
use serde_json::Value;
use std::time::Duration;
use tests::neutron::{Agents, Host, Kind, Options, Release, text};
use tests::{Guest, Losses, Meter, Node, wait};

/// One node with a network and two guests on it.
fn with_two_guests(body: impl FnOnce(&Cloud, &Node, &mut Agents<'_>, &Value, [&Machine<'_>; 2])) {
    let cloud = Cloud::start(Release::Newest);
    let node = Node::new(&cloud.underlay, 1);
    let host = Host::prepare(&node, &cloud.server, &Options::default());
    let mut agents = Agents::start(Kind::under_test(), &host, Release::Newest, &cloud.api);
    let (red, _) = cloud.api.network_with_subnet("red", "10.10.1.0/24");
    let a = Machine::boot(&cloud.api, &node, &red, "a");
    let b = Machine::boot(&cloud.api, &node, &red, "b");
    a.guest.await_ping(b.address());
    body(&cloud, &node, &mut agents, &red, [&a, &b]);
}

/// In the userspace datapath a busy processor loses datagrams of its own; a network that was torn down would
/// stall for seconds and break TCP.
fn assert_unharmed(losses: &Losses) {
    assert!(losses.tcp_broken.is_none() && losses.longest_gap_ms < 2000, "{losses:?}");
}

fn measure(from: &Guest<'_>, to: &Machine<'_>, event: impl FnOnce()) {
    let meter = Meter::start(from, &to.guest, to.address());
    event();
    assert_unharmed(&meter.finish());
}

#[test]
fn the_broker_dies_and_comes_back() {
    with_two_guests(|cloud, node, agents, red, [a, b]| {
        measure(&a.guest, b, || {
            cloud.server.kill_parts("broker");
            cloud.server.start_parts("broker rpc");
            agents.await_alive(&cloud.api);
            // What is made now is told by the broker's new queues.
            Machine::boot(&cloud.api, node, red, "c").guest.await_ping(a.address());
        });
    });
}

/// A machine is plugged while nobody answers calls, and arrives when the server is back.
#[test]
fn the_server_dies_and_comes_back() {
    with_two_guests(|cloud, node, _, red, [a, b]| {
        measure(&a.guest, b, || {
            cloud.server.kill_parts("rpc");
            let c = Machine::plug(&cloud.api, node, red, "c");
            cloud.server.start_parts("rpc");
            c.arrive(&cloud.api);
            c.guest.await_ping(a.address());
        });
    });
}

/// What was deleted and made while nothing served the node is caught up with.
#[test]
fn changes_of_an_absence_are_caught_up_with() {
    with_two_guests(|cloud, node, agents, red, [a, b]| {
        let gone = Machine::boot(&cloud.api, node, red, "gone");
        agents.stop();
        let id = text(&gone.port, "id").to_owned();
        cloud.api.delete("port", &id);
        let c = Machine::plug(&cloud.api, node, red, "c");
        agents.start_again(&cloud.api);
        agents.await_alive(&cloud.api);
        c.arrive(&cloud.api);
        c.guest.await_ping(b.address());
        a.guest.await_ping(b.address());
        wait::until(30, "the port of a deleted machine is silent", || {
            if gone.guest.is_silent(a.address()) { Ok(()) } else { Err("it answers") }
        });
    });
}

/// Killed at moments that nobody chose, in the middle of machines coming and going. `BARYON_TEST_KILLS` says
/// how often.
#[test]
fn kills_leave_nothing_undone() {
    let rounds = std::env::var("BARYON_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(4_u32);
    with_two_guests(|cloud, node, agents, red, [a, b]| {
        for round in 0..rounds {
            let c = Machine::plug(&cloud.api, node, red, &format!("c{round}"));
            // From at once to well after the port's first details.
            wait::pass(Duration::from_millis(u64::from(round * 137 % 900)));
            agents.kill();
            agents.start_again(&cloud.api);
            c.arrive(&cloud.api);
            c.guest.await_ping(a.address());
            c.delete(&cloud.api);
            if let Some(baryon) = agents.baryon() {
                baryon.await_converged(30);
            }
        }
        a.guest.await_ping(b.address());
    });
}
