//! Why a call or a cast came to nothing.

use std::time::Duration;

use crate::failure::Failure;

/// What can become of a call besides its result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("{method} of {topic} was not answered within {} s", after.as_secs_f32())]
    Timeout { topic: String, method: String, after: Duration },
    /// The other side answered with a failure.
    #[error("the other side failed with {0}")]
    Remote(Failure),
    /// There was no usable connection for the whole time.
    #[error("{method} of {topic} was not sent: {}", why.as_deref().unwrap_or("there is no connection to the message broker"))]
    NoLink { topic: String, method: String, why: Option<String> },
    /// The connection broke while the answer was awaited, and the broker forgot the queue it was to come by.
    #[error("the answer to {method} of {topic} was lost with the connection to the message broker")]
    Lost { topic: String, method: String },
    /// The bus was closed.
    #[error("the connection to the message broker was closed")]
    Closed,
    /// The message cannot be sent as it is: what and why.
    #[error("{0}")]
    Send(String),
    /// The name of a topic or a server is longer than AMQP allows (255 bytes).
    #[error("the name {0} is longer than AMQP allows")]
    TooLong(String),
}

impl CallError {
    /// Whether the same call may succeed later without anything being changed. A failure of the other side counts as
    /// one when its class tells of a database or messaging trouble there.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::NoLink { .. } | Self::Lost { .. } => true,
            Self::Remote(failure) => failure.is_transient(),
            Self::Closed | Self::Send(_) | Self::TooLong(_) => false,
        }
    }

    /// The class of the other side's failure.
    pub fn class(&self) -> Option<&str> {
        self.failure().map(|failure| failure.class.as_str())
    }

    /// The other side's failure.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Remote(failure) => Some(failure),
            _ => None,
        }
    }
}
