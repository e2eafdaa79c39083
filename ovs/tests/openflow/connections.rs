//! A connection is made, kept, and seen to end.

use std::error::Error;
use std::time::Duration;

use ovs::openflow::{Cause, Closed, ConnectError, Connection, Flow, FlowFilter, Match, Patience};
use tokio::time::timeout;

use crate::switch::{BRIDGE, PORTS, Switch};
use crate::{connect, dump, install};

const LONG: Duration = Duration::from_secs(20);

const MOMENT: Duration = Duration::from_millis(50);

async fn end_of(connection: &Connection) -> Closed {
    timeout(LONG, connection.closed()).await.expect("the connection ends")
}

#[tokio::test]
async fn the_bridge_describes_itself() {
    let switch = Switch::start();
    let connection = connect(&switch).await;
    connection.barrier().await.expect("barrier");
    let datapath = connection.datapath_id().await.expect("features");
    let ports = connection.ports().await.expect("ports");
    let own = ports.iter().find(|port| port.number == 0xffff_fffe).expect("the bridge's own port");
    assert_eq!(own.name, BRIDGE);
    assert_eq!(datapath.to_be_bytes()[2..], own.mac.0);
    for number in PORTS {
        let port = ports.iter().find(|port| port.number == number).expect("a port");
        assert_eq!(port.name, format!("p{number}"));
    }
}

#[tokio::test]
async fn a_bridge_without_our_version_says_so() {
    let switch = Switch::start();
    switch.vsctl(&["set", "bridge", BRIDGE, "protocols=OpenFlow10,OpenFlow13"].map(str::to_owned));
    let error = Connection::connect(switch.socket()).await.expect_err("no OpenFlow 1.4");
    let ConnectError::Version { said, .. } = &error else { panic!("{error:?}") };
    assert_eq!(said, "it speaks OpenFlow10, OpenFlow13");
    assert!(error.to_string().ends_with("add OpenFlow14 to its column protocols"), "{error}");
}

#[tokio::test]
async fn no_bridge_is_an_error_that_names_the_socket() {
    let switch = Switch::start();
    let path = switch.socket().with_file_name("br-none.mgmt");
    let error = Connection::connect(&path).await.expect_err("no such bridge");
    assert_eq!(error.to_string(), format!("cannot connect to the switch at {}", path.display()));
    assert!(error.source().is_some());
}

#[tokio::test]
async fn the_end_of_the_switch_is_seen_and_a_new_connection_finds_it_empty() {
    let mut switch = Switch::start();
    let connection = connect(&switch).await;
    install(&connection, &[Flow::new(23, 0, Match::new())]).await;
    assert_eq!(connection.close_reason(), None);

    switch.kill();
    assert_eq!(end_of(&connection).await, Closed::BySwitch);
    let error = connection.dump_flows(&FlowFilter::all()).await.expect_err("closed");
    assert!(matches!(error.source, Cause::Closed(Closed::BySwitch)), "{error:?}");
    assert!(error.to_string().starts_with("cannot dump flows over "), "{error}");

    switch.restart();
    assert_eq!(dump(&connect(&switch).await).await, []);
}

#[tokio::test]
async fn a_bridge_that_is_deleted_ends_its_connections() {
    let switch = Switch::start();
    let connection = connect(&switch).await;
    switch.vsctl(&["del-br", BRIDGE].map(str::to_owned));
    assert_eq!(end_of(&connection).await, Closed::BySwitch);
}

#[tokio::test]
async fn a_switch_that_hangs_is_given_up() {
    let switch = Switch::start();
    let patience = Patience { answer: LONG, probe: MOMENT, silence: MOMENT };
    let connection = Connection::connect_with(switch.socket(), patience).await.expect("connect");
    switch.freeze();
    let error = connection.barrier().await.expect_err("nobody answers");
    assert!(matches!(error.source, Cause::Closed(Closed::Silent)), "{error:?}");
    assert_eq!(end_of(&connection).await, Closed::Silent);
}

#[tokio::test]
async fn an_answer_is_not_waited_for_for_ever() {
    let switch = Switch::start();
    let patience = Patience { answer: Duration::from_secs(2), ..Patience::default() };
    let connection = Connection::connect_with(switch.socket(), patience).await.expect("connect");
    switch.freeze();
    let error = connection.barrier().await.expect_err("nobody answers");
    assert!(matches!(error.source, Cause::Timeout(_)), "{error:?}");
    assert_eq!(connection.close_reason(), None);
}

#[tokio::test]
async fn a_silent_switch_that_answers_probes_is_kept() {
    let switch = Switch::start();
    let patience = Patience { answer: LONG, probe: MOMENT, silence: 40 * MOMENT };
    let connection = Connection::connect_with(switch.socket(), patience).await.expect("connect");
    let ended = timeout(2 * patience.silence, connection.closed()).await;
    assert!(ended.is_err(), "{ended:?}");
    connection.barrier().await.expect("still there");
}

#[tokio::test]
async fn the_last_copy_closes_the_connection() {
    let switch = Switch::start();
    let connection = connect(&switch).await;
    let copy = connection.clone();
    let ended = connection.closed();
    drop(connection);
    copy.barrier().await.expect("the copy works");
    drop(copy);
    assert_eq!(timeout(LONG, ended).await.expect("closed"), Closed::ByUs);
}
