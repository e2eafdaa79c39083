//! Addresses of the devices of a namespace.

use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::link::Link;
use super::transport::{DUMP, Encoded, attributes, read_address, read_u32};

/// An address of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub device: String,
    /// The address itself with the length of its prefix: host bits are kept.
    pub address: IpNet,
    pub scope: AddressScope,
    /// False for addresses that the kernel made from router advertisements and that will expire.
    pub permanent: bool,
    /// IPv6: duplicate address detection runs, the address cannot be used yet.
    pub tentative: bool,
    /// IPv6: another node has the address.
    pub duplicate: bool,
}

/// How far an address is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressScope {
    Global,
    Link,
    Host,
    Other(u8),
}

/// `RTM_NEWADDR` of linux/rtnetlink.h
pub(crate) const NEW_ADDRESS: u16 = 20;

/// `struct ifaddrmsg`
const HEADER: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;
const IFA_F_PERMANENT: u32 = 0x80;

pub(crate) fn dump() -> Encoded {
    Encoded::new(RouteNetlinkMessage::GetAddress(AddressMessage::default()), DUMP)
}

/// The message that adds or deletes an address.
pub(crate) fn message(index: u32, address: IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = address.prefix_len();
    message.header.family = if address.addr().is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.attributes.push(AddressAttribute::Local(address.addr()));
    message.attributes.push(AddressAttribute::Address(address.addr()));
    if let IpNet::V4(network) = address
        && network.prefix_len() < 31
    {
        message.attributes.push(AddressAttribute::Broadcast(network.broadcast()));
    }
    message
}

pub(crate) fn read(payload: &[u8], links: &[Link]) -> Option<Address> {
    let &[_family, prefix, flags, scope, ..] = payload else { return None };
    let index = read_u32(payload.get(4..)?)?;
    let mut flags = u32::from(flags);
    let (mut local, mut address) = (None, None);
    for (kind, value) in attributes(payload.get(HEADER..)?) {
        match kind {
            IFA_LOCAL => local = read_address(value),
            IFA_ADDRESS => address = read_address(value),
            IFA_FLAGS => flags = read_u32(value).unwrap_or(flags),
            _ => {}
        }
    }
    // On a point-to-point device the plain address is that of the other end.
    let address = IpNet::new(local.or(address)?, prefix).ok()?;
    Some(Address {
        device: super::device_name(links, index),
        address,
        scope: AddressScope::from(scope),
        permanent: flags & IFA_F_PERMANENT != 0,
        tentative: flags & IFA_F_TENTATIVE != 0,
        duplicate: flags & IFA_F_DADFAILED != 0,
    })
}

impl From<u8> for AddressScope {
    fn from(scope: u8) -> Self {
        match scope {
            0 => Self::Global,
            253 => Self::Link,
            254 => Self::Host,
            other => Self::Other(other),
        }
    }
}
