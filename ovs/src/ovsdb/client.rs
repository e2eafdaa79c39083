//! The handle that programs hold, and the task behind it that keeps a connection up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tracing::{debug, warn};

use super::error::Error;
use super::events::{self, Events};
use super::message;
use super::monitor::Monitor;
use super::operation::Operation;
use super::outcome::{self, OpResult};
use super::remote::Remote;
use super::replica::Replica;
use super::schema::Schema;
use super::session::{self, Command, Publisher};
use super::tls::TlsFiles;

/// Where to connect, what to follow, and how patient to be.
#[derive(Debug, Clone)]
pub struct Settings {
    pub remote: Remote,
    /// Needed for an `ssl:` remote.
    pub tls: Option<TlsFiles>,
    pub monitor: Monitor,
    /// The silence after which the server is asked for a sign of life; after the same time again it is given up. Zero:
    /// never.
    pub probe: Duration,
    pub connect_timeout: Duration,
    /// How long schema and initial rows may take.
    pub sync_timeout: Duration,
    /// The first pause between attempts to connect; it doubles up to `longest_pause`.
    pub shortest_pause: Duration,
    pub longest_pause: Duration,
    /// The longest message accepted, in bytes. The initial rows come in one message: about 600 bytes for each port of a
    /// switch with its interface.
    pub message_limit: usize,
}

impl Settings {
    pub fn new(remote: Remote, monitor: Monitor) -> Self {
        Self {
            remote,
            tls: None,
            monitor,
            probe: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(10),
            sync_timeout: Duration::from_secs(60),
            shortest_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(8),
            message_limit: 128 << 20,
        }
    }
}

/// A connection to one database that is kept up for as long as a clone of this handle lives.
///
/// All methods take `&self`, any number of calls may be in flight, and every future may be dropped at any point.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    database: String,
    link: watch::Receiver<Link>,
    replica: watch::Receiver<Replica>,
    last_id: AtomicU64,
    keeper: AbortHandle,
}

/// Whether there is a connection to send calls to.
#[derive(Debug, Clone)]
pub(crate) enum Link {
    Starting,
    Up { calls: mpsc::Sender<Command>, schema: Arc<Schema> },
    Down { why: Arc<Error> },
}

impl Client {
    /// Connects, and waits until the replica is complete or the first attempt has failed.
    ///
    /// After a first success the connection is made anew whenever it is lost. Must be called inside a tokio runtime.
    pub async fn connect(settings: Settings) -> Result<(Self, Events), Arc<Error>> {
        let (client, events) = Self::start(settings);
        let mut link = client.shared.link.clone();
        let outcome = match link.wait_for(|link| !matches!(link, Link::Starting)).await.as_deref() {
            Ok(Link::Down { why }) => Err(why.clone()),
            Ok(Link::Up { .. } | Link::Starting) => Ok(()),
            Err(_) => Err(Arc::new(Error::NotConnected(None))),
        };
        outcome.map(|()| (client, events))
    }

    /// Connects in the background, for as often as it takes. Must be called inside a tokio runtime.
    pub fn start(settings: Settings) -> (Self, Events) {
        let (sink, events) = events::channel();
        let (link_sender, link) = watch::channel(Link::Starting);
        let (replica_sender, replica) = watch::channel(Replica::default());
        let publisher = Publisher { link: link_sender, replica: replica_sender, events: sink };
        let database = settings.monitor.database().to_owned();
        let keeper = tokio::spawn(keep(settings, publisher)).abort_handle();
        let shared = Shared { database, link, replica, last_id: AtomicU64::new(0), keeper };
        (Self { shared: Arc::new(shared) }, events)
    }

    /// Waits until the connection is up and the replica complete. Gives an error only when the client is shut down.
    pub async fn ready(&self) -> Result<(), Error> {
        let mut link = self.shared.link.clone();
        let up = link.wait_for(|link| matches!(link, Link::Up { .. })).await;
        up.map(|_| ()).map_err(|_| Error::NotConnected(None))
    }

    pub fn is_connected(&self) -> bool {
        matches!(&*self.shared.link.borrow(), Link::Up { .. })
    }

    /// The server's schema; none while not connected.
    pub fn schema(&self) -> Option<Arc<Schema>> {
        match &*self.shared.link.borrow() {
            Link::Up { schema, .. } => Some(schema.clone()),
            Link::Starting | Link::Down { .. } => None,
        }
    }

    /// The monitored rows as last seen. Cheap: nothing is copied.
    ///
    /// After [`Client::transact`] has returned, the replica has what that transaction did to monitored columns.
    pub fn replica(&self) -> Replica {
        self.shared.replica.borrow().clone()
    }

