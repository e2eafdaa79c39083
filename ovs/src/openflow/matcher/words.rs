//! The words of `ovs-ofctl` for building a match, such as `Match::new().in_port(5).dl_vlan(3)`.
//!
//! Nothing here knows more than [`Match::field`] and [`Match::masked`] do; a word only names a field and takes a
//! value of the right type.

use ipnet::{Ipv4Net, Ipv6Net};
use model::Mac;

use super::super::ct_state::CtState;
use super::super::field::Field;
use super::{ETH_ARP, ETH_IPV4, ETH_IPV6, ICMP, ICMPV6, Match, SCTP, TCP, UDP};

const ETH_RARP: u16 = 0x8035;
/// The bit of `vlan_vid` that says that there is a tag (`OFPVID_PRESENT`).
const VLAN_PRESENT: u16 = 0x1000;
const GROUP_BIT: Mac = Mac([1, 0, 0, 0, 0, 0]);

/// Words that stand for an Ethernet type or a protocol.
impl Match {
    #[must_use]
    pub fn dl_type(self, eth_type: u16) -> Self {
        self.field(Field::EthType, eth_type)
    }

    #[must_use]
    pub fn arp(self) -> Self {
        self.dl_type(ETH_ARP)
    }

    #[must_use]
    pub fn rarp(self) -> Self {
        self.dl_type(ETH_RARP)
    }

    #[must_use]
    pub fn ip(self) -> Self {
        self.dl_type(ETH_IPV4)
    }

    #[must_use]
    pub fn ipv6(self) -> Self {
        self.dl_type(ETH_IPV6)
    }

    /// The protocol in an IPv4 packet, or in an IPv6 packet when `ipv6()` was said before.
    #[must_use]
    pub fn nw_proto(self, protocol: u8) -> Self {
        self.field(Field::IpProto, protocol)
    }

    #[must_use]
    pub fn icmp(self) -> Self {
        self.ip().nw_proto(ICMP)
    }

    #[must_use]
    pub fn tcp(self) -> Self {
        self.ip().nw_proto(TCP)
    }

    #[must_use]
    pub fn udp(self) -> Self {
        self.ip().nw_proto(UDP)
    }

    #[must_use]
    pub fn sctp(self) -> Self {
        self.ip().nw_proto(SCTP)
    }

    #[must_use]
    pub fn icmp6(self) -> Self {
        self.ipv6().nw_proto(ICMPV6)
    }

    #[must_use]
    pub fn tcp6(self) -> Self {
        self.ipv6().nw_proto(TCP)
    }

    #[must_use]
    pub fn udp6(self) -> Self {
        self.ipv6().nw_proto(UDP)
    }

    #[must_use]
    pub fn sctp6(self) -> Self {
        self.ipv6().nw_proto(SCTP)
    }
}

/// The link: port, tunnel, addresses, VLAN.
impl Match {
    /// An OpenFlow port number, as in the `ofport` column.
    #[must_use]
    pub fn in_port(self, port: u32) -> Self {
        self.field(Field::InPort, port)
    }

    #[must_use]
    pub fn tun_id(self, key: u64) -> Self {
        self.field(Field::TunId, key)
    }

    #[must_use]
    pub fn dl_src(self, mac: Mac) -> Self {
        self.field(Field::EthSrc, mac)
    }

    #[must_use]
    pub fn dl_src_masked(self, mac: Mac, mask: Mac) -> Self {
        self.masked(Field::EthSrc, mac, mask)
    }

    #[must_use]
    pub fn dl_dst(self, mac: Mac) -> Self {
        self.field(Field::EthDst, mac)
    }

    #[must_use]
    pub fn dl_dst_masked(self, mac: Mac, mask: Mac) -> Self {
        self.masked(Field::EthDst, mac, mask)
    }

    /// Frames to one station: the group bit of the destination is clear.
    #[must_use]
    pub fn dl_dst_unicast(self) -> Self {
        self.dl_dst_masked(Mac::ZERO, GROUP_BIT)
    }

    /// Frames to a group, broadcast included: the group bit of the destination is set.
    #[must_use]
    pub fn dl_dst_multicast(self) -> Self {
        self.dl_dst_masked(GROUP_BIT, GROUP_BIT)
    }

    /// Frames with a tag of this VLAN (0 to 4095), whatever the priority in it.
    #[must_use]
    pub fn dl_vlan(self, vlan: u16) -> Self {
        self.field(Field::VlanVid, VLAN_PRESENT | (vlan & 0xfff))
    }

    /// Frames without a tag; written `vlan_tci=0x0000/0x1fff`.
    #[must_use]
    pub fn no_vlan(self) -> Self {
        self.field(Field::VlanVid, 0_u16)
    }

    /// Some bits of the 802.1Q tag: the VLAN in the lowest 12, then the bit that says that there is a tag,
    /// then the priority in the highest 3.
    #[must_use]
    pub fn vlan_tci(self, value: u16, mask: u16) -> Self {
        self.masked(Field::VlanVid, value & 0x1fff, mask & 0x1fff).masked(
            Field::VlanPcp,
            value >> 13,
            mask >> 13,
        )
    }
}

/// ARP.
impl Match {
    #[must_use]
    pub fn arp_op(self, operation: u16) -> Self {
        self.field(Field::ArpOp, operation)
    }

    #[must_use]
    pub fn arp_spa(self, network: impl Into<Ipv4Net>) -> Self {
        self.ipv4(Field::ArpSpa, network.into())
    }

    #[must_use]
    pub fn arp_tpa(self, network: impl Into<Ipv4Net>) -> Self {
        self.ipv4(Field::ArpTpa, network.into())
    }

    #[must_use]
    pub fn arp_sha(self, mac: Mac) -> Self {
        self.field(Field::ArpSha, mac)
    }

