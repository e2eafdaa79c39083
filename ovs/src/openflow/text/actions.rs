//! Actions and instructions as text, those inside of `learn` and `ct` too. They are spelled as OpenFlow 1.4 has
//! them: `set_field` and `goto_table` stay what they are.

use std::fmt::{self, Display, Formatter};

use super::super::action::Action;
use super::super::conntrack::{Ct, CtZone, Nat, NatAddresses, NatChoice, NatDirection};
use super::super::field::Subfield;
use super::super::learn::{Learn, LearnSpec};
use super::values::{Dotted, Hex, HexOrZero, PortText, ValueText};
use super::{DEFAULT_PRIORITY, List};

impl Display for Subfield {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { field, offset, width } = *self;
        let name = field.subfield_name();
        if offset == 0 && width == field.bits() {
            write!(out, "{name}[]")
        } else if width == 1 {
            write!(out, "{name}[{offset}]")
        } else {
            write!(out, "{name}[{offset}..{}]", (u32::from(offset) + u32::from(width)).saturating_sub(1))
        }
    }
}

/// Actions with commas between them, or `drop`.
pub(super) struct Separated<'a>(pub(super) &'a [Action]);

impl Display for Separated<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return out.write_str("drop");
        }
        let mut list = List { out, started: false };
        self.0.iter().try_for_each(|action| list.item(action))
    }
}

impl Display for Action {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output(port) => write!(out, "output:{}", PortText(*port)),
            Self::InPort => out.write_str("IN_PORT"),
            Self::Normal => out.write_str("NORMAL"),
            Self::Flood => out.write_str("FLOOD"),
            Self::All => out.write_str("ALL"),
            Self::Local => out.write_str("LOCAL"),
            Self::Controller { max_len } => write!(out, "CONTROLLER:{max_len}"),
            Self::OutputField(field) => write!(out, "output:{field}"),
            Self::Group(group) => write!(out, "group:{group}"),
            Self::SetQueue(queue) => write!(out, "set_queue:{queue}"),
            Self::Resubmit { port, table } => write_resubmit(out, *port, *table),
            Self::PushVlan(eth_type) => write!(out, "push_vlan:{eth_type:#06x}"),
            Self::PopVlan => out.write_str("pop_vlan"),
            Self::DecTtl => out.write_str("dec_ttl"),
            Self::SetField { field, value } => {
                write!(out, "set_field:{}->{}", ValueText(field.notation(), *value), field.name())
            }
            Self::Load { value, target } => write!(out, "load:{}->{target}", HexOrZero(u128::from(*value))),
            Self::Move { source, target } => write!(out, "move:{source}->{target}"),
            Self::Learn(learn) => learn.fmt(out),
            Self::Ct(ct) => ct.fmt(out),
            Self::CtClear => out.write_str("ct_clear"),
            Self::Conjunction { id, clause, clauses } => write!(out, "conjunction({id},{clause}/{clauses})"),
            Self::Note(bytes) => write!(out, "note:{}", Dotted(bytes)),
            Self::Meter(meter) => write!(out, "meter:{meter}"),
            Self::ClearActions => out.write_str("clear_actions"),
            Self::WriteMetadata { value, mask: u64::MAX } => write!(out, "write_metadata:{value:#x}"),
            Self::WriteMetadata { value, mask } => write!(out, "write_metadata:{value:#x}/{mask:#x}"),
            Self::GotoTable(table) => write!(out, "goto_table:{table}"),
            Self::Unknown(bytes) | Self::UnknownInstruction(bytes) => write!(out, "unknown({})", Hex(bytes)),
        }
    }
}

fn write_resubmit(out: &mut Formatter<'_>, port: Option<u16>, table: Option<u8>) -> fmt::Result {
    match (port, table) {
        (Some(port), None) => write!(out, "resubmit:{port}"),
        (None, None) => out.write_str("resubmit(,)"),
        (port, table) => {
            out.write_str("resubmit(")?;
            port.iter().try_for_each(|port| write!(out, "{port}"))?;
            out.write_str(",")?;
            table.iter().try_for_each(|table| write!(out, "{table}"))?;
            out.write_str(")")
        }
    }
}

