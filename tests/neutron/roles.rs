//! One node, two kinds of agents: Neutron's own see to the switch, and Baryon is the rest.

use crate::scene::{Cloud, Machine};
use tests::neutron::{Agent, Host, Options, Release, Stock};
use tests::{Node, WORLD, wait};

#[test]
fn services_of_ours_live_on_a_switch_of_neutrons_agent() {
    let release = Release::Newest;
    let cloud = Cloud::start(release);
    let api = &cloud.api;
    let node = Node::new(&cloud.underlay, 1);
    let host = Host::prepare(&node, &cloud.server, &Options::default());
    let _switch = Stock::start(&host, release, &[Agent::OpenVswitch]);
    let baryon = host.start_baryon_as("dhcp, l3, metadata");
    wait::seldom(90, "all agents are alive", || {
        let agents = api.list("agent", &format!("host={}", host.name()));
        let all = agents.len() == Agent::ALL.len() && agents.iter().all(|agent| agent["alive"] == true);
        if all { Ok(()) } else { Err(format!("{agents:?}\n{}", baryon.log())) }
    });
    let external = api.external_network();
    let (red, red_subnet) = api.network_with_subnet("red", "10.10.1.0/24");
    let (blue, blue_subnet) = api.network_with_subnet("blue", "10.10.2.0/24");
    let _router = api.router("r", &[&red_subnet, &blue_subnet], Some(&external));
    let machines =
        [(&red, "a"), (&blue, "b")].map(|(network, name)| Machine::boot(api, &node, network, name));
    let [a, b] = &machines;
    a.guest.await_ping(b.address());
    a.guest.await_ping(WORLD);
    // The switch is the other agent's: none of its flows is ours.
    assert!(!node.sh("ovs-ofctl -O OpenFlow14 dump-flows br-int").contains("cookie=0xba"));
}