    /// Waits until the replica meets a condition, which it may already, and gives it as it then was. Without an end of
    /// its own: put a `tokio::time::timeout` around it.
    pub async fn wait_for(&self, condition: impl FnMut(&Replica) -> bool) -> Result<Replica, Error> {
        let mut replica = self.shared.replica.clone();
        let mut condition = condition;
        let met = replica.wait_for(|replica| condition(replica)).await;
        met.map(|replica| replica.clone()).map_err(|_| Error::NotConnected(None))
    }

    /// Executes operations as one transaction: all take effect, or none and the error says which one was refused.
    ///
    /// Dropping the future withdraws a call that was not sent; one that was sent may still be committed, except that a
    /// [`Operation::Wait`] that has not been met is cancelled. There is no time limit of its own; a server that
    /// does not live any more is found out by the probe ([`Settings::probe`]) and gives [`Error::Lost`].
    pub async fn transact(&self, operations: impl Into<Vec<Operation>>) -> Result<Vec<OpResult>, Error> {
        let operations = operations.into();
        let mut params = vec![Json::from(self.shared.database.as_str())];
        params.extend(operations.iter().map(Operation::to_json));
        let patient = operations.iter().any(Operation::may_wait);
        let (reply, schema) = self.send("transact", &Json::Array(params), patient).await?;
        outcome::results(&operations, &schema, &reply)
    }

    /// Calls any method, for those that have no function here, such as `list_dbs`.
    pub async fn call(&self, method: &'static str, params: &Json) -> Result<Json, Error> {
        self.send(method, params, false).await.map(|(reply, _)| reply)
    }

    async fn send(
        &self,
        method: &'static str,
        params: &Json,
        patient: bool,
    ) -> Result<(Json, Arc<Schema>), Error> {
        let (calls, schema) = match &*self.shared.link.borrow() {
            Link::Up { calls, schema } => (calls.clone(), schema.clone()),
            Link::Down { why } => return Err(Error::NotConnected(Some(why.clone()))),
            Link::Starting => return Err(Error::NotConnected(None)),
        };
        let id = self.shared.last_id.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        let message = message::request(&Json::from(id), method, params);
        if calls.send(Command::Call { id, message, reply }).await.is_err() {
            return Err(Error::NotConnected(self.why_down(&calls).await));
        }
        let mut withdrawal = Withdrawal { id, calls: patient.then_some(&calls) };
        let answer = answer.await;
        withdrawal.calls = None;
        match answer {
            Ok(Ok(result)) => Ok((result, schema)),
            Ok(Err(error)) => Err(session::refused(method, &error)),
            Err(_) => Err(Error::Lost(self.why_down(&calls).await)),
        }
    }

    /// Why the connection of `calls`, which has just been found dead, has ended. None when there is a new one already.
    async fn why_down(&self, calls: &mpsc::Sender<Command>) -> Option<Arc<Error>> {
        let mut link = self.shared.link.clone();
        let moved_on = |link: &Link| match link {
            Link::Up { calls: current, .. } => !current.same_channel(calls),
            Link::Starting | Link::Down { .. } => true,
        };
        match link.wait_for(moved_on).await.as_deref() {
            Ok(Link::Down { why }) => Some(why.clone()),
            _ => None,
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Tells the server not to wait any longer for a caller that has gone. Best effort: with the queue full the operation
/// keeps waiting on the server, which harms nobody but its own timeout.
struct Withdrawal<'a> {
    id: u64,
    calls: Option<&'a mpsc::Sender<Command>>,
}

impl Drop for Withdrawal<'_> {
    fn drop(&mut self) {
        if let Some(calls) = self.calls {
            let message = message::notification("cancel", &json!([self.id]));
            drop(calls.try_send(Command::Notify { message }));
        }
    }
}

/// Makes one connection after the other, with growing pauses. A connection that lasted makes the next pause short.
async fn keep(settings: Settings, publisher: Publisher) {
    let mut pause = settings.shortest_pause;
    let mut told = String::new();
    loop {
        let begun = Instant::now();
        let why = Arc::new(session::run(&settings, &publisher).await);
        publisher.link.send_replace(Link::Down { why: why.clone() });
        publisher.events.disconnected(why.clone());
        let lasted = begun.elapsed() >= settings.longest_pause;
        if lasted {
            pause = settings.shortest_pause;
        }
        // The same reason again, attempt after attempt, is nothing new.
        let text = chain(&why);
        if lasted || text != told {
            warn!(remote = %settings.remote, error = text, "no connection to the database server");
            told = text;
        } else {
            debug!(remote = %settings.remote, error = text, "still no connection to the database server");
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(settings.longest_pause);
    }
}

/// An error with its sources, in one line.
fn chain(error: &Error) -> String {
    let sources = std::iter::successors(std::error::Error::source(error), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
