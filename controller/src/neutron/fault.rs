//! Why an ask came to nothing, in the words that the machines decide by.

use std::fmt;

/// See the head of this module.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// No answer came in time. The server may have done what was asked or may still do it.
    #[error("no answer from the server within {0:?}")]
    Timeout(std::time::Duration),
    /// The broker is away. It was not asked.
    #[error("the message broker cannot be reached")]
    Unreachable,
    /// The server refused. Decide by `class`, never by the text.
    #[error("the server answered {class}: {message}")]
    Refused { class: String, message: String },
    /// An answer came and does not have the shape that it should have.
    #[error("the server's answer is malformed: {0}")]
    Malformed(Malformed),
}

impl Fault {
    /// Whether the server says that what was asked about is not there any more.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { class, .. } if class.ends_with("NotFound"))
    }
}

/// What is wrong with a value from the wire: the place, as `ports[3].mac_address`, and the reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Malformed {
    pub(crate) at: String,
    pub(crate) why: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.why)
    }
}

impl std::error::Error for Malformed {}
