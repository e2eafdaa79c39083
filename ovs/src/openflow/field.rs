//! The packet fields that flows match and change: their names, widths, and numbers on the wire.
//!
//! A field has up to two numbers. The one of OXM (OpenFlow 1.2 and later) is used in matches and in
//! `set_field`; the one of NXM, the older numbering of Nicira, in the actions of Nicira (`load`, `move`,
//! `learn`, `ct`). Open vSwitch reads both anywhere and always answers with these, so one variant stands
//! for both and what is dumped compares equal to what was sent. Two fields are the exception, because the
//! switch keeps them apart: the port and the VLAN tag, whose NXM forms have another width or layout.
//!
//! Sources: OpenFlow 1.4.0 section 7.2.3.7; `ovs-fields(7)`.

use std::net::{Ipv4Addr, Ipv6Addr};

use model::Mac;

/// Where a number belongs in an OXM header, the 16 bits before the field's own number.
const NXM_OF: u16 = 0x0000;
const NXM_NX: u16 = 0x0001;
const OXM: u16 = 0x8000;

/// How `ovs-ofctl` writes a value of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Notation {
    Decimal,
    Hexadecimal,
    Mac,
    Ipv4,
    Ipv6,
    Port,
    ConnectionState,
}

struct Description {
    /// Name in `set_field:VALUE->name`.
    name: &'static str,
    /// Name in `load`, `move`, `learn` and `ct`.
    subfield_name: &'static str,
    /// Class and number in matches and `set_field`.
    oxm: (u16, u8),
    /// Class and number in the actions of Nicira.
    nxm: (u16, u8),
    /// Bytes on the wire, the same in both.
    bytes: u8,
    /// Bits that a subfield can reach.
    bits: u8,
    /// Bits that a match or a `set_field` can use; more than `bits` for the VLAN id with its presence bit.
    wire_bits: u8,
    notation: Notation,
}

macro_rules! fields {
    ($($variant:ident, $name:literal, $subfield:literal, $oxm:expr, $nxm:expr, $bytes:literal, $bits:literal, $wire:literal, $notation:ident;)*) => {
        /// A field of a packet or of its way through the switch, named as in `ovs-fields(7)`.
        ///
        /// The order is the order on the wire: what a field depends on comes before it.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Field { $($variant,)* }

        impl Field {
            /// Every field, in wire order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
        }

        static DESCRIPTIONS: &[Description] = &[$(Description {
            name: $name, subfield_name: $subfield, oxm: $oxm, nxm: $nxm,
            bytes: $bytes, bits: $bits, wire_bits: $wire, notation: Notation::$notation,
        },)*];
    };
}

