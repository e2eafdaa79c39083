//! A failure as it travels: what an answer carries instead of a result.

use std::fmt;

use serde_json::{Value, json};

/// An exception of the other side, or one of ours for it. On the wire it is JSON in a string.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The exception's class, without the `_Remote` that a relayed one ends in. This is what to match on.
    pub class: String,
    /// The Python module of the class.
    pub module: String,
    pub message: String,
    pub args: Vec<Value>,
    /// Lines of the traceback; may be empty.
    pub traceback: Vec<String>,
}

impl Failure {
    pub fn new(module: &str, class: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            class: class.to_owned(),
            module: module.to_owned(),
            args: vec![Value::String(message.clone())],
            message,
            traceback: Vec::new(),
        }
    }

    /// An error of ours that has no better class.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new("builtins", "RuntimeError", message)
    }

    /// Arguments that a method cannot be called with.
    pub fn bad_arguments(message: impl Into<String>) -> Self {
        Self::new("builtins", "TypeError", message)
    }

    /// Whether the class tells of trouble that passes: the other side's database or its own messaging.
    pub fn is_transient(&self) -> bool {
        const TROUBLES: [&str; 8] = [
            "DBError",
            "DBConnectionError",
            "DBDeadlock",
            "RetryRequest",
            "MessagingTimeout",
            "MessageDeliveryFailure",
            "TimeoutException",
            "StaleDataError",
        ];
        self.module.starts_with("oslo_db.") || TROUBLES.contains(&self.class.as_str())
    }

    /// Reads the text of the envelope's `failure`. Text that is not the JSON of a failure becomes the message of one
    /// without class.
    pub fn parse(text: &str) -> Self {
        let Ok(Value::Object(mut fields)) = serde_json::from_str(text) else {
            return Self { args: Vec::new(), ..Self::new("", "", text) };
        };
        let mut word = |name: &str| match fields.remove(name) {
            Some(Value::String(word)) => word,
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        let (class, module, message) = (word("class"), word("module"), word("message"));
        let class = class.strip_suffix("_Remote").unwrap_or(&class).to_owned();
        let args = match fields.remove("args") {
            Some(Value::Array(args)) => args,
            _ => Vec::new(),
        };
        let lines = fields.get("tb").and_then(Value::as_array).into_iter().flatten();
        let traceback = lines.filter_map(Value::as_str).map(str::to_owned).collect();
        Self { class, module, message, args, traceback }
    }

    /// The text for the envelope.
    pub fn to_text(&self) -> String {
        json!({
            "class": self.class, "module": self.module, "message": self.message,
            "tb": self.traceback, "args": self.args, "kwargs": {},
        })
        .to_string()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.class.as_str() {
            "" => write!(f, "{}", self.message),
            class => write!(f, "{class}: {}", self.message),
        }
    }
}

impl std::error::Error for Failure {}
