//! One connection, from the first byte to the last: greeting, transfer of the replica, then updates and replies in the
//! order the server sends them. Because of that order a transaction's effect is in the replica before its caller hears
//! of it (ovsdb-server(7), section 4.1.5).
//!
//! ```text
//!   callers --Command--> writer task --> socket --> inbound --> replica, events
//!                ^            |  ^                     |
//!                |      (pending replies)              +--> replies to callers
//!                |            |  +---- control <-------+    (echo answers, probes, greeting)
//! ```

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value as Json, json};
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, info};

use super::client::{Link, Settings};
use super::decode::excerpt;
use super::error::Error;
use super::events::EventSink;
use super::inbound::Inbound;
use super::message::Message;
use super::monitor::Shapes;
use super::outcome::refusal;
use super::replica::Replica;
use super::schema::Schema;
use super::transport::{self, Sink};
use super::update::{self, Form};

/// How many calls may wait for the writer; more callers wait for room.
const CALLS: usize = 256;
/// How many messages of the connection's own may wait for the writer.
const CONTROLS: usize = 64;
/// How much to gather before writing.
const GATHER: usize = 64 << 10;
/// How long to go on reading when writing has failed.
const FAREWELL: Duration = Duration::from_secs(1);
/// The name of our monitor on the connection.
const MONITOR: &str = "replica";

pub(crate) type Reply = Result<Json, Json>;

/// What callers hand to the writer.
#[derive(Debug)]
pub(crate) enum Command {
    Call { id: u64, message: Bytes, reply: oneshot::Sender<Reply> },
    Notify { message: Bytes },
}

/// Where a session puts what it learns.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) link: watch::Sender<Link>,
    pub(crate) replica: watch::Sender<Replica>,
    pub(crate) events: EventSink,
}

#[derive(Debug, Clone, Default)]
struct Pending(Arc<Mutex<HashMap<u64, oneshot::Sender<Reply>>>>);

