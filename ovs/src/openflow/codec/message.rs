//! The messages, and which type each one has. What they are about is read and written by the files beside
//! this one.
//!
//! Source: OpenFlow 1.4.0, section 7.1.

use bytes::BufMut;

use super::super::refusal::OfError;
use super::flow_mod::{FlowFilter, FlowMod, read_flow_mod, write_flow_mod};
use super::flow_stats::{self, FlowStats};
use super::ports::{self, PortDescription};
use super::{
    DecodeError, Header, VERSION, pad, read_header, set_length, take, take_u8, take_u16, take_u32, take_u64,
};

const HELLO: u8 = 0;
const ERROR: u8 = 1;
pub(crate) const ECHO_REQUEST: u8 = 2;
const ECHO_REPLY: u8 = 3;
const FEATURES_REQUEST: u8 = 5;
const FEATURES_REPLY: u8 = 6;
pub(super) const FLOW_MOD: u8 = 14;
const MULTIPART_REQUEST: u8 = 18;
const MULTIPART_REPLY: u8 = 19;
const BARRIER_REQUEST: u8 = 20;
const BARRIER_REPLY: u8 = 21;
const BUNDLE_CONTROL: u8 = 33;
const BUNDLE_ADD: u8 = 34;

const FLOW_STATS: u16 = 1;
const PORT_DESCRIPTION: u16 = 13;
/// The flag of a multipart reply that is not the last one.
const MORE: u16 = 1;
const VERSION_BITMAP: u16 = 1;

/// A message of OpenFlow 1.4.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// The versions that the sender speaks: bit 5 for 1.4.
    Hello {
        versions: u32,
    },
    /// A request was refused.
    Error(OfError),
    EchoRequest(Vec<u8>),
    EchoReply(Vec<u8>),
    FeaturesRequest,
    Features {
        datapath: u64,
        tables: u8,
    },
    FlowMod(FlowMod),
    BarrierRequest,
    BarrierReply,
    FlowStatsRequest(FlowFilter),
    /// Some of the flows; `more` when it is not the last part.
    FlowStats {
        flows: Vec<FlowStats>,
        more: bool,
    },
    PortsRequest,
    /// Some of the ports; `more` when it is not the last part.
    Ports {
        ports: Vec<PortDescription>,
        more: bool,
    },
    BundleControl {
        bundle: u32,
        step: BundleStep,
        flags: u16,
    },
    /// Puts a message, whole with its header, into a bundle.
    BundleAdd {
        bundle: u32,
        flags: u16,
        message: Vec<u8>,
    },
    /// Anything else, by its type.
    Other {
        kind: u8,
        body: Vec<u8>,
    },
}

/// What is to be done with a bundle, or has been.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum BundleStep {
    Open = 0,
    Opened = 1,
    Close = 2,
    Closed = 3,
    Commit = 4,
    Committed = 5,
    Discard = 6,
    Discarded = 7,
}

impl BundleStep {
    const ALL: [Self; 8] = [
        Self::Open,
        Self::Opened,
        Self::Close,
        Self::Closed,
        Self::Commit,
        Self::Committed,
        Self::Discard,
        Self::Discarded,
    ];
}

/// Writes the header of a message whose length is set afterwards.
pub(super) fn write_header(kind: u8, xid: u32, out: &mut Vec<u8>) {
    out.put_u8(VERSION);
    out.put_u8(kind);
    out.put_u16(0);
    out.put_u32(xid);
}

/// Writes a whole message.
pub(crate) fn write_message(message: &Message, xid: u32, out: &mut Vec<u8>) {
    if let Message::FlowMod(change) = message {
        return write_flow_mod(change, xid, out);
    }
    let start = out.len();
    write_header(kind(message), xid, out);
    write_body(message, start, out);
    set_length(out, start, start + 2);
}

