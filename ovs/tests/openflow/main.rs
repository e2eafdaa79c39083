//! The OpenFlow client against the real Open vSwitch.

mod bundles;
mod catalogue;
mod connections;
mod flows;
mod switch;

use std::collections::BTreeMap;

use ovs::openflow::{Bundle, Connection, Flow, FlowFilter, FlowKey, FlowMod};
use switch::Switch;

fn bundle_of(flows: &[Flow]) -> Bundle {
    flows.iter().cloned().map(FlowMod::Add).collect()
}

fn by_key(flows: &[Flow]) -> BTreeMap<FlowKey, &Flow> {
    flows.iter().map(|flow| (flow.key(), flow)).collect()
}

async fn connect(switch: &Switch) -> Connection {
    Connection::connect(switch.socket()).await.expect("connect")
}

async fn install(connection: &Connection, flows: &[Flow]) {
    connection.commit(&bundle_of(flows)).await.expect("commit");
}

async fn clear(connection: &Connection) {
    let everything = FlowMod::RemoveAll(FlowFilter::all());
    connection.commit(&[everything].into_iter().collect()).await.expect("clear");
}

async fn dump(connection: &Connection) -> Vec<Flow> {
    let mut flows = connection.dump_flows(&FlowFilter::all()).await.expect("dump");
    flows.sort();
    flows
}

/// Fails with the flows that are on one side only.
fn assert_same(actual: &[String], expected: &[String]) {
    let only = |these: &[String], others: &[String]| -> Vec<String> {
        these.iter().filter(|line| !others.contains(line)).cloned().collect()
    };
    let (extra, missing) = (only(actual, expected), only(expected, actual));
    assert!(
        extra.is_empty() && missing.is_empty() && actual.len() == expected.len(),
        "unexpected:\n{}\nmissing:\n{}",
        extra.join("\n"),
        missing.join("\n")
    );
}

fn texts(flows: &[Flow]) -> Vec<String> {
    let mut texts: Vec<String> = flows.iter().map(ToString::to_string).collect();
    texts.sort();
    texts
}
