//! Asks the embedded controller's API over its unix socket. One connection for each request: the
//! command line asks a handful of things and ends.

use std::path::{Path, PathBuf};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;

/// Why there is no answer, or which one there is instead.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("cannot reach the agent at {}: is `baryon run` running, and may you open its socket?", socket.display())]
    Connect { socket: PathBuf, source: std::io::Error },
    #[error("cannot {method} {path}")]
    Exchange { method: Method, path: String, source: hyper::Error },
    #[error("{path:?} is no path of a request")]
    Path { path: String, source: hyper::http::Error },
    #[error("the answer to {method} {path} is not JSON")]
    Answer { method: Method, path: String, source: serde_json::Error },
    /// The controller's own words.
    #[error("{message}")]
    Refused { status: u16, kind: String, message: String },
    /// What was refused, as a person would say it: `change port web`.
    #[error("cannot {deed}")]
    Deed { deed: String, source: Box<ClientError> },
    #[error("there is no {kind} {name}")]
    NoSuch { kind: &'static str, name: String },
    #[error("there are {count} {kind}s called {name}; give the id")]
    Ambiguous { kind: &'static str, name: String, count: usize },
    #[error("cannot read {}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{given:?} is not of the form {form}")]
    Form { given: String, form: &'static str },
}

impl ClientError {
    /// A refusal of this deed. Other errors say themselves what they are about.
    #[must_use]
    pub fn of(self, deed: impl Into<String>) -> Self {
        match self {
            Self::Refused { .. } => Self::Deed { deed: deed.into(), source: Box::new(self) },
            other => other,
        }
    }
}

/// A way to the API.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    pub fn new(socket: impl AsRef<Path>) -> Self {
        Self { socket: socket.as_ref().to_owned() }
    }

    pub async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.send(Method::GET, path, String::new()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.send(Method::POST, path, body.to_string()).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.send(Method::PUT, path, body.to_string()).await
    }

    pub async fn delete(&self, path: &str) -> Result<Value, ClientError> {
        self.send(Method::DELETE, path, String::new()).await
    }

    /// Sends a body as it is. An empty answer is null, an error answer is [`ClientError::Refused`].
    pub async fn send(&self, method: Method, path: &str, body: String) -> Result<Value, ClientError> {
        let stream = tokio::net::UnixStream::connect(&self.socket)
            .await
            .map_err(|source| ClientError::Connect { socket: self.socket.clone(), source })?;
        let request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|source| ClientError::Path { path: path.to_owned(), source })?;
        let exchange =
            |source| ClientError::Exchange { method: method.clone(), path: path.to_owned(), source };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(exchange)?;
        let connection = tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(exchange)?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await.map_err(exchange)?.to_bytes();
        connection.abort();
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        let value = serde_json::from_slice(&bytes).map_err(|source| ClientError::Answer {
            method,
            path: path.to_owned(),
            source,
        })?;
        if status.is_success() { Ok(value) } else { Err(refused(status.as_u16(), &value)) }
    }

    /// The resource that has this id or, failing that, this name. `collection` is the path's last part.
    pub async fn find(&self, kind: &'static str, collection: &str, name: &str) -> Result<Value, ClientError> {
        let mut names = vec!["id", "name"];
        if collection == "floatingips" {
            names = vec!["id", "floating_ip_address", "baryon:name"];
        }
        for field in names {
            let found = self.get(&format!("/v2.0/{collection}?{field}={}", escape(name))).await?;
            let found = found.get(collection).and_then(Value::as_array).cloned().unwrap_or_default();
            match found.as_slice() {
                [] => {}
                [one] => return Ok(one.clone()),
                several => {
                    let name = name.to_owned();
                    return Err(ClientError::Ambiguous { kind, name, count: several.len() });
                }
            }
        }
        Err(ClientError::NoSuch { kind, name: name.to_owned() })
    }

    /// The id of the resource that [`Client::find`] finds.
    pub async fn find_id(
        &self,
        kind: &'static str,
        collection: &str,
        name: &str,
    ) -> Result<String, ClientError> {
        let found = self.find(kind, collection, name).await?;
        let id = found.get("id").and_then(Value::as_str).map(str::to_owned);
        id.ok_or_else(|| ClientError::NoSuch { kind, name: name.to_owned() })
    }
}

fn refused(status: u16, answer: &Value) -> ClientError {
    let error = answer.get("NeutronError");
    let text = |field| error.and_then(|error| error.get(field)).and_then(Value::as_str);
    let message = match (text("message"), text("detail")) {
        (Some(message), Some(detail)) if !detail.is_empty() => format!("{message} {detail}"),
        (Some(message), _) => message.to_owned(),
        (None, _) => answer.to_string(),
    };
    ClientError::Refused { status, kind: text("type").unwrap_or_default().to_owned(), message }
}

/// Percent-encodes a part of a path or a query (RFC 3986, 2.3).
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
