//! What is declared for each option, as the broker shows it.

use std::time::Duration;

use messaging::{QueueManager, QueueOptions, QuorumLimits, Settings};
use serde_json::json;
use tests::wait;

use crate::peer::{Peer, asked, listen, next, settings, shared, start, up};

/// Rows of queues and exchanges whose name begins with the case's, without random parts.
fn seen(case: &str) -> Vec<String> {
    let kept = |row: &Vec<String>| row[0].starts_with(case) || row[0].starts_with(&format!("reply_{case}"));
    let plain = |row: Vec<String>| {
        let mut words = row;
        if let Some((before, random)) = words[0].rsplit_once('_')
            && random.len() == 32
        {
            words[0] = format!("{before}_*");
        }
        words.join(" ").trim().to_owned()
    };
    let queues = shared().table(&["list_queues", "name", "durable", "auto_delete", "arguments"]);
    let exchanges = shared().table(&["list_exchanges", "name", "type", "durable", "auto_delete"]);
    let queues = queues.into_iter().filter(kept).map(|row| format!("queue {}", plain(row)));
    let exchanges = exchanges.into_iter().filter(kept).map(|row| format!("exchange {}", plain(row)));
    exchanges.chain(queues).collect()
}

async fn declared(case: &str, queues: QueueOptions, expected: &[&str]) {
    let settings = Settings { queues, ..settings(shared(), case) };
    let (bus, mut incoming) = start(settings, vec![listen(&format!("{case}.t"))]);
    up(&bus);
    assert_eq!(seen(case), expected, "{case}");
    let peer = Peer::new(shared()).await;
    peer.send(&format!("{case}.t_fanout"), "", &asked("greet", "1.0", json!({}))).await;
    assert!(next(&mut incoming).await.fanout);
    peer.send(case, &format!("{case}.t.node1"), &asked("greet", "1.0", json!({}))).await;
    assert!(!next(&mut incoming).await.fanout);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default() {
    let expected = [
        "exchange plain topic false false",
        "exchange plain.t_fanout fanout false true",
        "queue plain.t false false []",
        "queue plain.t.node1 false false []",
        "queue plain.t_fanout_* false false [{\"x-expires\",1800000}]",
    ];
    declared("plain", QueueOptions::default(), &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn durable() {
    let expected = [
        "exchange durable topic true false",
        "exchange durable.t_fanout fanout false true",
        "queue durable.t true false []",
        "queue durable.t.node1 true false []",
        "queue durable.t_fanout_* false false [{\"x-expires\",1800000}]",
    ];
    declared("durable", QueueOptions { durable: true, ..QueueOptions::default() }, &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_deleted() {
    let expected = [
        "exchange passing topic false true",
        "exchange passing.t_fanout fanout false true",
        "queue passing.t false true []",
        "queue passing.t.node1 false true []",
        "queue passing.t_fanout_* false false []",
    ];
    let queues = QueueOptions { auto_delete: true, transient_ttl: Duration::ZERO, ..QueueOptions::default() };
    declared("passing", queues, &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quorum() {
    let expected = [
        "exchange quorum topic true false",
        "exchange quorum.t_fanout fanout true true",
        "queue quorum.t true false [{\"x-delivery-limit\",3},{\"x-max-in-memory-bytes\",5000},{\"x-max-in-memory-length\",4},{\"x-queue-type\",\"quorum\"}]",
        "queue quorum.t.node1 true false [{\"x-delivery-limit\",3},{\"x-max-in-memory-bytes\",5000},{\"x-max-in-memory-length\",4},{\"x-queue-type\",\"quorum\"}]",
        "queue quorum.t_fanout_* true false [{\"x-delivery-limit\",3},{\"x-expires\",1800000},{\"x-max-in-memory-bytes\",5000},{\"x-max-in-memory-length\",4},{\"x-queue-type\",\"quorum\"}]",
    ];
    let queues = QueueOptions {
        quorum: true,
        transient_quorum: true,
        quorum_limits: QuorumLimits { deliveries: 3, memory_length: 4, memory_bytes: 5000 },
        ..QueueOptions::default()
    };
    declared("quorum", queues, &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn managed_names_and_mirrors() {
    let expected = [
        "exchange managed topic false false",
        "exchange managed.t_fanout fanout false true",
        "queue managed.t false false [{\"x-ha-policy\",\"all\"}]",
        "queue managed.t.node1 false false [{\"x-ha-policy\",\"all\"}]",
        "queue managed.t_fanout_managed-n1:agent:2 false false [{\"x-expires\",1800000},{\"x-ha-policy\",\"all\"}]",
        "queue reply_managed-n1:agent:1 false false [{\"x-expires\",1800000},{\"x-ha-policy\",\"all\"}]",
    ];
    let queues = QueueOptions {
        mirrored: true,
        manager: Some(QueueManager { host: "managed-n1".into(), process: "agent".into() }),
        cancel_on_failover: true,
        ..QueueOptions::default()
    };
    declared("managed", queues, &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_shared_and_read_on_where_one_was() {
    let queues = QueueOptions { transient_quorum: true, stream_fanout: true, ..QueueOptions::default() };
    let expected = [
        "exchange stream topic false false",
        "exchange stream.t_fanout fanout true true",
        "queue stream.t false false []",
        "queue stream.t.node1 false false []",
        "queue stream.t_fanout true false [{\"x-max-age\",\"1800s\"},{\"x-queue-type\",\"stream\"}]",
    ];
    let settings = Settings { queues, prefetch: 10, ..settings(shared(), "stream") };
    let (bus, mut incoming) = start(settings.clone(), vec![listen("stream.t")]);
    let (other, mut others) = start(settings, vec![listen("stream.t")]);
    up(&bus);
    up(&other);
    assert_eq!(seen("stream"), expected);
    let peer = Peer::new(shared()).await;
    for number in 0..30 {
        peer.send("stream.t_fanout", "", &asked("greet", "1.0", json!({ "n": number }))).await;
    }
    for receiver in [&mut incoming, &mut others] {
        for number in 0..30 {
            assert_eq!(next(receiver).await.args["n"], number);
        }
    }
    shared().ctl(&["close_all_user_connections", "guest", "test"]);
    wait::until(30, "a new connection", || match bus.link().borrow().epoch {
        2 => Ok(()),
        other => Err(other),
    });
    let peer = Peer::new(shared()).await;
    peer.send("stream.t_fanout", "", &asked("greet", "1.0", json!({ "n": 30 }))).await;
    assert_eq!(next(&mut incoming).await.args["n"], 30);
    bus.close().await;
    other.close().await;
}
