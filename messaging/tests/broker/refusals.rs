//! What a broker refuses, and what the operator is told.

use lapin::ExchangeKind;
use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use messaging::{Bus, LinkState, QueueOptions, Settings};
use serde_json::json;

use crate::peer::{Peer, asked, listen, next, settings, shared, start, until_link, up};

fn complaint(bus: &Bus) -> String {
    let link =
        until_link(bus, "a complaint", |link| matches!(&link.state, LinkState::Connecting { why: Some(_) }));
    let LinkState::Connecting { why: Some(why) } = link.state else { panic!("{link:?}") };
    assert!(!why.contains("secret"), "{why}");
    why
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_are_named() {
    let port = shared().port();
    for (url, words) in [
        (format!("rabbit://guest:secret@127.0.0.1:{port}/"), ["password in transport_url", "user guest"]),
        (
            format!("rabbit://guest:guest@127.0.0.1:{port}/dark"),
            ["virtual host dark does not exist", "transport_url"],
        ),
        ("rabbit://guest:secret@127.0.0.1:1/".to_owned(), ["127.0.0.1:1", "cannot be reached"]),
        (
            "rabbit://guest:secret@no.such.host.invalid/".to_owned(),
            ["no.such.host.invalid:5672", "cannot be found"],
        ),
        (format!("rabbit://guest:guest@127.0.0.1:{port}/?ssl=true"), ["TLS", "ssl options"]),
    ] {
        let (bus, _incoming) = start(Settings::from_url(&url).unwrap(), vec![]);
        let why = complaint(&bus);
        assert!(words.iter().all(|word| why.contains(word)), "{url}: {why}");
        bus.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_permission_is_told() {
    shared().ctl(&["add_user", "weak", "weak"]);
    let weak = |settings: Settings| {
        let mut settings = settings;
        settings.brokers[0].user = "weak".into();
        settings.brokers[0].password = "weak".into();
        settings
    };
    let (bus, _incoming) = start(weak(settings(shared(), "weak")), vec![]);
    let why = complaint(&bus);
    assert!(why.contains("virtual host / may not be used by this user"), "{why}");
    bus.close().await;
    shared().ctl(&["set_permissions", "weak", "nothing", "nothing", "nothing"]);
    let (bus, _incoming) = start(weak(settings(shared(), "weak")), vec![]);
    let why = complaint(&bus);
    assert!(why.contains("not permitted") && why.contains("weak"), "{why}");
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_exists_otherwise_is_used_as_it_is() {
    let peer = Peer::new(shared()).await;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let none = FieldTable::default;
    peer.channel.exchange_declare("otherwise".into(), ExchangeKind::Topic, durable, none()).await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    peer.channel.queue_declare("otherwise.t.node1".into(), durable, none()).await.unwrap();
    for queues in [QueueOptions::default(), QueueOptions { quorum: true, ..QueueOptions::default() }] {
        let settings = Settings { queues, ..settings(shared(), "otherwise") };
        let (bus, mut incoming) = start(settings, vec![listen("otherwise.t")]);
        up(&bus);
        peer.send("otherwise", "otherwise.t.node1", &asked("greet", "1.0", json!({}))).await;
        assert_eq!(next(&mut incoming).await.method, "greet");
        bus.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_of_another_type_is_a_complaint() {
    let peer = Peer::new(shared()).await;
    let options = ExchangeDeclareOptions::default();
    let kind = ExchangeKind::Fanout;
    peer.channel.exchange_declare("mistyped".into(), kind, options, FieldTable::default()).await.unwrap();
    let (bus, _incoming) = start(settings(shared(), "mistyped"), vec![]);
    let why = complaint(&bus);
    assert!(why.contains("type = fanout") && why.contains("control_exchange"), "{why}");
    bus.close().await;
}