    #[must_use]
    pub fn arp_tha(self, mac: Mac) -> Self {
        self.field(Field::ArpTha, mac)
    }
}

/// IP, ICMP and neighbour discovery.
impl Match {
    #[must_use]
    pub fn nw_src(self, network: impl Into<Ipv4Net>) -> Self {
        self.ipv4(Field::Ipv4Src, network.into())
    }

    #[must_use]
    pub fn nw_dst(self, network: impl Into<Ipv4Net>) -> Self {
        self.ipv4(Field::Ipv4Dst, network.into())
    }

    #[must_use]
    pub fn ipv6_src(self, network: impl Into<Ipv6Net>) -> Self {
        self.ipv6_net(Field::Ipv6Src, network.into())
    }

    #[must_use]
    pub fn ipv6_dst(self, network: impl Into<Ipv6Net>) -> Self {
        self.ipv6_net(Field::Ipv6Dst, network.into())
    }

    #[must_use]
    pub fn icmp_type(self, number: u8) -> Self {
        self.field(Field::IcmpType, number)
    }

    #[must_use]
    pub fn icmp_code(self, number: u8) -> Self {
        self.field(Field::IcmpCode, number)
    }

    #[must_use]
    pub fn icmpv6_type(self, number: u8) -> Self {
        self.field(Field::Icmpv6Type, number)
    }

    #[must_use]
    pub fn icmpv6_code(self, number: u8) -> Self {
        self.field(Field::Icmpv6Code, number)
    }

    /// The address that a neighbour solicitation or advertisement is about. Say `icmpv6_type(135)` or
    /// `(136)` with it, the switch insists.
    #[must_use]
    pub fn nd_target(self, network: impl Into<Ipv6Net>) -> Self {
        self.ipv6_net(Field::NdTarget, network.into())
    }

    fn ipv4(self, field: Field, network: Ipv4Net) -> Self {
        self.masked(field, network.addr(), network.netmask())
    }

    fn ipv6_net(self, field: Field, network: Ipv6Net) -> Self {
        self.masked(field, network.addr(), network.netmask())
    }
}

/// Ports of the transport protocols. Over IPv6 say `tcp6()`, `udp6()` or `sctp6()` before.
impl Match {
    #[must_use]
    pub fn tcp_src(self, port: u16) -> Self {
        self.field(Field::TcpSrc, port)
    }

    #[must_use]
    pub fn tcp_dst(self, port: u16) -> Self {
        self.field(Field::TcpDst, port)
    }

    #[must_use]
    pub fn tcp_dst_masked(self, port: u16, mask: u16) -> Self {
        self.masked(Field::TcpDst, port, mask)
    }

    #[must_use]
    pub fn udp_src(self, port: u16) -> Self {
        self.field(Field::UdpSrc, port)
    }

    #[must_use]
    pub fn udp_dst(self, port: u16) -> Self {
        self.field(Field::UdpDst, port)
    }

    #[must_use]
    pub fn udp_dst_masked(self, port: u16, mask: u16) -> Self {
        self.masked(Field::UdpDst, port, mask)
    }

    #[must_use]
    pub fn sctp_src(self, port: u16) -> Self {
        self.field(Field::SctpSrc, port)
    }

    #[must_use]
    pub fn sctp_dst(self, port: u16) -> Self {
        self.field(Field::SctpDst, port)
    }
}

/// What the pipeline knows of a packet: registers, metadata, marks, connection tracking.
impl Match {
    #[must_use]
    pub fn metadata(self, value: u64) -> Self {
        self.field(Field::Metadata, value)
    }

    #[must_use]
    pub fn metadata_masked(self, value: u64, mask: u64) -> Self {
        self.masked(Field::Metadata, value, mask)
    }

    #[must_use]
    pub fn pkt_mark(self, mark: u32) -> Self {
        self.field(Field::PacketMark, mark)
    }

    #[must_use]
    pub fn conj_id(self, id: u32) -> Self {
        self.field(Field::ConjunctionId, id)
    }

    #[must_use]
    pub fn ct_state(self, state: CtState) -> Self {
        self.masked(Field::CtState, state.value(), state.mask())
    }

    #[must_use]
    pub fn ct_zone(self, zone: u16) -> Self {
        self.field(Field::CtZone, zone)
    }

    #[must_use]
    pub fn ct_mark(self, mark: u32) -> Self {
        self.field(Field::CtMark, mark)
    }

    #[must_use]
    pub fn ct_mark_masked(self, mark: u32, mask: u32) -> Self {
        self.masked(Field::CtMark, mark, mask)
    }
}

macro_rules! registers {
    ($($name:ident $masked:ident $field:ident;)*) => {
        /// The registers. A pipeline that names its registers uses [`Match::field`] with the name.
        impl Match {
            $(
                #[must_use]
                pub fn $name(self, value: u32) -> Self {
                    self.field(Field::$field, value)
                }

                #[must_use]
                pub fn $masked(self, value: u32, mask: u32) -> Self {
                    self.masked(Field::$field, value, mask)
                }
            )*
        }
    };
}

registers! {
    reg0 reg0_masked Reg0;
    reg1 reg1_masked Reg1;
    reg2 reg2_masked Reg2;
    reg3 reg3_masked Reg3;
    reg4 reg4_masked Reg4;
    reg5 reg5_masked Reg5;
    reg6 reg6_masked Reg6;
    reg7 reg7_masked Reg7;
    reg8 reg8_masked Reg8;
    reg9 reg9_masked Reg9;
    reg10 reg10_masked Reg10;
    reg11 reg11_masked Reg11;
    reg12 reg12_masked Reg12;
    reg13 reg13_masked Reg13;
    reg14 reg14_masked Reg14;
    reg15 reg15_masked Reg15;
}
