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

mod error;
mod greeting;
mod routes;
mod tasks;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::codec::{self, FlowFilter, FlowStats, Header, Message, PortDescription};
use super::flow::Flow;
use greeting::{Refused, greet};
use routes::Routes;
use tasks::Reader;

pub use error::{Cause, Closed, ConnectError, RequestError};

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the next message of an answer. A switch that is adding many ports may be busy for seconds.
    pub answer: Duration,
    /// Silence after which the switch is asked whether it is there.
    pub probe: Duration,
    /// Silence after being asked after which it is given up.
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
            Err(_) => Err(Refused::Failed(Cause::Timeout(patience.answer))),
        };
        match greeting {
            Ok(early) => Ok(Self::start(path, patience, stream, early)),
            Err(Refused::Version(said)) => Err(ConnectError::Version { path, said }),
            Err(Refused::Failed(source)) => Err(ConnectError::Hello { path, source }),
        }
    }

    fn start(path: PathBuf, patience: Patience, stream: UnixStream, early: BytesMut) -> Self {
        let (reading, writing) = stream.into_split();
        let (outgoing, queue) = mpsc::unbounded_channel();
        let (hung_up, hearing) = watch::channel(false);
        let (closing, closed) = watch::channel(None);
        let routes = Arc::new(Routes::default());
        tokio::spawn(tasks::write(writing, queue, hung_up));
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
