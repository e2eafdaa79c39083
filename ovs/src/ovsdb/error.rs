//! Everything that can go wrong between a caller and the database.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::framer::FramingError;
use super::remote::RemoteError;
use super::schema::SchemaError;
use super::tls::TlsError;
use super::update::UpdateError;

/// Why a call or a connection failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the remote {text:?} is not usable")]
    Remote {
        text: String,
        #[source]
        source: RemoteError,
    },
    #[error("preparing TLS for {remote}")]
    Tls {
        remote: String,
        #[source]
        source: TlsError,
    },
    #[error("connecting to {remote}")]
    Connect {
        remote: String,
        #[source]
        source: io::Error,
    },
    #[error("connecting to {remote}: no connection after {after:?}")]
    ConnectTimeout { remote: String, after: Duration },
    #[error("reading from the database server")]
    Read(#[source] io::Error),
    #[error("writing to the database server")]
    Write(#[source] io::Error),
    #[error("the database server closed the connection")]
    Closed,
    #[error("the database server was silent for {0:?} and did not answer a probe")]
    Silent(Duration),
    #[error("the database server did not finish the initial transfer within {0:?}")]
    SyncTimeout(Duration),
    #[error("the database server cancelled the monitor")]
    MonitorCancelled,
    #[error("the database server sends requests faster than it reads the answers")]
    Flooded,
    #[error("taking messages apart")]
    Framing(#[from] FramingError),
    #[error("a message that is not JSON")]
    Json(#[source] serde_json::Error),
    #[error("a message that is not JSON-RPC: {found}")]
    Message { found: String },
    #[error("the reply to {method} has an unexpected form: {found}")]
    Reply { method: &'static str, found: String },
    #[error("the database server refused {method}: {refusal}")]
    Method { method: &'static str, refusal: Refusal },
    #[error("the database does not have what is needed")]
    Schema(#[from] SchemaError),
    #[error("applying a table update")]
    Update(#[from] UpdateError),
    #[error("the database server knows no monitor_cond, which conditions need")]
    NoConditions,

    /// The transaction was not sent.
    #[error("not connected to the database server")]
    NotConnected(#[source] Option<Arc<Error>>),
    /// The transaction was sent (or was about to be) and its outcome is unknown: it may or may not have been committed.
    /// The replica after the next [`super::Event::Connected`] tells.
    #[error("the connection was lost before the reply came")]
    Lost(#[source] Option<Arc<Error>>),
    /// An operation was refused; the transaction had no effect.
    #[error("operation {index} ({operation} on {table} table): {refusal}")]
    Refused {
        /// The operation's place in the list, from 0.
        index: usize,
        operation: &'static str,
        table: String,
        refusal: Refusal,
    },
    /// All operations went well but the whole was refused, as by a reference to a missing row; it had no effect.
    #[error("committing: {refusal}")]
    Commit { refusal: Refusal },
}

impl Error {
    /// Whether the same call may well succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NotConnected(_) | Self::Lost(_) => true,
            Self::Refused { refusal, .. } | Self::Commit { refusal } => {
                matches!(
                    refusal.error.as_str(),
                    "timed out" | "resources exhausted" | "I/O error" | "not owner"
                )
            }
            _ => false,
        }
    }
}

/// An error as the server words it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// A short fixed text, such as `constraint violation` (RFC 7047, section 3.1 and the operations).
    pub error: String,
    /// A sentence for people; may be empty.
    pub details: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.details.as_str() {
            "" => out.write_str(&self.error),
            details => write!(out, "{}: {details}", self.error),
        }
    }
}
