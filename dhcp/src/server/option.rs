//! Options as they go on the wire, encoded once when a subnet or a port changes and copied into every
//! answer from then on.
//!
//! Which options an answer carries, and in which order, is decided in [`super::message`].

use std::net::Ipv4Addr;

use dhcproto::v4::{DhcpOption, OptionCode, UnknownOption};
use dhcproto::{Encodable, Encoder};
use ipnet::Ipv4Net;

/// Codes of the options that the server has an opinion on.
pub mod code {
    pub const SUBNET_MASK: u8 = 1;
    pub const ROUTER: u8 = 3;
    pub const DNS_SERVERS: u8 = 6;
    pub const HOST_NAME: u8 = 12;
    pub const DOMAIN_NAME: u8 = 15;
    pub const MTU: u8 = 26;
    pub const BROADCAST: u8 = 28;
    pub const LEASE_TIME: u8 = 51;
    pub const RENEWAL: u8 = 58;
    pub const REBINDING: u8 = 59;
    pub const SERVER_NAME: u8 = 66;
    pub const BOOT_FILE: u8 = 67;
    pub const CLASSLESS_ROUTES: u8 = 121;
    /// Microsoft's number for the same, from before RFC 3442.
    pub const MICROSOFT_ROUTES: u8 = 249;
}

/// One option: code, length and value, repeated when the value is longer than 255 bytes (RFC 3396).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WireOption {
    pub code: u8,
    pub bytes: Box<[u8]>,
}

impl WireOption {
    /// Nothing comes of a value that cannot be encoded; no value that the server builds is such.
    pub fn new(option: &DhcpOption) -> Option<Self> {
        let mut bytes = Vec::new();
        option.encode(&mut Encoder::new(&mut bytes)).ok()?;
        Some(Self { code: *bytes.first()?, bytes: bytes.into() })
    }

    /// An option by number, its value given as bytes.
    pub fn raw(code: u8, value: Vec<u8>) -> Option<Self> {
        if value.is_empty() {
            // `dhcproto` writes a long value in pieces, and of no value no piece.
            return Some(Self { code, bytes: Box::new([code, 0]) });
        }
        Self::new(&DhcpOption::Unknown(UnknownOption::new(OptionCode::from(code), value)))
    }
}

/// What a subnet's clients are told, before it is encoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SubnetOptions {
    pub domain: String,
    pub router: Option<Ipv4Addr>,
    /// Options 121 and 249; 0.0.0.0 is a next hop on the link. None is sent when it is empty.
    pub routes: Vec<(Ipv4Net, Ipv4Addr)>,
    pub dns_servers: Vec<Ipv4Addr>,
    /// In bytes; 0 when it is not told.
    pub mtu: u32,
}

impl SubnetOptions {
    /// The options that come before the host name.
    pub fn before_name(&self, cidr: Ipv4Net) -> Vec<WireOption> {
        let domain = (!self.domain.is_empty()).then(|| DhcpOption::DomainName(self.domain.clone()));
        [
            Some(DhcpOption::SubnetMask(cidr.netmask())),
            Some(DhcpOption::BroadcastAddr(cidr.broadcast())),
            domain,
        ]
        .iter()
        .flatten()
        .filter_map(WireOption::new)
        .collect()
    }

    /// The options that come after the host name.
    pub fn after_name(&self) -> Vec<WireOption> {
        let router = self.router.map(|router| DhcpOption::Router(vec![router]));
        let dns =
            (!self.dns_servers.is_empty()).then(|| DhcpOption::DomainNameServer(self.dns_servers.clone()));
        let mtu = u16::try_from(self.mtu).ok().filter(|mtu| *mtu > 0).map(DhcpOption::InterfaceMtu);
        let routes = (!self.routes.is_empty()).then(|| route_bytes(&self.routes));
        [
            router.as_ref().and_then(WireOption::new),
            routes.clone().and_then(|bytes| WireOption::raw(code::MICROSOFT_ROUTES, bytes)),
            routes.and_then(|bytes| WireOption::raw(code::CLASSLESS_ROUTES, bytes)),
            dns.as_ref().and_then(WireOption::new),
            mtu.as_ref().and_then(WireOption::new),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// RFC 3442: prefix length, the bytes of the destination that it covers, next hop.
pub fn route_bytes(routes: &[(Ipv4Net, Ipv4Addr)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(routes.len() * 9);
    for (destination, nexthop) in routes {
        let covered = usize::from(destination.prefix_len().div_ceil(8));
        bytes.push(destination.prefix_len());
        bytes.extend(destination.network().octets().iter().take(covered));
        bytes.extend(nexthop.octets());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_of_both_numbers_are_alike() {
        let options = SubnetOptions {
            routes: vec![
                ("10.1.0.0/16".parse().unwrap(), Ipv4Addr::UNSPECIFIED),
                ("0.0.0.0/0".parse().unwrap(), Ipv4Addr::new(10, 0, 0, 1)),
            ],
            ..SubnetOptions::default()
        };
        let [microsoft, rfc] = &options.after_name()[..] else { panic!("two options") };
        assert_eq!(&rfc.bytes[..], [121, 12, 16, 10, 1, 0, 0, 0, 0, 0, 10, 0, 0, 1]);
        assert_eq!((microsoft.bytes[0], &microsoft.bytes[1..]), (249, &rfc.bytes[1..]));
    }

    #[test]
    fn long_values_are_sent_in_pieces() {
        let option = WireOption::raw(121, vec![7; 300]).unwrap();
        assert_eq!(option.bytes.len(), 304);
        assert_eq!(&option.bytes[..2], [121, 255]);
        assert_eq!(&option.bytes[257..259], [121, 45]);
        assert_eq!(&WireOption::raw(80, vec![]).unwrap().bytes[..], [80, 0]);
    }
}
