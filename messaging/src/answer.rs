//! The answer that a received call waits for.

use serde_json::Value;
use tokio::sync::mpsc;

use crate::failure::Failure;

/// Answers one received message. For a cast it does nothing. Dropped without an answer, it tells a waiting caller that
/// the call failed, so that nobody waits for a time-out.
#[derive(Debug)]
pub struct Answer {
    awaited: Option<Awaited>,
}

#[derive(Debug)]
struct Awaited {
    to: ReplyTo,
    out: mpsc::UnboundedSender<Reply>,
}

/// Where an answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReplyTo {
    pub(crate) queue: String,
    pub(crate) message_id: String,
    /// What was called, for logs.
    pub(crate) topic: String,
    pub(crate) method: String,
}

/// An answer on its way out.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) to: ReplyTo,
    pub(crate) result: Result<Value, Failure>,
}

impl Answer {
    pub(crate) fn to(to: Option<ReplyTo>, out: &mpsc::UnboundedSender<Reply>) -> Self {
        Self { awaited: to.map(|to| Awaited { to, out: out.clone() }) }
    }

    /// Whether somebody waits for it.
    pub fn is_awaited(&self) -> bool {
        self.awaited.is_some()
    }

    /// Sends it, without waiting for it to arrive. `Value::Null` is the result of a method that returns nothing.
    pub fn send(mut self, result: Result<Value, Failure>) {
        self.give(result);
    }

    /// Gives it up without telling the caller, who is answered by another.
    pub(crate) fn forget(mut self) {
        self.awaited = None;
    }

    fn give(&mut self, result: Result<Value, Failure>) {
        if let Some(Awaited { to, out }) = self.awaited.take() {
            // The other end is gone only when the bus is closed: then there is nobody left to answer.
            let _ = out.send(Reply { to, result });
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.give(Err(Failure::internal("The call was received and not served.")));
    }
}
