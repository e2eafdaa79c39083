//! The body of a `learn` action as bytes. An action with any part that has no name here is kept as bytes whole.
//!
//! Source: `struct nx_action_learn` and the comment on it in Open vSwitch's headers.

use bytes::BufMut;

use super::super::field::{Subfield, low_bits};
use super::super::learn::{Learn, LearnSpec};
use super::actions::u16_at;
use super::oxm::{read_value, subfield, write_value};
use super::{take, take_array, take_u8, take_u16, take_u64};

const FROM_VALUE: u16 = 1 << 13;
const TARGET_MASK: u16 = 3 << 11;
const MATCH: u16 = 0;
const LOAD: u16 = 1 << 11;
const OUTPUT: u16 = 2 << 11;
const WIDTH_MASK: u16 = 0x7ff;
const PART: &str = "learn action";

pub(super) fn write_learn(learn: &Learn, out: &mut Vec<u8>) {
    out.put_u16(learn.idle_timeout);
    out.put_u16(learn.hard_timeout);
    out.put_u16(learn.priority);
    out.put_u64(learn.cookie);
    out.put_u16(learn.flags);
    out.put_u8(learn.table);
    out.put_u8(0);
    out.put_u16(learn.fin_idle_timeout);
    out.put_u16(learn.fin_hard_timeout);
    learn.specs.iter().for_each(|spec| write_spec(spec, out));
}

fn write_spec(spec: &LearnSpec, out: &mut Vec<u8>) {
    match spec {
        LearnSpec::MatchField { target, source } => {
            out.put_u16(MATCH | target.width);
            write_place(*source, out);
            write_place(*target, out);
        }
        LearnSpec::MatchValue { target, value } => {
            out.put_u16(MATCH | FROM_VALUE | target.width);
            write_value(*value, value_length(target.width), out);
            write_place(*target, out);
        }
        LearnSpec::LoadField { target, source } => {
            out.put_u16(LOAD | target.width);
            write_place(*source, out);
            write_place(*target, out);
        }
        LearnSpec::LoadValue { target, value } => {
            out.put_u16(LOAD | FROM_VALUE | target.width);
            write_value(*value, value_length(target.width), out);
            write_place(*target, out);
        }
        LearnSpec::Output { source } => {
            out.put_u16(OUTPUT | source.width);
            write_place(*source, out);
        }
    }
}

fn write_place(subfield: Subfield, out: &mut Vec<u8>) {
    out.put_u32(subfield.field.subfield_header());
    out.put_u16(subfield.offset);
}

/// Values come in pieces of 16 bits.
fn value_length(width: u16) -> usize {
    2 * usize::from(width.div_ceil(16))
}

/// A `learn` action that has nothing in it that has no name here. `body` follows the subtype.
pub(super) fn known_learn(body: &[u8]) -> Option<Learn> {
    let mut rest = body;
    let mut learn = read_fixed(&mut rest)?;
    // The list ends with the action, or with the zeros that fill it up.
    while u16_at(rest, 0).is_some_and(|header| header != 0) {
        learn.specs.push(known_spec(&mut rest)?);
    }
    rest.iter().all(|byte| *byte == 0).then_some(learn)
}

fn read_fixed(rest: &mut &[u8]) -> Option<Learn> {
    let idle_timeout = take_u16(rest, PART).ok()?;
    let hard_timeout = take_u16(rest, PART).ok()?;
    let priority = take_u16(rest, PART).ok()?;
    let cookie = take_u64(rest, PART).ok()?;
    let flags = take_u16(rest, PART).ok()?;
    let table = take_u8(rest, PART).ok()?;
    let _padding = take_u8(rest, PART).ok()?;
    let fin_idle_timeout = take_u16(rest, PART).ok()?;
    let fin_hard_timeout = take_u16(rest, PART).ok()?;
    Some(Learn {
        table,
        priority,
        cookie,
        idle_timeout,
        hard_timeout,
        fin_idle_timeout,
        fin_hard_timeout,
        flags,
        specs: Vec::new(),
    })
}

fn known_spec(rest: &mut &[u8]) -> Option<LearnSpec> {
    let header = take_u16(rest, PART).ok()?;
    let width = header & WIDTH_MASK;
    match (header & TARGET_MASK, header & FROM_VALUE) {
        (MATCH, 0) => {
            let source = known_place(rest, width)?;
            Some(LearnSpec::MatchField { source, target: known_place(rest, width)? })
        }
        (MATCH, _) => {
            let value = known_value(rest, width)?;
            Some(LearnSpec::MatchValue { value, target: known_place(rest, width)? })
        }
        (LOAD, 0) => {
            let source = known_place(rest, width)?;
            Some(LearnSpec::LoadField { source, target: known_place(rest, width)? })
        }
        (LOAD, _) => {
            let value = known_value(rest, width)?;
            Some(LearnSpec::LoadValue { value, target: known_place(rest, width)? })
        }
        (OUTPUT, 0) => Some(LearnSpec::Output { source: known_place(rest, width)? }),
        _ => None,
    }
}

fn known_place(rest: &mut &[u8], width: u16) -> Option<Subfield> {
    let header = u32::from_be_bytes(take_array(rest, PART).ok()?);
    let offset = take_u16(rest, PART).ok()?;
    subfield(header, offset, width)
}

fn known_value(rest: &mut &[u8], width: u16) -> Option<u128> {
    let length = value_length(width);
    let value = read_value(take(rest, length, PART).ok()?);
    (length <= 16 && value <= low_bits(width)).then_some(value)
}
