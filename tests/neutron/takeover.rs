//! One node changes its agents while guests run: from Neutron's to Baryon and back again.

use crate::scene::{Cloud, Machine};
use tests::neutron::{Agents, Footprint, Host, Kind, Options, Release, text};
use tests::{Meter, Node, WORLD, wait};

#[test]
fn agents_are_exchanged_under_running_guests() {
    let release = Release::Newest;
    let cloud = Cloud::start(release);
    let api = &cloud.api;
    let node = Node::new(&cloud.underlay, 1);
    let host = Host::prepare(&node, &cloud.server, &Options::default());
    let mut agents = Agents::start(Kind::Stock, &host, release, api);
    let external = api.external_network();
    let (red, red_subnet) = api.network_with_subnet("red", "10.10.1.0/24");
    let (blue, blue_subnet) = api.network_with_subnet("blue", "10.10.2.0/24");
    let (lone, _) = api.network_with_subnet("lone", "10.10.3.0/24");
    let _router = api.router("r", &[&red_subnet, &blue_subnet], Some(&external));
    let machines = [(&red, "a"), (&red, "b"), (&blue, "c"), (&lone, "d")]
        .map(|(network, name)| Machine::boot(api, &node, network, name));
    let [a, b, c, d] = &machines;
    let floating = api.floating_ip(&external, &a.port);
    api.await_status("floatingip", text(&floating, "id"), "ACTIVE", 60);
    let address = text(&floating, "floating_ip_address");
    let serve = || {
        a.guest.await_ping(b.address());
        a.guest.await_ping(c.address());
        c.guest.await_ping(WORLD);
        cloud.await_ping_from_outside(address);
        for machine in &machines {
            machine.arrive(api);
        }
        assert_eq!(a.metadata("/latest"), "a /latest");
        assert_eq!(d.metadata("/latest"), "d /latest");
    };
    serve();
    let before = Footprint::of(&node);
    for kind in [Kind::under_test(), Kind::Stock] {
        let switched = Meter::start(&a.guest, &b.guest, b.address());
        let routed = Meter::start(&a.guest, &c.guest, c.address());
        agents.change_to(kind, api);
        agents.await_alive(api);
        if let Some(baryon) = agents.baryon() {
            baryon.await_converged(30);
        }
        serve();
        for (what, meter) in [("switched", switched), ("routed", routed)] {
            let losses = meter.finish();
            println!("to {kind:?}, {what}: {losses:?}");
            assert!(losses.tcp_broken.is_none() && losses.longest_gap_ms < 2000, "{what} {losses:?}");
        }
        wait::seldom(30, "the node is as before", || {
            let differences = before.differences(&Footprint::of(&node));
            if differences.is_empty() {
                Ok(())
            } else {
                Err(format!("with {kind:?}:\n{}", differences.join("\n")))
            }
        });
        // A machine that comes now is served like the others.
        Machine::boot(api, &node, &red, "e").delete(api);
    }
}
