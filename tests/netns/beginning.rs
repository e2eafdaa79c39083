//! The log of a first start, and of a switch that goes away.

use tests::{Baryon, Node, ONE_NODE, Settings, Underlay, wait};

fn warnings(baryon: &Baryon<'_>) -> Vec<String> {
    baryon.log().lines().filter(|line| line.contains(" WARN ")).map(str::to_owned).collect()
}

/// The operator's bridge is closed and spoken to in other versions from now on, which costs a connection. That
/// and all else of a first start is as it should be, and a restart of the switch that lasts is not.
#[test]
fn a_first_start_warns_of_nothing_and_an_absence_of_the_switch_is_told() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    assert_eq!(warnings(&baryon), [""; 0]);
    node.kill_vswitchd();
    wait::until(20, "the absence is told", || {
        let told = warnings(&baryon);
        let lost = |line: &String| line.contains("lost the bridge") && line.contains("br-int");
        if told.iter().any(lost) { Ok(()) } else { Err(told.join("\n")) }
    });
    node.start_vswitchd();
    baryon.await_converged(30);
}
