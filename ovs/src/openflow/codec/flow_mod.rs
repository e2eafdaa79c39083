//! Changes of flow tables as values and as bytes. Only changes that say exactly what they mean are made:
//! a modification is always strict, and never adds.
//!
//! Source: OpenFlow 1.4.0, section 7.3.4.2.

use bytes::BufMut;

use super::super::action::{Action, PORT_ANY};
use super::super::flow::{Flow, FlowKey};
use super::super::matcher::Match;
use super::instructions::{read_instructions, write_instructions};
use super::message::{FLOW_MOD, write_header};
use super::oxm::{read_match, write_match};
use super::{DecodeError, set_length, take, take_u8, take_u16, take_u64};

const ADD: u8 = 0;
const MODIFY_STRICT: u8 = 2;
const DELETE: u8 = 3;
const DELETE_STRICT: u8 = 4;
/// No packet is waiting in a buffer.
const NO_BUFFER: u32 = u32::MAX;
/// All tables, where flows are deleted or dumped.
const ALL_TABLES: u8 = 255;
const PART: &str = "flow modification";

/// One change of a bridge's flows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FlowMod {
    /// Puts a flow there; one of the same key is replaced, and its counters live on.
    Add(Flow),
    /// Changes the actions of the flow of this key, if there is one. Cookie and timeouts stay as they are.
    Modify(Flow),
    /// Takes one flow away.
    Remove(FlowKey),
    /// Takes one flow away if it has this cookie, so that another's flow of the same key stays.
    RemoveWithCookie(FlowKey, u64),
    /// Takes away every flow that a filter selects.
    RemoveAll(FlowFilter),
}

/// Selects flows, to be dumped or deleted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FlowFilter {
    /// None means all tables.
    pub table: Option<u8>,
    pub cookie: u64,
    /// Which bits of the cookie count; 0 for none.
    pub cookie_mask: u64,
    /// Selects flows that match at least on this.
    pub matches: Match,
}

impl FlowFilter {
    /// Every flow of the bridge.
    pub fn all() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn table(self, table: u8) -> Self {
        Self { table: Some(table), ..self }
    }

    #[must_use]
    pub fn cookie(self, cookie: u64, mask: u64) -> Self {
        Self { cookie, cookie_mask: mask, ..self }
    }

    #[must_use]
    pub fn matches(self, matches: Match) -> Self {
        Self { matches, ..self }
    }

    pub(super) fn table_number(&self) -> u8 {
        self.table.unwrap_or(ALL_TABLES)
    }

    pub(super) fn new(table: u8, cookie: u64, cookie_mask: u64, matches: Match) -> Self {
        Self { table: Some(table).filter(|table| *table != ALL_TABLES), cookie, cookie_mask, matches }
    }
}

/// What the fields of the message are for one change.
struct Parts<'a> {
    command: u8,
    table: u8,
    priority: u16,
    cookie: u64,
    cookie_mask: u64,
    timeouts: (u16, u16),
    matches: &'a Match,
    actions: &'a [Action],
}

impl<'a> Parts<'a> {
    fn of(change: &'a FlowMod) -> Self {
        match change {
            FlowMod::Add(flow) => Self::of_flow(ADD, flow),
            FlowMod::Modify(flow) => Self::of_flow(MODIFY_STRICT, flow),
            FlowMod::Remove(key) => Self::removal(key, 0, 0),
            FlowMod::RemoveWithCookie(key, cookie) => Self::removal(key, *cookie, u64::MAX),
            FlowMod::RemoveAll(filter) => Self {
                command: DELETE,
                table: filter.table_number(),
                priority: 0,
                cookie: filter.cookie,
                cookie_mask: filter.cookie_mask,
                timeouts: (0, 0),
                matches: &filter.matches,
                actions: &[],
            },
        }
    }

    fn removal(key: &'a FlowKey, cookie: u64, cookie_mask: u64) -> Self {
        Self {
            command: DELETE_STRICT,
            table: key.table,
            priority: key.priority,
            cookie,
            cookie_mask,
            timeouts: (0, 0),
            matches: &key.matches,
            actions: &[],
        }
    }

    fn of_flow(command: u8, flow: &'a Flow) -> Self {
        Self {
            command,
            table: flow.table,
            priority: flow.priority,
            cookie: flow.cookie,
            cookie_mask: 0,
            timeouts: (flow.idle_timeout, flow.hard_timeout),
            matches: &flow.matches,
            actions: &flow.actions,
        }
    }
}

/// Writes a whole message.
pub(crate) fn write_flow_mod(change: &FlowMod, xid: u32, out: &mut Vec<u8>) {
    let parts = Parts::of(change);
    let start = out.len();
    write_header(FLOW_MOD, xid, out);
    out.put_u64(parts.cookie);
    out.put_u64(parts.cookie_mask);
    out.put_u8(parts.table);
    out.put_u8(parts.command);
    out.put_u16(parts.timeouts.0);
    out.put_u16(parts.timeouts.1);
    out.put_u16(parts.priority);
    out.put_u32(NO_BUFFER);
    out.put_u32(PORT_ANY);
    out.put_u32(PORT_ANY);
    // No flags, no importance.
    out.put_u32(0);
    write_match(parts.matches, out);
    write_instructions(parts.actions, out);
    set_length(out, start, start + 2);
}

/// Reads the body of a message; None for a command that this client never gives.
pub(super) fn read_flow_mod(mut rest: &[u8]) -> Result<Option<FlowMod>, DecodeError> {
    let cookie = take_u64(&mut rest, PART)?;
    let cookie_mask = take_u64(&mut rest, PART)?;
    let table = take_u8(&mut rest, PART)?;
    let command = take_u8(&mut rest, PART)?;
    let idle_timeout = take_u16(&mut rest, PART)?;
    let hard_timeout = take_u16(&mut rest, PART)?;
    let priority = take_u16(&mut rest, PART)?;
    take(&mut rest, 16, PART)?;
    let matches = read_match(&mut rest)?;
    let actions = read_instructions(rest)?;
    let flow = Flow { table, priority, matches, cookie, idle_timeout, hard_timeout, actions };
    Ok(match command {
        ADD => Some(FlowMod::Add(flow)),
        MODIFY_STRICT => Some(FlowMod::Modify(flow)),
        DELETE_STRICT if cookie_mask == u64::MAX => Some(FlowMod::RemoveWithCookie(flow.key(), cookie)),
        DELETE_STRICT => Some(FlowMod::Remove(flow.key())),
        DELETE => Some(FlowMod::RemoveAll(FlowFilter::new(table, cookie, cookie_mask, flow.matches))),
        _ => None,
    })
}
