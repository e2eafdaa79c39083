//! What a flow matches: a set of fields with values and masks. `words` builds it in the words of `ovs-ofctl`.
//!
//! A match is kept in one canonical form, so that two that select the same packets in the same words are
//! equal: fields in wire order, values cut to their masks, a mask of zero left out, and the fields that
//! another one needs (`eth_type` for an address, the protocol for a port) added by themselves.
//! Whether a combination makes sense is not judged here; the switch refuses what does not.

mod words;

use super::field::{Field, Value};

const ETH_IPV4: u16 = 0x0800;
const ETH_ARP: u16 = 0x0806;
const ETH_IPV6: u16 = 0x86dd;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;

/// One field of a match. `value` has no bit that `mask` has not, and `mask` is never zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FieldMatch {
    pub field: Field,
    pub value: u128,
    pub mask: u128,
}

impl FieldMatch {
    /// True when every bit of the field counts.
    pub fn is_exact(&self) -> bool {
        self.mask == self.field.full_mask()
    }
}

/// What a flow matches. Empty matches everything.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Match {
    fields: Vec<FieldMatch>,
    /// Fields that are not in [`Field`], as they came from the switch: OXM headers with their values.
    unknown: Vec<u8>,
}

/// The general part.
impl Match {
    /// A match for every packet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field with one value, and what it needs.
    #[must_use]
    pub fn field(self, field: Field, value: impl Into<Value>) -> Self {
        self.masked(field, value, field.full_mask())
    }

    /// Adds a field with a value and a mask, and what it needs. A second call for a field replaces the first.
    #[must_use]
    pub fn masked(mut self, field: Field, value: impl Into<Value>, mask: impl Into<Value>) -> Self {
        self.require_what_it_needs(field);
        self.insert(field, value.into().0, mask.into().0);
        self
    }

    /// The fields, in wire order.
    pub fn fields(&self) -> &[FieldMatch] {
        &self.fields
    }

    /// One field, if it is matched.
    pub fn get(&self, field: Field) -> Option<FieldMatch> {
        let place = self.fields.binary_search_by_key(&field, |known| known.field).ok()?;
        self.fields.get(place).copied()
    }

    /// The value of a field that is matched without a mask.
    pub fn exact(&self, field: Field) -> Option<u128> {
        self.get(field).filter(FieldMatch::is_exact).map(|known| known.value)
    }

    /// Fields of a dumped flow that have no name here: OXM headers with their values.
    pub fn unknown(&self) -> &[u8] {
        &self.unknown
    }

    /// True when every packet matches.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.unknown.is_empty()
    }

    /// Puts a field in its place without adding what it needs.
    pub(crate) fn insert(&mut self, field: Field, value: u128, mask: u128) {
        let mask = mask & field.full_mask();
        let place = self.fields.binary_search_by_key(&field, |known| known.field);
        match place {
            Ok(place) if mask == 0 => _ = self.fields.remove(place),
            Ok(place) => self.fields[place] = FieldMatch { field, value: value & mask, mask },
            Err(_) if mask == 0 => (),
            Err(place) => self.fields.insert(place, FieldMatch { field, value: value & mask, mask }),
        }
    }

    pub(crate) fn add_unknown(&mut self, header_and_value: &[u8]) {
        self.unknown.extend_from_slice(header_and_value);
    }

    fn require_what_it_needs(&mut self, field: Field) {
        if let Some(protocol) = needed_protocol(field) {
            self.insert(Field::IpProto, u128::from(protocol), u128::MAX);
        }
        let needed = match needed_eth_type(field) {
            EthTypeNeed::Nothing => return,
            EthTypeNeed::One(eth_type) => eth_type,
            EthTypeNeed::AnyIp => match self.exact(Field::EthType) {
                Some(_) => return,
                None => ETH_IPV4,
            },
        };
        self.insert(Field::EthType, u128::from(needed), u128::MAX);
    }
}

enum EthTypeNeed {
    Nothing,
    One(u16),
    AnyIp,
}

fn needed_eth_type(field: Field) -> EthTypeNeed {
    use Field::*;
    match field {
        ArpOp | ArpSpa | ArpTpa | ArpSha | ArpTha => EthTypeNeed::One(ETH_ARP),
        Ipv4Src | Ipv4Dst | IcmpType | IcmpCode => EthTypeNeed::One(ETH_IPV4),
        Ipv6Src | Ipv6Dst | Icmpv6Type | Icmpv6Code | NdTarget | NdSll | NdTll => EthTypeNeed::One(ETH_IPV6),
        IpProto | IpDscp | IpEcn | IpTtl | TcpSrc | TcpDst | UdpSrc | UdpDst | SctpSrc | SctpDst => {
            EthTypeNeed::AnyIp
        }
        _ => EthTypeNeed::Nothing,
    }
}

fn needed_protocol(field: Field) -> Option<u8> {
    use Field::*;
    match field {
        IcmpType | IcmpCode => Some(ICMP),
        Icmpv6Type | Icmpv6Code | NdTarget | NdSll | NdTll => Some(ICMPV6),
        TcpSrc | TcpDst => Some(TCP),
        UdpSrc | UdpDst => Some(UDP),
        SctpSrc | SctpDst => Some(SCTP),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ipnet::Ipv4Net;

    use super::*;

    #[test]
    fn the_order_of_building_does_not_matter() {
        let one = Match::new().in_port(5).dl_vlan(3).reg6(7);
        let other = Match::new().reg6(7).dl_vlan(3).in_port(5);
        assert_eq!(one, other);
        assert_eq!(one.exact(Field::VlanVid), Some(0x1003));
    }

    #[test]
    fn what_a_field_needs_is_added() {
        let nd = Match::new().nd_target("fe80::1".parse::<std::net::Ipv6Addr>().unwrap());
        assert_eq!(nd.exact(Field::EthType), Some(0x86dd));
        assert_eq!(nd.exact(Field::IpProto), Some(58));
        assert_eq!(Match::new().udp6().udp_dst(546).exact(Field::EthType), Some(0x86dd));
        assert_eq!(Match::new().udp_dst(67), Match::new().udp().udp_dst(67));
    }

    #[test]
    fn values_are_cut_to_their_masks() {
        let network: Ipv4Net = "10.0.0.7/24".parse().unwrap();
        let matched = Match::new().arp_spa(network).get(Field::ArpSpa).unwrap();
        assert_eq!(Value(matched.value).ipv4().to_string(), "10.0.0.0");
        let anywhere: Ipv4Net = "0.0.0.0/0".parse().unwrap();
        assert_eq!(Match::new().nw_src(anywhere), Match::new().ip());
    }

    #[test]
    fn a_tag_is_split_into_vlan_and_priority() {
        assert_eq!(Match::new().vlan_tci(0, 0x1fff), Match::new().no_vlan());
        assert_eq!(Match::new().vlan_tci(0x1005, 0x1fff), Match::new().dl_vlan(5));
        let tagged = Match::new().vlan_tci(0xb005, 0xffff);
        assert_eq!((tagged.exact(Field::VlanVid), tagged.exact(Field::VlanPcp)), (Some(0x1005), Some(5)));
    }
}
