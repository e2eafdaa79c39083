//! Steps that the switch refuses: one object fails, the others are done.

use model::{ObjectRef, PortId};
use uuid::Uuid;

use super::engine::Engine;
use super::node::Node;
use super::will::{complete, config, network, network_id, service, vxlan};

/// Two ids that begin alike give one device name; the database takes one of the two rows.
#[tokio::test]
async fn one_refused_row_does_not_stop_the_others() {
    let node = Node::start();
    let mut desired = complete();
    desired.set_network(network(1, vxlan(100)));
    let id = |last: u128| PortId(Uuid::from_u128(0xc000_0000_0000_4000_8000_0000_0000_0000 + last));
    for (number, last) in [(1, 1), (2, 2)] {
        desired.set_port(model::Port { id: id(last), ..service(number, 1, vxlan(100), "network:dhcp") });
    }
    desired.set_port(service(3, 1, vxlan(100), "network:router_interface"));
    let config = ovs::Config { bridge_mappings: [].into(), ..config(&node) };
    let mut engine = Engine::start(&config, &desired);
    engine.until("the others are done", |engine| engine.troubles().len() == 1).await;
    let troubles = engine.troubles();
    let (first, second) = (engine.outcome(ObjectRef::Port(id(1))), engine.outcome(ObjectRef::Port(id(2))));
    assert!((first == "done") != (second == "done"), "{troubles:#?}");
    assert_eq!(engine.outcome(ObjectRef::Network(network_id(1))), "done");
}
