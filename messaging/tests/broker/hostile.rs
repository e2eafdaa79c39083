//! Bodies that nobody sane sends.

use lapin::types::{AMQPValue, FieldTable};
use serde_json::json;
use tests::wait;

use crate::peer::{Peer, TOKEN, asked, listen, logged, next, settings, shared, start, up};

#[tokio::test(flavor = "multi_thread")]
async fn malformed_messages_are_dropped_and_counted() {
    let (bus, mut incoming) = start(settings(shared(), "hostile"), vec![listen("hostile.t")]);
    up(&bus);
    let peer = Peer::new(shared()).await;
    let deep = format!("{{\"method\": {}", "[".repeat(100_000));
    let bodies: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"\xff\xfe\x00".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b"{".to_vec(),
        deep.clone().into_bytes(),
        json!({ "oslo.version": "2.0", "oslo.message": deep }).to_string().into_bytes(),
        json!({ "oslo.version": "2.0", "oslo.message": 5 }).to_string().into_bytes(),
        json!({ "oslo.version": "3.0", "oslo.message": "{}" }).to_string().into_bytes(),
        json!({ "oslo.version": "2.0", "oslo.message": "{}" }).to_string().into_bytes(),
        json!({ "oslo.version": "2.0", "oslo.message": "{\"method\": 5}" }).to_string().into_bytes(),
        b"{\"oslo.version\": \"2.0\", \"oslo.message\": \"{\\\"method\\\": \\\"greet\\\", \\\"args\\\": {\\\"x\\\": NaN}}\"}".to_vec(),
    ];
    for body in &bodies {
        peer.send_raw("hostile", "hostile.t.node1", body).await;
    }
    let mut headers = FieldTable::default();
    headers.insert("compression".into(), AMQPValue::LongString("application/x-gzip".into()));
    peer.send_with("hostile", "hostile.t.node1", b"\x1f\x8b", headers).await;
    // A plain payload without envelope is served, as it always was.
    let plain = json!({ "method": "greet", "args": { "n": 1 } });
    peer.send_raw("hostile", "hostile.t.node1", plain.to_string().as_bytes()).await;
    assert_eq!(next(&mut incoming).await.args["n"], 1);
    let dropped = bus.counters().dropped;
    let times =
        |reason| dropped.iter().filter(|(one, _)| one.reason == reason).map(|(_, times)| times).sum::<u64>();
    assert_eq!(times("malformed"), bodies.len() as u64, "{dropped:?}");
    assert_eq!(times("compressed"), 1);
    assert!(dropped.keys().all(|one| one.topic == "hostile.t"));
    assert_eq!(bus.link().borrow().epoch, 1);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_make_no_sense_hurt_nobody() {
    let (bus, _incoming) = start(settings(shared(), "nonsense"), vec![]);
    up(&bus);
    let peer = Peer::new(shared()).await;
    peer.serve("nonsense", "nonsense.server").await;
    let call = bus.call(crate::peer::request("nonsense.server", "x", json!({})));
    let answer = async {
        let got = peer.take("nonsense.server").await;
        let queue = got.payload["_reply_q"].as_str().unwrap().to_owned();
        for body in
            [&b"nonsense"[..], b"{}", b"{\"_msg_id\": 5}", b"{\"_msg_id\": \"unknown\", \"ending\": true}"]
        {
            peer.send_raw("", &queue, body).await;
        }
        peer.reply_with(&got, json!({ "result": null, "failure": "not json", "ending": true })).await;
    };
    let (outcome, ()) = tokio::join!(call, answer);
    let error = outcome.unwrap_err();
    assert_eq!(error.failure().unwrap().message, "not json");
    wait::until(10, "the nonsense counted", || {
        let dropped: u64 = bus.counters().dropped.values().sum();
        if dropped == 4 { Ok(()) } else { Err(dropped) }
    });
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_an_impossible_queue_is_given_up() {
    let (bus, mut incoming) = start(settings(shared(), "impossible"), vec![listen("impossible.t")]);
    up(&bus);
    let peer = Peer::new(shared()).await;
    let mut payload = asked("greet", "1.0", json!({ "n": 1 }));
    payload["_reply_q"] = "q".repeat(300).into();
    payload["_msg_id"] = "m".repeat(100_000).into();
    peer.send("impossible", "impossible.t", &payload).await;
    next(&mut incoming).await.answer.send(Ok(json!(1)));
    peer.send("impossible", "impossible.t", &asked("greet", "1.0", json!({ "n": 2 }))).await;
    assert_eq!(next(&mut incoming).await.args["n"], 2);
    assert!(bus.link().borrow().is_up());
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_logged() {
    let (bus, mut incoming) = start(settings(shared(), "discreet"), vec![listen("discreet.t")]);
    up(&bus);
    let peer = Peer::new(shared()).await;
    let payload = asked("greet", "1.0", json!({ "password": TOKEN }));
    // As it is, wrapped once too often, without envelope and cut off; refused; answered by a failure.
    let wrapped = json!(payload.to_string()).to_string();
    let nested = json!({ "oslo.version": "2.0", "oslo.message": wrapped }).to_string();
    for body in [&wrapped, &nested, &payload.to_string()[..80], &format!("{{\"oslo.version\": \"{TOKEN}")] {
        peer.send_raw("discreet", "discreet.t", body.as_bytes()).await;
    }
    peer.send("discreet", "discreet.t", &asked("greet", "7.0", json!({ "password": TOKEN }))).await;
    peer.send("discreet", "discreet.t", &asked("greet", "1.0", json!([TOKEN]))).await;
    peer.send("discreet", "discreet.t", &payload).await;
    next(&mut incoming).await;
    bus.cast(crate::peer::request("discreet.t", "greet", json!({ "password": TOKEN }))).await.unwrap();
    next(&mut incoming).await;
    bus.close().await;
    let log = logged();
    assert!(log.contains("discreet.t") && log.contains("message dropped"), "{log}");
    assert!(!log.contains(TOKEN), "{log}");
}
