//! The command line's side of the socket: one HTTP request to the running agent.

use std::path::Path;

use anyhow::{Context as _, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

/// Sends one request to the agent behind `socket` and returns the body of its answer. An answer that
/// tells of an error becomes one.
pub(crate) async fn request(
    socket: &Path,
    method: Method,
    path: &str,
    body: Option<(&str, String)>,
) -> anyhow::Result<Value> {
    let stream = UnixStream::connect(socket).await.with_context(|| {
        format!(
            "cannot reach the agent at {}: is `baryon run` running, and may you open the socket?",
            socket.display()
        )
    })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", "baryon");
    let text = match body {
        Some((kind, text)) => {
            request = request.header("content-type", kind);
            text
        }
        None => String::new(),
    };
    let answer = sender.send_request(request.body(Full::new(Bytes::from(text)))?).await?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await?.to_bytes();
    drop(sender);
    connection.await??;
    let value: Value = if bytes.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&bytes).with_context(|| format!("the agent's answer to {path} is not JSON"))?
    };
    if !status.is_success() {
        bail!("{}", error_of(&value).unwrap_or_else(|| format!("the agent answered {status}")));
    }
    Ok(value)
}

/// The sentence in an error body, ours or Neutron's.
fn error_of(value: &Value) -> Option<String> {
    let ours = value.get("error");
    let text = ours.or_else(|| value.get("NeutronError")?.get("message"))?;
    Some(text.as_str().map_or_else(|| text.to_string(), str::to_owned))
}
