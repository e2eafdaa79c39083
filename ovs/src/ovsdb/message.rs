//! The messages of JSON-RPC 1.0 as OVSDB uses it (RFC 7047, section 4). Pure.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::decode::excerpt;
use super::error::Error;

/// One message from the server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    Request {
        method: String,
        params: Json,
        id: Json,
    },
    Notification {
        method: String,
        params: Json,
    },
    /// `outcome`: the member `result`, or the member `error` where that is not null.
    Response {
        id: Json,
        outcome: Result<Json, Json>,
    },
}

#[derive(Deserialize)]
struct Members {
    method: Option<String>,
    #[serde(default)]
    params: Json,
    #[serde(default)]
    id: Json,
    result: Option<Json>,
    error: Option<Json>,
}

impl Message {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let members: Members = serde_json::from_slice(bytes).map_err(|error| {
            if error.is_data() { Error::Message { found: beginning(bytes) } } else { Error::Json(error) }
        })?;
        match members {
            Members { method: Some(method), params, id: Json::Null, .. } => {
                Ok(Self::Notification { method, params })
            }
            Members { method: Some(method), params, id, .. } => Ok(Self::Request { method, params, id }),
            Members { id: Json::Null, .. } => Err(Error::Message { found: beginning(bytes) }),
            Members { id, error: Some(error), .. } => Ok(Self::Response { id, outcome: Err(error) }),
            Members { id, result, .. } => Ok(Self::Response { id, outcome: Ok(result.unwrap_or_default()) }),
        }
    }
}

pub(crate) fn request(id: &Json, method: &str, params: &Json) -> Bytes {
    bytes(&json!({ "method": method, "params": params, "id": id }))
}

pub(crate) fn response(id: &Json, result: &Json) -> Bytes {
    bytes(&json!({ "result": result, "error": null, "id": id }))
}

pub(crate) fn error_response(id: &Json, error: &str) -> Bytes {
    bytes(&json!({ "result": null, "error": { "error": error }, "id": id }))
}

pub(crate) fn notification(method: &str, params: &Json) -> Bytes {
    bytes(&json!({ "method": method, "params": params, "id": null }))
}

fn bytes(json: &Json) -> Bytes {
    json.to_string().into()
}

/// The beginning of a message for an error text.
fn beginning(bytes: &[u8]) -> String {
    excerpt(&Json::from(String::from_utf8_lossy(bytes.get(..200).unwrap_or(bytes))))
}
