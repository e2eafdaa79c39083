//! Why a request was refused. Each case has the type name and the HTTP status that Neutron gives it,
//! and whatever is refused has changed nothing.

use std::fmt::Display;
use std::sync::Arc;

use super::store::StoreError;

/// A refusal.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A field has a value that it cannot have. `field` is a path such as `fixed_ips[0].ip_address`.
    #[error("Invalid input for {field}. Reason: {reason}.")]
    Invalid { field: String, reason: String },
    /// The request as a whole makes no sense.
    #[error("{0}")]
    BadRequest(String),
    #[error("{kind} {id} could not be found.")]
    NotFound { kind: &'static str, id: String },
    /// Something else stands against it; `kind` is Neutron's name for the case.
    #[error("{reason}")]
    Conflict { kind: &'static str, reason: String },
    /// The request was fine but could not be written down.
    #[error("The change could not be stored.")]
    Store(#[from] StoreError),
    /// The task that carried the change ended early.
    #[error("The change was cut short.")]
    Stopped(#[source] Arc<tokio::task::JoinError>),
}

impl Fault {
    pub fn invalid(field: impl Into<String>, reason: impl Display) -> Self {
        Self::Invalid { field: field.into(), reason: reason.to_string() }
    }

    pub fn not_found(kind: &'static str, id: impl Display) -> Self {
        Self::NotFound { kind, id: id.to_string() }
    }

    pub fn conflict(kind: &'static str, reason: impl Into<String>) -> Self {
        Self::Conflict { kind, reason: reason.into() }
    }

    /// The same refusal, its field found below `parent`.
    #[must_use]
    pub fn under(self, parent: &str) -> Self {
        match self {
            Self::Invalid { field, reason } if field.is_empty() => {
                Self::Invalid { field: parent.to_owned(), reason }
            }
            Self::Invalid { field, reason } => Self::Invalid { field: format!("{parent}.{field}"), reason },
            other => other,
        }
    }

    /// The same refusal, of a thing in a topology file.
    #[must_use]
    pub fn at(self, place: &str) -> Self {
        match self {
            Self::Conflict { kind, reason } => Self::Conflict { kind, reason: format!("{place}: {reason}") },
            Self::BadRequest(reason) => Self::BadRequest(format!("{place}: {reason}")),
            Self::NotFound { .. } => Self::BadRequest(format!("{place}: {self}")),
            invalid @ Self::Invalid { .. } => invalid.under(place),
            other => other,
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Invalid { .. } | Self::BadRequest(_) => 400,
            Self::NotFound { .. } => 404,
            Self::Conflict { .. } => 409,
            Self::Store(_) | Self::Stopped(_) => 500,
        }
    }

    /// Neutron's `type` of the error.
    pub fn type_name(&self) -> String {
        match self {
            Self::Invalid { .. } => "HTTPBadRequest".to_owned(),
            Self::BadRequest(_) => "BadRequest".to_owned(),
            Self::NotFound { kind, .. } => format!("{}NotFound", kind.replace(' ', "")),
            Self::Conflict { kind, .. } => (*kind).to_owned(),
            Self::Store(_) | Self::Stopped(_) => "InternalServerError".to_owned(),
        }
    }
}
