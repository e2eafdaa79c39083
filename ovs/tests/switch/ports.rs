//! Ports that are plugged, unplugged, cut off and tampered with.

use model::ObjectRef;

use super::engine::Engine;
use super::node::Node;
use super::will::{complete, config, mac, network, network_id, port, port_id, service, tap, vlan, vxlan};

/// One vxlan network with guest 1; nothing is plugged in.
async fn one_port() -> (Node, Engine) {
    let node = Node::start();
    let mut desired = complete();
    desired.set_network(network(1, vxlan(100)));
    desired.set_port(port(1, 1, vxlan(100)));
    let config = ovs::Config { bridge_mappings: [].into(), ..config(&node) };
    let mut engine = Engine::start(&config, &desired);
    let object = ObjectRef::Node;
    engine.until("the bridges are there", |engine| engine.outcome(object) == "done").await;
    (node, engine)
}

fn plug(node: &Node, number: u8) {
    node.plug(&tap(number), &port_id(number).to_string(), &mac(number).to_string());
}

fn flows_of(node: &Node, port: &str) -> Vec<String> {
    let all = node.flows("br-int").into_iter();
    all.filter(|flow| {
        flow.contains(&format!("in_port={port}")) || flow.contains(&format!("in_port=\"{port}\""))
    })
    .collect()
}

#[tokio::test]
async fn a_plug_is_tagged_and_guarded_and_an_unplug_leaves_nothing() {
    let (node, mut engine) = one_port().await;
    assert!(engine.outcome(ObjectRef::Port(port_id(1))).contains("to be plugged in"));
    plug(&node, 1);
    engine.until_done().await;
    assert_eq!(node.get("Port", &tap(1), "tag"), "1");
    assert_eq!(node.get("Port", &tap(1), "other_config:segmentation_id"), "100");
    assert_eq!(flows_of(&node, &tap(1)).len(), 8);
    node.vsctl(&format!("del-port {}", tap(1)));
    engine
        .until("the flows are gone", |_| !node.flows("br-int").join("").contains("priority=9,in_port"))
        .await;
}

#[tokio::test]
async fn a_port_that_is_down_is_cut_off_and_comes_back() {
    let (node, mut engine) = one_port().await;
    plug(&node, 1);
    engine.until_done().await;
    let alive = flows_of(&node, &tap(1));
    let down = model::Port { admin_up: false, ..port(1, 1, vxlan(100)) };
    engine.want(|desired| desired.set_port(down));
    engine.until("it is cut off", |_| node.get("Port", &tap(1), "tag") == "4095").await;
    assert_eq!(
        flows_of(&node, &tap(1)),
        [format!("table=0, priority=2,in_port=\"{}\" actions=drop", tap(1))]
    );
    engine.want(|desired| desired.set_port(port(1, 1, vxlan(100))));
    engine.until_done().await;
    assert_eq!((node.get("Port", &tap(1), "tag").as_str(), flows_of(&node, &tap(1))), ("1", alive));
}

#[tokio::test]
async fn a_port_that_nobody_knows_is_cut_off_once_that_is_certain() {
    let (node, mut engine) = one_port().await;
    engine.want(|desired| _ = desired.complete.remove(&model::Role::L2));
    plug(&node, 7);
    engine.until("it was looked at", |engine| engine.outcome(ObjectRef::Port(port_id(7))) == "done").await;
    assert_eq!(node.get("Port", &tap(7), "tag"), "[]");
    engine.want(|desired| _ = desired.complete.insert(model::Role::L2));
    engine.audit();
    engine.until("it is cut off", |_| node.get("Port", &tap(7), "tag") == "4095").await;
    engine.want(|desired| desired.set_port(port(7, 1, vxlan(100))));
    engine.until("it is alive", |_| node.get("Port", &tap(7), "tag") == "1").await;
}

