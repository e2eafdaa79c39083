//! Connections, queues and brokers that go away.

use std::time::{Duration, Instant};

use messaging::{CallError, LinkState, Settings, Timeout};
use serde_json::json;
use tests::{Rabbit, wait};

use crate::peer::{Peer, asked, listen, next, request, settings, start, until_link, up};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_broker_comes_back() {
    let mut rabbit = Rabbit::start();
    let (bus, mut incoming) = start(settings(&rabbit, "killed"), vec![listen("killed.t")]);
    let first = up(&bus);
    assert_eq!((first.epoch, first.lost_at), (1, None));
    // A call whose request lies in a queue that dies with the broker.
    let peer = Peer::new(&rabbit).await;
    peer.serve("killed", "killed.server").await;
    let waiting = tokio::spawn({
        let bus = bus.clone();
        let patient = messaging::Request {
            timeout: Timeout::Exactly(Duration::from_secs(300)),
            ..request("killed.server", "sync", json!({}))
        };
        async move { bus.call(patient).await }
    });
    wait::until(
        10,
        "the call to be sent",
        || if bus.counters().sent == 1 { Ok(()) } else { Err("not sent") },
    );
    rabbit.kill();
    let down = until_link(&bus, "loss", |link| matches!(link.state, LinkState::Connecting { .. }));
    assert!(down.lost_at.is_some() && down.up_since.is_none());
    // Without a connection a call waits, and then says why.
    let hurried = messaging::Request {
        timeout: Timeout::Exactly(Duration::from_secs(2)),
        ..request("killed.server", "sync", json!({}))
    };
    let error = bus.call(hurried).await.unwrap_err();
    assert!(
        matches!(&error, CallError::NoLink { why: Some(why), .. } if why.contains("transport_url")),
        "{error}"
    );
    // One that waits long enough is sent when the broker is back.
    let later = tokio::spawn({
        let bus = bus.clone();
        let patient = messaging::Request {
            timeout: Timeout::Exactly(Duration::from_secs(300)),
            ..request("killed.t", "greet", json!({ "n": 1 }))
        };
        async move { bus.cast(patient).await }
    });
    rabbit.restart();
    let second = up(&bus);
    assert_eq!(second.epoch, 2);
    assert!(second.up_since > second.lost_at);
    assert!(matches!(waiting.await.unwrap(), Err(CallError::Lost { .. })), "its answer cannot come any more");
    later.await.unwrap().unwrap();
    assert_eq!(next(&mut incoming).await.args["n"], 1);
    let peer = Peer::new(&rabbit).await;
    peer.send("killed.t_fanout", "", &asked("greet", "1.0", json!({ "n": 2 }))).await;
    assert_eq!(next(&mut incoming).await.args["n"], 2);
    assert_eq!(bus.counters().reconnects, 1);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_connection_loses_no_answer() {
    let rabbit = Rabbit::start();
    let (bus, mut incoming) = start(settings(&rabbit, "closed"), vec![listen("closed.t")]);
    up(&bus);
    let peer = Peer::new(&rabbit).await;
    peer.serve("closed", "closed.server").await;
    for round in 0..3 {
        let call = tokio::spawn({
            let bus = bus.clone();
            async move { bus.call(request("closed.server", "sync", json!({}))).await }
        });
        let peer = Peer::new(&rabbit).await;
        let got = peer.take("closed.server").await;
        rabbit.ctl(&["close_all_user_connections", "guest", "maintenance"]);
        until_link(&bus, "a new connection", |link| link.is_up() && link.epoch == round + 2);
        let peer = Peer::new(&rabbit).await;
        peer.reply(&got, json!(round)).await;
        assert_eq!(call.await.unwrap().unwrap(), json!(round));
        peer.send("closed", "closed.t.node1", &asked("greet", "1.0", json!({ "n": round }))).await;
        assert_eq!(next(&mut incoming).await.args["n"], round);
    }
    // What was there is declared again, not once more.
    let queues = rabbit.table(&["list_queues", "name", "consumers"]);
    let ours: Vec<_> =
        queues.iter().filter(|row| row[0].starts_with("closed.t") || row[0].starts_with("reply_")).collect();
    assert_eq!(ours.len(), 4, "{queues:?}");
    assert!(ours.iter().all(|row| row[1] == "1"), "{queues:?}");
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_queue_is_declared_again() {
    let rabbit = Rabbit::start();
    let (bus, mut incoming) = start(settings(&rabbit, "deleted"), vec![listen("deleted.t")]);
    up(&bus);
    let queues = rabbit.table(&["list_queues", "name"]);
    let reply = queues.iter().find(|row| row[0].starts_with("reply_")).unwrap()[0].clone();
    let fanout = queues.iter().find(|row| row[0].starts_with("deleted.t_fanout_")).unwrap()[0].clone();
    let peer = Peer::new(&rabbit).await;
    peer.serve("deleted", "deleted.server").await;
    let lost = tokio::spawn({
        let bus = bus.clone();
        let patient = messaging::Request {
            timeout: Timeout::Exactly(Duration::from_secs(300)),
            ..request("deleted.server", "x", json!({}))
        };
        async move { bus.call(patient).await }
    });
    peer.take("deleted.server").await;
    for (gaps, queue) in ["deleted.t.node1", &fanout, &reply].into_iter().enumerate() {
        rabbit.ctl(&["delete_queue", queue]);
        let link = until_link(&bus, "a gap", |link| link.epoch == gaps as u64 + 2);
        assert!(link.is_up() && link.lost_at.is_some());
    }
    assert_eq!(bus.counters().reconnects, 0, "the connection stood");
    assert!(
        matches!(lost.await.unwrap(), Err(CallError::Lost { .. })),
        "its answer was to come by a deleted queue"
    );
    peer.send("deleted", "deleted.t.node1", &asked("greet", "1.0", json!({ "n": 1 }))).await;
    assert_eq!(next(&mut incoming).await.args["n"], 1);
    peer.send("deleted.t_fanout", "", &asked("greet", "1.0", json!({ "n": 2 }))).await;
    assert_eq!(next(&mut incoming).await.args["n"], 2);
    let answer = async { peer.reply(&peer.take("deleted.server").await, json!("yes")).await };
    let (outcome, ()) = tokio::join!(bus.call(request("deleted.server", "x", json!({}))), answer);
    assert_eq!(outcome.unwrap(), "yes");
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_exchange_costs_the_sending_channel_only() {
    let rabbit = Rabbit::start();
    let (bus, mut incoming) = start(settings(&rabbit, "missing"), vec![listen("missing.t")]);
    up(&bus);
    rabbit.ctl(&[
        "eval",
        "rabbit_exchange:delete(rabbit_misc:r(<<\"/\">>, exchange, <<\"missing\">>), false, <<\"test\">>).",
    ]);
    bus.cast(request("missing.t", "greet", json!({}))).await.unwrap();
    let declared = rabbit.table(&["list_exchanges", "name"]);
    assert!(declared.iter().any(|row| row[0] == "missing"), "{declared:?}");
    assert_eq!(bus.link().borrow().epoch, 1, "receiving was not disturbed");
    let peer = Peer::new(&rabbit).await;
    peer.send("missing.t_fanout", "", &asked("greet", "1.0", json!({}))).await;
    assert!(next(&mut incoming).await.fanout);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_host_is_tried() {
    let rabbit = Rabbit::start();
    let mut two = settings(&rabbit, "hosts");
    let dead = messaging::Broker { port: 1, ..two.brokers[0].clone() };
    two.brokers.insert(0, dead);
    let (bus, _incoming) = start(two, vec![]);
    up(&bus);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_blocks_sending_and_nothing_else() {
    let rabbit = Rabbit::start();
    let (bus, mut incoming) = start(settings(&rabbit, "alarm"), vec![listen("alarm.t")]);
    up(&bus);
    rabbit.ctl(&["set_vm_memory_high_watermark", "0.00000001"]);
    // The broker blocks whoever sends.
    let sending = tokio::spawn({
        let bus = bus.clone();
        async move {
            for number in 0..3 {
                bus.cast(request("alarm.t", "greet", json!({ "n": number }))).await?;
            }
            Ok::<_, CallError>(())
        }
    });
    until_link(
        &bus,
        "the alarm",
        |link| matches!(&link.state, LinkState::Blocked { why } if why.contains("memory")),
    );
    let hurried = messaging::Request {
        timeout: Timeout::Exactly(Duration::from_millis(500)),
        ..request("alarm.t", "greet", json!({}))
    };
    let started = Instant::now();
    let error = bus.call(hurried).await.unwrap_err();
    assert!(matches!(&error, CallError::NoLink { why: Some(why), .. } if why.contains("memory")), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
    rabbit.ctl(&["set_vm_memory_high_watermark", "0.4"]);
    sending.await.unwrap().unwrap();
    for number in 0..3 {
        assert_eq!(next(&mut incoming).await.args["n"], number);
    }
    assert_eq!(bus.link().borrow().epoch, 1);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_says_nothing_is_given_up() {
    // Stopped, not killed: the connection stands and nobody answers.
    let rabbit = Rabbit::start();
    let impatient = Settings { heartbeat: Duration::from_secs(2), ..settings(&rabbit, "silent") };
    let (bus, _incoming) = start(impatient, vec![]);
    up(&bus);
    rabbit.freeze(true);
    until_link(&bus, "loss", |link| matches!(link.state, LinkState::Connecting { .. }));
    rabbit.freeze(false);
    assert_eq!(up(&bus).epoch, 2);
    bus.close().await;
}
