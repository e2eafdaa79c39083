//! Messages as bytes: the envelope, and the payload inside of it. Pure.
//!
//! The body is JSON with two keys: a version, and the payload as JSON in a string. Format: "oslo.messaging", envelope
//! 2.0. Everything here is told apart from what sends and receives, so that any bytes can be tried on it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::version::Version;

/// The version written, and the newest read.
const ENVELOPE: Version = Version::new(2, 0);

/// Beginning of the keys that carry the context of a request.
const CONTEXT: &str = "_context_";
/// Longest identifier taken from a message for logs.
const LONGEST_ID: usize = 80;

/// The body is no message. What the decoder said is not kept: it may repeat what was in the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the body is not JSON of an object, from column {0}")]
    Body(usize),
    #[error("the envelope has version {0}")]
    Version(String),
    #[error("the payload is not JSON of an object, from column {0}")]
    Payload(usize),
    #[error("the message is neither a request nor an answer: it has no {0}")]
    Lacks(&'static str),
}

/// A message taken out of its envelope.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload(Map<String, Value>);

/// A request as it came, its arguments not yet looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedRequest {
    pub namespace: Option<String>,
    pub method: String,
    /// `Err`: the text that is no version.
    pub version: Result<Version, String>,
    /// `None`: there was something else than an object.
    pub args: Option<Map<String, Value>>,
    /// The queue and the identifier of the answer; `None` for a cast.
    pub reply_to: Option<(String, String)>,
    pub unique_id: String,
    pub request_id: Option<String>,
}

/// An answer as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedReply {
    pub message_id: String,
    pub unique_id: String,
    pub outcome: Result<Value, Failure>,
    /// The last message of the answer.
    pub ending: bool,
}

/// What the encoder needs of a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestFields<'a> {
    pub namespace: Option<&'a str>,
    pub method: &'a str,
    pub version: Version,
    pub args: &'a Map<String, Value>,
    pub unique_id: &'a str,
    /// Queue and identifier of the answer, for a call.
    pub reply_to: Option<(&'a str, &'a str)>,
    pub request_id: &'a str,
    /// `2026-11-20 06:04:51.617224`, UTC.
    pub timestamp: &'a str,
}

/// Opens the envelope. A body without one is taken for the payload itself.
///
/// # Errors
/// When the body is no message at all.
pub fn decode(body: &[u8]) -> Result<Payload, Malformed> {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(rename = "oslo.version")]
        version: Option<Value>,
        #[serde(borrow, rename = "oslo.message")]
        message: Option<Cow<'a, str>>,
    }
    let no_body = |error: serde_json::Error| Malformed::Body(error.column());
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(no_body)?;
    let (Some(version), Some(message)) = (envelope.version, envelope.message) else {
        return serde_json::from_slice(body).map(Payload).map_err(no_body);
    };
    let readable = version.as_str().and_then(|version| version.parse().ok());
    if !readable.is_some_and(|version| ENVELOPE.serves(version)) {
        return Err(Malformed::Version(version.to_string().chars().take(LONGEST_ID).collect()));
    }
    serde_json::from_str(&message).map(Payload).map_err(|error| Malformed::Payload(error.column()))
}

impl Payload {
    /// Reads it as a request.
    ///
    /// # Errors
    /// When it names no method.
    pub fn request(mut self) -> Result<ReceivedRequest, Malformed> {
        let method = self.text("method").ok_or(Malformed::Lacks("method"))?;
        let version = match self.0.remove("version") {
            None | Some(Value::Null) => Ok(Version::DEFAULT),
            Some(Value::String(text)) => text.parse().map_err(|_| text),
            Some(other) => Err(other.to_string()),
        };
        let args = match self.0.remove("args") {
            None | Some(Value::Null) => Some(Map::new()),
            Some(Value::Object(args)) => Some(args),
            Some(_) => None,
        };
        Ok(ReceivedRequest {
            namespace: self.text("namespace"),
            method,
            version,
            args,
            reply_to: self.text("_reply_q").zip(self.text("_msg_id")),
            unique_id: self.text("_unique_id").unwrap_or_default(),
            request_id: self
                .text(&format!("{CONTEXT}request_id"))
                .map(|id| id.chars().take(LONGEST_ID).collect()),
        })
    }

