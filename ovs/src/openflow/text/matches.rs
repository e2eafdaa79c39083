//! Matches as text, in the order and with the short words of `ovs-ofctl`: `tcp` for an Ethernet type and
//! a protocol, `dl_vlan` for a tag that is there. Which words there are is decided here, not in `Match`.

use std::fmt::{self, Display, Formatter};

use super::super::ct_state::CtState;
use super::super::field::{Field, Notation};
use super::super::matcher::{FieldMatch, Match};
use super::List;
use super::values::{Hex, MaskedText, ValueText};

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
