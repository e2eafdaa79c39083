//! Calls and casts of ours.

use std::time::{Duration, Instant};

use messaging::{CallError, Settings, Timeout};
use serde_json::{Value, json};

use crate::peer::{self, Peer, listen, request, settings, shared, start, up};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_answered() {
    let peer = Peer::new(shared()).await;
    peer.serve("calls", "calls.topic").await;
    let (bus, _incoming) = start(settings(shared(), "calls"), vec![]);
    let asking = tokio::spawn({
        let bus = bus.clone();
        async move { bus.call(request("calls.topic", "tunnel_sync", json!({ "host": "né" }))).await }
    });
    let got = peer.take("calls.topic").await;
    assert_eq!((&got.payload["method"], &got.payload["version"]), (&json!("tunnel_sync"), &json!("1.0")));
    assert_eq!(got.payload["args"], json!({ "host": "né" }));
    assert_eq!(got.payload["_timeout"], Value::Null);
    assert_eq!(got.payload["_context_is_admin"], true);
    assert!(!got.payload.contains_key("namespace"));
    for id in ["_msg_id", "_unique_id"] {
        assert_eq!(got.payload[id].as_str().unwrap().len(), 32, "{id}");
    }
    let properties = &got.properties;
    assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "application/json");
    assert_eq!(properties.content_encoding().as_ref().unwrap().as_str(), "utf-8");
    assert_eq!((properties.delivery_mode(), properties.priority()), (&Some(2), &Some(0)));
    assert_eq!(properties.expiration().as_ref().unwrap().as_str(), "20000");
    assert!(properties.headers().as_ref().unwrap().inner().is_empty());
    assert!(properties.reply_to().is_none() && properties.correlation_id().is_none());
    peer.reply(&got, json!({ "tunnels": [1, 2] })).await;
    assert_eq!(asking.await.unwrap().unwrap(), json!({ "tunnels": [1, 2] }));
    let counters = bus.counters();
    assert_eq!(counters.calls["calls.topic.tunnel_sync"].made, 1);
    assert_eq!((counters.sent, counters.received), (1, 1));
    assert_eq!(counters.sent_bytes, got.body.len() as u64);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_once_find_their_answers() {
    let peer = Peer::new(shared()).await;
    peer.serve("many", "many.topic").await;
    let (bus, _incoming) = start(settings(shared(), "many"), vec![]);
    let asking: Vec<_> = (0..200)
        .map(|number| {
            let bus = bus.clone();
            tokio::spawn(async move { bus.call(request("many.topic", "echo", json!({ "n": number }))).await })
        })
        .collect();
    let mut held = Vec::new();
    for _ in 0..200 {
        held.push(peer.take("many.topic").await);
    }
    for got in held.iter().rev() {
        peer.reply(got, got.payload["args"]["n"].clone()).await;
    }
    for (number, asking) in asking.into_iter().enumerate() {
        assert_eq!(asking.await.unwrap().unwrap(), json!(number));
    }
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_keeps_class_and_message() {
    let peer = Peer::new(shared()).await;
    peer.serve("fails", "fails.topic").await;
    let (bus, _incoming) = start(settings(shared(), "fails"), vec![]);
    for (sent, class) in [("NetworkNotFound", "NetworkNotFound"), ("PortNotFound_Remote", "PortNotFound")] {
        let call = bus.call(request("fails.topic", "get", json!({})));
        let answer = async { peer.fail(&peer.take("fails.topic").await, sent).await };
        let (outcome, ()) = tokio::join!(call, answer);
        let error = outcome.unwrap_err();
        assert_eq!(error.class(), Some(class));
        assert!(!error.is_transient(), "{error}");
        let CallError::Remote(failure) = error else { panic!("{error}") };
        assert_eq!(
            (failure.module.as_str(), failure.message.as_str()),
            ("neutron_lib.exceptions", "It is not there.")
        );
    }
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_two_messages_and_a_late_one() {
    let peer = Peer::new(shared()).await;
    peer.serve("parts", "parts.topic").await;
    let (bus, _incoming) = start(settings(shared(), "parts"), vec![]);
    let call = bus.call(request("parts.topic", "get", json!({})));
    let answer = async {
        let got = peer.take("parts.topic").await;
        peer.reply_with(&got, json!({ "result": 7, "failure": null, "ending": false })).await;
        peer.reply_with(&got, json!({ "result": null, "failure": null, "ending": true })).await;
        peer.reply(&got, json!(8)).await;
    };
    let (outcome, ()) = tokio::join!(call, answer);
    assert_eq!(outcome.unwrap(), json!(7));
    tests::wait::until(10, "a late answer counted", || {
        let dropped = bus.counters().dropped;
        if dropped.keys().any(|one| one.reason == "late-answer") {
            Ok(())
        } else {
            Err(format!("{dropped:?}"))
        }
    });
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_times_out_gets_longer_but_not_with_an_exact_time() {
    let short = Settings {
        response_timeout: Duration::from_millis(400),
        response_max_timeout: Duration::from_millis(1000),
        ..settings(shared(), "slow")
    };
    let (bus, _incoming) = start(short, vec![]);
    up(&bus);
    let usual = messaging::Request { timeout: Timeout::Usual, ..request("slow.topic", "sync", json!({})) };
    let mut waited = Vec::new();
    for _ in 0..4 {
        let error = bus.call(usual.clone()).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        let CallError::Timeout { after, .. } = error else { panic!("{error}") };
        waited.push(after.as_millis());
    }
    assert_eq!(waited, [400, 800, 1000, 1000]);
    let exact = messaging::Request { timeout: Timeout::Exactly(Duration::from_millis(300)), ..usual };
    let started = Instant::now();
    assert!(matches!(bus.call(exact).await, Err(CallError::Timeout { .. })));
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(3), "{took:?}");
    assert_eq!(bus.counters().calls["slow.topic.sync"].timed_out, 5);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn casts_go_to_a_topic_a_server_or_everybody() {
    let exchange = "casts";
    let (heard, mut incoming) = start(settings(shared(), exchange), vec![listen("casts.topic")]);
    let (bus, _incoming) = start(settings(shared(), exchange), vec![]);
    up(&heard);
    let greeting = request("casts.topic", "greet", json!({ "who": "all" }));
    bus.cast(greeting.clone()).await.unwrap();
    let one = peer::next(&mut incoming).await;
    assert_eq!((one.topic.as_str(), one.method.as_str(), one.fanout), ("casts.topic", "greet", false));
    assert!(!one.answer.is_awaited() && one.request_id.unwrap().starts_with("req-"));
    bus.cast(messaging::Request { server: Some("node1".into()), ..greeting.clone() }).await.unwrap();
    assert!(!peer::next(&mut incoming).await.fanout);
    bus.fanout(greeting).await.unwrap();
    let one = peer::next(&mut incoming).await;
    assert!(one.fanout);
    assert_eq!(json!(one.args), json!({ "who": "all" }));
    bus.close().await;
    heard.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_megabytes_go_both_ways() {
    let peer = Peer::new(shared()).await;
    peer.serve("large", "large.topic").await;
    let (bus, _incoming) = start(settings(shared(), "large"), vec![]);
    let text = "long \"words\" \\ \u{1F600} ".repeat(250_000);
    assert!(text.len() > 4_000_000);
    let call = bus.call(request("large.topic", "echo", json!({ "text": text })));
    let answer = async {
        let got = peer.take("large.topic").await;
        let args = got.payload["args"].clone();
        peer.reply(&got, args).await;
    };
    let (outcome, ()) = tokio::join!(call, answer);
    assert_eq!(outcome.unwrap()["text"], text);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_ends_calls_and_removes_what_was_ours() {
    let (bus, mut incoming) = start(settings(shared(), "closing"), vec![listen("closing.topic")]);
    up(&bus);
    let asking = tokio::spawn({
        let bus = bus.clone();
        async move { bus.call(request("closing.other", "wait", json!({}))).await }
    });
    tests::wait::until(10, "the call to be sent", || match bus.counters().sent {
        0 => Err("nothing was sent"),
        _ => Ok(()),
    });
    bus.close().await;
    assert!(matches!(asking.await.unwrap(), Err(CallError::Closed)));
    assert!(incoming.recv().await.is_none());
    assert!(matches!(bus.cast(request("closing.other", "x", json!({}))).await, Err(CallError::Closed)));
    let left = shared().table(&["list_queues", "name"]);
    let left: Vec<&str> =
        left.iter().map(|row| row[0].as_str()).filter(|name| name.starts_with("closing")).collect();
    assert_eq!(left, ["closing.topic", "closing.topic.node1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_nobody_holds_is_closed() {
    let (bus, mut incoming) = start(settings(shared(), "dropped"), vec![listen("dropped.topic")]);
    up(&bus);
    drop(bus);
    assert!(incoming.recv().await.is_none());
    let left = shared().table(&["list_queues", "name"]);
    assert!(!left.iter().any(|row| row[0].starts_with("dropped.topic_fanout_")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_do_not_fit_are_refused() {
    let (bus, _incoming) = start(settings(shared(), "names"), vec![]);
    let long = request(&"x".repeat(256), "m", json!({}));
    assert!(matches!(bus.call(long.clone()).await, Err(CallError::TooLong(_))));
    assert!(matches!(bus.fanout(long).await, Err(CallError::TooLong(_))));
    bus.close().await;
}
