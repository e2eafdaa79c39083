//! The hello at the beginning of a connection, by which both sides agree on a version.

use std::{fmt, io};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::super::codec::{self, Message, VERSION};
use super::error::{Cause, Closed};

/// Why there was no agreement.
pub(super) enum Refused {
    Version(String),
    Failed(Cause),
}

impl From<Cause> for Refused {
    fn from(cause: Cause) -> Self {
        Self::Failed(cause)
    }
}

/// Exchanges hellos. Gives what has come in behind the switch's.
pub(super) async fn greet(stream: &mut UnixStream) -> Result<BytesMut, Refused> {
    let broken = |error: io::Error| Cause::Closed(Closed::Broken(error.kind()));
    let mut hello = Vec::new();
    codec::encode(&Message::Hello { versions: 1 << VERSION }, 0, &mut hello);
    let mut received = BytesMut::new();
    // A switch that refuses may be gone before it has heard us. Then what it said still says why.
    let sent = stream.write_all(&hello).await;
    loop {
        if let Some(message) = codec::split_message(&mut received).map_err(Cause::Malformed)? {
            match codec::decode(&message).map_err(Cause::Malformed)? {
                (_, Message::Hello { versions }) if versions & (1 << VERSION) == 0 => {
                    return Err(Refused::Version(format!("it speaks {}", VersionNames(versions))));
                }
                (_, Message::Hello { .. }) => {
                    sent.map_err(broken)?;
                    return Ok(received);
                }
                (_, Message::Error(error)) if error.is_failed_hello() => {
                    return Err(Refused::Version(error.text()));
                }
                (_, Message::Error(error)) => return Err(Cause::Refused(error).into()),
                _ => return Err(Cause::Unexpected.into()),
            }
        } else if stream.read_buf(&mut received).await.map_err(broken)? == 0 {
            return Err(Cause::Closed(Closed::BySwitch).into());
        }
    }
}

/// Versions by the names that the column `protocols` has for them.
struct VersionNames(u32);

impl fmt::Display for VersionNames {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = (1..=6).filter(|version| self.0 & (1 << version) != 0);
        for (place, version) in known.enumerate() {
            write!(out, "{}OpenFlow1{}", if place == 0 { "" } else { ", " }, version - 1)?;
        }
        Ok(())
    }
}
