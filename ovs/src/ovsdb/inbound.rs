//! The reading side of a connection: whole messages out of the byte stream, with the server's echo requests answered
//! and its silence probed on the way. Nothing here ever waits for a write.

use bytes::Bytes;
use serde_json::{Value as Json, json};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::debug;

use super::client::Settings;
use super::error::Error;
use super::framer::Framer;
use super::message::{self, Message};
use super::session::Reply;
use super::transport::Source;

/// The id of our echo requests.
const PROBE: &str = "probe";
/// The longest echo that is answered. The answers wait in memory for the writer, so their size must have a bound; the
/// echo of ovsdb-server has no payload at all.
const ECHO_LIMIT: usize = 64 << 10;

/// Whole messages from the server.
pub(crate) struct Inbound {
    source: Source,
    framer: Framer,
    control: mpsc::Sender<Bytes>,
    probe: Duration,
}

impl Inbound {
    pub(crate) fn new(source: Source, control: mpsc::Sender<Bytes>, settings: &Settings) -> Self {
        let probe = if settings.probe.is_zero() { Duration::MAX } else { settings.probe };
        Self { source, framer: Framer::new(settings.message_limit), control, probe }
    }

    /// The next message that is not about keeping the connection alive. Never a request.
    pub(crate) async fn next(&mut self) -> Result<Message, Error> {
        loop {
            let Some(bytes) = self.framer.next()? else {
                self.fill().await?;
                continue;
            };
            match Message::decode(&bytes)? {
                Message::Request { method, params, id } => self.answer(&method, &params, &id, bytes.len())?,
                Message::Response { id, .. } if id == PROBE => {}
                message => return Ok(message),
            }
        }
    }

    /// Makes a call before there are callers, when its reply is the next one.
    pub(crate) async fn ask(&mut self, method: &'static str, params: &Json) -> Result<Reply, Error> {
        self.send(message::request(&Json::from(method), method, params))?;
        loop {
            match self.next().await? {
                Message::Response { id, outcome } if id == method => return Ok(outcome),
                message => debug!(?message, method, "ignored a message before the reply"),
            }
        }
    }

    /// Reads some bytes. Any byte shows that the server lives; after silence it is asked, after more it is given up.
    async fn fill(&mut self) -> Result<(), Error> {
        let mut asked = false;
        loop {
            match timeout(self.probe, self.source.read_buf(self.framer.room())).await {
                Ok(Ok(0)) => return Err(Error::Closed),
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => return Err(Error::Read(error)),
                Err(_) if asked => return Err(Error::Silent(self.probe.saturating_mul(2))),
                Err(_) => {
                    asked = true;
                    self.send(message::request(&Json::from(PROBE), "echo", &json!([])))?;
                }
            }
        }
    }

    fn answer(&self, method: &str, params: &Json, id: &Json, length: usize) -> Result<(), Error> {
        match method {
            "echo" if length > ECHO_LIMIT => Err(Error::Flooded),
            "echo" => self.send(message::response(id, params)),
            _ => self.send(message::error_response(id, "unknown method")),
        }
    }

    fn send(&self, message: Bytes) -> Result<(), Error> {
        match self.control.try_send(message) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Error::Flooded),
            // The writer has ended and its reason is about to end this side too.
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Error::Closed),
        }
    }
}