/// Untagged it would be a trunk of all local VLANs.
#[tokio::test]
async fn a_plug_that_says_it_is_a_port_of_ours_is_cut_off() {
    let (node, mut engine) = one_port().await;
    plug(&node, 1);
    engine.want(|desired| desired.set_port(service(11, 1, vxlan(100), "network:dhcp")));
    engine.until_done().await;
    node.plug("impostor", &port_id(11).to_string(), &mac(11).to_string());
    engine.until("it is cut off", |_| node.get("Port", "impostor", "tag") == "4095").await;
    assert_eq!(flows_of(&node, "impostor"), ["table=0, priority=2,in_port=impostor actions=drop"]);
    assert_eq!(node.get("Port", &tap(11), "tag"), "1", "the real one is left alone");
    assert_eq!(flows_of(&node, &tap(11)), [""; 0]);
    node.vsctl("del-port impostor");
    engine.until("the drop is gone", |_| flows_of(&node, "impostor").is_empty()).await;
}

#[tokio::test]
async fn a_tag_that_somebody_changes_is_put_back() {
    let (node, mut engine) = one_port().await;
    plug(&node, 1);
    engine.until_done().await;
    node.vsctl(&format!("set Port {} tag=7 vlan_mode=native-untagged trunks=1,2", tap(1)));
    engine.until("it is put back", |_| node.get("Port", &tap(1), "tag") == "1").await;
    assert_eq!(node.get("Port", &tap(1), "trunks"), "[]");
}

#[tokio::test]
async fn a_replugged_port_is_wired_again() {
    let (node, mut engine) = one_port().await;
    plug(&node, 1);
    engine.until_done().await;
    let before = flows_of(&node, &tap(1));
    node.vsctl(&format!("del-port {}", tap(1)));
    plug(&node, 1);
    engine
        .until("it has its flows", |_| {
            flows_of(&node, &tap(1)) == before && node.get("Port", &tap(1), "tag") == "1"
        })
        .await;
    node.vsctl(&format!("set Interface {} ofport_request=77", tap(1)));
    engine
        .until("the flows follow the number", |_| {
            node.get("Interface", &tap(1), "ofport") == "77" && flows_of(&node, &tap(1)) == before
        })
        .await;
}

#[tokio::test]
async fn the_last_port_takes_its_network_along() {
    let (node, mut engine) = one_port().await;
    plug(&node, 1);
    engine.want(|desired| {
        desired.set_port(service(11, 1, vxlan(100), "network:dhcp"));
        desired.set_flood(network_id(1), [std::net::IpAddr::from([198, 18, 1, 2])].into_iter().collect());
    });
    engine.until_done().await;
    assert!(node.vsctl("list-ports br-tun").contains("vxlan-c6120102"));
    assert!(node.flows("br-tun").join("\n").contains("tun_id=0x64"));
    engine.want(|desired| {
        desired.drop_port(port_id(1));
        desired.drop_port(port_id(11));
    });
    engine.until("the tunnel is gone", |_| !node.vsctl("list-ports br-tun").contains("vxlan-c6120102")).await;
    assert!(!node.flows("br-tun").join("\n").contains("0x64"));
    assert!(!node.vsctl("list-ports br-int").contains(&tap(11)), "our own port is taken away");
    assert!(node.vsctl("list-ports br-int").contains(&tap(1)), "the guest's is not");
    assert_eq!(node.get("Port", &tap(1), "tag"), "4095");
}

#[tokio::test]
async fn what_is_foreign_stays() {
    let (node, mut engine) = one_port().await;
    let foreign = "table=60, priority=7,udp actions=drop";
    node.ofctl("add-flow", "br-int", &["cookie=0x1234,table=60,priority=7,udp,actions=drop"]);
    node.ofctl(
        "add-flow",
        "br-tun",
        &["cookie=0xba80000000000000,table=20,priority=1,dl_vlan=9,actions=drop"],
    );
    node.vsctl("add-port br-int foreign0 tag=5 -- set Interface foreign0 type=internal");
    plug(&node, 1);
    engine.until_done().await;
    engine.audit();
    engine.want(|desired| desired.drop_port(port_id(1)));
    engine.until_done().await;
    assert!(node.flows("br-int").contains(&foreign.to_owned()));
    assert!(node.flows("br-tun").join("\n").contains("dl_vlan=9"), "a learnt flow goes by itself");
    assert_eq!(node.get("Port", "foreign0", "tag"), "5");
}

