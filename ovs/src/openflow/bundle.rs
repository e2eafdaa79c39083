//! Many changes of flows as one: all of them happen at one moment, in their order, or none does.
//!
//! The switch does not see to that by itself. It answers a bad message in a bundle with an error, leaves it
//! out, and commits the rest when told so. So a bundle is closed first, which makes the switch answer for all of
//! it, and committed only if nothing was refused.
//!
//! ```text
//!   open, change 1, change 2, ... change n, close   -->
//!                                       <--   opened, errors with the ids of their changes, closed
//!   no error: commit, barrier -->       an error: discard -->
//! ```

use std::fmt;

use super::codec::{self, BundleStep, FlowFilter, FlowMod, Message};
use super::connection::{Cause, Connection, Conversation, RequestError};
use super::flow::{Flow, FlowKey};
use super::refusal::OfError;

const ATOMIC: u16 = 1;
const ORDERED: u16 = 2;
const FLAGS: u16 = ATOMIC | ORDERED;
/// Enough for a flow of the usual size, so that a buffer seldom grows.
const USUAL_LENGTH: usize = 192;
const DOING: &str = "change flows";

/// Changes to be made at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Bundle {
    changes: Vec<FlowMod>,
}

impl Bundle {
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a flow there; one of the same key is replaced.
    pub fn add(&mut self, flow: Flow) {
        self.push(FlowMod::Add(flow));
    }

    /// Takes one flow away.
    pub fn remove(&mut self, key: FlowKey) {
        self.push(FlowMod::Remove(key));
    }

    /// Takes away every flow that a filter selects.
    pub fn remove_all(&mut self, filter: FlowFilter) {
        self.push(FlowMod::RemoveAll(filter));
    }

    pub fn push(&mut self, change: FlowMod) {
        self.changes.push(change);
    }

    pub fn changes(&self) -> &[FlowMod] {
        &self.changes
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub fn len(&self) -> usize {
        self.changes.len()
    }
}

impl FromIterator<FlowMod> for Bundle {
    fn from_iter<I: IntoIterator<Item = FlowMod>>(changes: I) -> Self {
        Self { changes: changes.into_iter().collect() }
    }
}

impl Extend<FlowMod> for Bundle {
    fn extend<I: IntoIterator<Item = FlowMod>>(&mut self, changes: I) {
        self.changes.extend(changes);
    }
}

/// A bundle was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The switch refused changes; all flows are as before.
    #[error("{} of {changes} flow changes were refused and none was made; the first: {}", failures.len(), First(failures))]
    Refused { changes: usize, failures: Vec<Failure> },
    /// The bundle as such failed. If the answer to the commit was lost, the changes may have been made.
    #[error("{changes} flow changes were not confirmed")]
    Request { changes: usize, source: RequestError },
}

/// A change that was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The place of the change in the bundle, from 0.
    pub index: usize,
    pub change: FlowMod,
    pub reason: Refusal,
}

/// Why a change was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Switch(OfError),
    #[error("it is longer than the 65535 bytes of an OpenFlow message")]
    TooLong,
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.change, self.reason)
    }
}

struct First<'a>(&'a [Failure]);

impl fmt::Display for First<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.first().map_or(Ok(()), |failure| failure.fmt(out))
    }
}

impl Connection {
    /// Makes all changes of a bundle, or none. Dropping the future half-way leaves them unmade, or, if the
    /// commit was sent already, made.
    pub async fn commit(&self, bundle: &Bundle) -> Result<(), BundleError> {
        let changes = bundle.len();
        if changes == 0 {
            return Ok(());
        }
        let request_error = |source| BundleError::Request { changes, source };
        // Of a bundle that has more changes than there are ids, no switch has ever been seen.
        let count = u32::try_from(changes).unwrap_or(u32::MAX - EXTRA_IDS);
        let talk = self.converse(DOING, count.saturating_add(EXTRA_IDS)).map_err(request_error)?;
        let mut attempt = Attempt::new(talk, bundle);
        match attempt.run().await {
            Ok(()) => Ok(()),
            Err(_) if !attempt.failures.is_empty() => {
                Err(BundleError::Refused { changes, failures: attempt.failures() })
            }
            Err(source) => Err(request_error(source)),
        }
    }
}

/// Ids beside those of the changes: open, close, commit or discard, barrier.
const EXTRA_IDS: u32 = 4;

