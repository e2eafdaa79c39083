//! Messages of OpenFlow 1.4 as values and as bytes. Pure: no socket, no state.
//!
//! Everything that comes in is taken as hostile: lengths are checked before they are followed, and what is
//! not understood inside a flow is kept as bytes. [`decode`] is the one way in, and never panics.
//!
//! Only what a management client says and hears is here. Other messages decode to [`Message::Other`].
//! Source: OpenFlow Switch Specification 1.4.0, sections 7.1 to 7.3.

mod actions;
mod conntrack;
mod flow_mod;
mod flow_stats;
mod instructions;
mod learn;
mod message;
mod oxm;
mod ports;

use bytes::{Bytes, BytesMut};

pub use flow_mod::{FlowFilter, FlowMod};
pub use flow_stats::FlowStats;
pub use message::{BundleStep, Message};
pub use ports::PortDescription;

pub(crate) use message::{ECHO_REQUEST, write_bundled};

/// The version byte of OpenFlow 1.4.
pub const VERSION: u8 = 5;
/// Bytes before the body of every message.
pub const HEADER_LENGTH: usize = 8;

/// What every message begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub version: u8,
    /// The type of the message, such as 14 for a flow modification.
    pub kind: u8,
    /// Bytes of the whole message.
    pub length: u16,
    /// Pairs requests with replies and errors.
    pub xid: u32,
}

/// A message that does not keep to the format.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("an OpenFlow message ends within its {part}")]
    Short { part: &'static str },
    #[error("an OpenFlow message says {length} as the length of its {part}")]
    Length { part: &'static str, length: usize },
    #[error("a message of OpenFlow version {version} came over a connection that speaks version 5 (1.4)")]
    Version { version: u8 },
    #[error("an OpenFlow message has a match of type {kind}, which is not OXM")]
    MatchType { kind: u16 },
}

/// Reads one whole message.
pub fn decode(message: &[u8]) -> Result<(Header, Message), DecodeError> {
    let header = read_header(message)?;
    if usize::from(header.length) != message.len() {
        return Err(DecodeError::Length { part: "message", length: usize::from(header.length) });
    }
    let body = message.get(HEADER_LENGTH..).unwrap_or_default();
    Ok((header, message::read_body(header, body)?))
}

/// Reads the header that a message begins with.
pub fn read_header(message: &[u8]) -> Result<Header, DecodeError> {
    let Some(&[version, kind, length_high, length_low, a, b, c, d]) = message.first_chunk() else {
        return Err(DecodeError::Short { part: "header" });
    };
    let length = u16::from_be_bytes([length_high, length_low]);
    Ok(Header { version, kind, length, xid: u32::from_be_bytes([a, b, c, d]) })
}

/// Takes the first whole message off a stream, if it has arrived.
pub fn split_message(stream: &mut BytesMut) -> Result<Option<Bytes>, DecodeError> {
    if stream.len() < HEADER_LENGTH {
        return Ok(None);
    }
    let length = usize::from(read_header(stream)?.length);
    if length < HEADER_LENGTH {
        return Err(DecodeError::Length { part: "message", length });
    }
    if stream.len() < length {
        stream.reserve(length - stream.len());
        return Ok(None);
    }
    Ok(Some(stream.split_to(length).freeze()))
}

/// Writes one whole message behind what is in `out`.
pub fn encode(message: &Message, xid: u32, out: &mut Vec<u8>) {
    message::write_message(message, xid, out);
}

/// Takes bytes off the front of what is left.
fn take<'a>(rest: &mut &'a [u8], length: usize, part: &'static str) -> Result<&'a [u8], DecodeError> {
    rest.split_off(..length).ok_or(DecodeError::Short { part })
}

fn take_array<const N: usize>(rest: &mut &[u8], part: &'static str) -> Result<[u8; N], DecodeError> {
    let (array, behind) = rest.split_first_chunk().ok_or(DecodeError::Short { part })?;
    *rest = behind;
    Ok(*array)
}

fn take_u8(rest: &mut &[u8], part: &'static str) -> Result<u8, DecodeError> {
    take_array(rest, part).map(u8::from_be_bytes)
}

fn take_u16(rest: &mut &[u8], part: &'static str) -> Result<u16, DecodeError> {
    take_array(rest, part).map(u16::from_be_bytes)
}

fn take_u32(rest: &mut &[u8], part: &'static str) -> Result<u32, DecodeError> {
    take_array(rest, part).map(u32::from_be_bytes)
}

fn take_u64(rest: &mut &[u8], part: &'static str) -> Result<u64, DecodeError> {
    take_array(rest, part).map(u64::from_be_bytes)
}

/// Fills up with zeros until what was written since `start` is a multiple of 8 long.
fn pad(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start;
    out.resize(start + length.next_multiple_of(8), 0);
}

/// Writes the length of what was written since `start` into the two bytes at `place`. What is longer than
/// a length can say is cut short there, so the switch refuses it.
fn set_length(out: &mut [u8], start: usize, place: usize) {
    let length = u16::try_from(out.len() - start).unwrap_or(u16::MAX);
    if let Some(bytes) = out.get_mut(place..place + 2) {
        bytes.copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests;
