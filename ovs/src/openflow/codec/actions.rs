//! Lists of actions as bytes. Every action has a type, a length that is a multiple of 8, and a body; those of
//! Nicira have type 65535, the number of the vendor, and a subtype.
//!
//! What is not known, or not in the form that is expected, becomes [`Action::Unknown`] with its bytes.
//! Sources: OpenFlow 1.4.0, section 7.2.5; `ovs-actions(7)`.

use bytes::BufMut;

use super::super::action::PORT_NORMAL;
use super::super::action::{Action, PORT_ALL, PORT_CONTROLLER, PORT_FLOOD, PORT_IN_PORT, PORT_LOCAL};
use super::super::conntrack::NO_TABLE;
use super::super::field::{Field, low_bits};
use super::oxm::{offset_and_width, packed_subfield, read_value, subfield, write_value};
use super::{DecodeError, conntrack, learn, pad, set_length, take, take_u16};

const OUTPUT: u16 = 0;
const PUSH_VLAN: u16 = 17;
const POP_VLAN: u16 = 18;
const SET_QUEUE: u16 = 21;
const GROUP: u16 = 22;
const DEC_TTL: u16 = 24;
const SET_FIELD: u16 = 25;
const EXPERIMENTER: u16 = 0xffff;

const NICIRA: u32 = 0x0000_2320;
const NX_RESUBMIT: u16 = 1;
const NX_MOVE: u16 = 6;
const NX_LOAD: u16 = 7;
const NX_NOTE: u16 = 8;
const NX_RESUBMIT_TABLE: u16 = 14;
const NX_OUTPUT_FIELD: u16 = 15;
const NX_LEARN: u16 = 16;
const NX_CONJUNCTION: u16 = 34;
const NX_CT: u16 = 35;
pub(super) const NX_NAT: u16 = 36;
const NX_CT_CLEAR: u16 = 43;

/// The packet's own port, where a port has 16 bits.
const IN_PORT_16: u16 = 0xfff8;
const PART: &str = "actions";

/// Writes actions one behind the other. Instructions are left out.
pub(super) fn write_actions<'a>(actions: impl IntoIterator<Item = &'a Action>, out: &mut Vec<u8>) {
    actions.into_iter().for_each(|action| write_action(action, out));
}

fn write_action(action: &Action, out: &mut Vec<u8>) {
    match action {
        Action::Output(port) => write_output(*port, 0, out),
        Action::InPort => write_output(PORT_IN_PORT, 0, out),
        Action::Normal => write_output(PORT_NORMAL, 0, out),
        Action::Flood => write_output(PORT_FLOOD, 0, out),
        Action::All => write_output(PORT_ALL, 0, out),
        Action::Local => write_output(PORT_LOCAL, 0, out),
        Action::Controller { max_len } => write_output(PORT_CONTROLLER, *max_len, out),
        Action::Group(group) => standard(GROUP, out, |out| out.put_u32(*group)),
        Action::SetQueue(queue) => standard(SET_QUEUE, out, |out| out.put_u32(*queue)),
        Action::PushVlan(eth_type) => standard(PUSH_VLAN, out, |out| out.put_u16(*eth_type)),
        Action::PopVlan => standard(POP_VLAN, out, |out| out.put_u32(0)),
        Action::DecTtl => standard(DEC_TTL, out, |out| out.put_u32(0)),
        Action::SetField { field, value } => standard(SET_FIELD, out, |out| {
            out.put_u32(field.match_header());
            write_value(*value, field.bytes(), out);
        }),
        Action::Unknown(bytes) => out.extend_from_slice(bytes),
        Action::OutputField(_)
        | Action::Resubmit { .. }
        | Action::Load { .. }
        | Action::Move { .. }
        | Action::Learn(_)
        | Action::Ct(_)
        | Action::CtClear
        | Action::Conjunction { .. }
        | Action::Note(_) => write_nicira_action(action, out),
        Action::Meter(_)
        | Action::ClearActions
        | Action::WriteMetadata { .. }
        | Action::GotoTable(_)
        | Action::UnknownInstruction(_) => (),
    }
}

