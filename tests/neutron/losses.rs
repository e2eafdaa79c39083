//! What guests lose while Baryon, the server or the broker goes and comes back: nothing, where the kernel forwards.

use crate::scene::{Cloud, Machine};
use tests::neutron::{Agents, Footprint, Host, Kind, Options, Release, Server};
use tests::{Baryon, Datapath, Losses, Meter, Node, wait};

type Event = (&'static str, fn(&mut Baryon<'_>, &Server));

const EVENTS: [Event; 5] = [
    ("SIGTERM, start", |baryon, _| {
        baryon.stop();
        baryon.start_again();
    }),
    ("SIGKILL, start", |baryon, _| {
        baryon.kill();
        baryon.start_again();
    }),
    ("upgrade", |baryon, _| baryon.upgrade()),
    ("server gone and back", |_, server| {
        server.kill_parts("rpc");
        server.start_parts("rpc");
    }),
    ("broker gone and back", |baryon, server| {
        server.kill_parts("broker rpc");
        wait::until(30, "the broker is missed", || match broker(baryon).as_str() {
            "up" => Err("it is up"),
            _ => Ok(()),
        });
        server.start_parts("broker rpc");
    }),
];

fn broker(baryon: &Baryon<'_>) -> String {
    baryon.controller()["broker"]["state"].as_str().unwrap_or_default().to_owned()
}

/// Everything has been asked for, and done.
fn settle(baryon: &Baryon<'_>) {
    wait::until(60, "everything was heard", || {
        let controller = baryon.controller();
        let whole = controller["complete"].as_array().is_some_and(|roles| roles.len() == 4);
        let known = controller["agents"]
            .as_array()
            .is_some_and(|agents| agents.iter().all(|agent| agent["known"] == true));
        if controller["broker"]["state"] == "up" && whole && known { Ok(()) } else { Err(controller) }
    });
    baryon.await_converged(30);
}

/// Two machines on one network, and one beyond a router; they reach each other.
fn guests<'n>(cloud: &Cloud, node: &'n Node) -> [Machine<'n>; 3] {
    let api = &cloud.api;
    let (red, red_subnet) = api.network_with_subnet("red", "10.10.1.0/24");
    let (blue, blue_subnet) = api.network_with_subnet("blue", "10.10.2.0/24");
    let _router = api.router("r", &[&red_subnet, &blue_subnet], None);
    let machines = [(&red, "a"), (&red, "b"), (&blue, "c")]
        .map(|(network, name)| Machine::boot(api, node, network, name));
    machines[0].guest.await_ping(machines[1].address());
    machines[0].guest.await_ping(machines[2].address());
    machines
}

fn short(losses: &Losses) -> String {
    let Losses { sent, lost, longest_gap_ms, .. } = losses;
    format!("{lost} of {sent} lost, longest gap {longest_gap_ms} ms")
}

/// The best of three tries: what a busy machine loses, it loses now and then; what an event loses, it loses every time.
#[test]
#[ignore = "for a kernel with openvswitch.ko: scripts/test losses"]
fn nothing_is_lost_while_something_is_away() {
    let cloud = Cloud::start(Release::Newest);
    let node = Node::new(&cloud.underlay, 1);
    assert_eq!(node.datapath(), Datapath::System, "the switch's process forwards, and loses on its own");
    let host = Host::prepare(&node, &cloud.server, &Options::default());
    let mut baryon = host.start_baryon();
    settle(&baryon);
    let [a, b, c] = &guests(&cloud, &node);
    for (what, event) in EVENTS {
        let mut tries = 0;
        loop {
            let meters = [b, c].map(|to| Meter::start(&a.guest, &to.guest, to.address()));
            event(&mut baryon, &cloud.server);
            settle(&baryon);
            let losses = meters.map(Meter::finish);
            println!("{what}: switched {}, routed {}", short(&losses[0]), short(&losses[1]));
            assert!(
                losses.iter().all(|losses| losses.sent > 100 && losses.tcp_broken.is_none()),
                "{losses:?}"
            );
            tries += 1;
            if losses.iter().all(|losses| losses.lost == 0) {
                break;
            }
            assert!(tries < 3, "{what}: {losses:?}");
        }
    }
}

/// Neutron's own agents are stopped and Baryon takes their place. There is one try: to go back takes the Python agents
/// minutes here.
#[test]
#[ignore = "for a kernel with openvswitch.ko: scripts/test losses"]
fn nothing_is_lost_in_a_takeover() {
    let cloud = Cloud::start(Release::Newest);
    let node = Node::new(&cloud.underlay, 1);
    assert_eq!(node.datapath(), Datapath::System, "the switch's process forwards, and loses on its own");
    let host = Host::prepare(&node, &cloud.server, &Options::default());
    let mut agents = Agents::start(Kind::Stock, &host, Release::Newest, &cloud.api);
    let [a, b, c] = &guests(&cloud, &node);
    let before = Footprint::of(&node);
    let meters = [b, c].map(|to| Meter::start(&a.guest, &to.guest, to.address()));
    agents.change_to(Kind::Baryon, &cloud.api);
    agents.await_alive(&cloud.api);
    if let Some(baryon) = agents.baryon() {
        settle(baryon);
    }
    let losses = meters.map(Meter::finish);
    println!("takeover: switched {}, routed {}", short(&losses[0]), short(&losses[1]));
    wait::seldom(30, "the node is as before", || {
        let differences = before.differences(&Footprint::of(&node));
        if differences.is_empty() { Ok(()) } else { Err(differences.join("\n")) }
    });
    for losses in &losses {
        assert!(losses.sent > 100 && losses.lost == 0 && losses.tcp_broken.is_none(), "{losses:?}");
    }
}
