//! Links: the network devices of a namespace.

use model::Mac;
use nix::errno::Errno;
use rtnetlink::LinkUnspec;
use rtnetlink::packet_route::link::{
    LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage as Message};

use super::cause::Cause;
use super::channel;

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

pub(super) async fn dump(handle: &mut channel::Route) -> Result<Vec<Link>, Cause> {
    let found = channel::dump(handle, Message::GetLink(without_counters(LinkMessage::default()))).await?;
    Ok(found.iter().filter_map(new).collect())
}

/// One link by its name; None when there is none.
pub(super) async fn get(handle: &mut channel::Route, name: &str) -> Result<Option<Link>, Cause> {
    let request = without_counters(LinkUnspec::new_with_name(name).build());
    match channel::ask(handle, Message::GetLink(request)).await {
        Ok(found) => found.iter().find_map(new).ok_or(Cause::Malformed).map(Some),
        Err(Cause::Refused { errno: Errno::ENODEV, .. }) => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// Counters are the larger part of an answer, and the slower one.
fn without_counters(mut request: LinkMessage) -> LinkMessage {
    request.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    request
}

fn new(message: &Message) -> Option<Link> {
    if let Message::NewLink(message) = message { read(message) } else { None }
}

/// None for what is no link of this family: the kernel tells of bridge ports as links of family AF_BRIDGE.
pub(crate) fn read(message: &LinkMessage) -> Option<Link> {
    let header = &message.header;
    if header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let mut link = Link {
        index: header.index,
        name: String::new(),
        mac: None,
        mtu: 0,
        up: header.flags.contains(LinkFlags::Up),
        carrier: header.flags.contains(LinkFlags::LowerUp),
        kind: None,
        peer: None,
    };
    let ethernet = header.link_layer_type == LinkLayerType::Ether;
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Address(bytes) if ethernet => link.mac = bytes.as_slice().try_into().ok().map(Mac),
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Link(peer) => link.peer = Some(*peer),
            LinkAttribute::LinkInfo(infos) => link.kind = infos.iter().find_map(kind),
            _ => {}
        }
    }
    Some(link)
}

fn kind(info: &LinkInfo) -> Option<String> {
    if let LinkInfo::Kind(kind) = info { Some(kind.to_string()) } else { None }
}