/// Connects and serves until something fails; says what.
pub(crate) async fn run(settings: &Settings, publisher: &Publisher) -> Error {
    match serve(settings, publisher).await {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

async fn serve(settings: &Settings, publisher: &Publisher) -> Result<Infallible, Error> {
    let opening = transport::open(&settings.remote, settings.tls.as_ref());
    let (source, sink) = timeout(settings.connect_timeout, opening).await.map_err(|_| {
        Error::ConnectTimeout { remote: settings.remote.to_string(), after: settings.connect_timeout }
    })??;
    let (control, controls) = mpsc::channel(CONTROLS);
    let (calls, commands) = mpsc::channel(CALLS);
    let pending = Pending::default();
    let mut tasks = JoinSet::new();
    tasks.spawn(write(sink, controls, commands, pending.clone()));
    let mut inbound = Inbound::new(source, control, settings);
    let mut conversation = pin!(converse(settings, publisher, &mut inbound, calls, &pending));
    let written = tokio::select! {
        biased;
        ended = &mut conversation => return ended,
        written = tasks.join_next() => written,
    };
    // What the server said before the writing failed is still to be read, up to its goodbye.
    let farewell = timeout(FAREWELL, conversation).await;
    farewell.unwrap_or_else(|_| match written {
        Some(Ok(Err(error))) => Err(Error::Write(error)),
        _ => Err(Error::Closed),
    })
}

/// The reading side after the connection is made.
async fn converse(
    settings: &Settings,
    publisher: &Publisher,
    inbound: &mut Inbound,
    calls: mpsc::Sender<Command>,
    pending: &Pending,
) -> Result<Infallible, Error> {
    let (schema, follower) = timeout(settings.sync_timeout, greet(settings, inbound))
        .await
        .map_err(|_| Error::SyncTimeout(settings.sync_timeout))??;
    let Follower { shapes, form, mut replica } = follower;
    let changes = publisher.replica.borrow().changes_to(&replica);
    publisher.replica.send_replace(replica.clone());
    info!(remote = %settings.remote, rows = replica.len(), changed = changes.len(), "connected to the database server");
    publisher.link.send_replace(Link::Up { calls, schema: Arc::new(schema) });
    publisher.events.connected(changes);
    loop {
        match inbound.next().await? {
            Message::Response { id, outcome } => pending.resolve(&id, outcome),
            Message::Notification { method, params } => {
                if let Some(updates) = updates(&method, &params, form)? {
                    let changes = update::apply(&mut replica, &shapes, form, updates)?;
                    publisher.replica.send_replace(replica.clone());
                    publisher.events.changed(changes);
                }
            }
            Message::Request { .. } => {}
        }
    }
}

/// The replica of a fresh connection and how it goes on.
struct Follower {
    shapes: Shapes,
    form: Form,
    replica: Replica,
}

/// Asks for the schema, checks it, and starts the monitor.
async fn greet(settings: &Settings, inbound: &mut Inbound) -> Result<(Schema, Follower), Error> {
    let monitor = &settings.monitor;
    let reply = inbound.ask("get_schema", &json!([monitor.database()])).await?;
    let schema = Schema::from_json(&reply.map_err(|error| refused("get_schema", &error))?)?;
    let shapes = monitor.shapes(&schema)?;
    let (form, initial) = start_monitor(settings, inbound, &shapes).await?;
    let mut replica = Replica::default();
    update::apply(&mut replica, &shapes, form, &initial)?;
    Ok((schema, Follower { shapes, form, replica }))
}

/// Starts the best monitor that the server knows and gives the initial rows.
///
/// `monitor_cond_since` is asked for all rows every time: a standalone server, and the switch's database is one, keeps
/// no history and would answer with all rows whatever transaction was named.
async fn start_monitor(
    settings: &Settings,
    inbound: &mut Inbound,
    shapes: &Shapes,
) -> Result<(Form, Json), Error> {
    let monitor = &settings.monitor;
    let with_conditions = monitor.request(shapes, true);
    let nothing = "00000000-0000-0000-0000-000000000000";
    let since = json!([monitor.database(), MONITOR, with_conditions, nothing]);
    match known(inbound.ask("monitor_cond_since", &since).await?, "monitor_cond_since")? {
        Some(Json::Array(mut reply)) if reply.len() == 3 => {
            return Ok((Form::Difference, reply.pop().unwrap_or_default()));
        }
        Some(other) => return Err(Error::Reply { method: "monitor_cond_since", found: excerpt(&other) }),
        None => debug!("the server knows no monitor_cond_since"),
    }
    let conditional = json!([monitor.database(), MONITOR, with_conditions]);
    if let Some(initial) = known(inbound.ask("monitor_cond", &conditional).await?, "monitor_cond")? {
        return Ok((Form::Difference, initial));
    }
    debug!("the server knows no monitor_cond");
    if monitor.has_conditions() {
        return Err(Error::NoConditions);
    }
    let plain = json!([monitor.database(), MONITOR, monitor.request(shapes, false)]);
    let initial = inbound.ask("monitor", &plain).await?.map_err(|error| refused("monitor", &error))?;
    Ok((Form::Whole, initial))
}

/// The result, or none when the server does not know the method.
fn known(reply: Reply, method: &'static str) -> Result<Option<Json>, Error> {
    match reply {
        Ok(result) => Ok(Some(result)),
        Err(error) if error.to_string().contains("unknown method") => Ok(None),
        Err(error) => Err(refused(method, &error)),
    }
}

/// The error of a call that the server refused as a whole. It comes as an object or, from older servers, as bare text.
pub(crate) fn refused(method: &'static str, error: &Json) -> Error {
    let refusal = refusal(error).or_else(|| refusal(&json!({ "error": error })));
    Error::Method { method, refusal: refusal.unwrap_or_default() }
}

/// The table updates of a notification, or none when it is not an update of our monitor.
fn updates<'a>(method: &str, params: &'a Json, form: Form) -> Result<Option<&'a Json>, Error> {
    let params_are_wrong =
        || Error::Message { found: format!("{method} with the parameters {}", excerpt(params)) };
    let expected = match (method, form) {
        ("update", Form::Whole) | ("update2", Form::Difference) => 2,
        ("update3", Form::Difference) => 3,
        ("update" | "update2" | "update3", _) => return Err(params_are_wrong()),
        ("monitor_canceled" | "monitor_cancelled", _) => return Err(Error::MonitorCancelled),
        _ => {
            debug!(method, "ignored a notification");
            return Ok(None);
        }
    };
    match params.as_array().map(Vec::as_slice) {
        Some([monitor, .., updates]) if params.as_array().map(Vec::len) == Some(expected) => {
            Ok((monitor == MONITOR).then_some(updates))
        }
        _ => Err(params_are_wrong()),
    }
}

/// The writer. Ends with an error of the socket, or well when nobody is left to write for.
async fn write(
    mut sink: Sink,
    mut controls: mpsc::Receiver<Bytes>,
    mut commands: mpsc::Receiver<Command>,
    pending: Pending,
) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        buffer.shrink_to(GATHER * 2);
        tokio::select! {
            biased;
            Some(message) = controls.recv() => buffer.extend_from_slice(&message),
            Some(command) = commands.recv() => {
                pending.take_on(command, &mut buffer);
                while buffer.len() < GATHER && let Ok(command) = commands.try_recv() {
                    pending.take_on(command, &mut buffer);
                }
            }
            else => return Ok(()),
        }
        sink.write_all(&buffer).await?;
        sink.flush().await?;
    }
}

impl Pending {
    /// Notes who waits for the reply and puts the message into the buffer. A call whose caller is gone is left out.
    fn take_on(&self, command: Command, buffer: &mut Vec<u8>) {
        match command {
            Command::Call { reply, .. } if reply.is_closed() => {}
            Command::Call { id, message, reply } => {
                self.lock().insert(id, reply);
                buffer.extend_from_slice(&message);
            }
            Command::Notify { message } => buffer.extend_from_slice(&message),
        }
    }

    fn resolve(&self, id: &Json, outcome: Reply) {
        let caller = id.as_u64().and_then(|id| self.lock().remove(&id));
        match caller {
            // A caller that is gone does not want the reply.
            Some(caller) => drop(caller.send(outcome)),
            None => debug!(%id, "ignored a reply to nothing that was asked"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Reply>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
