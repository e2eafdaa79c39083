//! Remote procedure calls as oslo.messaging makes them, over AMQP 0-9-1 (RabbitMQ).
//!
//! [`Bus`] holds one connection for a whole process: it calls, casts, and hands over what arrives for the topics it
//! listens on ([`Listen`]), checked against the versions offered. It connects again for ever, and says through
//! [`Link`] whenever something may have been missed. Wire format: "oslo.messaging", envelope 2.0.
//!
//! What this crate is not: it knows no topic, no method and no argument of any service.

mod answer;
mod backoff;
mod bus;
mod clock;
mod compression;
mod connection;
mod core;
mod counters;

mod dispatch;
mod duplicates;
pub mod envelope;
mod error;
mod failure;
mod link;
mod listen;
mod names;
mod options;
mod request;
mod settings;
mod topology;
mod url;
mod version;
mod waiting;

pub use answer::Answer;
pub use bus::Bus;
pub use compression::Compression;
pub use counters::{Counters, Dropped, MethodCalls};
pub use error::CallError;
pub use failure::Failure;
pub use link::{Link, LinkState};
pub use listen::{Endpoint, Listen};
pub use options::OptionError;
pub use request::{Incoming, Request, Timeout};
pub use settings::{Broker, Login, QueueManager, QueueOptions, QuorumLimits, Retry, Settings, Tls};
pub use url::UrlError;
pub use version::{Version, VersionError};
