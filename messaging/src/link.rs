//! How the connection to the broker stands.

use std::time::Instant;

/// The state of the connection, as [`crate::Bus::link`] tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub state: LinkState,
    /// Grows by one whenever messages may have been missed: with every new connection, and when the broker took away
    /// a queue of ours. Zero: there was no connection yet.
    pub epoch: u64,
    /// Since when the connection stands.
    pub up_since: Option<Instant>,
    /// When the last connection was lost; kept after the next one is made.
    pub lost_at: Option<Instant>,
}

/// What can be expected of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// There is none. `why` is a sentence for a person: what is wrong, and which setting to look at.
    Connecting { why: Option<String> },
    /// Messages come and go.
    Up,
    /// The broker takes no messages for the time being (it is short of memory or disk).
    Blocked { why: String },
    /// Closed by us, for good.
    Closed,
}

impl Link {
    pub(crate) const fn initial() -> Self {
        Self { state: LinkState::Connecting { why: None }, epoch: 0, up_since: None, lost_at: None }
    }

    pub fn is_up(&self) -> bool {
        self.state == LinkState::Up
    }
}
