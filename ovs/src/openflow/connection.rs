//! A connection to a bridge, over the socket that `ovs-vswitchd` keeps for its management.
//!
//! ```text
//!   callers --- conversation: a range of transaction ids, and a queue of what comes back for them
//!      |                                        ^
//!      v                                        |
//!   writer task ----> <run folder>/<bridge>.mgmt ----> reader task: frames, echo, "closed"
//! ```
//!
//! Reader and writer are tasks of their own, since a switch that is answering one thing stops listening to
//! the next until its answers are read. Nothing here reconnects: when [`Connection::closed`] ends, the caller
//! makes a new connection and looks at the flows again, for the switch may have lost them.
//!
//! The switch never probes a connection of this kind, so the reader does, to notice one that hangs.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::codec::{self, DecodeError, FlowFilter, FlowStats, Header, Message, PortDescription, VERSION};
use super::flow::Flow;
use super::refusal::OfError;

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the next message of an answer. A switch that is adding many ports may be busy for seconds.
    pub answer: Duration,
    /// Silence after which the switch is asked whether it is there.
    pub probe: Duration,
    /// Silence after which it is given up.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(30),
            probe: Duration::from_secs(5),
            silence: Duration::from_secs(60),
        }
    }
}

/// No connection to a bridge could be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("cannot connect to the switch at {}", path.display())]
    Socket { path: PathBuf, source: io::Error },
    #[error(
        "the bridge at {} does not speak OpenFlow 1.4 ({said}); add OpenFlow14 to its column protocols",
        path.display()
    )]
    Version { path: PathBuf, said: String },
    #[error("the switch at {} did not say hello", path.display())]
    Hello { path: PathBuf, source: Cause },
}

