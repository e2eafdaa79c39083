//! What is declared at a broker, and with which arguments. Pure: steps to be carried out in order.
//!
//! Shared objects (the exchanges, `<topic>` queues) must be declared exactly as the other side declares them, or the
//! broker refuses. Format: "oslo.messaging", driver for RabbitMQ.

use crate::listen::Listen;
use crate::settings::{QueueOptions, Settings};

/// One thing to do on the channel that consumes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    Exchange(Exchange),
    Queue(Queue),
    Bind { queue: String, exchange: String, key: String },
    Consume(Consume),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Exchange {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) durable: bool,
    pub(crate) auto_delete: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Topic,
    Fanout,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Queue {
    pub(crate) name: String,
    pub(crate) durable: bool,
    pub(crate) auto_delete: bool,
    pub(crate) arguments: Vec<(&'static str, Argument)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Consume {
    pub(crate) queue: String,
    pub(crate) source: Source,
    pub(crate) arguments: Vec<(&'static str, Argument)>,
    /// The queue is a stream: it is read from a place in it, and keeps what was read.
    pub(crate) stream: bool,
}

/// What a consumer's messages are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    Replies,
    Requests { topic: String, fanout: bool },
}

/// A value in a table of arguments.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Argument {
    Number(i64),
    Text(&'static str),
    Seconds(u64),
    Truth(bool),
}

/// The exchange that calls and casts go through.
pub(crate) fn control(settings: &Settings) -> Exchange {
    let queues = &settings.queues;
    Exchange {
        name: settings.exchange.clone(),
        kind: Kind::Topic,
        durable: queues.durable || queues.quorum,
        auto_delete: queues.auto_delete,
    }
}

/// The exchange of a topic's fanout.
pub(crate) fn fanout(settings: &Settings, topic: &str) -> Exchange {
    Exchange {
        name: fanout_exchange(topic),
        kind: Kind::Fanout,
        durable: settings.queues.transient_quorum,
        auto_delete: true,
    }
}

pub(crate) fn fanout_exchange(topic: &str) -> String {
    format!("{topic}_fanout")
}

/// The key, and the queue, of one server of a topic.
pub(crate) fn server(topic: &str, server: &str) -> String {
    format!("{topic}.{server}")
}

/// The queue that answers come to; it needs no exchange of ours.
pub(crate) fn replies(settings: &Settings, name: &str) -> [Step; 2] {
    [Step::Queue(transient(&settings.queues, name)), consume(&settings.queues, name, Source::Replies, false)]
}

/// Everything of one topic.
pub(crate) fn listen(settings: &Settings, listen: &Listen, own_fanout: &str) -> Vec<Step> {
    let topic = &listen.topic;
    let mut steps = Vec::new();
    let named = listen.host.as_ref().map(|host| server(topic, host));
    let lasting = listen.shared.then(|| topic.clone()).into_iter().chain(named);
    for name in lasting {
        steps.push(Step::Queue(lasting_queue(&settings.queues, &name)));
        steps.push(Step::Bind {
            queue: name.clone(),
            exchange: settings.exchange.clone(),
            key: name.clone(),
        });
        let source = Source::Requests { topic: topic.clone(), fanout: false };
        steps.push(consume(&settings.queues, &name, source, false));
    }
    if listen.fanout {
        steps.extend(fanout_steps(settings, topic, own_fanout));
    }
    steps
}

fn fanout_steps(settings: &Settings, topic: &str, own: &str) -> [Step; 4] {
    let streamed = settings.queues.stream_fanout;
    let queue = match streamed {
        true => stream(&settings.queues, &fanout_exchange(topic)),
        false => transient(&settings.queues, own),
    };
    let name = queue.name.clone();
    let source = Source::Requests { topic: topic.to_owned(), fanout: true };
    [
        Step::Exchange(fanout(settings, topic)),
        Step::Queue(queue),
        // A fanout exchange ignores the key; this is the one that others use.
        Step::Bind { queue: name.clone(), exchange: fanout_exchange(topic), key: topic.to_owned() },
        consume(&settings.queues, &name, source, streamed),
    ]
}

/// A queue that stays while nobody listens.
fn lasting_queue(options: &QueueOptions, name: &str) -> Queue {
    Queue {
        name: name.to_owned(),
        durable: options.durable || options.quorum,
        auto_delete: options.auto_delete,
        arguments: arguments(options, options.quorum, false),
    }
}

/// A queue that is ours alone, and goes some time after us.
fn transient(options: &QueueOptions, name: &str) -> Queue {
    Queue {
        name: name.to_owned(),
        durable: options.transient_quorum,
        auto_delete: false,
        arguments: arguments(options, options.transient_quorum, true),
    }
}

/// The stream that all listeners of a fanout read.
fn stream(options: &QueueOptions, name: &str) -> Queue {
    let mut arguments = vec![("x-queue-type", Argument::Text("stream"))];
    let age = options.transient_ttl.as_secs();
    if age > 0 {
        arguments.push(("x-max-age", Argument::Seconds(age)));
    }
    Queue { name: name.to_owned(), durable: true, auto_delete: false, arguments }
}

fn arguments(options: &QueueOptions, quorum: bool, expires: bool) -> Vec<(&'static str, Argument)> {
    let mut arguments = Vec::new();
    if options.mirrored {
        arguments.push(("x-ha-policy", Argument::Text("all")));
    }
    let expiry = i64::try_from(options.transient_ttl.as_millis()).unwrap_or(i64::MAX);
    if expires && expiry > 0 {
        arguments.push(("x-expires", Argument::Number(expiry)));
    }
    if quorum {
        arguments.push(("x-queue-type", Argument::Text("quorum")));
        let limits = options.quorum_limits;
        let named = [
            ("x-delivery-limit", limits.deliveries),
            ("x-max-in-memory-length", limits.memory_length),
            ("x-max-in-memory-bytes", limits.memory_bytes),
        ];
        let set = named.into_iter().filter(|(_, limit)| *limit > 0);
        arguments.extend(set.map(|(name, limit)| (name, Argument::Number(limit.into()))));
    }
    arguments
}

fn consume(options: &QueueOptions, queue: &str, source: Source, stream: bool) -> Step {
    let on_failover = ("x-cancel-on-ha-failover", Argument::Truth(true));
    Step::Consume(Consume {
        queue: queue.to_owned(),
        source,
        arguments: options.cancel_on_failover.then_some(on_failover).into_iter().collect(),
        stream,
    })
}
