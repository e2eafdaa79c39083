//! Losing the server: killed, frozen, late. And probes in both directions.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ovs::ovsdb::{Client, Error, Event, Monitor, Operation, Settings};

use crate::proxy::{Meddling, before_tcp};
use crate::server::{Server, add_bridge, connect, disconnection, monitor, next, set, settings, soon, until};

#[tokio::test]
async fn what_changed_while_the_server_was_away_comes_as_row_changes() {
    let mut server = Server::start().await;
    let (client, mut events) = connect(&server).await;
    for bridge in ["br0", "br1", "br2"] {
        client.transact(add_bridge(bridge)).await.expect("a bridge");
    }
    assert!(matches!(next(&mut events).await, Event::Connected));
    assert!(matches!(next(&mut events).await, Event::Changed(changes) if changes.len() == 10));
    let before = client.replica();

    server.kill();
    let why = disconnection(&mut events).await;
    assert_eq!(why, "the database server closed the connection");
    assert_eq!(client.replica(), before, "the last known rows stay readable");
    server.edit(
        r#"{"op": "update", "table": "Port", "where": [["name", "==", "br0"]], "row": {"tag": 5}},
           {"op": "delete", "table": "Open_vSwitch", "where": [["next_cfg", "==", 99]]},
           {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["bridges", "delete",
             ["uuid", "BR1"]]]}"#
            .replace("BR1", &before.find("Bridge", "name", "br1").expect("br1").0.to_string())
            .as_str(),
    );
    server.spawn().await;

    let changes = soon("the changes", async {
        loop {
            if let Event::Changed(changes) = next(&mut events).await {
                return changes;
            }
        }
    })
    .await;
    let told: Vec<(&str, &str, bool)> = changes
        .iter()
        .map(|change| {
            let row = change.new.as_ref().or(change.old.as_ref()).expect("one side");
            (&*change.table, row.string("name"), change.new.is_some())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("Bridge", "br1", false),
            ("Interface", "br1", false),
            ("Open_vSwitch", "", true),
            // In the order of their random identities.
            *told.iter().find(|told| told.0 == "Port").expect("a port"),
            *told.iter().rev().find(|told| told.0 == "Port").expect("a port"),
        ]
    );
    assert!(told.contains(&("Port", "br0", true)) && told.contains(&("Port", "br1", false)));
    // What did not change is the very same row as before.
    let (uuid, row) = before.find("Bridge", "name", "br2").expect("br2");
    let replica = client.replica();
    assert_eq!(replica.row("Bridge", uuid), Some(row));
    assert!(replica.find("Bridge", "name", "br1").is_none());
    client.transact(set("next_cfg", 7)).await.expect("it works again");
}

#[tokio::test]
async fn calls_in_flight_are_told_that_their_fate_is_unknown() {
    let mut server = Server::start().await;
    let (client, mut events) = connect(&server).await;
    server.signal("-STOP");
    let calls: Vec<_> = (0..1000)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move { client.transact(set("next_cfg", number)).await })
        })
        .collect();
    // The writer has sent some and the socket's buffer is full or all are sent; either way nothing is answered.
    tokio::task::yield_now().await;
    server.kill();
    for call in calls {
        let error = soon("an answer", call).await.expect("no panic").expect_err("no server");
        assert!(matches!(error, Error::Lost(_) | Error::NotConnected(_)), "{error:?}");
        assert!(error.is_transient());
    }
    server.spawn().await;
    soon("a new connection", client.ready()).await.expect("it lives");
    client.transact(set("next_cfg", 7)).await.expect("it works again");
    disconnection(&mut events).await;
}

#[tokio::test]
async fn a_frozen_server_is_given_up_and_found_again() {
    let server = Server::start().await;
    let settings = Settings { probe: Duration::from_millis(400), ..settings(server.remote()) };
    let (client, mut events) = Client::connect(settings).await.expect("a connection");
    // Silence alone is no reason: the server answers the probes.
    assert!(tokio::time::timeout(Duration::from_millis(1500), disconnection(&mut events)).await.is_err());
    server.signal("-STOP");
    assert_eq!(
        disconnection(&mut events).await,
        "the database server was silent for 800ms and did not answer a probe"
    );
    server.signal("-CONT");
    soon("a new connection", client.ready()).await.expect("it lives");
    client.transact(set("next_cfg", 7)).await.expect("it works again");
}

/// ovsdb-server asks an idle TCP client for an echo and closes the connection when none comes.
#[tokio::test]
async fn the_servers_probes_are_answered() {
    let server = Server::with(|_| vec!["--remote=db:Open_vSwitch,Open_vSwitch,manager_options".into()]).await;
    let (writer, _events) = connect(&server).await;
    let manager = [("target", "ptcp:16641:127.0.0.1".into()), ("inactivity_probe", Some(1000).into())];
    let reference = ovs::ovsdb::Set::from_iter([ovs::ovsdb::Atom::named("m")]);
    let operations =
        [Operation::insert_named("Manager", "m", manager), set("manager_options", reference).remove(0)];
    writer.transact(operations).await.expect("a manager");
    let meddling = Meddling::default();
    // Nothing this client follows ever changes and it asks nothing, so that only the server's probes pass.
    let quiet = Settings {
        monitor: Monitor::new("Open_vSwitch").table("Bridge", ["name"]),
        probe: Duration::from_secs(3600),
        ..settings(before_tcp(server.folder(), 16641, meddling.clone()))
    };
    let (client, mut events) = Client::start(quiet);
    soon("a connection", client.ready()).await.expect("it lives");
    while !matches!(next(&mut events).await, Event::Connected) {}
    // The server asks only when the last answer has come.
    until("four probes", || async { meddling.echoes.load(Ordering::Relaxed) >= 4 }).await;
    let quiet = tokio::time::timeout(Duration::ZERO, events.next()).await;
    assert!(quiet.is_err(), "the connection was never lost: {quiet:?}");
}

#[tokio::test]
async fn a_server_that_comes_late_is_found() {
    let mut server = Server::start().await;
    server.kill();
    let error = Client::connect(settings(server.remote())).await.expect_err("no server");
    let text = format!("{:#}", anyhow::Error::new(error));
    assert!(text.starts_with(&format!("connecting to {}: ", server.remote())), "{text}");
    let (client, mut events) = Client::start(settings(server.remote()));
    disconnection(&mut events).await;
    assert!(client.replica().is_empty() && !client.is_connected() && client.schema().is_none());
    server.spawn().await;
    soon("a connection", client.ready()).await.expect("it lives");
    assert_eq!(client.replica().len(), 1);
}

#[tokio::test]
async fn the_task_ends_with_the_last_handle() {
    let server = Server::start().await;
    let (client, mut events) = connect(&server).await;
    let other = client.clone();
    drop(client);
    other.transact(set("next_cfg", 7)).await.expect("a clone is as good");
    drop(other);
    while soon("the end", events.next()).await.is_some() {}
    // The server has noticed too: only the asking connection of this very probe is left.
    until("no connection is left", || async {
        let (client, _events) =
            Client::connect(Settings { monitor: monitor(), ..settings(server.remote()) }).await.expect("one");
        client.is_connected()
    })
    .await;
}