fn kind(message: &Message) -> u8 {
    match message {
        Message::Hello { .. } => HELLO,
        Message::Error(_) => ERROR,
        Message::EchoRequest(_) => ECHO_REQUEST,
        Message::EchoReply(_) => ECHO_REPLY,
        Message::FeaturesRequest => FEATURES_REQUEST,
        Message::Features { .. } => FEATURES_REPLY,
        Message::FlowMod(_) => FLOW_MOD,
        Message::BarrierRequest => BARRIER_REQUEST,
        Message::BarrierReply => BARRIER_REPLY,
        Message::FlowStatsRequest(_) | Message::PortsRequest => MULTIPART_REQUEST,
        Message::FlowStats { .. } | Message::Ports { .. } => MULTIPART_REPLY,
        Message::BundleControl { .. } => BUNDLE_CONTROL,
        Message::BundleAdd { .. } => BUNDLE_ADD,
        Message::Other { kind, .. } => *kind,
    }
}

fn write_body(message: &Message, start: usize, out: &mut Vec<u8>) {
    match message {
        Message::Hello { versions } => {
            out.put_u16(VERSION_BITMAP);
            out.put_u16(8);
            out.put_u32(*versions);
        }
        Message::Error(error) => error.write(out),
        Message::EchoRequest(body) | Message::EchoReply(body) | Message::Other { body, .. } => {
            out.extend_from_slice(body);
        }
        Message::Features { datapath, tables } => {
            out.put_u64(*datapath);
            out.put_u32(0);
            out.put_u8(*tables);
            out.put_bytes(0, 11);
        }
        Message::FlowStatsRequest(filter) => {
            write_multipart(FLOW_STATS, false, out);
            flow_stats::write_request(filter, out);
        }
        Message::FlowStats { flows, more } => {
            write_multipart(FLOW_STATS, *more, out);
            flow_stats::write_reply(flows, out);
        }
        Message::PortsRequest => write_multipart(PORT_DESCRIPTION, false, out),
        Message::Ports { ports, more } => {
            write_multipart(PORT_DESCRIPTION, *more, out);
            ports::write_reply(ports, out);
        }
        Message::BundleControl { bundle, step, flags } => {
            out.put_u32(*bundle);
            out.put_u16(*step as u16);
            out.put_u16(*flags);
        }
        Message::BundleAdd { bundle, flags, message } => {
            out.put_u32(*bundle);
            out.put_u16(0);
            out.put_u16(*flags);
            out.extend_from_slice(message);
            pad(out, start);
        }
        Message::FeaturesRequest | Message::FlowMod(_) | Message::BarrierRequest | Message::BarrierReply => {
            // Nothing but a header; a change of flows was written before.
        }
    }
}

fn write_multipart(kind: u16, more: bool, out: &mut Vec<u8>) {
    out.put_u16(kind);
    out.put_u16(if more { MORE } else { 0 });
    out.put_u32(0);
}

/// Writes a change of flows as part of a bundle. Both messages have the same transaction id, as they must.
/// Writes nothing and gives false if that is longer than a message can be.
pub(crate) fn write_bundled(change: &FlowMod, bundle: u32, flags: u16, xid: u32, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    write_header(BUNDLE_ADD, xid, out);
    out.put_u32(bundle);
    out.put_u16(0);
    out.put_u16(flags);
    write_flow_mod(change, xid, out);
    let fits = out.len() - start <= usize::from(u16::MAX);
    if fits {
        set_length(out, start, start + 2);
    } else {
        out.truncate(start);
    }
    fits
}

/// Reads what follows the header.
pub(super) fn read_body(header: Header, body: &[u8]) -> Result<Message, DecodeError> {
    // Before both sides have said what they speak, the version is the sender's best one.
    let any_version = matches!(header.kind, HELLO | ERROR);
    if header.version != VERSION && !any_version {
        return Err(DecodeError::Version { version: header.version });
    }
    let other = || Message::Other { kind: header.kind, body: body.to_vec() };
    Ok(match header.kind {
        HELLO => Message::Hello { versions: read_versions(header.version, body) },
        ERROR => Message::Error(OfError::read(body)?),
        ECHO_REQUEST => Message::EchoRequest(body.to_vec()),
        ECHO_REPLY => Message::EchoReply(body.to_vec()),
        FEATURES_REQUEST => Message::FeaturesRequest,
        FEATURES_REPLY => read_features(body)?,
        FLOW_MOD => read_flow_mod(body)?.map_or_else(other, Message::FlowMod),
        BARRIER_REQUEST => Message::BarrierRequest,
        BARRIER_REPLY => Message::BarrierReply,
        MULTIPART_REQUEST => read_multipart_request(body)?.unwrap_or_else(other),
        MULTIPART_REPLY => read_multipart_reply(body)?.unwrap_or_else(other),
        BUNDLE_CONTROL => read_bundle_control(body)?.unwrap_or_else(other),
        BUNDLE_ADD => read_bundle_add(body)?,
        _ => other(),
    })
}

