//! Bridges that another agent had before: what it left is replaced without a gap, and goes at the end.

use model::{Desired, Scope};

use super::engine::Engine;
use super::node::Node;
use super::will::{complete, config, network, port, vxlan};

const BEFORE: &str = "0x5ca1ab1e0ddba11";

/// A node as Neutron's own agent leaves it, with an operator's flow besides.
fn taken_over() -> Node {
    let node = Node::start();
    node.vsctl(
        "-- --may-exist add-br br-int -- set Bridge br-int datapath_type=netdev fail_mode=secure \
         protocols=OpenFlow10,OpenFlow13,OpenFlow14",
    );
    for flow in [
        "table=0,priority=0,actions=resubmit(,58)",
        "table=23,priority=0,actions=drop",
        "table=60,priority=3,actions=NORMAL",
        "table=3,priority=5,ip,actions=drop",
    ] {
        node.ofctl("add-flow", "br-int", &[&format!("cookie={BEFORE},{flow}")]);
    }
    node.ofctl("add-flow", "br-int", &["cookie=0x77,table=0,priority=300,udp,actions=drop"]);
    node.ofctl("add-flow", "br-int", &["table=5,priority=1,actions=drop"]);
    node
}

fn left(node: &Node) -> usize {
    node.ofctl("dump-flows", "br-int", &[]).matches(BEFORE).count()
}

fn wanted(whole: bool) -> Desired {
    let mut desired = if whole { complete() } else { Desired::default() };
    desired.set_network(network(1, vxlan(100)));
    desired.set_port(port(1, 1, vxlan(100)));
    desired
}

#[tokio::test]
async fn what_another_agent_left_goes_when_everything_was_heard() {
    let node = taken_over();
    let config = ovs::Config { bridge_mappings: [].into(), ..config(&node) };
    let mut engine = Engine::start(&config, &wanted(false));
    engine.until("all that is known is there", |_| node.flows("br-int").len() > 6).await;
    // Those in the places of ours are ours now; the others stay for as long as they may be needed.
    assert_eq!(left(&node), 2, "{:#?}", node.flows("br-int"));
    assert!(node.get("Bridge", "br-int", "external_ids").contains(BEFORE));
    // The agent is started again and finds its note, although the flows that gave it away are replaced.
    drop(engine);
    let mut engine = Engine::start(&config, &wanted(true));
    engine.until("nothing is left", |_| left(&node) == 0).await;
    engine
        .until("the note is gone", |_| !node.get("Bridge", "br-int", "external_ids").contains(BEFORE))
        .await;
    let flows = node.ofctl("dump-flows", "br-int", &[]);
    assert!(flows.contains("cookie=0x77") && flows.contains("table=5, priority=1"), "{flows}");
    // Nothing more is done.
    engine.steps.clear();
    engine.pass(&Scope::All).await;
    assert_eq!(engine.steps, Vec::<String>::new());
}
