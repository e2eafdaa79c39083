//! Devices of ports of ours that die without the switch's knowledge. Here the switch works in the test's own
//! namespace, so there is one test: others would see its devices.

#![allow(clippy::unwrap_used)] // a test ends where it goes wrong

#[allow(dead_code)]
#[path = "switch/engine.rs"]
mod engine;
#[allow(dead_code)]
#[path = "switch/node.rs"]
mod node;
#[allow(dead_code)]
#[path = "switch/will.rs"]
mod will;

use std::path::Path;
use std::process::Command;

use model::{HostName, Mac, ObjectRef, Router, RouterId, RouterInterface, Scope};
use uuid::Uuid;

use engine::Engine;
use node::Node;
use will::{HOST, complete, config, network, network_id, port_id, service, vxlan};

const ROUTER: RouterId = RouterId(Uuid::from_u128(0xe0));

fn ip(words: &str) {
    let status = Command::new("ip").args(words.split_whitespace()).status().unwrap();
    assert!(status.success(), "ip {words}");
}

fn is_in_root(device: &str) -> bool {
    Path::new("/sys/class/net").join(device).exists()
}

fn router() -> Router {
    let interface = RouterInterface {
        port: port_id(12),
        network: network_id(1),
        mac: Mac::ZERO,
        mtu: 1_450,
        admin_up: true,
        addresses: Vec::new(),
    };
    Router {
        id: ROUTER,
        name: String::new(),
        admin_up: true,
        host: Some(HostName::from(HOST)),
        interfaces: vec![interface],
        gateway: None,
        routes: Vec::new(),
        floating_ips: Vec::new(),
        port_forwardings: Vec::new(),
    }
}

#[tokio::test]
async fn a_device_that_died_with_its_namespace_is_made_again() {
    let node = Node::start_in_this_namespace();
    let mut desired = complete();
    desired.set_network(network(1, vxlan(100)));
    desired.set_router(router());
    let tap = model::names::tap(port_id(11));
    let qr = model::names::router_interface(port_id(12));
    let served = model::names::dhcp_namespace(network_id(1));
    let routed = model::names::router_namespace(ROUTER);
    desired.set_port(service(11, 1, vxlan(100), "network:dhcp"));
    desired.set_port(model::Port {
        device: ROUTER.to_string(),
        ..service(12, 1, vxlan(100), "network:router_interface")
    });
    let config = ovs::Config { bridge_mappings: [].into(), ..config(&node) };
    let mut engine = Engine::start(&config, &desired);
    let ways =
        [Scope::All, Scope::Objects([ObjectRef::Router(ROUTER), ObjectRef::Network(network_id(1))].into())];
    for (round, scope) in ways.into_iter().enumerate() {
        engine.until("the devices are there", |_| is_in_root(&tap) && is_in_root(&qr)).await;
        engine.until_done().await;
        // What the domains of the services do.
        for (space, device) in [(&served, &tap), (&routed, &qr)] {
            ip(&format!("netns add {space}"));
            ip(&format!("link set {device} netns {space}"));
        }
        engine.steps.clear();
        engine.mark(scope.clone());
        engine.until_done().await;
        assert_eq!(engine.steps, [""; 0], "round {round}: a device in its namespace is where it belongs");
        for space in [&served, &routed] {
            ip(&format!("netns del {space}"));
            // The service's domain may have been faster.
            if round == 0 {
                ip(&format!("netns add {space}"));
            }
        }
        engine.mark(scope);
        engine.until("the devices are made again", |_| is_in_root(&tap) && is_in_root(&qr)).await;
        engine.until_done().await;
        assert_eq!(node.get("Port", &qr, "tag"), "1");
        if round == 0 {
            [&served, &routed].iter().for_each(|space| ip(&format!("netns del {space}")));
        }
    }
}
