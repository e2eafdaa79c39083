//! What others ask of us.

use std::time::Duration;

use messaging::{Endpoint, Failure, Settings, Version};
use serde_json::{Value, json};
use tests::wait;

use crate::peer::{Peer, asked, class, listen, next, settings, shared, start, unique, up};

#[tokio::test(flavor = "multi_thread")]
async fn a_received_call_is_answered_once() {
    let (bus, mut incoming) = start(settings(shared(), "served"), vec![listen("served.topic")]);
    up(&bus);
    let peer = Peer::new(shared()).await;
    let serve = async {
        let one = next(&mut incoming).await;
        assert!(one.answer.is_awaited());
        assert_eq!((one.method.as_str(), one.version), ("add", Version::new(1, 3)));
        assert_eq!(one.request_id.as_deref(), Some("req-1"));
        one.answer.send(Ok(json!(one.args["a"].as_i64().unwrap() + 1)));
        let one = next(&mut incoming).await;
        one.answer.send(Err(Failure::new("neutron_lib.exceptions", "PortNotFound", "gone")));
        drop(next(&mut incoming).await);
    };
    let ask = async {
        let answer = peer.call("served", "served.topic.node1", asked("add", "1.3", json!({ "a": 1 }))).await;
        assert_eq!((&answer["result"], &answer["failure"]), (&json!(2), &Value::Null));
        let answer = peer.call("served", "served.topic", asked("add", "1.0", json!({ "a": 1 }))).await;
        assert_eq!((class(&answer).as_str(), &answer["result"]), ("PortNotFound", &Value::Null));
        let answer = peer.call("served", "served.topic", asked("add", "1.0", json!({}))).await;
        assert_eq!(class(&answer), "RuntimeError", "a call that is not served fails at once");
    };
    tokio::join!(serve, ask);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_methods_and_namespaces_are_checked() {
    let (bus, mut incoming) = start(settings(shared(), "checked"), vec![listen("checked.topic")]);
    up(&bus);
    let peer = Peer::new(shared()).await;
    let spaced = |mut payload: Value| {
        payload["namespace"] = json!("elsewhere");
        payload
    };
    for (payload, expected) in [
        (asked("greet", "1.5", json!({})), "UnsupportedVersion"),
        (asked("greet", "2.0", json!({})), "UnsupportedVersion"),
        (asked("greet", "new", json!({})), "UnsupportedVersion"),
        (spaced(asked("greet", "1.0", json!({}))), "UnsupportedVersion"),
        (asked("unknown", "1.0", json!({})), "NoSuchMethod"),
        (asked("_private", "1.0", json!({})), "NoSuchMethod"),
        (asked("greet", "1.0", json!([1])), "TypeError"),
    ] {
        let answer = peer.call("checked", "checked.topic", payload.clone()).await;
        assert_eq!(class(&answer), expected, "{payload}");
    }
    // Without a version it is 1.0.
    let mut plain = asked("greet", "1.0", json!({}));
    plain.as_object_mut().unwrap().remove("version");
    peer.send("checked", "checked.topic", &plain).await;
    assert_eq!(next(&mut incoming).await.version, Version::new(1, 0));
    assert!(incoming.try_recv().is_err(), "nothing else was handed over");
    let dropped: u64 = bus.counters().dropped.values().sum();
    assert_eq!(dropped, 7);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_message_twice_is_served_once() {
    let (bus, mut incoming) = start(settings(shared(), "twice"), vec![listen("twice.topic")]);
    up(&bus);
    let peer = Peer::new(shared()).await;
    let first = asked("greet", "1.0", json!({ "n": 1 }));
    for _ in 0..3 {
        peer.send("twice", "twice.topic.node1", &first).await;
    }
    peer.send("twice", "twice.topic.node1", &asked("greet", "1.0", json!({ "n": 2 }))).await;
    assert_eq!(next(&mut incoming).await.args["n"], 1);
    assert_eq!(next(&mut incoming).await.args["n"], 2);
    let dropped = bus.counters().dropped;
    assert_eq!(
        dropped.iter().map(|(one, times)| (one.reason, *times)).collect::<Vec<_>>(),
        [("duplicate", 2)]
    );
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_receiver_leaves_messages_with_the_broker() {
    let few = Settings { prefetch: 5, ..settings(shared(), "few") };
    let (bus, mut incoming) = start(few, vec![listen("few.topic")]);
    up(&bus);
    let peer = Peer::new(shared()).await;
    for number in 0..50 {
        peer.send("few", "few.topic.node1", &asked("greet", "1.0", json!({ "n": number }))).await;
    }
    let state = || {
        let rows = shared().table(&["list_queues", "name", "messages_ready", "messages_unacknowledged"]);
        rows.into_iter().find(|row| row[0] == "few.topic.node1").unwrap()[1..].join(" ")
    };
    // Five are handed over, five sent ahead.
    wait::seldom(30, "messages to stay with the broker", || match state().as_str() {
        "40 5" => Ok(()),
        other => Err(other.to_owned()),
    });
    for number in 0..50 {
        assert_eq!(next(&mut incoming).await.args["n"], number);
    }
    wait::seldom(30, "everything acknowledged", || match state().as_str() {
        "0 0" => Ok(()),
        other => Err(other.to_owned()),
    });
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_can_be_added_while_running() {
    let (bus, mut incoming) = start(settings(shared(), "more"), vec![]);
    up(&bus);
    bus.listen_more(listen("more.topic"));
    let peer = Peer::new(shared()).await;
    wait::seldom(30, "the queue", || {
        let queues = shared().table(&["list_queues", "name", "consumers"]);
        let there = queues.iter().any(|row| row[0].starts_with("more.topic_fanout_") && row[1] == "1");
        if there { Ok(()) } else { Err(format!("{queues:?}")) }
    });
    peer.send("more.topic_fanout", "", &asked("greet", "1.0", json!({}))).await;
    assert!(next(&mut incoming).await.fanout);
    // The same topic with another endpoint: no second consumer.
    let mut again = listen("more.topic");
    again.endpoints = vec![Endpoint {
        namespace: Some("trunk".into()),
        version: Version::new(1, 0),
        methods: Some(&["trunks"]),
    }];
    bus.listen_more(again);
    wait::until(30, "the further endpoint", || {
        let mut payload = asked("trunks", "1.0", json!({}));
        payload["namespace"] = json!("trunk");
        futures::executor::block_on(peer.send("more", "more.topic", &payload));
        incoming.try_recv().map(|one| assert_eq!(one.namespace.as_deref(), Some("trunk")))
    });
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_waits_for_a_queue_that_comes_back() {
    let (bus, mut incoming) = start(settings(shared(), "late"), vec![listen("late.topic")]);
    up(&bus);
    let peer = Peer::new(shared()).await;
    let mut payload = asked("greet", "1.0", json!({}));
    let queue = format!("reply_{}", unique());
    payload["_reply_q"] = queue.clone().into();
    payload["_msg_id"] = "later".into();
    peer.send("late", "late.topic", &payload).await;
    next(&mut incoming).await.answer.send(Ok(json!("hello")));
    wait::until(10, "the answer to be returned", || match bus.counters().returned {
        0 => Err("it was not"),
        _ => Ok(()),
    });
    let options = lapin::options::QueueDeclareOptions::default();
    peer.channel.queue_declare(queue.as_str().into(), options, Default::default()).await.unwrap();
    assert_eq!(peer.take(&queue).await.payload["result"], "hello");
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_with_two_channels_carries_everything() {
    let topics: Vec<_> = (0..15).map(|number| listen(&format!("one.topic{number}"))).collect();
    let (bus, mut incoming) = start(settings(shared(), "one-connection"), topics);
    up(&bus);
    let peer = Peer::new(shared()).await;
    peer.send("one-connection", "one.topic7.node1", &asked("greet", "1.0", json!({}))).await;
    next(&mut incoming).await;
    bus.cast(crate::peer::request("one.other", "x", json!({}))).await.unwrap();
    let mine = |rows: Vec<Vec<String>>| -> Vec<Vec<String>> {
        rows.into_iter().filter(|row| row[0].contains("one-connection")).collect()
    };
    let connections = mine(shared().table(&["list_connections", "client_properties", "channels"]));
    assert_eq!(connections.len(), 1, "{connections:?}");
    assert_eq!(connections[0][1], "2");
    let queues = shared().table(&["list_queues", "name", "consumers"]);
    let consumed = queues.iter().filter(|row| row[0].starts_with("one.topic") && row[1] == "1").count();
    assert_eq!(consumed, 45);
    tokio::time::timeout(Duration::from_secs(20), bus.close()).await.unwrap();
}
