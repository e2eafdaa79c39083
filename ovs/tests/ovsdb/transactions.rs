//! Transactions: results, refusals, and that the replica has the effect when the call returns.

use std::time::Duration;

use ovs::ovsdb::{
    Columns, Condition, Error, Event, Function, Map, Monitor, Mutation, Mutator, Operation, Set, Until,
};
use tokio::time::{Instant, timeout};

use crate::server::{PATIENCE, Server, add_bridge, connect, next, set, settings, soon, until};

#[tokio::test]
async fn the_replica_has_the_effect_when_the_call_returns() {
    let server = Server::start().await;
    let (client, _events) = connect(&server).await;
    let results = client.transact(add_bridge("br0")).await.expect("a bridge");
    let bridge = results[2].uuid().expect("the bridge's identity");
    let replica = client.replica();
    let row = replica.row("Bridge", bridge).expect("the bridge is there at once");
    assert_eq!(row.string("name"), "br0");
    let port = row.uuids("ports").next().expect("its port");
    assert_eq!(Some(port), results[1].uuid());
    assert_eq!(replica.row("Port", port).map(|port| port.string("name")), Some("br0"));
    for number in 0..100 {
        client.transact(set("next_cfg", number)).await.expect("an update");
        let replica = client.replica();
        let shown: Vec<i64> = replica.rows("Open_vSwitch").map(|(_, row)| row.integer("next_cfg")).collect();
        assert_eq!(shown, [i64::from(number)]);
    }
}

#[tokio::test]
async fn every_kind_of_operation_works() {
    let server = Server::start().await;
    let (client, _events) = connect(&server).await;
    client.transact(add_bridge("br0")).await.expect("a bridge");
    let ids: Map = [("a", "1"), ("b", "2"), ("c", "3")].into_iter().collect();
    let changes = vec![
        Mutation::insert("external_ids", ids),
        Mutation::delete_keys("external_ids", ["a"]),
        Mutation::delete("external_ids", [("b", "2"), ("c", "9")].into_iter().collect::<Map>()),
        Mutation::insert("flood_vlans", Set::from_iter([5, 6, 7])),
        Mutation::delete("flood_vlans", Set::from_iter([6])),
    ];
    let named = Condition::equal("name", "br0");
    let results = client
        .transact([
            Operation::comment("a comment with \"quotes\" and ünïcode"),
            Operation::verify("Bridge", named.clone(), [("datapath_type", "".into())]),
            Operation::update("Open_vSwitch", vec![], Columns::new().with("next_cfg", 5)),
            Operation::mutate("Open_vSwitch", vec![], Mutation::new("next_cfg", Mutator::Multiply, 3)),
            Operation::mutate("Bridge", named.clone(), changes),
            Operation::select("Bridge", named.clone(), &["name", "external_ids", "flood_vlans"]),
            Operation::select(
                "Port",
                vec![
                    Condition::includes("external_ids", Map::default()),
                    Condition::equal("tag", None::<i64>),
                ],
                &[],
            ),
            Operation::delete("Interface", Condition::new("ofport", Function::Equal, 77)),
            Operation::Commit { durable: true },
        ])
        .await
        .expect("all of them");
    let counts: Vec<_> = results.iter().map(ovs::ovsdb::OpResult::count).collect();
    assert_eq!(counts, [None, None, Some(1), Some(1), Some(1), None, None, Some(0), None]);
    let [bridge] = results[5].rows() else { panic!("one bridge: {results:?}") };
    assert_eq!(bridge.map("external_ids").strings().collect::<Vec<_>>(), [("c", "3")]);
    assert_eq!(bridge.integers("flood_vlans").collect::<Vec<_>>(), [5, 7]);
    let [port] = results[6].rows() else { panic!("one port: {results:?}") };
    assert!(port.optional_uuid("_uuid").is_some() && port.get("bond_mode").is_some());
    let replica = client.replica();
    let (_, bridge) = replica.find("Bridge", "name", "br0").expect("the bridge");
    assert_eq!(bridge.map("external_ids").strings().collect::<Vec<_>>(), [("c", "3")]);
    assert_eq!(bridge.integers("flood_vlans").collect::<Vec<_>>(), [5, 7]);
    assert_eq!(replica.rows("Open_vSwitch").map(|(_, row)| row.integer("next_cfg")).sum::<i64>(), 15);
}

