//! The life of one connection: declare, consume, watch, and end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use lapin::options::BasicQosOptions;
use lapin::{Channel, Connection, Event};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::DECLARING;
use super::consume::{self, Offsets};
use super::declare::{Declarer, Sentence, at_once};
use super::dial::Dialled;
use super::publish::Publisher;
use super::refusal;
use super::wire::Hangup;
use crate::core::Core;
use crate::listen::Listen;
use crate::request::Incoming;
use crate::topology::{self, Consume, Step};

/// How long closing may take.
const PARTING: Duration = Duration::from_secs(5);
/// The shortest time between two losses of queues that are mended on the same connection.
const CALM: Duration = Duration::from_secs(1);

/// What outlives a connection.
#[derive(Debug)]
pub(crate) struct Lasting {
    pub(crate) core: Arc<Core>,
    pub(crate) incoming: mpsc::Sender<Incoming>,
    pub(crate) offsets: Arc<Offsets>,
    /// Topics to be added.
    pub(crate) more: mpsc::UnboundedReceiver<Listen>,
    /// Turns true, or ends, when the bus is to be closed.
    pub(crate) closing: watch::Receiver<bool>,
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum End {
    Lost(Sentence),
    Closing,
}

#[derive(Debug)]
pub(crate) struct Session {
    connection: Arc<Connection>,
    publisher: Arc<Publisher>,
    channel: Channel,
    /// Tasks that take messages; one ends when something of what it consumes does.
    taking: JoinSet<Sentence>,
    mended: Option<Instant>,
    /// Dropped last.
    _hangup: Hangup,
}

impl Session {
    /// Declares and consumes everything.
    pub(crate) async fn open(lasting: &mut Lasting, dialled: Dialled) -> Result<Self, Sentence> {
        let core = Arc::clone(&lasting.core);
        let Dialled { connection, hangup } = dialled;
        let connection = Arc::new(connection);
        let epoch = core.epoch() + 1;
        let publisher = Publisher::open(Arc::clone(&connection), epoch, core.settings.compression).await;
        let publisher = publisher.map_err(|error| refusal::operation(&error, "opening a channel"))?;
        while let Ok(listen) = lasting.more.try_recv() {
            core.listens().add(listen);
        }
        let mut declarer = Declarer::new(&connection);
        let channel = channel(&connection, &core).await?;
        let mut session = Self {
            publisher: Arc::new(publisher),
            channel,
            taking: JoinSet::new(),
            mended: None,
            _hangup: hangup,
            connection: Arc::clone(&connection),
        };
        let survived = session.take_all(lasting, &mut declarer).await?;
        declarer.finish().await;
        core.up(Arc::clone(&session.publisher), survived);
        Ok(session)
    }

    /// Watches over the connection until it ends.
    pub(crate) async fn run(&mut self, lasting: &mut Lasting) -> End {
        let core = Arc::clone(&lasting.core);
        let mut events = Box::pin(self.connection.events_listener());
        let mut closing = lasting.closing.clone();
        loop {
            // An event may have come before anybody listened.
            if !self.connection.status().connected() {
                return End::Lost(self.last_words(None));
            }
            tokio::select! {
                event = events.next() => match event {
                    Some(Event::ConnectionBlocked(why)) => {
                        warn!("the message broker takes no messages for now: {why}");
                        core.blocked(why);
                    }
                    Some(Event::ConnectionUnblocked) => {
                        info!("the message broker takes messages again");
                        core.unblocked(Arc::clone(&self.publisher));
                    }
                    Some(Event::Error(error)) if refusal::ends_connection(&error) => {
                        return End::Lost(self.last_words(Some(&error)));
                    }
                    // What ends a channel is noticed by whoever uses it.
                    Some(_) => {}
                    None => return End::Lost(self.last_words(None)),
                },
                Some(ended) = self.taking.join_next() => {
                    let why = ended.unwrap_or_else(|error| format!("taking messages failed: {error}"));
                    if let Err(why) = in_time(self.mend(lasting, why)).await {
                        return End::Lost(why);
                    }
                }
                Some(listen) = lasting.more.recv() => {
                    if let Err(why) = in_time(self.add(lasting, listen)).await {
                        return End::Lost(why);
                    }
                }
                () = closed(&mut closing) => return End::Closing,
            }
        }
    }

    /// Ends the connection and what was ours alone.
    pub(crate) async fn close(mut self, core: &Core) {
        self.taking.shutdown().await;
        let names = core.names().all();
        let parting = async {
            let mut declarer = Declarer::new(&self.connection);
            for queue in names {
                if let Err(why) = declarer.delete(&queue).await {
                    debug!("{why}");
                }
            }
            declarer.finish().await;
            // A connection that cannot be closed is cut off.
            let _ = self.connection.close(200, "OK".into()).await;
        };
        if timeout(PARTING, parting).await.is_err() {
            warn!("the message broker did not take leave in time; its queues of ours expire by themselves");
        }
    }

