//! Taking messages: answers to whoever waits for them, requests to the receiver of the bus.

use std::borrow::Cow;
use std::collections::HashMap;
use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::{SelectAll, StreamExt};
use futures::{FutureExt, Stream, stream};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions};
use lapin::types::AMQPValue;
use lapin::{Channel, Consumer};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::declare::{Sentence, name, table};
use super::refusal;
use crate::answer::{Answer, Reply, ReplyTo};
use crate::compression::{self, Compression, CompressionError};
use crate::core::Core;
use crate::counters::short;
use crate::dispatch::{self, Unserved};
use crate::envelope::{self, ReceivedRequest};
use crate::failure::Failure;
use crate::request::Incoming;
use crate::topology::{Consume, Source};
use crate::version::Version;

const OFFSET: &str = "x-stream-offset";

/// How far each stream was read.
#[derive(Debug, Default)]
pub(crate) struct Offsets(Mutex<HashMap<String, i64>>);

impl Offsets {
    fn reached(&self, queue: &str, offset: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(queue.to_owned(), offset);
    }

    /// Where to go on: after what was read, else at the end.
    fn next(&self, queue: &str) -> AMQPValue {
        let reached = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(queue).copied();
        reached
            .map_or_else(|| AMQPValue::LongString("last".into()), |offset| AMQPValue::LongLongInt(offset + 1))
    }
}

/// Begins to consume a queue.
pub(crate) async fn consume(
    channel: &Channel,
    what: &Consume,
    offsets: &Offsets,
) -> Result<Consumer, Sentence> {
    let mut arguments = table(&what.arguments);
    if what.stream {
        arguments.insert(OFFSET.into(), offsets.next(&what.queue));
    }
    let begun =
        channel.basic_consume(name(&what.queue)?, name("")?, BasicConsumeOptions::default(), arguments).await;
    begun.map_err(|error| refusal::operation(&error, &format!("consuming the queue {}", what.queue)))
}

/// Takes answers until the consumer ends; returns why it did.
pub(crate) async fn answers(core: Arc<Core>, mut consumer: Consumer) -> Sentence {
    let queue = consumer.queue();
    while let Some(delivery) = consumer.next().await {
        match delivery {
            Ok(delivery) => {
                answer(&core, &delivery);
                acknowledge(&delivery);
            }
            Err(error) => return refusal::operation(&error, &format!("consuming the queue {queue}")),
        }
    }
    taken_away(queue.as_str())
}

fn answer(core: &Core, delivery: &Delivery) {
    const TOPIC: &str = "(answers)";
    core.meter.received(delivery.data.len());
    let reply = match read(delivery, envelope::Payload::reply) {
        Ok(reply) => reply,
        Err((reason, why)) => return drop_one(core, TOPIC, "", reason, &why),
    };
    if core.duplicates().is_repeated(&reply.unique_id) {
        return drop_one(core, TOPIC, "", "duplicate", "it was received before");
    }
    if !core.waiting.answer(reply) {
        drop_one(core, TOPIC, "", "late-answer", "nobody waits for it any more");
    }
}

/// Takes requests until one of the consumers ends; returns why it did.
pub(crate) async fn requests(
    core: Arc<Core>,
    incoming: mpsc::Sender<Incoming>,
    offsets: Arc<Offsets>,
    consumers: Vec<(Consume, Consumer)>,
) -> Sentence {
    let mut arriving: SelectAll<_> =
        consumers.into_iter().map(|(what, consumer)| until_end(what, consumer)).collect();
    while let Some((what, delivery)) = arriving.next().await {
        match delivery {
            Some(Ok(delivery)) => take(&core, &incoming, &offsets, &what, &delivery).await,
            Some(Err(error)) => {
                return refusal::operation(&error, &format!("consuming the queue {}", what.queue));
            }
            None => return taken_away(&what.queue),
        }
    }
    "nothing is consumed".to_owned()
}

/// A consumer's deliveries with what it consumes; `None` marks its end, which would pass unseen among the others.
fn until_end(
    what: Consume,
    consumer: Consumer,
) -> impl Stream<Item = (Arc<Consume>, Option<lapin::Result<Delivery>>)> + Unpin {
    let what = Arc::new(what);
    let ended = stream::once(std::future::ready(None));
    Box::pin(consumer.map(Some).chain(ended).map(move |delivery| (Arc::clone(&what), delivery)))
}

fn taken_away(queue: &str) -> Sentence {
    format!("the message broker took away the queue {queue}")
}

/// Reads one request and hands it over. It is acknowledged only then: while the receiver is full, messages stay the
/// broker's, who sends no more than agreed.
async fn take(
    core: &Core,
    incoming: &mpsc::Sender<Incoming>,
    offsets: &Offsets,
    what: &Consume,
    delivery: &Delivery,
) {
    core.meter.received(delivery.data.len());
    if let Source::Requests { topic, fanout } = &what.source
        && let Some(request) = accepted(core, topic, *fanout, delivery)
    {
        // The receiver is gone when nobody is interested any more.
        let place = incoming.reserve().await.ok();
        let (unique_id, request) = request;
        if core.duplicates().is_repeated(&unique_id) {
            request.answer.forget();
            drop_one(core, topic, &request.method, "duplicate", "it was received before");
        } else if let Some(place) = place {
            place.send(request);
        }
    }
    if let Some(offset) = header(delivery, OFFSET).and_then(AMQPValue::as_long_long_int) {
        offsets.reached(&what.queue, offset);
    }
    acknowledge(delivery);
}

