//! Neutron's own agents, in the harness: what fails here is not Baryon's fault.

use serde_json::json;
use tests::neutron::{Agent, Host, Nova, Options, Release, Server, Stock, text};
use tests::{DhcpClient, Guest, Node, Plug, Underlay};

/// Every part of the harness once: agents report, a port becomes active, its guest takes a lease, reads its
/// metadata, is reached by a floating IP.
fn everything_works(release: Release) {
    let underlay = Underlay::new();
    let server = Server::start(&underlay, release);
    let nova = Nova::start(&underlay);
    let api = server.api();
    let node = Node::new(&underlay, 1);
    let host = Host::prepare(&node, &server, &Options::default());
    let stock = Stock::start(&host, release, &Agent::ALL);
    api.await_agents(host.name(), &Agent::ALL.map(Agent::binary), 60);

    let external = api.external_network();
    let (red, subnet) = api.network_with_subnet("red", "10.10.1.0/24");
    let router = api.router("r", &[&subnet], Some(&external));
    let port = api.port(&red, host.name(), &json!({"name": "a", "device_id": "instance-a"}));
    let guest = Guest::plug(&node, text(&port, "id"), text(&port, "mac_address"), Plug::Veth);
    api.await_active(&port, 60);
    let lease = DhcpClient::Udhcpc.lease(&guest);
    assert_eq!(port["fixed_ips"][0]["ip_address"], lease.address.to_string(), "{port}");
    assert_eq!(lease.mtu, Some(1450), "{lease:?}");

    let floating = api.floating_ip(&external, &port);
    api.await_status("floatingip", text(&floating, "id"), "ACTIVE", 60);
    let address = text(&floating, "floating_ip_address");
    tests::wait::until(20, "the floating IP answers", || {
        underlay.try_sh(&format!("ping -c 1 -W 1 {address}"))
    });
    guest.await_ping(tests::WORLD);

    let said = guest.sh("curl -sS --max-time 20 http://169.254.169.254/latest/meta-data/");
    assert_eq!(said, "instance-a /latest/meta-data/");
    assert!(nova.heard().iter().all(|request| request.trusted), "{:?}", nova.heard());
    drop((router, stock));
}

#[test]
fn the_newest_release_works() {
    everything_works(Release::Newest);
}

#[test]
fn an_older_release_works() {
    everything_works(Release::Epoxy);
}