fn write_nicira_action(action: &Action, out: &mut Vec<u8>) {
    match action {
        Action::Resubmit { port: Some(port), table: None } => {
            nicira(NX_RESUBMIT, out, |out| out.put_u16(*port));
        }
        Action::Resubmit { port, table } => nicira(NX_RESUBMIT_TABLE, out, |out| {
            out.put_u16(port.unwrap_or(IN_PORT_16));
            out.put_u8(table.unwrap_or(NO_TABLE));
        }),
        Action::OutputField(source) => nicira(NX_OUTPUT_FIELD, out, |out| {
            out.put_u16(offset_and_width(*source));
            out.put_u32(source.field.subfield_header());
            out.put_u16(u16::MAX);
        }),
        Action::Load { value, target } => nicira(NX_LOAD, out, |out| {
            out.put_u16(offset_and_width(*target));
            out.put_u32(target.field.subfield_header());
            out.put_u64(*value);
        }),
        Action::Move { source, target } => nicira(NX_MOVE, out, |out| {
            out.put_u16(source.width);
            out.put_u16(source.offset);
            out.put_u16(target.offset);
            out.put_u32(source.field.subfield_header());
            out.put_u32(target.field.subfield_header());
        }),
        Action::Learn(learn) => nicira(NX_LEARN, out, |out| learn::write_learn(learn, out)),
        Action::Ct(ct) => nicira(NX_CT, out, |out| conntrack::write_ct(ct, out)),
        Action::CtClear => nicira(NX_CT_CLEAR, out, |_| ()),
        Action::Conjunction { id, clause, clauses } => nicira(NX_CONJUNCTION, out, |out| {
            out.put_u8(clause.wrapping_sub(1));
            out.put_u8(*clauses);
            out.put_u32(*id);
        }),
        Action::Note(bytes) => nicira(NX_NOTE, out, |out| out.extend_from_slice(bytes)),
        _ => (),
    }
}

fn write_output(port: u32, max_len: u16, out: &mut Vec<u8>) {
    standard(OUTPUT, out, |out| {
        out.put_u32(port);
        out.put_u16(max_len);
    });
}

/// Writes an action with its type and length around its body.
fn standard(kind: u16, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.put_u16(kind);
    out.put_u16(0);
    body(out);
    pad(out, start);
    set_length(out, start, start + 2);
}

pub(super) fn nicira(subtype: u16, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    standard(EXPERIMENTER, out, |out| {
        out.put_u32(NICIRA);
        out.put_u16(subtype);
        body(out);
    });
}

/// Whether a `ct` action may be among the actions, which inside of one it may not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Flow,
    InsideCt,
}

/// Reads actions until there are no bytes left.
pub(super) fn read_actions(
    mut rest: &[u8],
    level: Level,
    actions: &mut Vec<Action>,
) -> Result<(), DecodeError> {
    while !rest.is_empty() {
        let whole = take_action(&mut rest)?;
        actions.push(read_action(whole, level));
    }
    Ok(())
}

/// Takes one action, with its header, off the front.
pub(super) fn take_action<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let mut peek = *rest;
    take_u16(&mut peek, PART)?;
    let length = usize::from(take_u16(&mut peek, PART)?);
    if length < 8 || !length.is_multiple_of(8) {
        return Err(DecodeError::Length { part: PART, length });
    }
    take(rest, length, PART)
}

fn read_action(whole: &[u8], level: Level) -> Action {
    known_action(whole, level).unwrap_or_else(|| Action::Unknown(whole.to_vec()))
}

