//! How the driver stands with the broker and the server, for people and programs: `baryon show` asks it.

use std::collections::BTreeMap;

use messaging::{Counters, Link, LinkState};
use model::Role;
use serde::Serialize;

use super::settings::AgentRole;

/// What the shell says of itself whenever it changes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Standing {
    pub(crate) agents: Vec<AgentStanding>,
    /// Roles of which everything was heard.
    pub(crate) complete: Vec<Role>,
    /// Objects that the server sent and that could not be understood, since the start.
    pub(crate) passed_over: u64,
}

/// One agent that this node is to the server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AgentStanding {
    /// As in `openstack network agent list`.
    pub binary: &'static str,
    /// Whether the server took a report on this connection.
    pub known: bool,
    /// Why it does not.
    pub why: Option<String>,
}

/// Everything that there is to say.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Status {
    pub broker: BrokerStatus,
    pub agents: Vec<AgentStanding>,
    pub complete: Vec<Role>,
    pub passed_over: u64,
    pub messages: Messages,
}

/// The connection to the message broker.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct BrokerStatus {
    /// `up`, `connecting`, `blocked` or `closed`
    pub state: &'static str,
    pub why: Option<String>,
    /// How often there was a new connection.
    pub epoch: u64,
}

/// What went over it.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Messages {
    pub sent: u64,
    pub sent_bytes: u64,
    pub received: u64,
    pub received_bytes: u64,
    /// By `topic.method: reason`.
    pub dropped: BTreeMap<String, u64>,
    /// By `topic.method`.
    pub calls: BTreeMap<String, Calls>,
}

/// The calls of one method.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Calls {
    pub made: u64,
    pub failed: u64,
    pub timed_out: u64,
    pub total_ms: f64,
    pub longest_ms: f64,
}

impl Status {
    pub(crate) fn new(link: &Link, standing: Standing, counters: Counters) -> Self {
        let (state, why) = match &link.state {
            LinkState::Up => ("up", None),
            LinkState::Connecting { why } => ("connecting", why.clone()),
            LinkState::Blocked { why } => ("blocked", Some(why.clone())),
            LinkState::Closed => ("closed", None),
        };
        Self {
            broker: BrokerStatus { state, why, epoch: link.epoch },
            agents: standing.agents,
            complete: standing.complete,
            passed_over: standing.passed_over,
            messages: messages(counters),
        }
    }
}

fn messages(counters: Counters) -> Messages {
    let dropped = |(key, count): (messaging::Dropped, u64)| {
        (format!("{}.{}: {}", key.topic, key.method, key.reason), count)
    };
    let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1000.0;
    let calls = counters.calls.into_iter().map(|(method, calls)| {
        let calls = Calls {
            made: calls.made,
            failed: calls.failed,
            timed_out: calls.timed_out,
            total_ms: milliseconds(calls.total),
            longest_ms: milliseconds(calls.longest),
        };
        (method, calls)
    });
    Messages {
        sent: counters.sent,
        sent_bytes: counters.sent_bytes,
        received: counters.received,
        received_bytes: counters.received_bytes,
        dropped: counters.dropped.into_iter().map(dropped).collect(),
        calls: calls.collect(),
    }
}

impl AgentRole {
    /// The name of the program that is replaced.
    pub fn binary(self) -> &'static str {
        match self {
            Self::OpenVSwitch => "neutron-openvswitch-agent",
            Self::Dhcp => "neutron-dhcp-agent",
            Self::L3 => "neutron-l3-agent",
            Self::Metadata => "neutron-metadata-agent",
        }
    }
}
