//! Messages from the caller's view: what is asked for, and what others ask of us.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::version::Version;

/// A call or a cast to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub topic: String,
    /// Only to this server of the topic.
    pub server: Option<String>,
    pub namespace: Option<String>,
    pub method: String,
    /// The oldest version of the endpoint that will do.
    pub version: Version,
    pub args: Map<String, Value>,
    pub timeout: Timeout,
}

/// How long a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// The usual time, longer for a method that has timed out before.
    Usual,
    /// This time, whatever happened before; a time-out lengthens nothing.
    Exactly(Duration),
}

/// A call or a cast that arrived, fit to be served: its version is offered and its arguments are an object.
#[derive(Debug)]
pub struct Incoming {
    pub topic: String,
    /// It went to everybody who listens.
    pub fanout: bool,
    pub namespace: Option<String>,
    pub method: String,
    pub version: Version,
    pub args: Map<String, Value>,
    /// The request that caused it, for logs.
    pub request_id: Option<String>,
    pub answer: Answer,
}