fields! {
    InPort, "in_port_oxm", "OXM_OF_IN_PORT", (OXM, 0), (OXM, 0), 4, 32, 32, Port;
    InPortNxm, "in_port", "NXM_OF_IN_PORT", (NXM_OF, 0), (NXM_OF, 0), 2, 16, 16, Port;
    Metadata, "metadata", "OXM_OF_METADATA", (OXM, 2), (OXM, 2), 8, 64, 64, Hexadecimal;
    TunId, "tun_id", "NXM_NX_TUN_ID", (OXM, 38), (NXM_NX, 16), 8, 64, 64, Hexadecimal;
    Reg0, "reg0", "NXM_NX_REG0", (NXM_NX, 0), (NXM_NX, 0), 4, 32, 32, Hexadecimal;
    Reg1, "reg1", "NXM_NX_REG1", (NXM_NX, 1), (NXM_NX, 1), 4, 32, 32, Hexadecimal;
    Reg2, "reg2", "NXM_NX_REG2", (NXM_NX, 2), (NXM_NX, 2), 4, 32, 32, Hexadecimal;
    Reg3, "reg3", "NXM_NX_REG3", (NXM_NX, 3), (NXM_NX, 3), 4, 32, 32, Hexadecimal;
    Reg4, "reg4", "NXM_NX_REG4", (NXM_NX, 4), (NXM_NX, 4), 4, 32, 32, Hexadecimal;
    Reg5, "reg5", "NXM_NX_REG5", (NXM_NX, 5), (NXM_NX, 5), 4, 32, 32, Hexadecimal;
    Reg6, "reg6", "NXM_NX_REG6", (NXM_NX, 6), (NXM_NX, 6), 4, 32, 32, Hexadecimal;
    Reg7, "reg7", "NXM_NX_REG7", (NXM_NX, 7), (NXM_NX, 7), 4, 32, 32, Hexadecimal;
    Reg8, "reg8", "NXM_NX_REG8", (NXM_NX, 8), (NXM_NX, 8), 4, 32, 32, Hexadecimal;
    Reg9, "reg9", "NXM_NX_REG9", (NXM_NX, 9), (NXM_NX, 9), 4, 32, 32, Hexadecimal;
    Reg10, "reg10", "NXM_NX_REG10", (NXM_NX, 10), (NXM_NX, 10), 4, 32, 32, Hexadecimal;
    Reg11, "reg11", "NXM_NX_REG11", (NXM_NX, 11), (NXM_NX, 11), 4, 32, 32, Hexadecimal;
    Reg12, "reg12", "NXM_NX_REG12", (NXM_NX, 12), (NXM_NX, 12), 4, 32, 32, Hexadecimal;
    Reg13, "reg13", "NXM_NX_REG13", (NXM_NX, 13), (NXM_NX, 13), 4, 32, 32, Hexadecimal;
    Reg14, "reg14", "NXM_NX_REG14", (NXM_NX, 14), (NXM_NX, 14), 4, 32, 32, Hexadecimal;
    Reg15, "reg15", "NXM_NX_REG15", (NXM_NX, 15), (NXM_NX, 15), 4, 32, 32, Hexadecimal;
    PacketMark, "pkt_mark", "NXM_NX_PKT_MARK", (NXM_NX, 33), (NXM_NX, 33), 4, 32, 32, Hexadecimal;
    ConjunctionId, "conj_id", "NXM_NX_CONJ_ID", (NXM_NX, 37), (NXM_NX, 37), 4, 32, 32, Decimal;
    CtState, "ct_state", "NXM_NX_CT_STATE", (NXM_NX, 105), (NXM_NX, 105), 4, 32, 32, ConnectionState;
    CtZone, "ct_zone", "NXM_NX_CT_ZONE", (NXM_NX, 106), (NXM_NX, 106), 2, 16, 16, Hexadecimal;
    CtMark, "ct_mark", "NXM_NX_CT_MARK", (NXM_NX, 107), (NXM_NX, 107), 4, 32, 32, Hexadecimal;
    CtLabel, "ct_label", "NXM_NX_CT_LABEL", (NXM_NX, 108), (NXM_NX, 108), 16, 128, 128, Hexadecimal;
    EthDst, "eth_dst", "NXM_OF_ETH_DST", (OXM, 3), (NXM_OF, 1), 6, 48, 48, Mac;
    EthSrc, "eth_src", "NXM_OF_ETH_SRC", (OXM, 4), (NXM_OF, 2), 6, 48, 48, Mac;
    EthType, "eth_type", "NXM_OF_ETH_TYPE", (OXM, 5), (NXM_OF, 3), 2, 16, 16, Hexadecimal;
    VlanTci, "vlan_tci", "NXM_OF_VLAN_TCI", (NXM_OF, 4), (NXM_OF, 4), 2, 16, 16, Hexadecimal;
    VlanVid, "vlan_vid", "OXM_OF_VLAN_VID", (OXM, 6), (OXM, 6), 2, 12, 13, Decimal;
    VlanPcp, "vlan_pcp", "OXM_OF_VLAN_PCP", (OXM, 7), (OXM, 7), 1, 3, 3, Decimal;
    IpProto, "nw_proto", "NXM_OF_IP_PROTO", (OXM, 10), (NXM_OF, 6), 1, 8, 8, Decimal;
    IpDscp, "ip_dscp", "OXM_OF_IP_DSCP", (OXM, 8), (OXM, 8), 1, 6, 6, Decimal;
    IpEcn, "nw_ecn", "NXM_NX_IP_ECN", (OXM, 9), (NXM_NX, 28), 1, 2, 2, Decimal;
    IpTtl, "nw_ttl", "NXM_NX_IP_TTL", (NXM_NX, 29), (NXM_NX, 29), 1, 8, 8, Decimal;
    Ipv4Src, "ip_src", "NXM_OF_IP_SRC", (OXM, 11), (NXM_OF, 7), 4, 32, 32, Ipv4;
    Ipv4Dst, "ip_dst", "NXM_OF_IP_DST", (OXM, 12), (NXM_OF, 8), 4, 32, 32, Ipv4;
    Ipv6Src, "ipv6_src", "NXM_NX_IPV6_SRC", (OXM, 26), (NXM_NX, 19), 16, 128, 128, Ipv6;
    Ipv6Dst, "ipv6_dst", "NXM_NX_IPV6_DST", (OXM, 27), (NXM_NX, 20), 16, 128, 128, Ipv6;
    ArpOp, "arp_op", "NXM_OF_ARP_OP", (OXM, 21), (NXM_OF, 15), 2, 16, 16, Decimal;
    ArpSpa, "arp_spa", "NXM_OF_ARP_SPA", (OXM, 22), (NXM_OF, 16), 4, 32, 32, Ipv4;
    ArpTpa, "arp_tpa", "NXM_OF_ARP_TPA", (OXM, 23), (NXM_OF, 17), 4, 32, 32, Ipv4;
    ArpSha, "arp_sha", "NXM_NX_ARP_SHA", (OXM, 24), (NXM_NX, 17), 6, 48, 48, Mac;
    ArpTha, "arp_tha", "NXM_NX_ARP_THA", (OXM, 25), (NXM_NX, 18), 6, 48, 48, Mac;
    TcpSrc, "tcp_src", "NXM_OF_TCP_SRC", (OXM, 13), (NXM_OF, 9), 2, 16, 16, Decimal;
    TcpDst, "tcp_dst", "NXM_OF_TCP_DST", (OXM, 14), (NXM_OF, 10), 2, 16, 16, Decimal;
    UdpSrc, "udp_src", "NXM_OF_UDP_SRC", (OXM, 15), (NXM_OF, 11), 2, 16, 16, Decimal;
    UdpDst, "udp_dst", "NXM_OF_UDP_DST", (OXM, 16), (NXM_OF, 12), 2, 16, 16, Decimal;
    SctpSrc, "sctp_src", "OXM_OF_SCTP_SRC", (OXM, 17), (OXM, 17), 2, 16, 16, Decimal;
    SctpDst, "sctp_dst", "OXM_OF_SCTP_DST", (OXM, 18), (OXM, 18), 2, 16, 16, Decimal;
    IcmpType, "icmp_type", "NXM_OF_ICMP_TYPE", (OXM, 19), (NXM_OF, 13), 1, 8, 8, Decimal;
    IcmpCode, "icmp_code", "NXM_OF_ICMP_CODE", (OXM, 20), (NXM_OF, 14), 1, 8, 8, Decimal;
    Icmpv6Type, "icmpv6_type", "NXM_NX_ICMPV6_TYPE", (OXM, 29), (NXM_NX, 21), 1, 8, 8, Decimal;
    Icmpv6Code, "icmpv6_code", "NXM_NX_ICMPV6_CODE", (OXM, 30), (NXM_NX, 22), 1, 8, 8, Decimal;
    NdTarget, "nd_target", "NXM_NX_ND_TARGET", (OXM, 31), (NXM_NX, 23), 16, 128, 128, Ipv6;
    NdSll, "nd_sll", "NXM_NX_ND_SLL", (OXM, 32), (NXM_NX, 24), 6, 48, 48, Mac;
    NdTll, "nd_tll", "NXM_NX_ND_TLL", (OXM, 33), (NXM_NX, 25), 6, 48, 48, Mac;
}

