//! What to listen on, and what is served there.

use crate::version::Version;

/// One topic to take messages from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    pub topic: String,
    /// Declares and consumes the queue `<topic>.<host>`.
    pub host: Option<String>,
    /// Declares and consumes the queue `<topic>`, whose messages all its listeners share.
    pub shared: bool,
    /// Takes part in `<topic>_fanout`.
    pub fanout: bool,
    /// What is served, in the order in which it is looked through.
    pub endpoints: Vec<Endpoint>,
}

/// An interface that is served under a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub namespace: Option<String>,
    /// The version offered: it serves requests of the same major and no newer minor.
    pub version: Version,
    /// `None`: every method is handed over.
    pub methods: Option<&'static [&'static str]>,
}
