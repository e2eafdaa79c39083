//! Handing messages to the broker, each until the broker confirms that it has it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, PublisherConfirm};
use tokio::sync::Mutex;

use super::declare::{Declarer, Sentence, name};
use super::refusal;
use crate::compression::{Compression, HEADER};
use crate::topology::{Exchange, Step};

/// How often a message is tried on one connection: the channel may be closed for another message's fault.
const ATTEMPTS: usize = 3;

/// A message ready to go.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// `None`: the default exchange, where the key is the name of a queue.
    pub(crate) exchange: Option<Exchange>,
    pub(crate) key: String,
    pub(crate) body: Vec<u8>,
    pub(crate) expiry: Option<Expiry>,
    /// The broker shall say when there is no queue for it.
    pub(crate) mandatory: bool,
}

/// How long the broker keeps a message for somebody to take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expiry {
    pub(crate) whole: Duration,
    pub(crate) deadline: Instant,
}

impl Expiry {
    /// In milliseconds. What is sent at once says the whole time, as others do; after waiting for a connection, what
    /// is left of it.
    fn milliseconds(self, now: Instant) -> u128 {
        const AT_ONCE: Duration = Duration::from_secs(1);
        let left = self.deadline.saturating_duration_since(now);
        let told = if self.whole.saturating_sub(left) < AT_ONCE { self.whole } else { left };
        told.as_millis()
    }
}

/// The broker has the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    Taken,
    /// There is no queue for it.
    Returned,
}

#[derive(Debug)]
pub(crate) enum PublishError {
    /// The connection is gone; whether the message arrived is not known.
    Lost,
    Refused(Sentence),
}

/// The sending side of one connection.
#[derive(Debug)]
pub(crate) struct Publisher {
    connection: Arc<Connection>,
    /// Locked while a message is written: confirmations are counted in the order of writing.
    channel: Mutex<Channel>,
    epoch: u64,
    compression: Option<Compression>,
}

impl Publisher {
    pub(crate) async fn open(
        connection: Arc<Connection>,
        epoch: u64,
        compression: Option<Compression>,
    ) -> lapin::Result<Self> {
        let channel = Mutex::new(confirming(&connection).await?);
        Ok(Self { connection, channel, epoch, compression })
    }

    /// Which connection this is.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) async fn publish(&self, message: &Outgoing) -> Result<Delivered, PublishError> {
        let body = self.packed(message)?;
        let mut refused = String::new();
        for _ in 0..ATTEMPTS {
            let confirmed = match self.write(message, &body).await {
                Ok(confirm) => confirm.await,
                Err(WriteError::Name(sentence)) => return Err(PublishError::Refused(sentence)),
                Err(WriteError::Client(error)) => Err(error),
            };
            match confirmed {
                Ok(Confirmation::Ack(None) | Confirmation::NotRequested) => return Ok(Delivered::Taken),
                Ok(Confirmation::Ack(Some(_))) => return Ok(Delivered::Returned),
                Ok(Confirmation::Nack(_)) => {
                    return Err(PublishError::Refused("the message broker refused it".to_owned()));
                }
                Err(_) if !self.connection.status().connected() => return Err(PublishError::Lost),
                Err(error) => refused = refusal::operation(&error, "sending a message"),
            }
            self.declare(message).await?;
        }
        Err(PublishError::Refused(refused))
    }

    fn packed<'a>(&self, message: &'a Outgoing) -> Result<Cow<'a, [u8]>, PublishError> {
        let Some(method) = self.compression else { return Ok(Cow::Borrowed(&message.body)) };
        let failed = |error| PublishError::Refused(format!("the message cannot be compressed: {error}"));
        method.compress(&message.body).map(Cow::Owned).map_err(failed)
    }

    async fn write(&self, message: &Outgoing, body: &[u8]) -> Result<PublisherConfirm, WriteError> {
        let exchange = message.exchange.as_ref().map_or("", |exchange| &exchange.name);
        let (exchange, key) = (name(exchange)?, name(&message.key)?);
        let options = BasicPublishOptions { mandatory: message.mandatory, immediate: false };
        let mut channel = self.channel.lock().await;
        if !channel.status().connected() {
            *channel = confirming(&self.connection).await?;
        }
        let properties = properties(message, self.compression);
        Ok(channel.basic_publish(exchange, key, options, body, properties).await?)
    }

    /// The likeliest reason to be refused is that the exchange is not there.
    async fn declare(&self, message: &Outgoing) -> Result<(), PublishError> {
        let Some(exchange) = &message.exchange else { return Ok(()) };
        let mut declarer = Declarer::new(&self.connection);
        let done = declarer.step(&Step::Exchange(exchange.clone())).await;
        declarer.finish().await;
        match done {
            Err(_) if !self.connection.status().connected() => Err(PublishError::Lost),
            done => done.map_err(PublishError::Refused),
        }
    }
}

#[derive(Debug)]
enum WriteError {
    Name(Sentence),
    Client(lapin::Error),
}

impl From<Sentence> for WriteError {
    fn from(sentence: Sentence) -> Self {
        Self::Name(sentence)
    }
}

impl From<lapin::Error> for WriteError {
    fn from(error: lapin::Error) -> Self {
        Self::Client(error)
    }
}

async fn confirming(connection: &Connection) -> lapin::Result<Channel> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

fn properties(message: &Outgoing, compression: Option<Compression>) -> BasicProperties {
    const PERSISTENT: u8 = 2;
    let mut headers = FieldTable::default();
    if let Some(method) = compression {
        headers.insert(HEADER.into(), AMQPValue::LongString(method.name().into()));
    }
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_headers(headers)
        .with_delivery_mode(PERSISTENT)
        .with_priority(0);
    match message.expiry.map(|expiry| expiry.milliseconds(Instant::now())) {
        Some(milliseconds) => properties.with_expiration(milliseconds.to_string().as_str().into()),
        None => properties,
    }
}