impl Field {
    /// Name in `set_field`, such as `eth_src`.
    pub fn name(self) -> &'static str {
        self.description().name
    }

    /// Name in `load` and `move`, such as `NXM_OF_ETH_SRC`.
    pub fn subfield_name(self) -> &'static str {
        self.description().subfield_name
    }

    /// Bits of the field that a [`Subfield`] can name.
    pub fn bits(self) -> u16 {
        u16::from(self.description().bits)
    }

    /// A mask over every bit that a match or `set_field` can use.
    pub fn full_mask(self) -> u128 {
        low_bits(u16::from(self.description().wire_bits))
    }

    /// Bytes of a value on the wire.
    pub(crate) fn bytes(self) -> usize {
        usize::from(self.description().bytes)
    }

    pub(crate) fn notation(self) -> Notation {
        self.description().notation
    }

    /// The 32-bit header of an unmasked value in a match or a `set_field`.
    pub(crate) fn match_header(self) -> u32 {
        header(self.description().oxm, self.description().bytes)
    }

    /// The 32-bit header that names the field in an action of Nicira.
    pub(crate) fn subfield_header(self) -> u32 {
        header(self.description().nxm, self.description().bytes)
    }

    /// The field of a header, in either numbering. The mask bit and the length are not looked at.
    pub(crate) fn from_header(header: u32) -> Option<Self> {
        let number = ((header >> 9) & 0x7f) as usize;
        let row = match (header >> 16) as u16 {
            NXM_OF => &BY_NUMBER[0],
            NXM_NX => &BY_NUMBER[1],
            OXM => &BY_NUMBER[2],
            _ => return None,
        };
        row[number]
    }

    fn description(self) -> &'static Description {
        &DESCRIPTIONS[self as usize]
    }
}