/// One try to carry a bundle out.
struct Attempt<'a> {
    talk: Conversation,
    bundle: &'a Bundle,
    failures: Vec<(usize, Refusal)>,
}

impl<'a> Attempt<'a> {
    fn new(talk: Conversation, bundle: &'a Bundle) -> Self {
        Self { talk, bundle, failures: Vec::new() }
    }

    async fn run(&mut self) -> Result<(), RequestError> {
        let bytes = self.fill();
        self.talk.send(bytes)?;
        match self.wait_for(BundleStep::Closed, self.close_id()).await {
            Ok(()) if self.failures.is_empty() => self.finish().await,
            Ok(()) => {
                self.discard().await?;
                Err(self.talk.error(Cause::Unexpected))
            }
            Err(refused @ RequestError { source: Cause::Refused(_), .. }) => {
                self.discard().await?;
                Err(refused)
            }
            // Nobody answers any more. A bundle that is left open is thrown away by the switch.
            Err(lost) => Err(lost),
        }
    }

    /// The bundle up to its close, as bytes. What is too long to be sent is left out and noted.
    fn fill(&mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bundle.len() * USUAL_LENGTH);
        self.write_step(BundleStep::Open, self.talk.first, &mut out);
        for (index, (change, xid)) in self.bundle.changes.iter().zip(self.talk.first + 1..).enumerate() {
            if !codec::write_bundled(change, self.id(), FLAGS, xid, &mut out) {
                self.failures.push((index, Refusal::TooLong));
            }
        }
        self.write_step(BundleStep::Close, self.close_id(), &mut out);
        out
    }

    async fn finish(&mut self) -> Result<(), RequestError> {
        let mut out = Vec::new();
        self.write_step(BundleStep::Commit, self.close_id() + 1, &mut out);
        codec::encode(&Message::BarrierRequest, self.close_id() + 2, &mut out);
        self.talk.send(out)?;
        self.wait_for(BundleStep::Committed, self.close_id() + 1).await?;
        loop {
            if let (_, Message::BarrierReply) = self.talk.next().await? {
                return Ok(());
            }
        }
    }

    async fn discard(&mut self) -> Result<(), RequestError> {
        let mut out = Vec::new();
        self.write_step(BundleStep::Discard, self.close_id() + 1, &mut out);
        self.talk.send(out)?;
        // The switch may have thrown it away already, and say so.
        let discarded = self.wait_for(BundleStep::Discarded, self.close_id() + 1).await;
        match discarded {
            Err(RequestError { source: Cause::Refused(_), .. }) => Ok(()),
            other => other,
        }
    }

    /// Waits for the answer to a step of the bundle, and notes the changes that are refused meanwhile.
    async fn wait_for(&mut self, wanted: BundleStep, wanted_id: u32) -> Result<(), RequestError> {
        loop {
            let (header, message) = self.talk.next().await?;
            match message {
                Message::BundleControl { step, .. } if step == wanted => return Ok(()),
                Message::Error(error) => match self.index_of(header.xid) {
                    Some(index) => self.failures.push((index, Refusal::Switch(error))),
                    // An open that fails makes everything after it fail, the close too.
                    None if header.xid == wanted_id || header.xid == self.talk.first => {
                        return Err(self.talk.error(Cause::Refused(error)));
                    }
                    None => (),
                },
                _ => (),
            }
        }
    }

    fn failures(mut self) -> Vec<Failure> {
        self.failures.sort_by_key(|(index, _)| *index);
        let changes = &self.bundle.changes;
        let failure = |(index, reason): (usize, Refusal)| {
            changes.get(index).map(|change| Failure { index, change: change.clone(), reason })
        };
        self.failures.into_iter().filter_map(failure).collect()
    }

    /// The number of the bundle: one that no other bundle of the connection has at the time.
    fn id(&self) -> u32 {
        self.talk.first
    }

    fn close_id(&self) -> u32 {
        self.talk.first.saturating_add(self.bundle.len() as u32 + 1)
    }

    /// The place in the bundle of the change that was sent with this transaction id.
    fn index_of(&self, xid: u32) -> Option<usize> {
        let index = xid.checked_sub(self.talk.first + 1)? as usize;
        Some(index).filter(|index| *index < self.bundle.len())
    }

    fn write_step(&self, step: BundleStep, xid: u32, out: &mut Vec<u8>) {
        codec::encode(&Message::BundleControl { bundle: self.id(), step, flags: FLAGS }, xid, out);
    }
}