/// A request over a connection came to nothing.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} over {}", path.display())]
pub struct RequestError {
    pub doing: &'static str,
    pub path: PathBuf,
    pub source: Cause,
}

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    #[error("the connection is closed: {0}")]
    Closed(Closed),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the answer cannot be read")]
    Malformed(#[source] DecodeError),
    #[error("the request was refused")]
    Refused(#[source] OfError),
    #[error("the answer belongs to another question")]
    Unexpected,
}

/// Why a connection ended.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Closed {
    #[error("the switch closed it")]
    BySwitch,
    #[error("the switch did not answer a probe")]
    Silent,
    #[error("it broke ({0:?})")]
    Broken(io::ErrorKind),
    #[error("the switch does not keep to the protocol")]
    Malformed(#[source] DecodeError),
    #[error("we closed it")]
    ByUs,
}

/// A connection to one bridge. Copies share it; with the last one it is closed.
#[derive(Clone, Debug)]
pub struct Connection {
    path: Arc<Path>,
    patience: Patience,
    outgoing: mpsc::UnboundedSender<Vec<u8>>,
    routes: Arc<Routes>,
    closed: watch::Receiver<Option<Closed>>,
}

impl Connection {
    /// Connects to the socket `<run folder>/<bridge>.mgmt`.
    pub async fn connect(path: impl Into<PathBuf>) -> Result<Self, ConnectError> {
        Self::connect_with(path, Patience::default()).await
    }

    /// Connects with other waiting times than the usual ones.
    pub async fn connect_with(path: impl Into<PathBuf>, patience: Patience) -> Result<Self, ConnectError> {
        let path = path.into();
        let mut stream = match UnixStream::connect(&path).await {
            Ok(stream) => stream,
            Err(source) => return Err(ConnectError::Socket { path, source }),
        };
        let greeting = match timeout(patience.answer, greet(&mut stream)).await {
            Ok(greeting) => greeting,
            Err(_) => Err(Greeting::Failed(Cause::Timeout(patience.answer))),
        };
        match greeting {
            Ok(early) => Ok(Self::start(path, patience, stream, early)),
            Err(Greeting::Version(said)) => Err(ConnectError::Version { path, said }),
            Err(Greeting::Failed(source)) => Err(ConnectError::Hello { path, source }),
        }
    }

    fn start(path: PathBuf, patience: Patience, stream: UnixStream, early: BytesMut) -> Self {
        let (reading, writing) = stream.into_split();
        let (outgoing, queue) = mpsc::unbounded_channel();
        let (hung_up, hearing) = watch::channel(false);
        let (closing, closed) = watch::channel(None);
        let routes = Arc::new(Routes::default());
        tokio::spawn(write(writing, queue, hung_up));
        let reader =
            Reader { patience, early, routes: Arc::clone(&routes), replies: outgoing.downgrade(), hearing };
        tokio::spawn(reader.run(reading, closing));
        Self { path: path.into(), patience, outgoing, routes, closed }
    }

    /// The socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends when the connection has ended, and says why.
    pub fn closed(&self) -> impl Future<Output = Closed> + Send + 'static {
        let mut closed = self.closed.clone();
        async move {
            match closed.wait_for(Option::is_some).await {
                Ok(reason) => reason.clone().unwrap_or(Closed::ByUs),
                Err(_) => Closed::ByUs,
            }
        }
    }

    /// Why the connection has ended, if it has.
    pub fn close_reason(&self) -> Option<Closed> {
        self.closed.borrow().clone()
    }

    /// The flows that a filter selects, in the switch's order.
    pub async fn dump_flows(&self, filter: &FlowFilter) -> Result<Vec<Flow>, RequestError> {
        let counted = self.dump_flow_stats(filter).await?;
        Ok(counted.into_iter().map(|counted| counted.flow).collect())
    }

    /// The flows that a filter selects, with what they have counted.
    pub async fn dump_flow_stats(&self, filter: &FlowFilter) -> Result<Vec<FlowStats>, RequestError> {
        let mut talk = self.ask("dump flows", &Message::FlowStatsRequest(filter.clone()))?;
        let mut all = Vec::new();
        loop {
            let Message::FlowStats { flows, more } = talk.answer().await? else {
                return Err(talk.error(Cause::Unexpected));
            };
            all.extend(flows);
            if !more {
                return Ok(all);
            }
        }
    }

    /// The ports of the bridge.
    pub async fn ports(&self) -> Result<Vec<PortDescription>, RequestError> {
        let mut talk = self.ask("list ports", &Message::PortsRequest)?;
        let mut all = Vec::new();
        loop {
            let Message::Ports { ports, more } = talk.answer().await? else {
                return Err(talk.error(Cause::Unexpected));
            };
            all.extend(ports);
            if !more {
                return Ok(all);
            }
        }
    }

    /// The bridge's datapath id, whose lowest 48 bits are usually its MAC address.
    pub async fn datapath_id(&self) -> Result<u64, RequestError> {
        let mut talk = self.ask("read the datapath id", &Message::FeaturesRequest)?;
        match talk.answer().await? {
            Message::Features { datapath, .. } => Ok(datapath),
            _ => Err(talk.error(Cause::Unexpected)),
        }
    }

    /// Ends when the switch has carried out everything that was sent before.
    pub async fn barrier(&self) -> Result<(), RequestError> {
        let mut talk = self.ask("wait for the switch", &Message::BarrierRequest)?;
        match talk.answer().await? {
            Message::BarrierReply => Ok(()),
            _ => Err(talk.error(Cause::Unexpected)),
        }
    }

    fn ask(&self, doing: &'static str, message: &Message) -> Result<Conversation, RequestError> {
        let talk = self.converse(doing, 1)?;
        let mut bytes = Vec::with_capacity(128);
        codec::encode(message, talk.first, &mut bytes);
        talk.send(bytes)?;
        Ok(talk)
    }

    /// Takes `count` transaction ids; what comes back with one of them goes to the conversation.
    pub(super) fn converse(&self, doing: &'static str, count: u32) -> Result<Conversation, RequestError> {
        let (route, answers) = mpsc::unbounded_channel();
        let first = self.routes.open(count, route);
        let connection = self.clone();
        let talk = |first| Conversation { connection, doing, first, answers };
        first.map(talk).ok_or_else(|| self.error(doing, self.closed_cause()))
    }

    fn error(&self, doing: &'static str, source: Cause) -> RequestError {
        RequestError { doing, path: self.path.to_path_buf(), source }
    }

    fn closed_cause(&self) -> Cause {
        Cause::Closed(self.close_reason().unwrap_or(Closed::ByUs))
    }
}

