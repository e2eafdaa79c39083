//! The other side: an AMQP client that writes and reads envelopes by hand, and what the tests share.

use std::io::Write;
use std::sync::{Mutex, Once, OnceLock};
use std::time::Duration;

use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use messaging::{Bus, Endpoint, Incoming, Link, Listen, Request, Settings, Timeout, Version};
use serde_json::{Map, Value, json};
use tests::{Rabbit, wait};
use tokio::sync::mpsc;

/// A broker for tests that leave it whole. Each of them uses an exchange and topics of its own.
pub(crate) fn shared() -> &'static Rabbit {
    static RABBIT: OnceLock<Rabbit> = OnceLock::new();
    RABBIT.get_or_init(Rabbit::start)
}

pub(crate) fn settings(rabbit: &Rabbit, exchange: &str) -> Settings {
    let quick = messaging::Retry {
        interval: Duration::from_millis(200),
        backoff: Duration::ZERO,
        max: Duration::from_secs(1),
    };
    Settings {
        exchange: exchange.to_owned(),
        connection_name: exchange.to_owned(),
        retry: quick,
        ..Settings::from_url(&rabbit.url()).unwrap()
    }
}

/// Everything that was logged by any test of this binary.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Keeps what the bus logs, and shows it beside the tests' output.
struct Kept;

#[allow(clippy::print_stderr)] // shown beside a test that failed
impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        eprint!("{}", String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(crate) fn logged() -> String {
    String::from_utf8_lossy(&LOG.lock().unwrap()).into_owned()
}

fn keep_log() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        let layer = tracing_subscriber::fmt().with_env_filter("messaging=debug,lapin=off").with_ansi(false);
        layer.with_writer(|| Kept).init();
    });
}

pub(crate) fn start(settings: Settings, listen: Vec<Listen>) -> (Bus, mpsc::Receiver<Incoming>) {
    keep_log();
    Bus::start(settings, listen)
}

/// Waits until the link is as wanted.
pub(crate) fn until_link(bus: &Bus, what: &str, wanted: impl Fn(&Link) -> bool) -> Link {
    let link = bus.link();
    wait::until(60, what, || {
        let link = link.borrow().clone();
        if wanted(&link) { Ok(link) } else { Err(format!("{link:?}")) }
    })
}

pub(crate) fn up(bus: &Bus) -> Link {
    until_link(bus, "connection", Link::is_up)
}

pub(crate) fn listen(topic: &str) -> Listen {
    let endpoint =
        Endpoint { namespace: None, version: Version::new(1, 4), methods: Some(&["greet", "add", "slow"]) };
    Listen {
        topic: topic.to_owned(),
        host: Some("node1".to_owned()),
        shared: true,
        fanout: true,
        endpoints: vec![endpoint],
    }
}

pub(crate) fn request(topic: &str, method: &str, args: Value) -> Request {
    Request {
        topic: topic.to_owned(),
        server: None,
        namespace: None,
        method: method.to_owned(),
        version: Version::new(1, 0),
        args: args.as_object().cloned().unwrap_or_default(),
        timeout: Timeout::Exactly(Duration::from_secs(20)),
    }
}

/// What arrives next.
pub(crate) async fn next(incoming: &mut mpsc::Receiver<Incoming>) -> Incoming {
    tokio::time::timeout(Duration::from_secs(30), incoming.recv())
        .await
        .expect("a message within 30 s")
        .expect("the bus is open")
}

/// A message as a peer gets it.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) payload: Map<String, Value>,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Peer {
    _connection: Connection,
    pub(crate) channel: Channel,
}

impl Peer {
    pub(crate) async fn new(rabbit: &Rabbit) -> Self {
        let url = format!("amqp://127.0.0.1:{}/%2f", rabbit.port());
        let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        Self { _connection: connection, channel }
    }

    /// Declares the queue of a topic as a server has it.
    pub(crate) async fn serve(&self, exchange: &str, topic: &str) {
        let (none, kind) = (FieldTable::default(), ExchangeKind::Topic);
        let options = ExchangeDeclareOptions::default();
        self.channel.exchange_declare(exchange.into(), kind, options, none.clone()).await.unwrap();
        let options = QueueDeclareOptions::default();
        self.channel.queue_declare(topic.into(), options, none.clone()).await.unwrap();
        let options = QueueBindOptions::default();
        self.channel.queue_bind(topic.into(), exchange.into(), topic.into(), options, none).await.unwrap();
    }

