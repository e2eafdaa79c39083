//! The life of a node: from nothing, restarts of everything that can restart.

use model::Scope;

use super::engine::Engine;
use super::golden;
use super::node::{Node, until};
use super::will::{complete, config, everything, plug_everything, tap};

const BRIDGES: [&str; 3] = ["br-int", "br-tun", "br-ex"];

/// A node on which everything is as wanted.
async fn settled() -> (Node, Engine) {
    let node = Node::start();
    node.vsctl("add-br br-ex -- set Bridge br-ex datapath_type=netdev");
    let mut engine = Engine::start(&config(&node), &everything());
    engine.until("br-int is there", |_| node.vsctl("list-br").contains("br-int")).await;
    plug_everything(&node);
    engine.until_done().await;
    (node, engine)
}

fn flows(node: &Node) -> String {
    let of = |bridge: &str| format!("{bridge}\n{}\n", node.flows(bridge).join("\n"));
    BRIDGES.map(of).join("\n")
}

#[tokio::test]
async fn from_nothing_to_everything() {
    let (node, mut engine) = settled().await;
    golden("flows.txt", &flows(&node));
    assert_eq!(node.get("Port", &tap(1), "tag"), node.get("Port", &tap(11), "tag"), "one network, one VLAN");
    assert_eq!(node.get("Interface", &tap(11), "mtu_request"), "1450");
    assert_eq!(node.get("Bridge", "br-ex", "fail_mode"), "secure");
    assert_eq!(node.get("Interface", "int-br-ex", "options:peer"), "phy-br-ex");
    assert_eq!(node.get("Interface", "vxlan-c6120102", "options:remote_ip"), "198.18.1.2");
    engine.steps.clear();
    engine.pass(&Scope::All).await;
    assert_eq!(engine.steps, [""; 0], "a second look finds nothing to do");
}

#[tokio::test]
async fn a_new_agent_changes_nothing() {
    let (node, engine) = settled().await;
    let before = (flows(&node), node.vsctl("show"), node.get("Port", &tap(2), "tag"));
    drop(engine);
    let begun = std::time::Instant::now();
    let mut engine = Engine::start(&config(&node), &everything());
    engine.until_done().await;
    assert_eq!(engine.steps, [""; 0]);
    for bridge in BRIDGES {
        assert!(node.last_written(bridge) > begun.elapsed(), "a flow of {bridge} was written");
    }
    assert_eq!((flows(&node), node.vsctl("show"), node.get("Port", &tap(2), "tag")), before);
}

#[tokio::test]
async fn a_killed_switch_gets_its_flows_back() {
    let (mut node, mut engine) = settled().await;
    let before = flows(&node);
    node.kill_vswitchd();
    engine
        .until("the loss is noticed", |engine| engine.troubles().join("").contains("the switch is away"))
        .await;
    node.start_vswitchd();
    let begun = std::time::Instant::now();
    engine.until_done().await;
    println!("flows back after {:?}", begun.elapsed());
    assert_eq!(flows(&node), before);
}

/// The connections stay, so only the canaries tell.
#[tokio::test]
async fn flows_that_somebody_throws_away_come_back() {
    let (node, mut engine) = settled().await;
    let before = flows(&node);
    for bridge in BRIDGES {
        node.ofctl("del-flows", bridge, &[]);
        engine.until(&format!("the flows of {bridge} are back"), |_| flows(&node) == before).await;
    }
    node.ofctl("del-flows", "br-int", &["table=23"]);
    engine.until("the canary is back", |_| flows(&node) == before).await;
}

/// vswitchd throws the flows away, and once more when the mode is set back.
#[tokio::test]
async fn flows_that_a_fail_mode_throws_away_come_back() {
    let (node, mut engine) = settled().await;
    let before = flows(&node);
    for bridge in BRIDGES {
        node.vsctl(&format!("set Bridge {bridge} fail_mode=standalone"));
        let set_back = |_: &Engine| node.get("Bridge", bridge, "fail_mode") == "secure";
        engine.until(&format!("the mode of {bridge} is set back"), set_back).await;
        // Returns when vswitchd has done what it was told before.
        node.vsctl(&format!("set Bridge {bridge} external_ids:seen=yes"));
        engine.until(&format!("the flows of {bridge} are back"), |_| flows(&node) == before).await;
    }
}

#[tokio::test]
async fn a_killed_database_is_found_again() {
    let (mut node, mut engine) = settled().await;
    let before = flows(&node);
    node.kill_database();
    engine
        .until("the loss is noticed", |engine| engine.troubles().join("").contains("database is away"))
        .await;
    engine.steps.clear();
    node.start_database();
    engine.until_done().await;
    assert_eq!(engine.steps, [""; 0], "nothing had changed");
    node.vsctl(&format!("set Port {} tag=99", tap(1)));
    engine.until("the tag is put back", |_| node.get("Port", &tap(1), "tag") != "99").await;
    assert_eq!(flows(&node), before);
}

#[tokio::test]
async fn a_bridge_that_is_made_again_is_set_up_again() {
    let (node, mut engine) = settled().await;
    let before = flows(&node);
    node.vsctl("del-br br-ex");
    engine
        .until("the loss is noticed", |engine| {
            engine.troubles().join("").contains("br-ex of physical network public, which does not exist")
        })
        .await;
    node.vsctl("add-br br-ex -- set Bridge br-ex datapath_type=netdev");
    engine.until_done().await;
    until("the flows are those of before", || flows(&node) == before);
    node.vsctl("del-br br-int");
    engine.until("the integration bridge is made again", |_| node.vsctl("list-br").contains("br-int")).await;
    plug_everything(&node);
    engine.until_done().await;
    assert_eq!(flows(&node), before);
}

#[tokio::test]
async fn bridges_with_one_datapath_id_get_two() {
    let node = Node::start();
    let same = "datapath_type=netdev other_config:datapath-id=0000aabbccddeeff";
    node.vsctl(&format!("add-br br-a -- set Bridge br-a {same} -- add-br br-b -- set Bridge br-b {same}"));
    let mappings =
        [("a", "br-a"), ("b", "br-b")].map(|(network, bridge)| (network.to_owned(), bridge.to_owned()));
    let config = ovs::Config { bridge_mappings: mappings.into(), ..config(&node) };
    let mut engine = Engine::start(&config, &complete());
    engine.until_done().await;
    until("the second has its own", || node.get("Bridge", "br-b", "datapath_id") == "0001aabbccddeeff");
    assert_eq!(node.get("Bridge", "br-a", "datapath_id"), "0000aabbccddeeff");
    engine.until_done().await;
    engine.steps.clear();
    engine.pass(&Scope::All).await;
    assert_eq!(engine.steps, [""; 0]);
}
