//! Much at once: pipelined calls, large rows, a reader of events that never reads.

use std::time::Duration;

use ovs::ovsdb::{Client, Map, Mutation, Mutator, Operation, Settings};

use crate::server::{Server, add_bridge, connect, set, settings, soon};

/// With this many requests in flight ovsdb-server stops reading until its replies are taken. A client that writes from
/// the task that reads waits for ever here.
#[tokio::test]
async fn twenty_thousand_pipelined_transactions() {
    let server = Server::start().await;
    let (client, events) = connect(&server).await;
    let one_more = Operation::mutate("Open_vSwitch", vec![], Mutation::new("next_cfg", Mutator::Add, 1));
    let calls: Vec<_> = (0..20_000)
        .map(|_| {
            let (client, operation) = (client.clone(), one_more.clone());
            tokio::spawn(async move { client.transact([operation]).await })
        })
        .collect();
    for call in calls {
        soon("an answer", call).await.expect("no panic").expect("a good answer");
    }
    let sum: i64 = client.replica().rows("Open_vSwitch").map(|(_, row)| row.integer("next_cfg")).sum();
    assert_eq!(sum, 20_000);
    drop(events);
}

#[tokio::test]
async fn huge_strings_come_back_unharmed() {
    let server = Server::start().await;
    let (client, _events) = connect(&server).await;
    let huge = "\"}{\\ ünï\u{1F600}\n\t".repeat(625_000);
    assert_eq!(huge.len(), 10_000_000);
    let ids: Map = [("huge", huge.as_str())].into_iter().collect();
    soon("the transaction", client.transact(set("external_ids", ids))).await.expect("accepted");
    let replica = client.replica();
    let (_, row) = replica.rows("Open_vSwitch").next().expect("the row");
    assert!(row.key("external_ids", "huge") == Some(huge.as_str()), "the text differs");
    // A client that is not ready for messages of this size says so instead of taking the memory.
    let small = Settings { message_limit: 1 << 20, ..settings(server.remote()) };
    let error = Client::connect(small).await.expect_err("too long");
    assert_eq!(
        format!("{:#}", anyhow::Error::new(error)),
        "taking messages apart: a message is longer than 1048576 bytes"
    );
}

#[tokio::test]
async fn two_thousand_ports_in_one_transaction() {
    let server = Server::start().await;
    let (client, _events) = connect(&server).await;
    let mut operations = add_bridge("br0");
    let bridge = operations.len() - 2;
    let mut names = vec!["p".to_owned()];
    for number in 0..2000 {
        let [interface, port] = [format!("i{number}"), format!("p{number}")];
        let reference = ovs::ovsdb::Set::from_iter([ovs::ovsdb::Atom::named(interface.as_str())]);
        let name = format!("tap{number}");
        operations.push(Operation::insert_named("Interface", &interface, [("name", name.as_str().into())]));
        let columns = [("name", name.as_str().into()), ("interfaces", reference.into())];
        operations.push(Operation::insert_named("Port", &port, columns));
        names.push(port);
    }
    let ports: ovs::ovsdb::Set = names.iter().map(|name| ovs::ovsdb::Atom::named(name.as_str())).collect();
    if let Operation::Insert { row, .. } = &mut operations[bridge] {
        *row = std::mem::take(row).with("ports", ports);
    }
    let results = soon("the transaction", client.transact(operations)).await.expect("accepted");
    assert_eq!(results.iter().filter(|result| result.uuid().is_some()).count(), 4003);
    let replica = client.replica();
    assert_eq!(replica.rows("Port").count(), 2001);
    let (_, bridge) = replica.find("Bridge", "name", "br0").expect("the bridge");
    assert_eq!(bridge.uuids("ports").count(), 2001);
    // And all of it as the initial rows of another client.
    let (other, _events) = connect(&server).await;
    assert_eq!(other.replica(), replica);
}

/// One runtime thread and a reader of events that does not read: calls go on, and the backlog is one change per row.
#[tokio::test(flavor = "current_thread")]
async fn a_reader_of_events_that_never_reads_holds_up_nobody() {
    let server = Server::start().await;
    let (client, mut events) = connect(&server).await;
    for number in 0..2000 {
        client.transact(set("next_cfg", number)).await.expect("an update");
    }
    let mut waiting = 0;
    while tokio::time::timeout(Duration::from_millis(50), events.next()).await.is_ok() {
        waiting += 1;
    }
    assert_eq!(waiting, 2, "connected, and one change");
}
