//! What the parts of the driver have in common: each is a pure machine that hears events and has asks.
//!
//! A machine never waits, never sends and knows no clock: the shell hands it everything that happens and
//! the moment when it happened, carries out its asks, and hands it what came of them. So any interleaving
//! of messages can be played in a test, and start, gap and retry are the same events in another order.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use model::{PortId, Report, SwitchFacts};
use serde_json::{Map, Value};

use super::fault::Fault;
use super::finding::Finding;

/// One part of the driver: what one of Neutron's agents is to the server.
pub(crate) trait Machine: Send {
    /// A question or a statement to the server, in this machine's words.
    type Ask: Clone + Debug + Send + 'static;

    /// How an ask is put.
    fn request(&self, ask: &Self::Ask) -> Request;

    /// Takes in one event.
    fn hear(&mut self, event: Event<'_, Self::Ask>, now: Instant);

    /// What is to be asked now. Every ask that is given here is answered by exactly one
    /// [`Event::Answer`]. A machine bounds by itself how many it has open.
    fn asks(&mut self, now: Instant) -> Vec<Self::Ask>;

    /// What was found out since this was last called.
    fn findings(&mut self) -> Vec<Finding>;

    /// Complaints about what came in since this was last called: counted and logged by its seat.
    fn complaints(&mut self) -> Vec<String>;

    /// When the machine wants an [`Event::Tick`] although nothing else may happen.
    fn due(&self) -> Option<Instant>;
}

/// Everything that a machine can hear.
#[derive(Debug)]
pub(crate) enum Event<'a, A> {
    /// What was heard before may have holes (start, a broker that was away, a server that calls the
    /// agent revived, an administrator's change): everything has to be asked for again. What is known stays
    /// until the answers are there.
    Gap,
    /// The server can be reached and knows this agent: asks make sense from now on.
    Open,
    /// The broker is away: asks that are open will be answered with a failure, new ones are pointless.
    Closed,
    /// A message for this machine. What it does not understand it complains of; it never fails.
    Message(&'a Message),
    /// What came of an ask.
    Answer(A, Result<Value, Fault>),
    /// What came of a pass of the engine.
    Report(&'a Report),
    /// A port that a service of this node lives on: its bound form is needed (`true`), or not any more.
    OwnPort(PortId, bool),
    /// What is plugged into the switch.
    Switch(&'a SwitchFacts),
    /// Time has passed, see [`Machine::due`].
    Tick,
}

/// A cast or a call from the server, as far as a machine needs it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) method: String,
    pub(crate) args: Map<String, Value>,
}

/// A call to the server. See the protocol's list of methods for what fits together.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Request {
    pub(crate) topic: &'static str,
    pub(crate) method: &'static str,
    /// Major and minor version that is asked for.
    pub(crate) version: (u32, u32),
    pub(crate) args: Map<String, Value>,
    /// How long to wait for an answer; `None`: the usual time, which grows with every time-out.
    pub(crate) patience: Option<Duration>,
    /// Nothing is answered. The machine hears `null` when it is sent.
    pub(crate) is_cast: bool,
    /// Ports that are said to be ready, or not. Nothing else is said of them at the same time.
    pub(crate) ports_told: Vec<PortId>,
}

impl Request {
    /// A call with the usual patience. `args` is a JSON object.
    pub(crate) fn call(topic: &'static str, method: &'static str, version: (u32, u32), args: Value) -> Self {
        let args = match args {
            Value::Object(args) => args,
            _ => Map::new(),
        };
        Self { topic, method, version, args, patience: None, is_cast: false, ports_told: Vec::new() }
    }

    /// The same, which says something of these ports.
    pub(crate) fn telling_of(self, ports: &[PortId]) -> Self {
        Self { ports_told: ports.to_vec(), ..self }
    }
}
