//! Flows as text, in the spelling of `ovs-ofctl -O OpenFlow14 --no-stats dump-flows`, which
//! `ovs-ofctl add-flow` reads back.
//!
//! The cookie is printed when there is one, and left out in the alternate form `{:#}`, so that a golden
//! need not know it. What has no name here prints as `unknown(hex)`.

mod actions;
mod matches;
mod values;

use std::fmt::{self, Display, Formatter};

use super::codec::{FlowFilter, FlowMod};
use super::flow::{Flow, FlowKey};
use super::matcher::Match;
use actions::Separated;

/// The priority of a flow for which none is said.
const DEFAULT_PRIORITY: u16 = 0x8000;

impl Display for Flow {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        if self.cookie != 0 && !out.alternate() {
            write!(out, "cookie={:#x}, ", self.cookie)?;
        }
        write!(out, "table={}, ", self.table)?;
        if self.idle_timeout != 0 {
            write!(out, "idle_timeout={}, ", self.idle_timeout)?;
        }
        if self.hard_timeout != 0 {
            write!(out, "hard_timeout={}, ", self.hard_timeout)?;
        }
        let gap = if write_condition(out, self.priority, &self.matches)? { " " } else { "" };
        write!(out, "{gap}actions={}", Separated(&self.actions))
    }
}

impl Display for FlowKey {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "table={}, ", self.table)?;
        write_condition(out, self.priority, &self.matches).map(|_| ())
    }
}

impl Display for FlowMod {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(flow) => write!(out, "add {flow}"),
            Self::Modify(flow) => write!(out, "modify {flow}"),
            Self::Remove(key) => write!(out, "delete {key}"),
            Self::RemoveWithCookie(key, cookie) => write!(out, "delete cookie={cookie:#x}/-1, {key}"),
            Self::RemoveAll(filter) => write!(out, "delete all {filter}"),
        }
    }
}

impl Display for FlowFilter {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let mut list = List { out, started: false };
        if self.cookie_mask != 0 {
            list.item(format_args!("cookie={:#x}/{:#x}", self.cookie, self.cookie_mask))?;
        }
        if let Some(table) = self.table {
            list.item(format_args!("table={table}"))?;
        }
        if !self.matches.is_empty() {
            list.item(&self.matches)?;
        }
        Ok(())
    }
}

/// Writes priority and match; true when anything was written.
fn write_condition(out: &mut Formatter<'_>, priority: u16, matches: &Match) -> Result<bool, fmt::Error> {
    let has_priority = priority != DEFAULT_PRIORITY;
    if has_priority {
        write!(out, "priority={priority}")?;
        if !matches.is_empty() {
            out.write_str(",")?;
        }
    }
    matches.fmt(out)?;
    Ok(has_priority || !matches.is_empty())
}

/// Items with commas between them.
struct List<'a, 'b> {
    out: &'a mut Formatter<'b>,
    started: bool,
}

impl List<'_, '_> {
    fn item(&mut self, item: impl Display) -> fmt::Result {
        let comma = if std::mem::replace(&mut self.started, true) { "," } else { "" };
        write!(self.out, "{comma}{item}")
    }
}

#[cfg(test)]
mod tests;
