//! Flows as text, in the spelling of `ovs-ofctl -O OpenFlow14 --no-stats dump-flows`, which
//! `ovs-ofctl add-flow` reads back.
//!
//! The cookie is printed when there is one, and left out in the alternate form `{:#}`, so that a golden
//! need not know it. What has no name here prints as `unknown(hex)`.

use std::fmt::{self, Display, Formatter};

use super::action::{Action, PORT_ALL, PORT_ANY, PORT_CONTROLLER, PORT_FLOOD, PORT_IN_PORT, PORT_LOCAL};
use super::action::{PORT_NORMAL, PORT_TABLE};
use super::codec::{FlowFilter, FlowMod};
use super::conntrack::{Ct, CtZone, Nat, NatAddresses, NatChoice, NatDirection};
use super::ct_state::CtState;
use super::field::{Field, Notation, Subfield, Value};
use super::flow::{Flow, FlowKey};
use super::learn::{Learn, LearnSpec};
use super::matcher::{FieldMatch, Match};

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

impl Display for Match {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let mut list = List { out, started: false };
        let word = protocol_word(self);
        for &field in PRINTED {
            match (field, &word) {
                (Field::EthType, Some(word)) => list.item(word.text)?,
                // Without a word for it, the type has its place behind the addresses.
                (Field::EthType, None) => (),
                (Field::IpProto, Some(word)) if word.with_protocol => (),
                (Field::VlanVid, _) => write_vlan(&mut list, self)?,
                (Field::EthDst, None) => {
                    write_field(&mut list, self, Field::EthDst)?;
                    write_field(&mut list, self, Field::EthType)?;
                }
                (field, _) => write_field(&mut list, self, field)?,
            }
        }
        if !self.unknown().is_empty() {
            list.item(format_args!("unknown({})", Hex(self.unknown())))?;
        }
        Ok(())
    }
}

/// The order in which `ovs-ofctl` prints the fields of a match.
const PRINTED: &[Field] = {
    use Field::*;
    &[
        PacketMark,
        ConjunctionId,
        CtState,
        CtZone,
        CtMark,
        CtLabel,
        EthType,
        Reg0,
        Reg1,
        Reg2,
        Reg3,
        Reg4,
        Reg5,
        Reg6,
        Reg7,
        Reg8,
        Reg9,
        Reg10,
        Reg11,
        Reg12,
        Reg13,
        Reg14,
        Reg15,
        TunId,
        Metadata,
        InPort,
        InPortNxm,
        VlanVid,
        VlanTci,
        EthSrc,
        EthDst,
        Ipv4Src,
        Ipv4Dst,
        Ipv6Src,
        Ipv6Dst,
        ArpSpa,
        ArpTpa,
        IpProto,
        ArpOp,
        ArpSha,
        ArpTha,
        IpDscp,
        IpEcn,
        IpTtl,
        IcmpType,
        IcmpCode,
        Icmpv6Type,
        Icmpv6Code,
        NdTarget,
        NdSll,
        NdTll,
        TcpSrc,
        TcpDst,
        UdpSrc,
        UdpDst,
        SctpSrc,
        SctpDst,
    ]
};

/// One word for an Ethernet type and perhaps a protocol.
struct ProtocolWord {
    text: &'static str,
    with_protocol: bool,
}

fn protocol_word(matches: &Match) -> Option<ProtocolWord> {
    let alone = |text| Some(ProtocolWord { text, with_protocol: false });
    let both = |text| Some(ProtocolWord { text, with_protocol: true });
    let protocol = matches.exact(Field::IpProto);
    match (matches.exact(Field::EthType)?, protocol) {
        (0x0800, Some(1)) => both("icmp"),
        (0x0800, Some(6)) => both("tcp"),
        (0x0800, Some(17)) => both("udp"),
        (0x0800, Some(132)) => both("sctp"),
        (0x0800, _) => alone("ip"),
        (0x86dd, Some(58)) => both("icmp6"),
        (0x86dd, Some(6)) => both("tcp6"),
        (0x86dd, Some(17)) => both("udp6"),
        (0x86dd, Some(132)) => both("sctp6"),
        (0x86dd, _) => alone("ipv6"),
        (0x0806, _) => alone("arp"),
        (0x8035, _) => alone("rarp"),
        _ => None,
    }
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

fn write_field(list: &mut List<'_, '_>, matches: &Match, field: Field) -> fmt::Result {
    let Some(matched) = matches.get(field) else { return Ok(()) };
    let FieldMatch { value, mask, .. } = matched;
    let name = match_name(field);
    match field {
        Field::CtState => list.item(ConnectionStateText(value as u32, mask as u32)),
        Field::IpDscp => list.item(format_args!("{name}={}", value << 2)),
        _ if matched.is_exact() => {
            list.item(format_args!("{name}={}", ValueText(match_notation(field), value)))
        }
        _ => list.item(format_args!("{name}={}", MaskedText(match_notation(field), value, mask))),
    }
}

/// Writes VLAN and priority as numbers when the condition is one on tagged frames; otherwise as bits of the tag.
fn write_vlan(list: &mut List<'_, '_>, matches: &Match) -> fmt::Result {
    let part = |field| matches.get(field).map_or((0, 0), |part| (part.value, part.mask));
    let ((vid, vid_mask), (pcp, pcp_mask)) = (part(Field::VlanVid), part(Field::VlanPcp));
    let tagged = vid & vid_mask & 0x1000 != 0;
    let (has_vid, has_pcp) = (vid_mask & 0xfff, pcp_mask);
    if vid_mask | pcp_mask == 0 {
        return Ok(());
    }
    if tagged && matches!(has_vid, 0 | 0xfff) && matches!(has_pcp, 0 | 7) && has_vid | has_pcp != 0 {
        if has_vid != 0 {
            list.item(format_args!("dl_vlan={}", vid & 0xfff))?;
        }
        if has_pcp != 0 {
            list.item(format_args!("dl_vlan_pcp={pcp}"))?;
        }
        return Ok(());
    }
    match (vid | pcp << 13, vid_mask | pcp_mask << 13) {
        (tci, 0xffff) => list.item(format_args!("vlan_tci={tci:#06x}")),
        (tci, mask) => list.item(format_args!("vlan_tci={tci:#06x}/{mask:#06x}")),
    }
}

fn match_name(field: Field) -> &'static str {
    match field {
        Field::InPort | Field::InPortNxm => "in_port",
        Field::EthSrc => "dl_src",
        Field::EthDst => "dl_dst",
        Field::EthType => "dl_type",
        Field::IpDscp => "nw_tos",
        Field::Ipv4Src => "nw_src",
        Field::Ipv4Dst => "nw_dst",
        Field::TcpSrc | Field::UdpSrc | Field::SctpSrc => "tp_src",
        Field::TcpDst | Field::UdpDst | Field::SctpDst => "tp_dst",
        Field::Icmpv6Type => "icmp_type",
        Field::Icmpv6Code => "icmp_code",
        _ => field.name(),
    }
}

