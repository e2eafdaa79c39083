//! Addresses of the devices of a namespace.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use rtnetlink::AddressMessageBuilder;
use rtnetlink::packet_route::RouteNetlinkMessage as Message;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};

use super::cause::Cause;
use super::channel;
use super::link::Link;

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

pub(super) async fn dump(handle: &mut channel::Route, links: &[Link]) -> Result<Vec<Address>, Cause> {
    let found = channel::dump(handle, Message::GetAddress(AddressMessage::default())).await?;
    let read =
        |message| if let Message::NewAddress(message) = message { read(&message, links) } else { None };
    Ok(found.into_iter().filter_map(read).collect())
}

/// The message that adds or deletes an address.
pub(super) fn message(index: u32, address: IpNet) -> AddressMessage {
    let prefix = address.prefix_len();
    match address.addr() {
        IpAddr::V4(address) => {
            AddressMessageBuilder::<Ipv4Addr>::new().index(index).address(address, prefix).build()
        }
        IpAddr::V6(address) => {
            AddressMessageBuilder::<Ipv6Addr>::new().index(index).address(address, prefix).build()
        }
    }
}

fn read(message: &AddressMessage, links: &[Link]) -> Option<Address> {
    let mut flags = AddressFlags::from_bits_retain(message.header.flags.bits().into());
    let (mut local, mut address) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(found) => local = Some(*found),
            AddressAttribute::Address(found) => address = Some(*found),
            AddressAttribute::Flags(found) => flags = *found,
            _ => {}
        }
    }
    // On a point-to-point device the plain address is that of the other end.
    let address = IpNet::new(local.or(address)?, message.header.prefix_len).ok()?;
    Some(Address {
        device: super::device_name(links, message.header.index),
        address,
        scope: AddressScope::from(u8::from(message.header.scope)),
        permanent: flags.contains(AddressFlags::Permanent),
        tentative: flags.contains(AddressFlags::Tentative),
        duplicate: flags.contains(AddressFlags::Dadfailed),
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
