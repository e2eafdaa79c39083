//! The dump of flow tables as bytes: one request, and a reply in many parts.
//!
//! Source: OpenFlow 1.4.0, section 7.3.5.2.

use bytes::BufMut;

use super::super::action::PORT_ANY;
use super::super::flow::Flow;
use super::flow_mod::FlowFilter;
use super::instructions::{read_instructions, write_instructions};
use super::oxm::{read_match, write_match};
use super::{DecodeError, set_length, take, take_u8, take_u16, take_u32, take_u64};

const PART: &str = "flow statistics";

/// A flow of a dump with what it has counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlowStats {
    pub flow: Flow,
    pub packets: u64,
    pub bytes: u64,
    /// Whole seconds since it was installed.
    pub age: u32,
}

pub(super) fn write_request(filter: &FlowFilter, out: &mut Vec<u8>) {
    out.put_u8(filter.table_number());
    out.put_bytes(0, 3);
    out.put_u32(PORT_ANY);
    out.put_u32(PORT_ANY);
    out.put_u32(0);
    out.put_u64(filter.cookie);
    out.put_u64(filter.cookie_mask);
    write_match(&filter.matches, out);
}

pub(super) fn read_request(mut rest: &[u8]) -> Result<FlowFilter, DecodeError> {
    let table = take_u8(&mut rest, PART)?;
    take(&mut rest, 15, PART)?;
    let cookie = take_u64(&mut rest, PART)?;
    let cookie_mask = take_u64(&mut rest, PART)?;
    Ok(FlowFilter::new(table, cookie, cookie_mask, read_match(&mut rest)?))
}

pub(super) fn write_reply(flows: &[FlowStats], out: &mut Vec<u8>) {
    for FlowStats { flow, packets, bytes, age } in flows {
        let start = out.len();
        out.put_u16(0);
        out.put_u8(flow.table);
        out.put_u8(0);
        out.put_u32(*age);
        out.put_u32(0);
        out.put_u16(flow.priority);
        out.put_u16(flow.idle_timeout);
        out.put_u16(flow.hard_timeout);
        // Flags, importance, and what fills up to 8.
        out.put_bytes(0, 6);
        out.put_u64(flow.cookie);
        out.put_u64(*packets);
        out.put_u64(*bytes);
        write_match(&flow.matches, out);
        write_instructions(&flow.actions, out);
        set_length(out, start, start);
    }
}

pub(super) fn read_reply(mut rest: &[u8]) -> Result<Vec<FlowStats>, DecodeError> {
    let mut flows = Vec::new();
    while !rest.is_empty() {
        let length = usize::from(take_u16(&mut rest, PART)?);
        let left = length.checked_sub(2).ok_or(DecodeError::Length { part: PART, length })?;
        flows.push(read_flow(take(&mut rest, left, PART)?)?);
    }
    Ok(flows)
}

/// Reads what follows the length of one flow.
fn read_flow(mut rest: &[u8]) -> Result<FlowStats, DecodeError> {
    let table = take_u8(&mut rest, PART)?;
    take(&mut rest, 1, PART)?;
    let age = take_u32(&mut rest, PART)?;
    take(&mut rest, 4, PART)?;
    let priority = take_u16(&mut rest, PART)?;
    let idle_timeout = take_u16(&mut rest, PART)?;
    let hard_timeout = take_u16(&mut rest, PART)?;
    take(&mut rest, 6, PART)?;
    let cookie = take_u64(&mut rest, PART)?;
    let packets = take_u64(&mut rest, PART)?;
    let bytes = take_u64(&mut rest, PART)?;
    let matches = read_match(&mut rest)?;
    let actions = read_instructions(rest)?;
    let flow = Flow { table, priority, matches, cookie, idle_timeout, hard_timeout, actions };
    Ok(FlowStats { flow, packets, bytes, age })
}
