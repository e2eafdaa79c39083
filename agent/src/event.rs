//! Everything that can wake the engine, on one screen.
//!
//! An event carries no work. It only says which objects have to be looked at again, or asks a question.

use model::Scope;
use tokio::sync::oneshot;

use crate::question::Question;

/// What can wake the engine.
#[derive(Debug)]
pub(crate) enum Event {
    /// The controller wants something else.
    Desired,
    /// The switch changed, came or went, or something else that a part of the node waited for happened: these
    /// objects may be different.
    Switch(Scope),
    /// A network device appeared in the root namespace.
    Device(String),
    /// The namespace of this name came or went.
    Namespace(String),
    /// Device events were lost: anything may have changed.
    Overflow,
    /// A failed object is due again.
    Retry,
    /// Time to look at everything, in case somebody changed the node behind our back.
    Audit,
    /// Somebody asks; the answer goes back through the channel.
    Question(Question, oneshot::Sender<serde_json::Value>),
    /// SIGTERM or SIGINT: end, and leave everything in place.
    Stop,
}