/// The versions that a hello offers: those of its bitmap, or everything up to its own.
fn read_versions(version: u8, mut rest: &[u8]) -> u32 {
    let own = 1_u32.checked_shl(u32::from(version)).unwrap_or(0);
    loop {
        let (Ok(kind), Ok(length)) = (take_u16(&mut rest, "hello"), take_u16(&mut rest, "hello")) else {
            return own | own.wrapping_sub(1) & !1;
        };
        let length = usize::from(length);
        let Ok(element) = take(&mut rest, length.saturating_sub(4), "hello") else { return own };
        if kind == VERSION_BITMAP
            && let Some(bitmap) = element.first_chunk()
        {
            return u32::from_be_bytes(*bitmap);
        }
        let padding = (length.next_multiple_of(8) - length).min(rest.len());
        rest = rest.get(padding..).unwrap_or_default();
    }
}

fn read_features(mut rest: &[u8]) -> Result<Message, DecodeError> {
    const PART: &str = "features";
    let datapath = take_u64(&mut rest, PART)?;
    take(&mut rest, 4, PART)?;
    Ok(Message::Features { datapath, tables: take_u8(&mut rest, PART)? })
}

/// The type of a multipart message, whether more parts follow, and its body.
fn read_multipart(mut rest: &[u8]) -> Result<(u16, bool, &[u8]), DecodeError> {
    const PART: &str = "multipart header";
    let kind = take_u16(&mut rest, PART)?;
    let flags = take_u16(&mut rest, PART)?;
    take(&mut rest, 4, PART)?;
    Ok((kind, flags & MORE != 0, rest))
}

fn read_multipart_request(body: &[u8]) -> Result<Option<Message>, DecodeError> {
    let (kind, _, rest) = read_multipart(body)?;
    Ok(match kind {
        FLOW_STATS => Some(Message::FlowStatsRequest(flow_stats::read_request(rest)?)),
        PORT_DESCRIPTION => Some(Message::PortsRequest),
        _ => None,
    })
}

fn read_multipart_reply(body: &[u8]) -> Result<Option<Message>, DecodeError> {
    let (kind, more, rest) = read_multipart(body)?;
    Ok(match kind {
        FLOW_STATS => Some(Message::FlowStats { flows: flow_stats::read_reply(rest)?, more }),
        PORT_DESCRIPTION => Some(Message::Ports { ports: ports::read_reply(rest)?, more }),
        _ => None,
    })
}

fn read_bundle_control(mut rest: &[u8]) -> Result<Option<Message>, DecodeError> {
    const PART: &str = "bundle control";
    let bundle = take_u32(&mut rest, PART)?;
    let number = take_u16(&mut rest, PART)?;
    let flags = take_u16(&mut rest, PART)?;
    let step = BundleStep::ALL.into_iter().find(|step| *step as u16 == number);
    Ok(step.map(|step| Message::BundleControl { bundle, step, flags }))
}

fn read_bundle_add(mut rest: &[u8]) -> Result<Message, DecodeError> {
    const PART: &str = "bundled message";
    let bundle = take_u32(&mut rest, PART)?;
    take(&mut rest, 2, PART)?;
    let flags = take_u16(&mut rest, PART)?;
    // What fills up to 8 is not part of the message inside.
    let length = usize::from(read_header(rest)?.length);
    let message = take(&mut rest, length, PART)?.to_vec();
    Ok(Message::BundleAdd { bundle, flags, message })
}