/// Some requests and what comes back for them. When it is dropped, later answers are too.
#[derive(Debug)]
pub(super) struct Conversation {
    connection: Connection,
    doing: &'static str,
    /// The first of the transaction ids.
    pub(super) first: u32,
    answers: mpsc::UnboundedReceiver<Bytes>,
}

impl Conversation {
    pub(super) fn send(&self, bytes: Vec<u8>) -> Result<(), RequestError> {
        self.connection.outgoing.send(bytes).map_err(|_| self.error(self.connection.closed_cause()))
    }

    /// The next message, errors of the switch included.
    pub(super) async fn next(&mut self) -> Result<(Header, Message), RequestError> {
        let limit = self.connection.patience.answer;
        match timeout(limit, self.answers.recv()).await {
            Ok(Some(bytes)) => codec::decode(&bytes).map_err(|error| self.error(Cause::Malformed(error))),
            Ok(None) => Err(self.error(self.connection.closed_cause())),
            Err(_) => Err(self.error(Cause::Timeout(limit))),
        }
    }

    /// The next message, unless it is an error of the switch.
    async fn answer(&mut self) -> Result<Message, RequestError> {
        match self.next().await? {
            (_, Message::Error(error)) => Err(self.error(Cause::Refused(error))),
            (_, message) => Ok(message),
        }
    }

    pub(super) fn error(&self, source: Cause) -> RequestError {
        self.connection.error(self.doing, source)
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.connection.routes.close(self.first);
    }
}

/// Which conversation an answer belongs to.
#[derive(Debug, Default)]
struct Routes {
    table: Mutex<RouteTable>,
}

#[derive(Debug, Default)]
struct RouteTable {
    /// By first transaction id: the last one, and where the answers go.
    open: BTreeMap<u32, (u32, mpsc::UnboundedSender<Bytes>)>,
    last_used: u32,
    ended: bool,
}

impl Routes {
    /// Opens a route for `count` transaction ids and gives the first; None after the end. Id 0 is for probes.
    fn open(&self, count: u32, route: mpsc::UnboundedSender<Bytes>) -> Option<u32> {
        let mut table = self.lock();
        if table.ended {
            return None;
        }
        let last_used = table.last_used.checked_add(count).map_or(0, |_| table.last_used);
        let (first, last) = (last_used + 1, last_used + count);
        table.last_used = last;
        table.open.insert(first, (last, route));
        Some(first)
    }

    fn close(&self, first: u32) {
        self.lock().open.remove(&first);
    }

    fn deliver(&self, xid: u32, message: Bytes) {
        let table = self.lock();
        if let Some((_, (last, route))) = table.open.range(..=xid).next_back()
            && xid <= *last
        {
            // Nobody listens any more: the conversation is just being dropped.
            _ = route.send(message);
        }
    }