#[tokio::test]
async fn a_refusal_names_the_operation_and_nothing_has_happened() {
    let server = Server::start().await;
    let (client, _events) = connect(&server).await;
    let good = Operation::update("Open_vSwitch", vec![], Columns::new().with("next_cfg", 5));
    let refused = |second: Operation| {
        let (client, good) = (client.clone(), good.clone());
        async move {
            let before = client.replica();
            let error = client.transact([good, second]).await.expect_err("refused");
            assert_eq!(client.replica(), before);
            error.to_string()
        }
    };
    let text = refused(Operation::delete("Nonsense", vec![])).await;
    assert!(text.starts_with("operation 1 (delete on Nonsense table): syntax error: "), "{text}");
    let text = refused(Operation::update("Bridge", vec![], Columns::new().with("no_such", 5))).await;
    assert!(text.starts_with("operation 1 (update on Bridge table): unknown column: "), "{text}");
    let tag = Columns::new().with("name", "p").with("tag", Some(5000));
    let text = refused(Operation::insert("Port", tag)).await;
    assert!(text.starts_with("operation 1 (insert on Port table): constraint violation: "), "{text}");
    let text = refused(Operation::Abort).await;
    assert!(text.starts_with("operation 1 (abort on no table): aborted"), "{text}");
    let text = refused(Operation::Assert { lock: "nobodys".into() }).await;
    assert!(text.starts_with("operation 1 (assert on no table): not owner"), "{text}");
    let wrong = Columns::new().with("next_cfg", 99);
    let text = refused(Operation::verify("Open_vSwitch", vec![], wrong)).await;
    assert!(text.starts_with("operation 1 (wait on Open_vSwitch table): timed out"), "{text}");

    // Refused only when the whole is committed: a reference to a row that is not there.
    let dangling = Set::from_iter([uuid::Uuid::from_u128(5)]);
    let error = client.transact([good, set("bridges", dangling).remove(0)]).await.expect_err("refused");
    assert!(matches!(error, Error::Commit { .. }), "{error:?}");
    assert!(error.to_string().starts_with("committing: referential integrity violation: "), "{error}");
}

#[tokio::test]
async fn a_pending_wait_holds_up_nobody_and_is_cancelled_with_its_future() {
    let server = Server::start().await;
    let (client, _events) = connect(&server).await;
    let wait_then_mark = |type_: &str, mark: i32| {
        vec![
            Operation::Wait {
                table: "Open_vSwitch".into(),
                conditions: vec![],
                columns: vec!["system_type".into()],
                until: Until::Equal,
                rows: vec![Columns::new().with("system_type", Some(type_))],
                timeout: None,
            },
            set("next_cfg", mark).remove(0),
        ]
    };
    let met = tokio::spawn({
        let (client, operations) = (client.clone(), wait_then_mark("one", 11));
        async move { client.transact(operations).await }
    });
    // Long enough that the call has certainly been sent: the same connection answers others in order.
    let dropped = timeout(Duration::from_millis(100), client.transact(wait_then_mark("two", 22))).await;
    assert!(dropped.is_err());
    let begun = Instant::now();
    client.transact(set("next_cfg", 1)).await.expect("another call");
    assert!(begun.elapsed() < PATIENCE / 10);
    client.transact(set("system_type", Some("one"))).await.expect("the condition");
    soon("the wait is met", met).await.expect("no panic").expect("met");
    client.transact(set("system_type", Some("two"))).await.expect("the dropped one's condition");
    client.transact(set("external_ids", Map::default())).await.expect("one more round");
    let marks: Vec<i64> =
        client.replica().rows("Open_vSwitch").map(|(_, row)| row.integer("next_cfg")).collect();
    assert_eq!(marks, [11], "the dropped wait was cancelled");
}

#[tokio::test]
async fn dropped_futures_leave_the_connection_sane() {
    let server = Server::start().await;
    let (client, mut events) = connect(&server).await;
    for round in 0..300_u64 {
        let call = client.transact(set("next_cfg", 1));
        // Polled once, or for up to a few hundred microseconds: dropped at every stage there is.
        drop(timeout(Duration::from_micros(round * 2), call).await);
    }
    let call = client.transact(set("next_cfg", 2));
    drop(call);
    client.transact(set("next_cfg", 42)).await.expect("still sane");
    let shown: Vec<i64> =
        client.replica().rows("Open_vSwitch").map(|(_, row)| row.integer("next_cfg")).collect();
    assert_eq!(shown, [42]);
    assert!(matches!(next(&mut events).await, Event::Connected));
    assert!(matches!(next(&mut events).await, Event::Changed(_)));
}

#[tokio::test]
async fn a_row_that_nothing_refers_to_is_silently_dropped_by_the_server() {
    let server = Server::start().await;
    let (client, _events) = connect(&server).await;
    let insert = Operation::insert("Interface", Columns::new().with("name", "lonely"));
    let results = client.transact([insert]).await.expect("no error");
    let uuid = results[0].uuid().expect("an identity");
    assert_eq!(client.replica().row("Interface", uuid), None);
}

#[tokio::test]
async fn nobody_waits_for_a_server_that_is_not_there() {
    let mut server = Server::start().await;
    let (client, _events) = connect(&server).await;
    server.kill();
    until("the loss is noticed", || async { !client.is_connected() }).await;
    let error = client.transact(set("next_cfg", 1)).await.expect_err("no server");
    assert!(matches!(error, Error::NotConnected(Some(_))) && error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn methods_without_a_function_can_be_called() {
    let server = Server::start().await;
    let monitor = Monitor::new("Open_vSwitch");
    let settings = ovs::ovsdb::Settings { monitor, ..settings(server.remote()) };
    let (client, _events) = ovs::ovsdb::Client::connect(settings).await.expect("a connection");
    let databases = client.call("list_dbs", &serde_json::json!([])).await.expect("a list");
    assert!(databases.to_string().contains("\"Open_vSwitch\""), "{databases}");
    let error = client.call("no_such_method", &serde_json::json!([])).await.expect_err("refused");
    assert!(error.to_string().contains("unknown method"), "{error}");
    assert!(client.schema().is_some_and(|schema| schema.tables.contains_key("Flow_Table")));
}
