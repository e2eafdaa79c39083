//! Following the database: other clients' changes, all three kinds of monitor, conditions, unknown columns.

use ovs::ovsdb::{Client, Condition, Event, Map, Monitor, Mutation, Operation, Set, Settings};

use crate::proxy::{Meddling, between};
use crate::server::{Server, add_bridge, connect, next, set, settings, soon};

/// Changes every kind of column and compares two replicas at every step: one with the best monitor and one that a
/// meddled connection gave.
async fn both_agree(meddling: Meddling) {
    let server = Server::start().await;
    let (writer, _events) = connect(&server).await;
    writer.transact(add_bridge("br0")).await.expect("a bridge");
    let remote = between(server.folder(), meddling);
    let (follower, _events) = Client::connect(settings(remote)).await.expect("a connection");
    assert_eq!(follower.replica(), writer.replica());
    let bridge = |mutation| Operation::mutate("Bridge", Condition::equal("name", "br0"), mutation);
    let port = |columns: [_; 1]| Operation::update("Port", Condition::equal("name", "br0"), columns);
    let map = |pairs: &[(&'static str, &'static str)]| pairs.iter().copied().collect::<Map>();
    let steps = [
        vec![port([("tag", Some(5).into())])],
        vec![port([("tag", Some(6).into())])],
        vec![port([("tag", None::<i64>.into())])],
        vec![bridge(Mutation::insert("flood_vlans", Set::from_iter([1, 2, 3])))],
        vec![
            bridge(Mutation::delete("flood_vlans", Set::from_iter([2]))),
            bridge(Mutation::insert("flood_vlans", Set::from_iter([4]))),
        ],
        vec![bridge(Mutation::insert("external_ids", map(&[("a", "1"), ("b", "2"), ("c", "3")])))],
        vec![
            bridge(Mutation::delete_keys("external_ids", ["a", "b"])),
            bridge(Mutation::insert("external_ids", map(&[("b", "9"), ("d", "4")]))),
        ],
        add_bridge("br1"),
        set("bridges", Set::default()),
    ];
    for (number, step) in steps.into_iter().enumerate() {
        writer.transact(step).await.expect("a step");
        let wanted = writer.replica();
        let reached = soon("both replicas are equal", follower.wait_for(|have| *have == wanted)).await;
        assert!(reached.is_ok(), "step {number}");
    }
    assert_eq!(follower.replica().len(), 1);
}

#[tokio::test]
async fn with_monitor_cond_since() {
    both_agree(Meddling::default()).await;
}

#[tokio::test]
async fn with_monitor_cond_where_the_server_knows_no_better() {
    both_agree(Meddling {
        replace: Some((r#""method":"monitor_cond_since""#, r#""method":"monitor_cond_xxxxx""#)),
        ..Meddling::default()
    })
    .await;
}

#[tokio::test]
async fn with_plain_monitor_where_the_server_knows_no_better() {
    both_agree(Meddling {
        replace: Some((r#""method":"monitor_cond"#, r#""method":"monitor_xxxx"#)),
        ..Meddling::default()
    })
    .await;
}

#[tokio::test]
async fn in_tiny_pieces() {
    both_agree(Meddling { piece: Some(3), ..Meddling::default() }).await;
}

#[tokio::test]
async fn conditions_choose_rows() {
    let server = Server::start().await;
    let (writer, _events) = connect(&server).await;
    writer.transact(add_bridge("br0")).await.expect("a bridge");
    let monitor = Monitor::new("Open_vSwitch")
        .table("Port", ["name", "tag"])
        .condition("Port", Condition::equal("name", "br1"))
        .condition("Port", Condition::equal("tag", Some(5)));
    let of = |remote| Settings { monitor: monitor.clone(), ..settings(remote) };
    let (chosen, mut events) = Client::connect(of(server.remote())).await.expect("a connection");
    assert!(chosen.replica().is_empty());
    let names = |row: &ovs::ovsdb::Replica| -> Vec<String> {
        row.rows("Port").map(|(_, row)| row.string("name").to_owned()).collect()
    };
    writer.transact(add_bridge("br1")).await.expect("a bridge");
    soon("br1 comes", chosen.wait_for(|replica| names(replica) == ["br1"])).await.expect("it lives");
    let tag =
        |tag: Option<i64>| Operation::update("Port", Condition::equal("name", "br0"), [("tag", tag.into())]);
    writer.transact([tag(Some(5))]).await.expect("a tag");
    soon("br0 comes", chosen.wait_for(|replica| replica.len() == 2)).await.expect("it lives");
    writer.transact([tag(None)]).await.expect("no tag");
    soon("br0 goes", chosen.wait_for(|replica| names(replica) == ["br1"])).await.expect("it lives");
    assert!(matches!(next(&mut events).await, Event::Connected));

    let old = between(
        server.folder(),
        Meddling {
            replace: Some((r#""method":"monitor_cond"#, r#""method":"monitor_xxxx"#)),
            ..Meddling::default()
        },
    );
    let error = Client::connect(of(old)).await.expect_err("no conditions there");
    assert_eq!(error.to_string(), "the database server knows no monitor_cond, which conditions need");
}

#[tokio::test]
async fn columns_the_server_lacks_are_named_or_left_out() {
    let server = Server::start().await;
    let with = |monitor| Settings { monitor, ..settings(server.remote()) };
    let base = Monitor::new("Open_vSwitch").table("Interface", ["name"]);
    let error = Client::connect(with(base.clone().table("Interface", ["no_such"]))).await.expect_err("none");
    let error = format!("{:#}", anyhow::Error::new(error));
    assert!(error.starts_with("the database does not have what is needed: "), "{error}");
    assert!(error.ends_with(" has no column Interface.no_such"), "{error}");
    let error = Client::connect(with(Monitor::new("Nonsense"))).await.expect_err("none");
    assert!(error.to_string().starts_with("the database server refused get_schema: "), "{error}");

    let optional = base.optional("Interface", ["no_such", "type"]);
    let (client, _events) = Client::connect(with(optional)).await.expect("a connection");
    client.transact(add_bridge("br0")).await.expect("a bridge");
    let replica = client.replica();
    let (_, row) = replica.find("Interface", "name", "br0").expect("the interface");
    assert_eq!(row.columns().map(|(name, _)| name).collect::<Vec<_>>(), ["name", "type"]);
    assert_eq!(row.string("type"), "internal");
}

#[tokio::test]
async fn events_tell_what_changed() {
    let server = Server::start().await;
    let (client, mut events) = connect(&server).await;
    assert!(matches!(next(&mut events).await, Event::Connected));
    let Event::Changed(initial) = next(&mut events).await else { panic!("the initial rows") };
    assert!(
        matches!(initial.as_slice(), [change] if &*change.table == "Open_vSwitch" && change.old.is_none())
    );
    client.transact(add_bridge("br0")).await.expect("a bridge");
    let Event::Changed(changes) = next(&mut events).await else { panic!("the bridge") };
    let tables: Vec<&str> = changes.iter().map(|change| &*change.table).collect();
    assert_eq!(tables, ["Bridge", "Interface", "Open_vSwitch", "Port"], "one transaction, one event");
    for change in &changes {
        assert_eq!(client.replica().row(&change.table, change.uuid), change.new.as_ref());
        assert_eq!(change.old.is_some(), &*change.table == "Open_vSwitch");
    }
    drop(client);
    assert!(soon("the end", events.next()).await.is_none());
}
