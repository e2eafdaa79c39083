//! One machine at the table: runs its asks in the background and brings it their answers. Decides nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Instant;

use messaging::{Bus, CallError, Timeout, Version};
use model::{PortId, Report, SwitchFacts};
use serde_json::Value;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::fault::Fault;
use super::finding::Finding;
use super::outlet::Outlet;
use super::role::{Event, Machine, Message, Request};
use super::settings::AgentRole;

/// An event as the shell knows it, whichever machine it is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Heard<'a> {
    Gap,
    Open,
    Closed,
    Message(&'a Message),
    OwnPort(PortId, bool),
    Report(&'a Report),
    Switch(&'a SwitchFacts),
    Tick,
}

/// A machine with its asks under way, whatever its words are.
pub(crate) trait Seat: Send + fmt::Debug {
    fn role(&self) -> AgentRole;
    fn listens_to(&self, topic: &str) -> bool;
    fn hear(&mut self, heard: Heard<'_>, now: Instant);
    /// Takes in the answers that have come, and asks what there is to ask.
    fn tend(&mut self, now: Instant) -> Vec<Finding>;
    fn due(&self) -> Option<Instant>;
    /// How many objects could not be understood.
    fn complaints(&self) -> u64;
}

pub(crate) struct Seated<M: Machine> {
    role: AgentRole,
    machine: M,
    topics: BTreeSet<String>,
    outlet: Outlet,
    done: mpsc::UnboundedSender<(M::Ask, Result<Value, Fault>)>,
    answers: mpsc::UnboundedReceiver<(M::Ask, Result<Value, Fault>)>,
    /// Wakes the shell.
    wake: mpsc::UnboundedSender<()>,
    complaints: u64,
}

impl<M: Machine> Seated<M> {
    pub(crate) fn new(
        role: AgentRole,
        machine: M,
        topics: BTreeSet<String>,
        outlet: Outlet,
        wake: mpsc::UnboundedSender<()>,
    ) -> Self {
        let (done, answers) = mpsc::unbounded_channel();
        Self { role, machine, topics, outlet, done, answers, wake, complaints: 0 }
    }

    fn start(&self, ask: M::Ask) {
        let request = self.machine.request(&ask);
        debug!(role = ?self.role, method = request.method, ?ask, "ask");
        let (outlet, done, wake) = (self.outlet.clone(), self.done.clone(), self.wake.clone());
        tokio::spawn(async move {
            let answer = outlet.send(request).await;
            // The shell may be on its way out.
            let _ = done.send((ask, answer));
            let _ = wake.send(());
        });
    }
}

impl<M: Machine> Seat for Seated<M> {
    fn role(&self) -> AgentRole {
        self.role
    }

    fn listens_to(&self, topic: &str) -> bool {
        self.topics.contains(topic)
    }

    fn hear(&mut self, heard: Heard<'_>, now: Instant) {
        let event = match heard {
            Heard::Gap => Event::Gap,
            Heard::Open => Event::Open,
            Heard::Closed => Event::Closed,
            Heard::Message(message) => Event::Message(message),
            Heard::OwnPort(port, needed) => Event::OwnPort(port, needed),
            Heard::Report(report) => Event::Report(report),
            Heard::Switch(facts) => Event::Switch(facts),
            Heard::Tick => Event::Tick,
        };
        self.machine.hear(event, now);
    }

    fn tend(&mut self, now: Instant) -> Vec<Finding> {
        while let Ok((ask, answer)) = self.answers.try_recv() {
            if let Err(fault) = &answer {
                warn!(role = ?self.role, ?ask, %fault, "the server did not answer as hoped; tried again if need be");
            }
            self.machine.hear(Event::Answer(ask, answer), now);
        }
        for ask in self.machine.asks(now) {
            self.start(ask);
        }
        for complaint in self.machine.complaints() {
            self.complaints += 1;
            warn!(role = ?self.role, complaint, so_far = self.complaints, "passed over what the server sent");
        }
        self.machine.findings()
    }

    fn due(&self) -> Option<Instant> {
        self.machine.due()
    }

    fn complaints(&self) -> u64 {
        self.complaints
    }
}

impl<M: Machine> fmt::Debug for Seated<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seated").field("role", &self.role).finish_non_exhaustive()
    }
}

/// Puts a request on the bus. A cast that was taken by the broker is answered with null.
pub(crate) async fn send(bus: &Bus, request: Request) -> Result<Value, Fault> {
    let (major, minor) = request.version;
    let message = messaging::Request {
        topic: request.topic.to_owned(),
        server: None,
        namespace: None,
        method: request.method.to_owned(),
        version: Version::new(major, minor),
        args: request.args,
        timeout: request.patience.map_or(Timeout::Usual, Timeout::Exactly),
    };
    let answer =
        if request.is_cast { bus.cast(message).await.map(|()| Value::Null) } else { bus.call(message).await };
    answer.map_err(fault)
}

fn fault(error: CallError) -> Fault {
    match error {
        CallError::Timeout { after, .. } => Fault::Timeout(after),
        CallError::Remote(failure) => Fault::Refused { class: failure.class, message: failure.message },
        CallError::NoLink { .. } | CallError::Lost { .. } | CallError::Closed => Fault::Unreachable,
        unsendable @ (CallError::Send(_) | CallError::TooLong(_)) => {
            Fault::Refused { class: "Unsendable".to_owned(), message: unsendable.to_string() }
        }
    }
}