#[tokio::test]
async fn a_foreign_flow_in_the_place_of_ours_is_not_deleted() {
    let (node, mut engine) = one_port().await;
    plug(&node, 1);
    engine.until_done().await;
    let guard = flows_of(&node, &tap(1)).into_iter().find(|flow| flow.contains("priority=9,")).unwrap();
    let key = guard.split_once(" actions=").unwrap().0.replace(", ", ",");
    node.ofctl("add-flow", "br-int", &[&format!("cookie=0x1234,{key},actions=drop")]);
    engine.want(|desired| desired.drop_port(port_id(1)));
    engine.until("it is cut off", |_| node.get("Port", &tap(1), "tag") == "4095").await;
    let left = flows_of(&node, &tap(1));
    assert!(left.iter().any(|flow| flow.contains("priority=9,")), "{left:#?}");
}

#[tokio::test]
async fn a_stale_flow_of_ours_goes_whatever_its_table() {
    let (node, mut engine) = one_port().await;
    node.ofctl("add-flow", "br-int", &["cookie=0xba05000000000001,table=94,priority=7,udp,actions=drop"]);
    node.ofctl("del-flows", "br-int", &["table=23"]);
    // A restart reads the flows; so does an audit, after a while.
    let (desired, config) =
        (engine.desired.clone(), ovs::Config { bridge_mappings: [].into(), ..config(&node) });
    drop(engine);
    engine = Engine::start(&config, &desired);
    engine.until("it is gone", |_| !node.flows("br-int").join("\n").contains("table=94")).await;
    assert!(
        node.flows("br-int").contains(&"table=23, priority=0 actions=drop".to_owned()),
        "and what was missing is back"
    );
}

#[tokio::test]
async fn a_network_that_cannot_be_carried_fails_alone() {
    let (node, mut engine) = one_port().await;
    plug(&node, 1);
    plug(&node, 2);
    engine.want(|desired| {
        desired.set_network(network(2, vlan(200)));
        desired.set_port(port(2, 2, vlan(200)));
    });
    engine.until("guest 1 is wired", |_| node.get("Port", &tap(1), "tag") == "1").await;
    engine.until("guest 2 is cut off", |_| node.get("Port", &tap(2), "tag") == "4095").await;
    let why = engine.outcome(ObjectRef::Network(network_id(2)));
    assert!(why.contains("physical network public has no bridge on this node"), "{why}");
}

/// The switch's row is made first; the pair is made by whoever owns the service.
#[tokio::test]
async fn a_veth_pair_is_taken_up_when_it_comes() {
    let node = Node::start();
    let mut desired = complete();
    desired.set_network(network(1, vxlan(100)));
    desired.set_port(service(11, 1, vxlan(100), "network:dhcp"));
    let config = ovs::Config { bridge_mappings: [].into(), ovs_use_veth: true, ..config(&node) };
    let mut engine = Engine::start(&config, &desired);
    let object = ObjectRef::Port(port_id(11));
    engine.until("the device is missed", |engine| engine.outcome(object).contains("No such device")).await;
    node.ip(&format!("link add {} type veth peer name ns-b000000b-00", tap(11)));
    engine.until_done().await;
    assert_eq!(node.get("Port", &tap(11), "tag"), "1");
    assert_eq!(node.get("Port", &tap(11), "external_ids:baryon-owner"), "dhcp");
    engine.want(|desired| desired.drop_port(port_id(11)));
    engine.until("the row is gone", |_| !node.vsctl("list-ports br-int").contains(&tap(11))).await;
}
