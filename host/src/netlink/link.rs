//! Links: the network devices of a namespace.

use model::Mac;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};

use super::transport::{ACKNOWLEDGE, DUMP, Encoded, attribute, attributes, read_u16, read_u32, text};

/// A network device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Unique within the namespace, and kept for the life of the device there.
    pub index: u32,
    pub name: String,
    /// None for devices without Ethernet addresses.
    pub mac: Option<Mac>,
    /// Bytes.
    pub mtu: u32,
    /// Set up by an administrator.
    pub up: bool,
    /// Something is at the other end.
    pub carrier: bool,
    /// `veth`, `tun`, `openvswitch`...; None for physical devices.
    pub kind: Option<String>,
    /// For a veth pair the index of the other end, in whichever namespace that is.
    pub peer: Option<u32>,
}

/// `RTM_NEWLINK` and `RTM_DELLINK` of linux/rtnetlink.h
pub(crate) const NEW_LINK: u16 = 16;
pub(crate) const DELETED_LINK: u16 = 17;

/// `struct ifinfomsg`
const HEADER: usize = 16;
const IFF_UP: u32 = 1;
const IFF_LOWER_UP: u32 = 1 << 16;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;

pub(crate) fn dump() -> Encoded {
    let mut message = LinkMessage::default();
    // Counters are the larger part of an answer, and the slower one.
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    Encoded::new(RouteNetlinkMessage::GetLink(message), DUMP)
}

pub(crate) fn get(name: &str) -> Encoded {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    Encoded::new(RouteNetlinkMessage::GetLink(message), ACKNOWLEDGE)
}

/// Reads only the attributes that are needed, so that a device of a kind that nobody here has heard of is
/// seen all the same. None for what is no link of this family.
pub(crate) fn read(payload: &[u8]) -> Option<Link> {
    let family = *payload.first()?;
    // The kernel tells of bridge ports as links of family AF_BRIDGE.
    if family != 0 {
        return None;
    }
    let index = read_u32(payload.get(4..)?)?;
    let flags = read_u32(payload.get(8..)?)?;
    let mut link = Link {
        index,
        name: String::new(),
        mac: None,
        mtu: 0,
        up: flags & IFF_UP != 0,
        carrier: flags & IFF_LOWER_UP != 0,
        kind: None,
        peer: None,
    };
    let ethernet = read_u16(payload.get(2..)?)? == nix::libc::ARPHRD_ETHER;
    for (kind, value) in attributes(payload.get(HEADER..)?) {
        match kind {
            IFLA_ADDRESS if ethernet => link.mac = value.try_into().ok().map(Mac),
            IFLA_IFNAME => link.name = text(value),
            IFLA_MTU => link.mtu = read_u32(value).unwrap_or_default(),
            IFLA_LINK => link.peer = read_u32(value),
            IFLA_LINKINFO => link.kind = attribute(value, IFLA_INFO_KIND).map(text),
            _ => {}
        }
    }
    Some(link)
}
