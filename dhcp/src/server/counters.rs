//! Numbers of one network's server: what came in, what went out, what was dropped and why.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::decision::{Refusal, Silence};
use super::reply::{Answer, ReplyKind};
use super::request::{Kind, Malformed};

/// Something that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    Discover,
    Request,
    Decline,
    Release,
    Inform,
    Offer,
    Ack,
    Options,
    Nak(Refusal),
    Silent(Silence),
    Dropped(Malformed),
    /// An answer that the kernel did not take.
    NotSent,
}

impl Event {
    /// What a packet and its answer count as.
    pub fn of(kind: Option<Kind>, answer: &Answer) -> impl Iterator<Item = Self> {
        let heard = kind.map(|kind| match kind {
            Kind::Discover => Self::Discover,
            Kind::Request => Self::Request,
            Kind::Decline => Self::Decline,
            Kind::Release => Self::Release,
            Kind::Inform => Self::Inform,
        });
        let said = match answer {
            Answer::Send(reply) => Some(match reply.kind {
                ReplyKind::Offer(_) => Self::Offer,
                ReplyKind::Ack(_) => Self::Ack,
                ReplyKind::Options => Self::Options,
                ReplyKind::Nak(reason) => Self::Nak(reason),
            }),
            Answer::Returned { .. } => None,
            Answer::Silence(reason) => Some(Self::Silent(*reason)),
            Answer::Malformed(reason) => Some(Self::Dropped(*reason)),
        };
        heard.into_iter().chain(said)
    }

    /// The name for people and for metrics.
    pub fn name(self) -> String {
        match self {
            Self::Discover => "received discover".to_owned(),
            Self::Request => "received request".to_owned(),
            Self::Decline => "received decline".to_owned(),
            Self::Release => "received release".to_owned(),
            Self::Inform => "received inform".to_owned(),
            Self::Offer => "sent offer".to_owned(),
            Self::Ack => "sent ack".to_owned(),
            Self::Options => "sent ack to inform".to_owned(),
            Self::Nak(reason) => format!("sent nak: {reason}"),
            Self::Silent(reason) => format!("not answered: {reason}"),
            Self::Dropped(reason) => format!("dropped: {reason}"),
            Self::NotSent => "not sent".to_owned(),
        }
    }
}

/// Counts events. What never happened is not in it.
#[derive(Debug, Default)]
pub struct Counters(Mutex<BTreeMap<Event, u64>>);

impl Counters {
    pub fn count(&self, events: impl IntoIterator<Item = Event>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            *counts.entry(event).or_default() += 1;
        }
    }

    pub fn get(&self, event: Event) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&event).copied().unwrap_or(0)
    }

    /// All counts by name.
    pub fn all(&self) -> BTreeMap<String, u64> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(event, count)| (event.name(), *count)).collect()
    }
}