    /// Something was taken away while the connection stands: everything is declared and consumed again.
    async fn mend(&mut self, lasting: &Lasting, why: Sentence) -> Result<(), Sentence> {
        if !self.connection.status().connected() {
            return Err(why);
        }
        let since = Instant::now();
        warn!("{why}; declaring everything again");
        if let Some(calm) = self.mended.and_then(|mended| CALM.checked_sub(mended.elapsed())) {
            tokio::time::sleep(calm).await;
        }
        self.taking.shutdown().await;
        // The broker may have closed it.
        let _ = self.channel.close(200, "OK".into()).await;
        self.channel = channel(&self.connection, &lasting.core).await?;
        let connection = Arc::clone(&self.connection);
        let mut declarer = Declarer::new(&connection);
        let survived = self.take_all(lasting, &mut declarer).await?;
        declarer.finish().await;
        self.mended = Some(Instant::now());
        lasting.core.gap(since, survived);
        Ok(())
    }

    /// Declares and consumes everything. Returns whether the queue of answers was still there.
    async fn take_all(&mut self, lasting: &Lasting, declarer: &mut Declarer<'_>) -> Result<bool, Sentence> {
        let core = &lasting.core;
        let reply_queue = core.names().reply().to_owned();
        let survived = core.epoch() == 0 || declarer.exists(&reply_queue).await?;
        let replies = topology::replies(&core.settings, &reply_queue);
        let mut requests = vec![Step::Exchange(topology::control(&core.settings))];
        for listen in core.listens().all() {
            requests.extend(steps(core, listen));
        }
        declarer.steps(&replies).await?;
        declarer.steps(&requests).await?;
        for (_, consumer) in self.consumers(&replies, &lasting.offsets).await? {
            self.taking.spawn(consume::answers(Arc::clone(core), consumer));
        }
        self.take(lasting, &requests).await?;
        Ok(survived)
    }

    async fn add(&mut self, lasting: &Lasting, listen: Listen) -> Result<(), Sentence> {
        let more = lasting.core.listens().add(listen);
        let requests = steps(&lasting.core, &more);
        let connection = Arc::clone(&self.connection);
        let mut declarer = Declarer::new(&connection);
        declarer.steps(&requests).await?;
        declarer.finish().await;
        self.take(lasting, &requests).await
    }

    async fn take(&mut self, lasting: &Lasting, requests: &[Step]) -> Result<(), Sentence> {
        let consumers = self.consumers(requests, &lasting.offsets).await?;
        if !consumers.is_empty() {
            let (core, incoming) = (Arc::clone(&lasting.core), lasting.incoming.clone());
            self.taking.spawn(consume::requests(core, incoming, Arc::clone(&lasting.offsets), consumers));
        }
        Ok(())
    }

    async fn consumers(
        &self,
        steps: &[Step],
        offsets: &Offsets,
    ) -> Result<Vec<(Consume, lapin::Consumer)>, Sentence> {
        let wanted = steps.iter().filter_map(|step| match step {
            Step::Consume(what) => Some(what),
            _ => None,
        });
        let begun = wanted.map(|what| async move {
            let consumer = consume::consume(&self.channel, what, offsets).await?;
            Ok((what.clone(), consumer))
        });
        at_once(begun).await.into_iter().collect()
    }

    /// Why the connection ended, as far as the broker said.
    fn last_words(&self, error: Option<&lapin::Error>) -> Sentence {
        match error {
            Some(error) => match refusal::from_broker(error) {
                Some(said) => format!("the message broker closed the connection: {}", said.get_message()),
                None => format!("the connection to the message broker was lost: {error}"),
            },
            None => "the connection to the message broker was lost".to_owned(),
        }
    }
}

async fn in_time(declaring: impl Future<Output = Result<(), Sentence>>) -> Result<(), Sentence> {
    let done = timeout(DECLARING, declaring).await;
    done.unwrap_or_else(|_| Err("the message broker does not answer what is declared".to_owned()))
}

/// Returns when the bus is to be closed.
pub(crate) async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error means that nobody holds the bus any more.
    let _ = closing.wait_for(|closing| *closing).await;
}

fn steps(core: &Core, listen: &Listen) -> Vec<Step> {
    let own = core.names().fanout(&listen.topic);
    topology::listen(&core.settings, listen, &own)
}

/// The channel that everything is consumed on.
async fn channel(connection: &Connection, core: &Core) -> Result<Channel, Sentence> {
    // Streams are not read without a limit.
    const LIMIT_OF_STREAMS: u16 = 100;
    let opening = |error: lapin::Error| refusal::operation(&error, "opening a channel");
    let channel = connection.create_channel().await.map_err(opening)?;
    let prefetch = match core.settings.prefetch {
        0 if core.settings.queues.stream_fanout => LIMIT_OF_STREAMS,
        prefetch => prefetch,
    };
    if prefetch > 0 {
        channel.basic_qos(prefetch, BasicQosOptions::default()).await.map_err(opening)?;
    }
    Ok(channel)
}
