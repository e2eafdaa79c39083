//! Declaring exchanges and queues, on a channel of its own that may be lost: the broker closes the channel on which
//! something was refused.

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

    /// Carries out a step; consuming is not for this channel.
    pub(crate) async fn step(&mut self, step: &Step) -> Result<(), Sentence> {
        match step {
            Step::Exchange(exchange) => self.exchange(exchange).await,
            Step::Queue(queue) => self.queue(queue).await,
            Step::Bind { queue, exchange, key } => self.bind(queue, exchange, key).await,
            Step::Consume(_) => Ok(()),
        }
    }

    pub(crate) async fn exchange(&mut self, exchange: &Exchange) -> Result<(), Sentence> {
        let kind = match exchange.kind {
            Kind::Topic => ExchangeKind::Topic,
            Kind::Fanout => ExchangeKind::Fanout,
        };
        let options = ExchangeDeclareOptions {
            durable: exchange.durable,
            auto_delete: exchange.auto_delete,
            ..ExchangeDeclareOptions::default()
        };
        let channel = self.channel().await?;
        let done =
            channel.exchange_declare(name(&exchange.name)?, kind, options, FieldTable::default()).await;
        self.judge(done, || format!("declaring the exchange {}", exchange.name))
    }

    async fn queue(&mut self, queue: &Queue) -> Result<(), Sentence> {
        let options = QueueDeclareOptions {
            durable: queue.durable,
            auto_delete: queue.auto_delete,
            ..QueueDeclareOptions::default()
        };
        let channel = self.channel().await?;
        let done = channel.queue_declare(name(&queue.name)?, options, table(&queue.arguments)).await;
        self.judge(done.map(drop), || format!("declaring the queue {}", queue.name))
    }

    async fn bind(&mut self, queue: &str, exchange: &str, key: &str) -> Result<(), Sentence> {
        let channel = self.channel().await?;
        let options = QueueBindOptions::default();
        let done = channel
            .queue_bind(name(queue)?, name(exchange)?, name(key)?, options, FieldTable::default())
            .await;
        self.judge(done, || format!("binding the queue {queue} to the exchange {exchange}"))
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