    /// Reads it as an answer.
    ///
    /// # Errors
    /// When it does not say what it answers.
    pub fn reply(mut self) -> Result<ReceivedReply, Malformed> {
        let message_id = self.text("_msg_id").ok_or(Malformed::Lacks("_msg_id"))?;
        let failure = match self.0.remove("failure") {
            None | Some(Value::Null | Value::Bool(false)) => None,
            Some(Value::String(text)) if text.is_empty() => None,
            Some(Value::String(text)) => Some(Failure::parse(&text)),
            Some(other) => Some(Failure::parse(&other.to_string())),
        };
        let result = self.0.remove("result").unwrap_or_default();
        Ok(ReceivedReply {
            message_id,
            unique_id: self.text("_unique_id").unwrap_or_default(),
            outcome: failure.map_or(Ok(result), Err),
            ending: self.0.get("ending").and_then(Value::as_bool).unwrap_or(false),
        })
    }

    /// Whether it answers something.
    pub fn is_reply(&self) -> bool {
        !self.0.contains_key("method") && self.0.contains_key("_msg_id")
    }

    fn text(&mut self, key: &str) -> Option<String> {
        match self.0.remove(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }
}

/// The body of a request. Whoever sends it is a trusted peer and says so in the context.
pub fn request(fields: &RequestFields<'_>) -> Vec<u8> {
    let mut payload = json!({
        "method": fields.method, "args": fields.args, "version": fields.version.to_string(),
        "_unique_id": fields.unique_id,
    });
    if let Value::Object(payload) = &mut payload {
        if let Some(namespace) = fields.namespace {
            payload.insert("namespace".to_owned(), namespace.into());
        }
        if let Some((queue, message_id)) = fields.reply_to {
            payload.insert("_msg_id".to_owned(), message_id.into());
            payload.insert("_reply_q".to_owned(), queue.into());
            payload.insert("_timeout".to_owned(), Value::Null);
        }
        let context = context(fields.request_id, fields.timestamp);
        payload.extend(context.into_iter().map(|(key, value)| (format!("{CONTEXT}{key}"), value)));
    }
    enveloped(&payload)
}

/// The body of an answer.
pub fn reply(message_id: &str, unique_id: &str, outcome: &Result<Value, Failure>) -> Vec<u8> {
    let failure = outcome.as_ref().err().map(Failure::to_text);
    enveloped(&json!({
        "result": outcome.as_ref().ok(), "failure": failure, "ending": true,
        "_msg_id": message_id, "_unique_id": unique_id,
    }))
}

fn enveloped(payload: &Value) -> Vec<u8> {
    json!({ "oslo.version": ENVELOPE.to_string(), "oslo.message": payload.to_string() })
        .to_string()
        .into_bytes()
}

/// An administrator's context that belongs to nobody's session.
fn context(request_id: &str, timestamp: &str) -> Map<String, Value> {
    const NOBODY: [&str; 12] = [
        "user",
        "user_id",
        "user_name",
        "project_id",
        "project",
        "project_name",
        "domain",
        "user_domain",
        "project_domain",
        "system_scope",
        "auth_token",
        "resource_uuid",
    ];
    let mut context: Map<String, Value> =
        NOBODY.map(|key| (key.to_owned(), Value::Null)).into_iter().collect();
    let said = [
        ("is_admin", true.into()),
        ("is_admin_project", true.into()),
        ("has_global_access", true.into()),
        ("can_set_project_id", true.into()),
        ("read_only", false.into()),
        ("show_deleted", false.into()),
        ("global_request_id", Value::Null),
        ("roles", json!(["admin", "member", "reader"])),
        ("user_identity", "- - - - -".into()),
        ("request_id", request_id.into()),
        ("timestamp", timestamp.into()),
    ];
    context.extend(said.map(|(key, value)| (key.to_owned(), value)));
    context
}