fn match_notation(field: Field) -> Notation {
    match field {
        Field::CtZone => Notation::Decimal,
        _ => field.notation(),
    }
}

/// A condition on the connection state, with the bits that have no name as a number.
struct ConnectionStateText(u32, u32);

impl Display for ConnectionStateText {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self(value, mask) = *self;
        if mask >> 8 == 0 {
            write!(out, "ct_state={}", CtState::from_bits(value, mask))
        } else {
            write!(out, "ct_state={value:#x}/{mask:#x}")
        }
    }
}

/// A whole value in the notation of its field.
struct ValueText(Notation, u128);

impl Display for ValueText {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self(notation, value) = *self;
        match notation {
            Notation::Decimal => write!(out, "{value}"),
            Notation::Hexadecimal | Notation::ConnectionState => HexOrZero(value).fmt(out),
            Notation::Mac => Value(value).mac().fmt(out),
            Notation::Ipv4 => Value(value).ipv4().fmt(out),
            Notation::Ipv6 => Value(value).ipv6().fmt(out),
            Notation::Port => PortText(value as u32).fmt(out),
        }
    }
}

/// A value with its mask.
struct MaskedText(Notation, u128, u128);

impl Display for MaskedText {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self(notation, value, mask) = *self;
        let length = match notation {
            Notation::Ipv4 => prefix_length(mask, 32),
            Notation::Ipv6 => prefix_length(mask, 128),
            _ => None,
        };
        if let Some(length) = length {
            return write!(out, "{}/{length}", ValueText(notation, value));
        }
        match notation {
            Notation::Mac | Notation::Ipv4 | Notation::Ipv6 => {
                write!(out, "{}/{}", ValueText(notation, value), ValueText(notation, mask))
            }
            Notation::Decimal | Notation::Hexadecimal | Notation::ConnectionState | Notation::Port => {
                write!(out, "{value:#x}/{mask:#x}")
            }
        }
    }
}

/// How many ones a mask of `bits` bits begins with, if nothing but zeros follows them.
fn prefix_length(mask: u128, bits: u32) -> Option<u32> {
    let aligned = mask << (128 - bits);
    let ones = aligned.leading_ones();
    (ones == 128 || aligned << ones == 0).then_some(ones)
}

/// A port by its number or its reserved word.
struct PortText(u32);

impl Display for PortText {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            PORT_IN_PORT => out.write_str("IN_PORT"),
            PORT_TABLE => out.write_str("TABLE"),
            PORT_NORMAL => out.write_str("NORMAL"),
            PORT_FLOOD => out.write_str("FLOOD"),
            PORT_ALL => out.write_str("ALL"),
            PORT_CONTROLLER => out.write_str("CONTROLLER"),
            PORT_LOCAL => out.write_str("LOCAL"),
            PORT_ANY => out.write_str("ANY"),
            number => number.fmt(out),
        }
    }
}

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
struct Separated<'a>(&'a [Action]);

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

/// Hexadecimal with a prefix, except that zero is `0`.
struct HexOrZero(u128);

impl Display for HexOrZero {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { out.write_str("0") } else { write!(out, "{:#x}", self.0) }
    }
}

/// Bytes as hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl Display for Hex<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// Bytes as hexadecimal digits with dots between them.
struct Dotted<'a>(&'a [u8]);

impl Display for Dotted<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            write!(out, "{}{byte:02x}", if place == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
