//! Declaring exchanges and queues, on a channel of its own that may be lost: the broker closes the channel on which
//! something was refused.

use futures::future::maybe_done;
use futures::poll;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::protocol::AMQPSoftError;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, ExchangeKind};
use tracing::warn;

use super::refusal::{self, Inequivalent};
use crate::topology::{Argument, Exchange, Kind, Queue, Step};

/// Why something cannot be declared or consumed: a sentence.
pub(crate) type Sentence = String;

pub(crate) struct Declarer<'a> {
    connection: &'a Connection,
    channel: Option<Channel>,
}

impl<'a> Declarer<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        Self { connection, channel: None }
    }

    /// Carries out steps in order; consuming is not for this channel. They are written all at once, as the broker does
    /// them one after the other anyway. Only when something is refused, they are done again one by one to see what.
    pub(crate) async fn steps(&mut self, steps: &[Step]) -> Result<(), Sentence> {
        let channel = self.channel().await?;
        let all = at_once(steps.iter().map(|step| carry_out(&channel, step))).await;
        if all.iter().all(Result::is_ok) {
            return Ok(());
        }
        self.channel = None;
        for step in steps {
            self.step(step).await?;
        }
        Ok(())
    }

    pub(crate) async fn step(&mut self, step: &Step) -> Result<(), Sentence> {
        let channel = self.channel().await?;
        match carry_out(&channel, step).await {
            Err(Trouble::Name(sentence)) => Err(sentence),
            Err(Trouble::Client(error)) => self.judge(Err(error), || describe(step)),
            Ok(()) => Ok(()),
        }
    }

    /// Whether a queue exists; told apart only because the broker answers either way.
    pub(crate) async fn exists(&mut self, queue: &str) -> Result<bool, Sentence> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let channel = self.channel().await?;
        match channel.queue_declare(name(queue)?, options, FieldTable::default()).await {
            Ok(_) => Ok(true),
            Err(error) if refusal::is_soft(&error, &AMQPSoftError::NOTFOUND) => {
                self.channel = None;
                Ok(false)
            }
            Err(error) => Err(refusal::operation(&error, &format!("looking for the queue {queue}"))),
        }
    }

    pub(crate) async fn delete(&mut self, queue: &str) -> Result<(), Sentence> {
        let channel = self.channel().await?;
        let done = channel.queue_delete(name(queue)?, QueueDeleteOptions::default()).await;
        self.judge(done.map(drop), || format!("deleting the queue {queue}"))
    }

    /// Closes the channel.
    pub(crate) async fn finish(self) {
        if let Some(channel) = self.channel {
            // A channel that cannot be closed is gone.
            let _ = channel.close(200, "OK".into()).await;
        }
    }

    /// What exists with other properties is used as it is, as far as it can serve: which of the two declared it first
    /// is chance, and a node without messages helps nobody.
    fn judge(&mut self, done: lapin::Result<()>, doing: impl Fn() -> String) -> Result<(), Sentence> {
        let Err(error) = done else { return Ok(()) };
        self.channel = None;
        let sentence = refusal::operation(&error, &doing());
        let text = refusal::from_broker(&error).map(|error| error.get_message().to_string());
        match text.as_deref().and_then(Inequivalent::read) {
            Some(different) if different.is_usable() => {
                warn!("{sentence}; it is used as it is");
                Ok(())
            }
            _ => Err(sentence),
        }
    }

    async fn channel(&mut self) -> Result<Channel, Sentence> {
        if let Some(channel) = &self.channel {
            return Ok(channel.clone());
        }
        let opened = self.connection.create_channel().await;
        let channel = opened.map_err(|error| refusal::operation(&error, "opening a channel"))?;
        Ok(self.channel.insert(channel).clone())
    }
}

/// What keeps a step from being carried out.
#[derive(Debug)]
enum Trouble {
    Name(Sentence),
    Client(lapin::Error),
}

impl From<Sentence> for Trouble {
    fn from(sentence: Sentence) -> Self {
        Self::Name(sentence)
    }
}

impl From<lapin::Error> for Trouble {
    fn from(error: lapin::Error) -> Self {
        Self::Client(error)
    }
}

async fn carry_out(channel: &Channel, step: &Step) -> Result<(), Trouble> {
    let none = FieldTable::default;
    match step {
        Step::Exchange(Exchange { name: exchange, kind, durable, auto_delete }) => {
            let kind = match kind {
                Kind::Topic => ExchangeKind::Topic,
                Kind::Fanout => ExchangeKind::Fanout,
            };
            let (durable, auto_delete) = (*durable, *auto_delete);
            let options =
                ExchangeDeclareOptions { durable, auto_delete, ..ExchangeDeclareOptions::default() };
            channel.exchange_declare(name(exchange)?, kind, options, none()).await?;
        }
        Step::Queue(Queue { name: queue, durable, auto_delete, arguments }) => {
            let (durable, auto_delete) = (*durable, *auto_delete);
            let options = QueueDeclareOptions { durable, auto_delete, ..QueueDeclareOptions::default() };
            channel.queue_declare(name(queue)?, options, table(arguments)).await?;
        }
        Step::Bind { queue, exchange, key } => {
            let options = QueueBindOptions::default();
            channel.queue_bind(name(queue)?, name(exchange)?, name(key)?, options, none()).await?;
        }
        Step::Consume(_) => {}
    }
    Ok(())
}

fn describe(step: &Step) -> String {
    match step {
        Step::Exchange(exchange) => format!("declaring the exchange {}", exchange.name),
        Step::Queue(queue) => format!("declaring the queue {}", queue.name),
        Step::Bind { queue, exchange, .. } => format!("binding the queue {queue} to the exchange {exchange}"),
        Step::Consume(consume) => format!("consuming the queue {}", consume.queue),
    }
}

/// Begins all futures in order, and then waits for each: the requests are on their way before the first is answered.
pub(crate) async fn at_once<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut begun: Vec<_> = futures.map(|future| Box::pin(maybe_done(future))).collect();
    for future in &mut begun {
        let _ = poll!(future.as_mut());
    }
    let mut outputs = Vec::with_capacity(begun.len());
    for future in &mut begun {
        future.as_mut().await;
        outputs.extend(future.as_mut().take_output());
    }
    outputs
}

/// A name as AMQP has it: at most 255 bytes.
pub(crate) fn name(text: &str) -> Result<ShortString, Sentence> {
    ShortString::try_new(text).map_err(|error| format!("the name {text:.80} cannot be used: {error}"))
}

pub(crate) fn table(arguments: &[(&'static str, Argument)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, argument) in arguments {
        table.insert((*name).into(), value(argument));
    }
    table
}

fn value(argument: &Argument) -> AMQPValue {
    match argument {
        // The short form where it will do, as other clients write it.
        Argument::Number(number) => match i32::try_from(*number) {
            Ok(number) => AMQPValue::LongInt(number),
            Err(_) => AMQPValue::LongLongInt(*number),
        },
        Argument::Text(text) => AMQPValue::LongString((*text).into()),
        Argument::Seconds(seconds) => AMQPValue::LongString(format!("{seconds}s").into()),
        Argument::Truth(truth) => AMQPValue::Boolean(*truth),
    }
}
