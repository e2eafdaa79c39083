//! Why a netlink exchange failed.

use nix::errno::Errno;

/// Why the kernel did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The kernel refused, sometimes with a reason.
    #[error("{errno}{}{reason}", if reason.is_empty() { "" } else { ": " })]
    Refused { errno: Errno, reason: String },
    /// The socket cannot be opened in the namespace.
    #[error("the netlink socket cannot be opened: {errno}")]
    NotOpened { errno: Errno },
    /// The socket failed before an answer came. The request may have been done.
    #[error("the netlink socket was closed before the answer came")]
    Closed,
    /// The request may have been done.
    #[error("the kernel does not answer")]
    NoAnswer,
    /// A table changed each time it was read.
    #[error("the table changed each time it was read")]
    Unstable,
    /// The answer does not hold what was asked for.
    #[error("the answer is malformed")]
    Malformed,
    /// The task for this ended early.
    #[error("the work could not be run: {reason}")]
    NotRun { reason: String },
}

impl Cause {
    /// The kernel's error number, when there is one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } | Self::NotOpened { errno } => Some(*errno),
            Self::Closed | Self::NoAnswer | Self::Unstable | Self::Malformed | Self::NotRun { .. } => None,
        }
    }
}
