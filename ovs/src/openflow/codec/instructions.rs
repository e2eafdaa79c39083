//! The instructions of a flow as bytes. In [`Action`] lists they stand among the actions; on the wire the actions
//! are inside one instruction of their own, `apply_actions`.
//!
//! Source: OpenFlow 1.4.0, section 7.2.4.

use bytes::BufMut;

use super::super::action::Action;
use super::actions::{Level, read_actions, u32_at, write_actions};
use super::{DecodeError, set_length, take, take_u16};

const GOTO_TABLE: u16 = 1;
const WRITE_METADATA: u16 = 2;
const APPLY_ACTIONS: u16 = 4;
const CLEAR_ACTIONS: u16 = 5;
const METER: u16 = 6;
const APPLY_RANK: u8 = 1;
const PART: &str = "instructions";

pub(super) fn write_instructions(actions: &[Action], out: &mut Vec<u8>) {
    if actions.iter().any(|action| action.rank() == APPLY_RANK) {
        let start = out.len();
        out.put_u16(APPLY_ACTIONS);
        out.put_u16(0);
        out.put_u32(0);
        write_actions(actions, out);
        set_length(out, start, start + 2);
    }
    actions.iter().for_each(|action| write_instruction(action, out));
}

fn write_instruction(action: &Action, out: &mut Vec<u8>) {
    let mut head = |kind: u16, length: u16| {
        out.put_u16(kind);
        out.put_u16(length);
    };
    match action {
        Action::GotoTable(table) => {
            head(GOTO_TABLE, 8);
            out.extend_from_slice(&[*table, 0, 0, 0]);
        }
        Action::Meter(meter) => {
            head(METER, 8);
            out.put_u32(*meter);
        }
        Action::ClearActions => {
            head(CLEAR_ACTIONS, 8);
            out.put_u32(0);
        }
        Action::WriteMetadata { value, mask } => {
            head(WRITE_METADATA, 24);
            out.put_u32(0);
            out.put_u64(*value);
            out.put_u64(*mask);
        }
        Action::UnknownInstruction(bytes) => out.extend_from_slice(bytes),
        _ => (),
    }
}

/// Reads instructions until there are no bytes left, and puts them in the order of their execution.
pub(super) fn read_instructions(mut rest: &[u8]) -> Result<Vec<Action>, DecodeError> {
    let mut actions = Vec::new();
    while !rest.is_empty() {
        let mut peek = rest;
        let kind = take_u16(&mut peek, PART)?;
        let length = usize::from(take_u16(&mut peek, PART)?);
        if length < 8 || !length.is_multiple_of(8) {
            return Err(DecodeError::Length { part: PART, length });
        }
        let whole = take(&mut rest, length, PART)?;
        if kind == APPLY_ACTIONS {
            read_actions(whole.get(8..).unwrap_or_default(), Level::Flow, &mut actions)?;
        } else {
            let known = known_instruction(kind, whole);
            actions.push(known.unwrap_or_else(|| Action::UnknownInstruction(whole.to_vec())));
        }
    }
    actions.sort_by_key(Action::rank);
    Ok(actions)
}

fn known_instruction(kind: u16, whole: &[u8]) -> Option<Action> {
    match (kind, whole.len()) {
        (GOTO_TABLE, 8) => Some(Action::GotoTable(whole[4])),
        (METER, 8) => Some(Action::Meter(u32_at(whole, 4)?)),
        (CLEAR_ACTIONS, 8) => Some(Action::ClearActions),
        (WRITE_METADATA, 24) => Some(Action::WriteMetadata {
            value: u64::from_be_bytes(*whole.get(8..)?.first_chunk()?),
            mask: u64::from_be_bytes(*whole.get(16..)?.first_chunk()?),
        }),
        _ => None,
    }
}
