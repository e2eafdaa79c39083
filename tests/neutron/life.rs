//! From the first agent's report to the last deleted network, on one node.

use crate::scene::{Cloud, Machine};
use serde_json::json;
use tests::neutron::{Agents, Footprint, Host, Kind, Options, Release, text};
use tests::{DhcpClient, Node, WORLD, wait};

/// Networks, a router, a floating IP and metadata are made by the API, serve guests, and leave nothing when
/// they are deleted.
fn everything_comes_and_goes(kind: Kind, release: Release) {
    let cloud = Cloud::start(release);
    let api = &cloud.api;
    let node = Node::new(&cloud.underlay, 1);
    let host = Host::prepare(&node, &cloud.server, &Options::default());
    let agents = Agents::start(kind, &host, release, api);
    settle(&agents);
    let before = Footprint::of(&node);

    let external = api.external_network();
    let (red, red_subnet) = api.network_with_subnet("red", "10.10.1.0/24");
    let (blue, blue_subnet) = api.network_with_subnet("blue", "10.10.2.0/24");
    let router = api.router("r", &[&red_subnet, &blue_subnet], Some(&external));
    let a = Machine::boot(api, &node, &red, "instance-a");
    let b = Machine::boot(api, &node, &blue, "instance-b");
    a.guest.await_ping(b.address());
    b.guest.await_ping(WORLD);
    a.guest.assert_path_mtu(b.address(), 1450);

    let floating = api.floating_ip(&external, &a.port);
    let address = text(&floating, "floating_ip_address");
    api.await_status("floatingip", text(&floating, "id"), "ACTIVE", 60);
    cloud.await_ping_from_outside(address);
    b.guest.await_ping(address);

    assert_eq!(a.metadata("/latest/meta-data/"), "instance-a /latest/meta-data/");
    assert_eq!(b.metadata("/openstack"), "instance-b /openstack");
    let (lone, lone_subnet) = api.network_with_subnet("lone", "10.10.3.0/24");
    let c = Machine::boot(api, &node, &lone, "instance-c");
    assert_eq!(c.metadata("/latest"), "instance-c /latest");
    assert!(cloud.nova.heard().iter().all(|request| request.trusted), "{:?}", cloud.nova.heard());

    a.delete(api);
    b.delete(api);
    c.delete(api);
    api.delete("floatingip", text(&floating, "id"));
    for subnet in [&red_subnet, &blue_subnet] {
        api.router_interface(&router, subnet, "remove");
    }
    api.delete("router", text(&router, "id"));
    for network in [&red, &blue, &lone, &external] {
        api.delete("network", text(network, "id"));
    }
    drop(lone_subnet);
    wait::seldom(60, "nothing is left", || {
        let after = Footprint::of(&node);
        if after == before { Ok(()) } else { Err(format!("{after:#?}\nwas {before:#?}")) }
    });
}

/// What an agent makes for no network is there a moment after its first report.
fn settle(agents: &Agents<'_>) {
    if let Some(baryon) = agents.baryon() {
        baryon.await_converged(30);
    }
}

#[test]
fn everything_comes_and_goes_with_the_newest_release() {
    everything_comes_and_goes(Kind::under_test(), Release::Newest);
}

#[test]
fn everything_comes_and_goes_with_an_older_release() {
    everything_comes_and_goes(Kind::under_test(), Release::Epoxy);
}

/// The harness itself, with nothing of ours.
#[test]
fn neutrons_own_agents_serve_a_guest() {
    let cloud = Cloud::start(Release::Newest);
    let api = &cloud.api;
    let node = Node::new(&cloud.underlay, 1);
    let host = Host::prepare(&node, &cloud.server, &Options::default());
    let _agents = Agents::start(Kind::Stock, &host, Release::Newest, api);
    let (red, _) = api.network_with_subnet("red", "10.10.1.0/24");
    let a = Machine::boot(api, &node, &red, "instance-a");
    assert_eq!(DhcpClient::Dhclient.lease(&a.guest).mtu, Some(1450));
    assert_eq!(a.metadata("/latest"), "instance-a /latest");
}

/// Fields of a port that the server keeps for the agent, changed while the machine runs.
#[test]
fn a_port_follows_its_changes() {
    let cloud = Cloud::start(Release::Newest);
    let api = &cloud.api;
    let node = Node::new(&cloud.underlay, 1);
    let host = Host::prepare(&node, &cloud.server, &Options::default());
    let _agents = Agents::start(Kind::under_test(), &host, Release::Newest, api);
    let (red, _) = api.network_with_subnet("red", "10.10.1.0/24");
    let a = Machine::boot(api, &node, &red, "a");
    let b = Machine::boot(api, &node, &red, "b");
    a.guest.await_ping(b.address());
    let _ = api.update("port", a.id(), &json!({"admin_state_up": false}));
    api.await_status("port", a.id(), "DOWN", 30);
    wait::until(20, "a port that is disabled is silent", || {
        if a.guest.is_silent(b.address()) { Ok(()) } else { Err("it answers") }
    });
    let _ = api.update("port", a.id(), &json!({"admin_state_up": true}));
    api.await_active(&a.port, 30);
    a.guest.await_ping(b.address());
    // Another address, which the DHCP service must hand out at the next lease.
    let fixed = json!({"fixed_ips": [{"subnet_id": a.port["fixed_ips"][0]["subnet_id"], "ip_address": "10.10.1.77"}]});
    let _ = api.update("port", a.id(), &fixed);
    wait::until(30, "a lease of the new address", || {
        let lease = DhcpClient::Udhcpc.try_lease(&a.guest)?;
        if lease.address.to_string() == "10.10.1.77" { Ok(()) } else { Err(format!("{lease:?}")) }
    });
}
