//! What two guests lose while something is restarted.
//!
//! The kernel's datapath forwards without ovs-vswitchd and without Baryon, so there nothing may be lost
//! while only Baryon is restarted. In the userspace datapath packets pass through ovs-vswitchd's main
//! thread; any loss there is compared with that of an equally long run in which nothing happened.
//! What is printed is the measurement; `cargo test -- --nocapture` shows it.

#![allow(clippy::print_stdout)] // the measurements

use std::time::Instant;
use tests::{Baryon, Datapath, DhcpClient, Guest, Losses, Meter, Node, ONE_NODE, Plug, Settings, Underlay};

/// A node with a guest on each side of the router and one beside the first.
struct Guests<'n> {
    a1: Guest<'n>,
    a2: Guest<'n>,
    b1: Guest<'n>,
}

fn plug<'n>(baryon: &Baryon<'n>) -> Guests<'n> {
    let guest = |port| {
        let guest = baryon.plug(port, Plug::Veth);
        let _ = DhcpClient::Udhcpc.lease(&guest);
        guest
    };
    let guests = Guests { a1: guest("a1"), a2: guest("a2"), b1: guest("b1") };
    guests.a1.await_ping("10.1.0.12");
    guests.a1.await_ping("10.2.0.11");
    guests
}

/// Measures on both ways, switched and routed, while `event` happens and for a second after it.
fn measure(guests: &Guests<'_>, what: &str, event: impl FnOnce(&Meter)) -> [Losses; 2] {
    let switched = Meter::start(&guests.a1, &guests.a2, "10.1.0.12");
    let routed = Meter::start(&guests.a1, &guests.b1, "10.2.0.11");
    event(&switched);
    switched.last(1);
    let losses = [switched.finish(), routed.finish()];
    println!("{what}: switched {}, routed {}", short(&losses[0]), short(&losses[1]));
    losses
}

fn short(losses: &Losses) -> String {
    let Losses { sent, lost, longest_gap_ms, tcp_stall_ms, .. } = losses;
    format!("{lost} of {sent} lost, longest gap {longest_gap_ms} ms, TCP stalled {tcp_stall_ms} ms")
}

/// The best of three tries: what a busy machine loses, it loses now and then; what an event loses, it loses
/// every time. Ends at the first try that lost no more than is allowed.
fn best(
    guests: &Guests<'_>,
    what: &str,
    allowed: [u64; 2],
    mut event: impl FnMut(),
) -> Result<[Losses; 2], String> {
    let mut tries = 0;
    loop {
        let losses = measure(guests, what, |_| event());
        tries += 1;
        if losses.iter().zip(allowed).all(|(losses, allowed)| losses.lost <= allowed) {
            return Ok(losses);
        } else if tries == 3 {
            return Err(format!("{what}: {losses:?}"));
        }
    }
}

type Event = (&'static str, fn(&mut Baryon<'_>));

#[test]
fn restarts_of_baryon_lose_nothing() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let mut baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    let guests = plug(&baryon);
    let control = measure(&guests, "nothing happens", |meter| meter.last(5));
    let allowed = match node.datapath() {
        Datapath::System => [0, 0],
        Datapath::Netdev => control.each_ref().map(|losses| losses.lost),
    };
    let events: [Event; 3] = [
        ("SIGTERM, start", |baryon| {
            baryon.stop();
            baryon.start_again();
        }),
        ("SIGKILL, start", |baryon| {
            baryon.kill();
            baryon.start_again();
        }),
        ("upgrade", |baryon| baryon.upgrade()),
    ];
    for (what, event) in events {
        let run = best(&guests, what, allowed, || {
            event(&mut baryon);
            baryon.await_converged(30);
        });
        let losses = run.unwrap_or_else(|losses| panic!("{losses}, with nothing happening {control:?}"));
        assert!(losses.iter().all(|losses| losses.sent > 100 && losses.tcp_broken.is_none()), "{losses:?}");
    }
}

/// The switch's process dies and comes back without a flow: in the kernel's datapath the packets that
/// were on their way before go on, everything else waits for Baryon.
#[test]
fn the_switch_dies_and_comes_back() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    let guests = plug(&baryon);
    for round in 1..=2 {
        let losses = measure(&guests, &format!("ovs-vswitchd killed, started, round {round}"), |_| {
            node.kill_vswitchd();
            node.start_vswitchd();
            guests.a1.await_ping("10.1.0.12");
            guests.a1.await_ping("10.2.0.11");
            baryon.await_converged(30);
        });
        assert!(losses.iter().all(|losses| losses.tcp_broken.is_none()), "{losses:?}");
        let _ = DhcpClient::Udhcpc.lease(&guests.a2);
    }
}

/// The userspace datapath stands still while ovs-vswitchd looks for its database, whoever fills that.
/// So the same is done without Baryon first.
#[test]
fn the_database_dies_and_comes_back() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let mut baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    let guests = plug(&baryon);
    let restart_database = || {
        node.kill_ovsdb();
        node.start_ovsdb();
        // Answered when ovs-vswitchd is back at its database.
        node.sh("ovs-vsctl --timeout=60 set Open_vSwitch . external_ids:seen=$(date +%s%N)");
    };
    baryon.stop();
    let control = measure(&guests, "ovsdb-server killed, started, no baryon", |_| restart_database());
    baryon.start_again();
    baryon.await_converged(30);
    let allowed = match node.datapath() {
        Datapath::System => [0, 0],
        Datapath::Netdev => [u64::MAX; 2],
    };
    let run = best(&guests, "ovsdb-server killed, started", allowed, || {
        restart_database();
        baryon.await_converged(60);
    });
    let losses = run.unwrap_or_else(|losses| panic!("{losses}, without baryon {control:?}"));
    for (losses, control) in losses.iter().zip(&control) {
        assert!(losses.tcp_broken.is_none(), "{losses:?}");
        let patient = losses.longest_gap_ms <= control.longest_gap_ms * 2 + 1000;
        assert!(node.datapath() == Datapath::System || patient, "{losses:?}, without baryon {control:?}");
    }
    // What is plugged after it is wired as before.
    let a3 = baryon.plug("a3", Plug::Veth);
    let start = Instant::now();
    let _ = DhcpClient::Udhcpc.lease(&a3);
    a3.await_ping("10.1.0.11");
    println!("a port plugged after it: lease and ping in {:.1?}", start.elapsed());
}
