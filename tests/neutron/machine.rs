//! A real machine on a port of the API: its own kernel, DHCP client and web server. Not a namespace.

use crate::scene::{Cloud, Machine};
use serde_json::{Value, json};
use tests::neutron::{Agents, Footprint, Host, Kind, Options, Release, text};
use tests::{Node, Vm, WORLD, wait};

/// All that an instance of a cloud does, and then everything is deleted while the machine still runs: the switch
/// cuts it off, and nothing of it is left.
#[test]
fn a_machine_lives_on_the_network_and_leaves_nothing() {
    let cloud = Cloud::start(Release::Newest);
    let api = &cloud.api;
    let node = Node::new(&cloud.underlay, 1);
    let host = Host::prepare(&node, &cloud.server, &Options::default());
    let agents = Agents::start(Kind::under_test(), &host, Release::Newest, api);
    if let Some(baryon) = agents.baryon() {
        baryon.await_converged(30);
    }
    let before = Footprint::of(&node);
    let (red, red_subnet) = api.network_with_subnet("red", "10.10.1.0/24");
    let port = api.port(&red, node.name(), &json!({"name": "vm", "device_id": "instance-vm"}));
    let (id, mac) = (text(&port, "id"), text(&port, "mac_address"));
    let vm = Vm::start(&node, "vm", id, mac);
    // While it boots:
    let external = api.external_network();
    let (blue, blue_subnet) = api.network_with_subnet("blue", "10.10.2.0/24");
    let router = api.router("r", &[&red_subnet, &blue_subnet], Some(&external));
    let beside = Machine::boot(api, &node, &blue, "instance-b");
    let floating = api.floating_ip(&external, &port);
    let address = text(&port["fixed_ips"][0], "ip_address");
    api.await_active(&port, 90);
    let lease = vm.await_word(180, "lease");
    assert!(lease.contains(&format!("address={address}/24 mtu=1450 ")), "{lease}");
    vm.await_word(60, "ready");
    assert_eq!(
        vm.sh("wget -q -O - http://169.254.169.254/latest/meta-data/; echo"),
        "instance-vm /latest/meta-data/"
    );
    for other in ["10.10.1.1", beside.address(), WORLD] {
        vm.await_ping(other);
    }
    assert_eq!(beside.guest.sh(&format!("curl -sS --max-time 5 http://{address}/")), "vm");
    let await_page = |of: &str| {
        let ask = || cloud.underlay.try_sh(&format!("curl -sS --max-time 5 http://{of}/"));
        assert_eq!(wait::until(30, &format!("the machine's page at {of}"), ask), "vm");
    };
    await_page(text(&floating, "floating_ip_address"));
    api.await_status("floatingip", text(&floating, "id"), "ACTIVE", 60);
    api.delete("floatingip", text(&floating, "id"));

    // An address of which only one port leads to the machine.
    let narrow = api.create("floatingip", &json!({"floating_network_id": external["id"]}));
    let forwardings = format!("floatingips/{}/port_forwardings", text(&narrow, "id"));
    let wanted = json!({"port_forwarding": {"protocol": "tcp", "external_port": 8080, "internal_port": 80,
        "internal_port_id": id, "internal_ip_address": address}});
    let call = |method: &str, path: &str, body: &Value| {
        api.call(method, path, body).unwrap_or_else(|said| panic!("{said}"))
    };
    let forwarding = call("POST", &forwardings, &wanted);
    let narrow_address = text(&narrow, "floating_ip_address");
    await_page(&format!("{narrow_address}:8080"));
    api.await_status("floatingip", text(&narrow, "id"), "ACTIVE", 60);
    let refused = cloud.underlay.try_sh(&format!("curl -sS --max-time 3 http://{narrow_address}/"));
    assert!(refused.is_err(), "a port that is not forwarded answers: {refused:?}");
    call("DELETE", &format!("{forwardings}/{}", text(&forwarding["port_forwarding"], "id")), &Value::Null);
    let closed = || cloud.underlay.try_sh(&format!("! curl -sS --max-time 3 http://{narrow_address}:8080/"));
    wait::until(30, "nothing is forwarded any more", closed);
    api.delete("floatingip", text(&narrow, "id"));
    api.delete("port", id);
    let tag = || node.sh(&format!("ovs-vsctl get Port {} tag", vm.tap));
    wait::until(30, "the port of nobody is cut off", || if tag() == "4095" { Ok(()) } else { Err(tag()) });
    assert!(vm.try_sh("ping -c 2 -W 1 10.10.1.1").is_err(), "the machine of a deleted port has a network");
    vm.end();
    beside.delete(api);
    for subnet in [&red_subnet, &blue_subnet] {
        api.router_interface(&router, subnet, "remove");
    }
    api.delete("router", text(&router, "id"));
    for network in [&red, &blue, &external] {
        api.delete("network", text(network, "id"));
    }
    wait::seldom(60, "nothing is left", || {
        let after = Footprint::of(&node);
        if after == before { Ok(()) } else { Err(format!("{after:#?}\nwas {before:#?}")) }
    });
    let flows =
        node.sh("for bridge in $(ovs-vsctl list-br); do ovs-ofctl -O OpenFlow13 dump-flows $bridge; done");
    assert!(!flows.contains(mac), "a flow names the machine that is gone:\n{flows}");
}