    /// The next message of a queue.
    pub(crate) async fn take(&self, queue: &str) -> Got {
        for _ in 0..3000 {
            let got = self.channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap();
            if let Some(message) = got {
                let delivery = message.delivery;
                let envelope: Value = serde_json::from_slice(&delivery.data).unwrap();
                assert_eq!(envelope["oslo.version"], "2.0");
                let payload: Value =
                    serde_json::from_str(envelope["oslo.message"].as_str().unwrap()).unwrap();
                let Value::Object(payload) = payload else { panic!("{payload}") };
                return Got { payload, properties: delivery.properties, body: delivery.data };
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nothing came to {queue}");
    }

    pub(crate) async fn reply(&self, to: &Got, result: Value) {
        self.reply_with(to, json!({ "result": result, "failure": null, "ending": true })).await;
    }

    pub(crate) async fn fail(&self, to: &Got, class: &str) {
        let failure = json!({
            "class": class, "module": "neutron_lib.exceptions", "message": "It is not there.",
            "tb": ["Traceback"], "args": ["It is not there."], "kwargs": {},
        });
        self.reply_with(to, json!({ "result": null, "failure": failure.to_string(), "ending": true })).await;
    }

    pub(crate) async fn reply_with(&self, to: &Got, mut payload: Value) {
        payload["_msg_id"] = to.payload["_msg_id"].clone();
        payload["_unique_id"] = unique().into();
        self.send("", to.payload["_reply_q"].as_str().unwrap(), &payload).await;
    }

    pub(crate) async fn send(&self, exchange: &str, key: &str, payload: &Value) {
        let body = json!({ "oslo.version": "2.0", "oslo.message": payload.to_string() });
        self.send_raw(exchange, key, body.to_string().as_bytes()).await;
    }

    pub(crate) async fn send_raw(&self, exchange: &str, key: &str, body: &[u8]) {
        self.send_with(exchange, key, body, FieldTable::default()).await;
    }

    pub(crate) async fn send_with(&self, exchange: &str, key: &str, body: &[u8], headers: FieldTable) {
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_headers(headers)
            .with_delivery_mode(2);
        let options = BasicPublishOptions::default();
        self.channel.basic_publish(exchange.into(), key.into(), options, body, properties).await.unwrap();
    }

    /// A queue for answers, as a caller declares it.
    pub(crate) async fn reply_queue(&self) -> String {
        let name = format!("reply_{}", unique());
        let mut arguments = FieldTable::default();
        arguments.insert("x-expires".into(), AMQPValue::LongInt(1_800_000));
        self.channel
            .queue_declare(name.as_str().into(), QueueDeclareOptions::default(), arguments)
            .await
            .unwrap();
        name
    }

    /// Calls a method of the bus and returns the answer's payload.
    pub(crate) async fn call(&self, exchange: &str, key: &str, payload: Value) -> Map<String, Value> {
        let queue = self.reply_queue().await;
        let mut payload = payload;
        payload["_reply_q"] = queue.clone().into();
        payload["_msg_id"] = "the-call".into();
        self.send(exchange, key, &payload).await;
        let got = self.take(&queue).await;
        assert_eq!(got.payload["_msg_id"], "the-call");
        assert_eq!(got.payload["ending"], true);
        got.payload
    }
}

pub(crate) fn unique() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// What no log may repeat.
pub(crate) const TOKEN: &str = "gAAAAAsecrettoken";

/// A request's payload.
pub(crate) fn asked(method: &str, version: &str, args: Value) -> Value {
    json!({
        "method": method, "args": args, "version": version, "_unique_id": unique(),
        "_context_request_id": "req-1", "_context_auth_token": TOKEN,
    })
}

/// The class of an answer's failure.
pub(crate) fn class(answer: &Map<String, Value>) -> String {
    let failure: Value = serde_json::from_str(answer["failure"].as_str().expect("a failure")).unwrap();
    failure["class"].as_str().unwrap().to_owned()
}