fn header((class, number): (u16, u8), bytes: u8) -> u32 {
    u32::from(class) << 16 | u32::from(number) << 9 | u32::from(bytes)
}

static BY_NUMBER: std::sync::LazyLock<[[Option<Field>; 128]; 3]> = std::sync::LazyLock::new(|| {
    let mut rows = [[None; 128]; 3];
    for &field in Field::ALL {
        for (class, number) in [field.description().nxm, field.description().oxm] {
            let row = if class == OXM { 2 } else { usize::from(class) };
            rows[row][usize::from(number)] = Some(field);
        }
    }
    rows
});

/// A number with the lowest `bits` bits set.
pub(crate) fn low_bits(bits: u16) -> u128 {
    u128::MAX.checked_shr(128_u32.saturating_sub(u32::from(bits))).unwrap_or(0)
}

/// Some bits of a field, as `NXM_NX_REG6[0..15]`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Subfield {
    pub field: Field,
    /// The lowest bit, counted from 0.
    pub offset: u16,
    /// How many bits, at least 1.
    pub width: u16,
}

impl Subfield {
    /// All bits of a field.
    pub fn whole(field: Field) -> Self {
        Self { field, offset: 0, width: field.bits() }
    }

    /// The bits `first` to `last`, both included, as `ovs-ofctl` counts them. What the field does not
    /// have is cut off.
    pub fn bits(field: Field, first: u16, last: u16) -> Self {
        let top = field.bits() - 1;
        let first = first.min(top);
        Self { field, offset: first, width: last.clamp(first, top) - first + 1 }
    }
}

impl From<Field> for Subfield {
    fn from(field: Field) -> Self {
        Self::whole(field)
    }
}

/// A value of any field, right-aligned.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Value(pub u128);

macro_rules! value_from {
    ($($integer:ty),*) => { $(impl From<$integer> for Value {
        fn from(value: $integer) -> Self {
            Self(u128::from(value))
        }
    })* };
}

value_from!(u8, u16, u32, u64, u128);

impl From<Mac> for Value {
    fn from(mac: Mac) -> Self {
        Self(mac.0.iter().fold(0, |value, byte| value << 8 | u128::from(*byte)))
    }
}

impl From<Ipv4Addr> for Value {
    fn from(address: Ipv4Addr) -> Self {
        Self(u128::from(address.to_bits()))
    }
}

impl From<Ipv6Addr> for Value {
    fn from(address: Ipv6Addr) -> Self {
        Self(address.to_bits())
    }
}

impl Value {
    /// The value as an Ethernet address: its lowest 48 bits.
    pub fn mac(self) -> Mac {
        let [.., a, b, c, d, e, f] = self.0.to_be_bytes();
        Mac([a, b, c, d, e, f])
    }

    /// The value as an IPv4 address: its lowest 32 bits.
    pub fn ipv4(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.0 as u32)
    }

    /// The value as an IPv6 address.
    pub fn ipv6(self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_lead_back_to_their_field() {
        for &field in Field::ALL {
            assert_eq!(Field::from_header(field.match_header()), Some(field));
            assert_eq!(Field::from_header(field.subfield_header()), Some(field));
            assert!(u32::from(field.bits()) <= 8 * u32::try_from(field.bytes()).unwrap(), "{field:?}");
        }
        assert_eq!(Field::from_header(0xffff_0000), None);
        assert_eq!(Field::Reg5.match_header(), 0x0001_0a04);
        assert_eq!(Field::EthDst.match_header(), 0x8000_0606);
    }

    #[test]
    fn masks_have_the_width_of_the_field() {
        assert_eq!(Field::VlanVid.full_mask(), 0x1fff);
        assert_eq!(Field::NdTarget.full_mask(), u128::MAX);
        assert_eq!((low_bits(0), low_bits(1), low_bits(64)), (0, 1, u128::from(u64::MAX)));
    }

    #[test]
    fn subfields_stay_inside_their_field() {
        assert_eq!(Subfield::bits(Field::Reg6, 0, 15), Subfield { field: Field::Reg6, offset: 0, width: 16 });
        assert_eq!(Subfield::bits(Field::Reg6, 40, 3), Subfield { field: Field::Reg6, offset: 31, width: 1 });
    }
}
