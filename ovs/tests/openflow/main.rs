//! The OpenFlow client against the real Open vSwitch.

mod catalogue;
mod switch;

use std::collections::BTreeMap;

use ovs::openflow::{
    Action, Bundle, BundleError, ConnectError, Connection, Flow, FlowFilter, FlowKey, FlowMod, Match,
};
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

#[tokio::test]
async fn what_is_dumped_equals_what_was_sent() {
    let switch = Switch::start();
    let connection = connect(&switch).await;
    let sent = catalogue::all();
    assert_eq!(by_key(&sent).len(), sent.len(), "the catalogue has two flows of one key");
    connection.commit(&bundle_of(&sent)).await.expect("commit");
    let dumped = connection.dump_flows(&FlowFilter::all()).await.expect("dump");
    let (sent, dumped) = (by_key(&sent), by_key(&dumped));
    for (key, flow) in &sent {
        assert_eq!(dumped.get(key), Some(flow), "{flow}");
    }
    assert_eq!(sent.len(), dumped.len());
}

#[tokio::test]
async fn our_text_is_that_of_ovs_ofctl() {
    let switch = Switch::start();
    let connection = connect(&switch).await;
    let flows = catalogue::all();
    let mut texts: Vec<String> = flows.iter().map(ToString::to_string).collect();
    texts.sort();

    connection.commit(&bundle_of(&flows)).await.expect("commit");
    let ours = switch.dump();
    pretty_equal(&ours, &texts);

    connection.commit(&[FlowMod::RemoveAll(FlowFilter::all())].into_iter().collect()).await.expect("clear");
    assert_eq!(switch.dump(), Vec::<String>::new());
    switch.add_texts(&texts);
    pretty_equal(&switch.dump(), &ours);
}

fn pretty_equal(actual: &[String], expected: &[String]) {
    let only = |these: &[String], others: &[String]| -> Vec<String> {
        these.iter().filter(|line| !others.contains(line)).cloned().collect()
    };
    let (extra, missing) = (only(actual, expected), only(expected, actual));
    assert!(
        extra.is_empty() && missing.is_empty(),
        "unexpected:\n{}\nmissing:\n{}",
        extra.join("\n"),
        missing.join("\n")
    );
}
