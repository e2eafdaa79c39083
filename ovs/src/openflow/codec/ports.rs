//! The list of a bridge's ports as bytes. The database knows them better; this is what the switch itself uses.
//!
//! Source: OpenFlow 1.4.0, sections 7.2.1 and 7.3.5.7.

use bytes::BufMut;
use model::Mac;

use super::{DecodeError, set_length, take, take_array, take_u16, take_u32};

const NAME_LENGTH: usize = 16;
const PART: &str = "port description";

/// A port of a bridge, as the switch describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortDescription {
    pub number: u32,
    pub mac: Mac,
    /// At most 15 bytes of it; longer names are cut by the protocol.
    pub name: String,
    /// What was configured: bit 0 down, bit 2 receives nothing, bit 5 forwards nothing.
    pub config: u32,
    /// What is: bit 0 link down, bit 1 blocked, bit 2 live.
    pub state: u32,
}

pub(super) fn write_reply(ports: &[PortDescription], out: &mut Vec<u8>) {
    for port in ports {
        let start = out.len();
        out.put_u32(port.number);
        out.put_u32(0);
        out.extend_from_slice(&port.mac.0);
        out.put_u16(0);
        let mut name = [0; NAME_LENGTH];
        let bytes = port.name.as_bytes();
        let length = bytes.len().min(NAME_LENGTH - 1);
        name[..length].copy_from_slice(&bytes[..length]);
        out.extend_from_slice(&name);
        out.put_u32(port.config);
        out.put_u32(port.state);
        set_length(out, start, start + 4);
    }
}

pub(super) fn read_reply(mut rest: &[u8]) -> Result<Vec<PortDescription>, DecodeError> {
    let mut ports = Vec::new();
    while !rest.is_empty() {
        let number = take_u32(&mut rest, PART)?;
        let length = usize::from(take_u16(&mut rest, PART)?);
        let left = length.checked_sub(6).ok_or(DecodeError::Length { part: PART, length })?;
        ports.push(read_port(number, take(&mut rest, left, PART)?)?);
    }
    Ok(ports)
}

/// Reads what follows the number and the length of one port. Its properties are passed over.
fn read_port(number: u32, mut rest: &[u8]) -> Result<PortDescription, DecodeError> {
    take(&mut rest, 2, PART)?;
    let mac = Mac(take_array(&mut rest, PART)?);
    take(&mut rest, 2, PART)?;
    let name: [u8; NAME_LENGTH] = take_array(&mut rest, PART)?;
    // The last byte is the end of the longest name.
    let name = name[..NAME_LENGTH - 1].split(|byte| *byte == 0).next().unwrap_or_default();
    // A name that is no text keeps its length, so that it fits into its field again.
    let readable = |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { '?' };
    let name = match std::str::from_utf8(name) {
        Ok(name) => name.to_owned(),
        Err(_) => name.iter().map(readable).collect(),
    };
    let config = take_u32(&mut rest, PART)?;
    let state = take_u32(&mut rest, PART)?;
    Ok(PortDescription { number, mac, name, config, state })
}