    /// Ends every conversation, those to come included.
    fn end(&self) {
        let mut table = self.lock();
        table.ended = true;
        table.open.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, RouteTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Greeting {
    Version(String),
    Failed(Cause),
}

impl From<Cause> for Greeting {
    fn from(cause: Cause) -> Self {
        Self::Failed(cause)
    }
}

/// Exchanges hellos. Gives what has come in behind the switch's.
async fn greet(stream: &mut UnixStream) -> Result<BytesMut, Greeting> {
    let broken = |error: io::Error| Cause::Closed(Closed::Broken(error.kind()));
    let mut hello = Vec::new();
    codec::encode(&Message::Hello { versions: 1 << VERSION }, 0, &mut hello);
    let mut received = BytesMut::new();
    // A switch that refuses may be gone before it has heard us. Then what it said still says why.
    let sent = stream.write_all(&hello).await;
    loop {
        if let Some(message) = codec::split_message(&mut received).map_err(Cause::Malformed)? {
            match codec::decode(&message).map_err(Cause::Malformed)? {
                (_, Message::Hello { versions }) if versions & (1 << VERSION) == 0 => {
                    return Err(Greeting::Version(format!("it speaks {}", VersionNames(versions))));
                }
                (_, Message::Hello { .. }) => {
                    sent.map_err(broken)?;
                    return Ok(received);
                }
                (_, Message::Error(error)) if error.is_failed_hello() => {
                    return Err(Greeting::Version(error.text()));
                }
                (_, Message::Error(error)) => return Err(Cause::Refused(error).into()),
                _ => return Err(Cause::Unexpected.into()),
            }
        } else if stream.read_buf(&mut received).await.map_err(broken)? == 0 {
            return Err(Cause::Closed(Closed::BySwitch).into());
        }
    }
}

/// Versions by the names that the column `protocols` has for them.
struct VersionNames(u32);

impl std::fmt::Display for VersionNames {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = (1..=6).filter(|version| self.0 & (1 << version) != 0);
        for (place, version) in known.enumerate() {
            write!(out, "{}OpenFlow1{}", if place == 0 { "" } else { ", " }, version - 1)?;
        }
        Ok(())
    }
}

/// Writes what is queued, until nobody can queue any more or the switch is gone.
async fn write(
    mut socket: OwnedWriteHalf,
    mut queue: mpsc::UnboundedReceiver<Vec<u8>>,
    hung_up: watch::Sender<bool>,
) {
    while let Some(bytes) = queue.recv().await {
        if socket.write_all(&bytes).await.is_err() {
            // The reader sees the end as well, and says why.
            return;
        }
    }
    // No reader is left only if it has seen the end itself.
    _ = hung_up.send(true);
}

/// The task that reads.
struct Reader {
    patience: Patience,
    /// What came in behind the hello.
    early: BytesMut,
    routes: Arc<Routes>,
    replies: mpsc::WeakUnboundedSender<Vec<u8>>,
    /// Turns true when we are done with the connection.
    hearing: watch::Receiver<bool>,
}

/// Room for one read, enough for several parts of a dump.
const READ_SIZE: usize = 256 << 10;

impl Reader {
    async fn run(mut self, mut socket: OwnedReadHalf, closing: watch::Sender<Option<Closed>>) {
        let reason = self.read(&mut socket).await;
        // First the reason, so that whoever finds the conversation ended can read it.
        closing.send_replace(Some(reason));
        self.routes.end();
    }

    async fn read(&mut self, socket: &mut OwnedReadHalf) -> Closed {
        let mut received = std::mem::take(&mut self.early);
        let mut silent_since = tokio::time::Instant::now();
        let mut hearing = self.hearing.clone();
        loop {
            if let Err(error) = self.dispatch(&mut received) {
                return Closed::Malformed(error);
            }
            received.reserve(READ_SIZE);
            let read = tokio::select! {
                read = timeout(self.patience.probe, socket.read_buf(&mut received)) => read,
                // An error means that the writer failed; then reading fails next.
                Ok(_) = hearing.wait_for(|hung_up| *hung_up) => return Closed::ByUs,
            };
            match read {
                Ok(Ok(0)) => return Closed::BySwitch,
                Ok(Ok(_)) => silent_since = tokio::time::Instant::now(),
                Ok(Err(error)) => return Closed::Broken(error.kind()),
                Err(_) if silent_since.elapsed() >= self.patience.silence => return Closed::Silent,
                Err(_) => self.say(&Message::EchoRequest(Vec::new()), 0),
            }
        }
    }

    fn dispatch(&self, received: &mut BytesMut) -> Result<(), DecodeError> {
        while let Some(message) = codec::split_message(received)? {
            let header = codec::read_header(&message)?;
            if header.kind == codec::ECHO_REQUEST {
                let body = message.get(codec::HEADER_LENGTH..).unwrap_or_default().to_vec();
                self.say(&Message::EchoReply(body), header.xid);
            } else {
                self.routes.deliver(header.xid, message);
            }
        }
        Ok(())
    }

    fn say(&self, message: &Message, xid: u32) {
        let mut bytes = Vec::new();
        codec::encode(message, xid, &mut bytes);
        if let Some(replies) = self.replies.upgrade() {
            // A writer that has failed needs no answer any more.
            _ = replies.send(bytes);
        }
    }
}