/// Polled once: that queues the frame. Waiting for it to be written would stop the taking of messages while the broker
/// accepts none from us.
fn acknowledge(delivery: &Delivery) {
    // It fails when the channel is gone; then the message comes again, and is known.
    let _ = delivery.ack(BasicAckOptions::default()).now_or_never();
}

/// The payload; or the reason to drop the message, and why.
fn read<T>(
    delivery: &Delivery,
    take_out: impl FnOnce(envelope::Payload) -> Result<T, envelope::Malformed>,
) -> Result<T, (&'static str, String)> {
    let malformed = |error: envelope::Malformed| ("malformed", error.to_string());
    let body = match header(delivery, compression::HEADER) {
        None | Some(AMQPValue::Void) => Cow::Borrowed(delivery.data.as_slice()),
        Some(method) => Cow::Owned(unpacked(&delivery.data, method)?),
    };
    envelope::decode(&body).and_then(take_out).map_err(malformed)
}

fn unpacked(body: &[u8], method: &AMQPValue) -> Result<Vec<u8>, (&'static str, String)> {
    let name = method.as_long_string().map(ToString::to_string).unwrap_or_default();
    let unpacked = match Compression::named(&name) {
        Some(method) => method.decompress(body),
        None => Err(CompressionError::Unknown(short(&name))),
    };
    unpacked.map_err(|error| match error.source() {
        Some(cause) => ("compressed", format!("{error}: {cause}")),
        None => ("compressed", error.to_string()),
    })
}

/// The request, if it is served; otherwise it is counted, and its caller told.
fn accepted(core: &Core, topic: &str, fanout: bool, delivery: &Delivery) -> Option<(String, Incoming)> {
    let request = match read(delivery, envelope::Payload::request) {
        Ok(request) => request,
        Err((reason, why)) => {
            drop_one(core, topic, "", reason, &why);
            return None;
        }
    };
    match served(core, topic, &request) {
        Ok(version) => Some(incoming(core, topic, fanout, request, version)),
        Err((reason, failure)) => {
            drop_one(core, topic, &request.method, reason, &failure.message);
            if let Some(to) = reply_to(topic, &request) {
                // The other end is gone only when the bus is closed.
                let _ = core.answers.send(Reply { to, result: Err(*failure) });
            }
            None
        }
    }
}

fn served(
    core: &Core,
    topic: &str,
    request: &ReceivedRequest,
) -> Result<Version, (&'static str, Box<Failure>)> {
    let version = request.version.as_ref().map_err(|text| {
        let unserved = Unserved::Version;
        let mut failure = unserved.failure(Version::DEFAULT, &short(&request.method));
        failure.message = format!("`{}` is no version. Method: {}", short(text), short(&request.method));
        (unserved.reason(), Box::new(failure))
    })?;
    let endpoints = core.listens().endpoints(topic);
    dispatch::check(&endpoints, request.namespace.as_deref(), *version, &request.method).map_err(
        |unserved| (unserved.reason(), Box::new(unserved.failure(*version, &short(&request.method)))),
    )?;
    if request.args.is_none() {
        let text = format!("The arguments of {} are not an object.", short(&request.method));
        return Err(("bad-arguments", Box::new(Failure::bad_arguments(text))));
    }
    Ok(*version)
}

fn incoming(
    core: &Core,
    topic: &str,
    fanout: bool,
    request: ReceivedRequest,
    version: Version,
) -> (String, Incoming) {
    let answer = Answer::to(reply_to(topic, &request), &core.answers);
    debug!(topic, method = short(&request.method), request_id = request.request_id, "received");
    let incoming = Incoming {
        topic: topic.to_owned(),
        fanout,
        namespace: request.namespace,
        method: request.method,
        version,
        args: request.args.unwrap_or_default(),
        request_id: request.request_id,
        answer,
    };
    (request.unique_id, incoming)
}

fn reply_to(topic: &str, request: &ReceivedRequest) -> Option<ReplyTo> {
    let (queue, message_id) = request.reply_to.clone()?;
    Some(ReplyTo { queue, message_id, topic: topic.to_owned(), method: short(&request.method) })
}

/// Counts a message that is not handed over. A flood of them is logged ever more seldom.
fn drop_one(core: &Core, topic: &str, method: &str, reason: &'static str, why: &str) {
    let method = short(method);
    let times = core.meter.dropped(topic, &method, reason);
    if !times.is_power_of_two() {
        return;
    }
    match reason {
        "malformed" | "bad-arguments" | "compressed" => {
            warn!(topic, method, reason, times, "message dropped: {why}");
        }
        _ => debug!(topic, method, reason, times, "message dropped: {why}"),
    }
}

fn header<'a>(delivery: &'a Delivery, name: &str) -> Option<&'a AMQPValue> {
    delivery.properties.headers().as_ref()?.inner().get(name)
}