impl Display for Learn {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "learn(table={}", self.table)?;
        let numbers = [
            ("idle_timeout", self.idle_timeout, 0),
            ("hard_timeout", self.hard_timeout, 0),
            ("fin_idle_timeout", self.fin_idle_timeout, 0),
            ("fin_hard_timeout", self.fin_hard_timeout, 0),
            ("priority", self.priority, DEFAULT_PRIORITY),
        ];
        for (name, number, usual) in numbers {
            if number != usual {
                write!(out, ",{name}={number}")?;
            }
        }
        if self.flags & 1 != 0 {
            out.write_str(",send_flow_rem")?;
        }
        if self.flags & 2 != 0 {
            out.write_str(",delete_learned")?;
        }
        if self.cookie != 0 {
            write!(out, ",cookie={:#x}", self.cookie)?;
        }
        self.specs.iter().try_for_each(|spec| write!(out, ",{spec}"))?;
        out.write_str(")")
    }
}

impl Display for LearnSpec {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::MatchField { target, source } if target == source => target.fmt(out),
            Self::MatchField { target, source } => write!(out, "{target}={source}"),
            Self::MatchValue { target, value } if *target == Subfield::whole(target.field) => {
                write!(out, "{}={}", target.field.name(), ValueText(target.field.notation(), *value))
            }
            Self::MatchValue { target, value } => write!(out, "{target}={}", HexOrZero(*value)),
            Self::LoadField { target, source } => write!(out, "load:{source}->{target}"),
            Self::LoadValue { target, value } => write!(out, "load:{}->{target}", HexOrZero(*value)),
            Self::Output { source } => write!(out, "output:{source}"),
        }
    }
}

impl Display for Ct {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let mut list = List { out, started: false };
        list.out.write_str("ct(")?;
        if self.commit {
            list.item("commit")?;
        }
        if self.force {
            list.item("force")?;
        }
        if let Some(table) = self.table {
            list.item(format_args!("table={table}"))?;
        }
        match self.zone {
            CtZone::Number(0) => (),
            CtZone::Number(number) => list.item(format_args!("zone={number}"))?,
            CtZone::Field(field) => list.item(format_args!("zone={field}"))?,
        }
        if let Some(nat) = &self.nat {
            list.item(nat)?;
        }
        if !self.exec.is_empty() {
            list.item(format_args!("exec({})", Separated(&self.exec)))?;
        }
        match self.helper {
            0 => (),
            21 => list.item("alg=ftp")?,
            69 => list.item("alg=tftp")?,
            port => list.item(format_args!("alg={port}"))?,
        }
        out.write_str(")")
    }
}

impl Display for Nat {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Some(direction) = self.direction else { return out.write_str("nat") };
        let side = match direction {
            NatDirection::Source => "src",
            NatDirection::Destination => "dst",
        };
        write!(out, "nat({side}")?;
        self.write_range(out)?;
        if self.persistent {
            out.write_str(",persistent")?;
        }
        match self.choice {
            NatChoice::Any => (),
            NatChoice::Hash => out.write_str(",hash")?,
            NatChoice::Random => out.write_str(",random")?,
        }
        out.write_str(")")
    }
}

impl Nat {
    fn write_range(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self.addresses {
            NatAddresses::Same => return Ok(()),
            NatAddresses::V4(first, last) => {
                write!(out, "={first}")?;
                last.iter().try_for_each(|last| write!(out, "-{last}"))?;
            }
            NatAddresses::V6(first, last) if self.ports.is_some() => {
                write!(out, "=[{first}]")?;
                last.iter().try_for_each(|last| write!(out, "-[{last}]"))?;
            }
            NatAddresses::V6(first, last) => {
                write!(out, "={first}")?;
                last.iter().try_for_each(|last| write!(out, "-{last}"))?;
            }
        }
        if let Some((first, last)) = self.ports {
            write!(out, ":{first}")?;
            last.iter().try_for_each(|last| write!(out, "-{last}"))?;
        }
        Ok(())
    }
}
