//! What is said of a node before its agents are exchanged, while Neutron's own are at work.

use crate::scene::{Cloud, Machine};
use tests::Node;
use tests::neutron::{Agents, Host, Kind, Options, Release};

#[test]
#[ignore = "starts a server and a virtual machine"]
fn a_check_beside_the_agents_at_work_says_what_would_change() {
    let release = Release::Newest;
    let cloud = Cloud::start(release);
    let api = &cloud.api;
    let node = Node::new(&cloud.underlay, 1);
    let host = Host::prepare(&node, &cloud.server, &Options::default());
    let agents = Agents::start(Kind::Stock, &host, release, api);
    let (red, _) = api.network_with_subnet("red", "10.10.1.0/24");
    let machine = Machine::boot(api, &node, &red, "a");

    let said = host.check_takeover();
    println!("{said}");
    for what in
        ["neutron-openvswitch-agent", "neutron-dhcp-agent", "neutron-l3-agent", "neutron-metadata-agent"]
    {
        let stop = |line: &str| line.contains(what) && line.contains("stop it first");
        assert!(said.lines().any(stop), "{what} is not named:\n{said}");
    }
    assert!(
        said.lines().any(|line| line.contains("dnsmasq of network") && line.contains("is replaced")),
        "{said}"
    );
    for removal in ["del-port", "netns del", "del-br", "addr del"] {
        assert!(!said.contains(removal), "a healthy node would lose something:\n{said}");
    }
    // Nobody noticed.
    agents.await_alive(api);
    machine.arrive(api);
}