fn known_action(whole: &[u8], level: Level) -> Option<Action> {
    let kind = u16_at(whole, 0)?;
    match (kind, whole.len()) {
        (OUTPUT, 16) => match u32_at(whole, 4)? {
            PORT_CONTROLLER => Some(Action::Controller { max_len: u16_at(whole, 8)? }),
            port => Some(Action::output(port)),
        },
        (GROUP, 8) => Some(Action::Group(u32_at(whole, 4)?)),
        (SET_QUEUE, 8) => Some(Action::SetQueue(u32_at(whole, 4)?)),
        (PUSH_VLAN, 8) => Some(Action::PushVlan(u16_at(whole, 4)?)),
        (POP_VLAN, 8) => Some(Action::PopVlan),
        (DEC_TTL, 8) => Some(Action::DecTtl),
        (SET_FIELD, _) => known_set_field(whole),
        (EXPERIMENTER, 16..) => {
            let (subtype, body) = nicira_parts(whole)?;
            known_nicira_action(subtype, body, level)
        }
        _ => None,
    }
}

/// The subtype of an action of Nicira and what follows it, at least 6 bytes.
pub(super) fn nicira_parts(whole: &[u8]) -> Option<(u16, &[u8])> {
    let is_nicira = u16_at(whole, 0)? == EXPERIMENTER && u32_at(whole, 4)? == NICIRA;
    is_nicira.then_some((u16_at(whole, 8)?, whole.get(10..)?))
}

fn known_set_field(whole: &[u8]) -> Option<Action> {
    let header = u32_at(whole, 4)?;
    let field = Field::from_header(header)?;
    let plain = header & 0x1ff == field.match_header() & 0x1ff;
    let value = read_value(whole.get(8..8 + field.bytes())?);
    (plain && value & !field.full_mask() == 0).then_some(Action::SetField { field, value })
}

fn known_nicira_action(subtype: u16, body: &[u8], level: Level) -> Option<Action> {
    match (subtype, body.len()) {
        (NX_RESUBMIT, 6) => Some(Action::Resubmit { port: other_port(u16_at(body, 0)?), table: None }),
        (NX_RESUBMIT_TABLE, 6) => {
            let table = Some(body[2]).filter(|table| *table != NO_TABLE);
            Some(Action::Resubmit { port: other_port(u16_at(body, 0)?), table })
        }
        (NX_OUTPUT_FIELD, 14) => {
            let source = packed_subfield(u32_at(body, 2)?, u16_at(body, 0)?)?;
            (u16_at(body, 6)? == u16::MAX).then_some(Action::OutputField(source))
        }
        (NX_LOAD, 14) => {
            let target = packed_subfield(u32_at(body, 2)?, u16_at(body, 0)?)?;
            let value = u64::from_be_bytes(*body.get(6..)?.first_chunk()?);
            (u128::from(value) <= low_bits(target.width)).then_some(Action::Load { value, target })
        }
        (NX_MOVE, 14) => {
            let width = u16_at(body, 0)?;
            let source = subfield(u32_at(body, 6)?, u16_at(body, 2)?, width)?;
            let target = subfield(u32_at(body, 10)?, u16_at(body, 4)?, width)?;
            Some(Action::Move { source, target })
        }
        (NX_LEARN, _) => learn::known_learn(body).map(Action::learn),
        (NX_CT, _) if level == Level::Flow => conntrack::known_ct(body).map(Action::ct),
        (NX_CT_CLEAR, 6) => Some(Action::CtClear),
        (NX_CONJUNCTION, 6) => Some(Action::Conjunction {
            id: u32_at(body, 2)?,
            clause: body[0].checked_add(1)?,
            clauses: body[1],
        }),
        (NX_NOTE, _) => Some(Action::Note(body.to_vec())),
        _ => None,
    }
}

/// A port that is not "the packet's own".
fn other_port(port: u16) -> Option<u16> {
    Some(port).filter(|port| *port != IN_PORT_16)
}

pub(super) fn u16_at(bytes: &[u8], place: usize) -> Option<u16> {
    bytes.get(place..)?.first_chunk().copied().map(u16::from_be_bytes)
}

pub(super) fn u32_at(bytes: &[u8], place: usize) -> Option<u32> {
    bytes.get(place..)?.first_chunk().copied().map(u32::from_be_bytes)
}
