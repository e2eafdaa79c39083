//! A switch that two processes share: one sees to it, the other has services with ports on it.

use model::{Desired, ObjectRef, Role, Subnet, SubnetId};
use ovs::Config;

use super::engine::Engine;
use super::node::Node;
use super::will::{config, mac, network, network_id, port, port_id, service, tap, vxlan};

/// The process with the DHCP service.
fn dhcp(node: &Node) -> Config {
    Config { ports_only: true, router_ports: false, ..switch(node) }
}

/// The process that sees to the switch; services are somebody else's.
fn switch(node: &Node) -> Config {
    Config { bridge_mappings: [].into(), dhcp_ports: false, router_ports: false, ..config(node) }
}

fn wanted(role: Role) -> Desired {
    let mut desired = Desired::default();
    // Who sees to nothing but ports has no picture of the switch; the engine of the tests asks for one.
    desired.complete.insert(Role::L2);
    desired.complete.insert(role);
    desired.set_network(network(1, vxlan(100)));
    desired.set_port(port(1, 1, vxlan(100)));
    desired.set_port(service(11, 1, vxlan(100), "network:dhcp"));
    if role == Role::Dhcp {
        desired.set_subnet(Subnet {
            id: SubnetId(uuid::Uuid::from_u128(1)),
            network: network_id(1),
            name: String::new(),
            cidr: "10.0.1.0/24".parse().unwrap(),
            gateway: None,
            dhcp: true,
            dns_servers: Vec::new(),
            host_routes: Vec::new(),
        });
    }
    desired
}

#[tokio::test]
async fn services_in_a_process_of_their_own_have_only_their_ports() {
    let node = Node::start();
    let mut services = Engine::start(&Config { dhcp_ports: true, ..dhcp(&node) }, &wanted(Role::Dhcp));
    let waits = |engine: &Engine| engine.outcome(ObjectRef::Port(port_id(11))).contains("br-int");
    services.until("it waits for the bridge", waits).await;
    assert_eq!(node.vsctl("list-br").trim(), "", "a process without the role makes no bridge");

    let mut agent = Engine::start(&switch(&node), &wanted(Role::L2));
    let object = ObjectRef::Node;
    agent.until("the bridges are there", |engine| engine.outcome(object) == "done").await;
    services.until("its port is made", |_| node.vsctl("list-ports br-int").contains(&tap(11))).await;
    assert_eq!(node.get("Port", &tap(11), "tag"), "4095", "closed until the other one lets it in");
    assert_eq!(node.get("Port", &tap(11), "external_ids:baryon-owner"), "dhcp");
    node.plug(&tap(1), &port_id(1).to_string(), &mac(1).to_string());
    agent
        .until("both are let in", |_| [1, 11].iter().all(|n| node.get("Port", &tap(*n), "tag") == "1"))
        .await;
    agent.until_done().await;

    // Neither changes what is the other's, however often it looks.
    let flows = node.flows("br-int");
    services.steps.clear();
    services.audit();
    services.until_done().await;
    assert_eq!(services.steps, Vec::<String>::new());
    agent.steps.clear();
    agent.audit();
    agent.until_done().await;
    assert_eq!(agent.steps, Vec::<String>::new());
    assert_eq!(node.flows("br-int"), flows);

    // A guest that the services do not know is none of their business.
    services.want(|desired| desired.drop_port(port_id(1)));
    services.audit();
    services.until_done().await;
    assert_eq!(node.get("Port", &tap(1), "tag"), "1");
    services.want(|desired| desired.drop_port(port_id(11)));
    services.until("its port is gone", |_| !node.vsctl("list-ports br-int").contains(&tap(11))).await;
    agent.want(|desired| desired.drop_port(port_id(11)));
    agent.until_done().await;
}

#[tokio::test]
async fn a_port_that_another_agent_made_is_taken_up_as_it_is() {
    let node = Node::start();
    node.vsctl("-- --may-exist add-br br-int -- set Bridge br-int datapath_type=netdev");
    node.plug(&tap(11), &port_id(11).to_string(), &mac(11).to_string());
    node.vsctl(&format!("set Port {} tag=7", tap(11)));
    let mut services = Engine::start(&Config { dhcp_ports: true, ..dhcp(&node) }, &wanted(Role::Dhcp));
    let marked = || node.get("Port", &tap(11), "external_ids").contains("baryon-owner=dhcp");
    services.until("it has our mark", |_| marked()).await;
    services.until_done().await;
    assert_eq!(node.get("Port", &tap(11), "tag"), "7");
    services.want(|desired| desired.drop_port(port_id(11)));
    services.until("it goes", |_| !node.vsctl("list-ports br-int").contains(&tap(11))).await;
}
