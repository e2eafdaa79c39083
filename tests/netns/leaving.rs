//! An agent that takes its routers along when it is told to end.

use tests::{Baryon, Node, ONE_NODE, Settings, Underlay};

#[test]
fn routers_go_with_the_agent_when_that_is_wanted() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let more = "[DEFAULT]\ncleanup_on_shutdown = true\n".to_owned();
    let mut baryon = Baryon::start(&node, &Settings { more, ..Settings::default() });
    baryon.apply(ONE_NODE);
    let seen = || (node.sh("ip netns list"), node.sh("ovs-vsctl list-ports br-int"));
    let (namespaces, ports) = seen();
    assert!(namespaces.contains("qrouter-") && ports.contains("qr-") && ports.contains("qg-"));

    baryon.stop();
    let (namespaces, ports) = seen();
    assert!(!namespaces.contains("qrouter-") && namespaces.contains("qdhcp-"), "{namespaces}");
    assert!(!ports.contains("qr-") && !ports.contains("qg-") && ports.contains("tap"), "{ports}");

    baryon.start_again();
    baryon.await_converged(30);
    assert!(seen().0.contains("qrouter-"));
    // What ends in another way leaves everything in place.
    baryon.kill();
    assert!(seen().0.contains("qrouter-"));
}
