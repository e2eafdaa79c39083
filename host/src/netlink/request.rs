//! The changes that a netlink handle can make, as values. Each prints as the command that an operator would
//! type. Devices go by name; the index that the kernel wants for some is looked up when the change is made.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use model::Mac;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use super::route::Route;
use super::transport::{ACKNOWLEDGE, Cause, Encoded, Transport};
use super::{address, link, route};
use crate::Namespace;

/// A change in a namespace.
#[derive(Debug, Clone)]
pub enum Request {
    /// A veth pair: `device` here, `peer` in `peer_namespace`, where it is born. Fails when either exists.
    AddVeth {
        device: String,
        peer: String,
        peer_namespace: Namespace,
    },
    /// Moves a device to another namespace. It arrives down and without addresses, and keeps its name.
    MoveLink {
        device: String,
        to: Namespace,
    },
    RenameLink {
        device: String,
        name: String,
    },
    SetMac {
        device: String,
        mac: Mac,
    },
    /// Bytes.
    SetMtu {
        device: String,
        mtu: u32,
    },
    SetUp {
        device: String,
    },
    SetDown {
        device: String,
    },
    /// Deletes the other end of a veth pair too.
    DeleteLink {
        device: String,
    },
    /// IPv4 gets the broadcast address of its network.
    AddAddress {
        device: String,
        address: IpNet,
    },
    DeleteAddress {
        device: String,
        address: IpNet,
    },
    /// Adds a route, or replaces that of the same destination and metric.
    ReplaceRoute(Route),
    /// Deletes a route whatever its next hops are; one of another protocol is left.
    DeleteRoute(Route),
    /// A permanent neighbour entry.
    ReplaceNeighbour {
        device: String,
        address: IpAddr,
        mac: Mac,
    },
    DeleteNeighbour {
        device: String,
        address: IpAddr,
    },
}

impl Request {
    /// What the kernel says when there is nothing left to delete; it counts as done.
    fn is_done_already(&self, errno: Errno) -> bool {
        match self {
            Self::DeleteLink { .. } => errno == Errno::ENODEV,
            Self::DeleteAddress { .. } => matches!(errno, Errno::EADDRNOTAVAIL | Errno::ENODEV),
            Self::DeleteRoute(_) => matches!(errno, Errno::ESRCH | Errno::ENODEV | Errno::ENETUNREACH),
            Self::DeleteNeighbour { .. } => matches!(errno, Errno::ENOENT | Errno::ENODEV),
            _ => false,
        }
    }

    /// True when indices that were looked up before may be wrong afterwards.
    fn moves_names(&self) -> bool {
        matches!(
            self,
            Self::AddVeth { .. } | Self::MoveLink { .. } | Self::RenameLink { .. } | Self::DeleteLink { .. }
        )
    }
}

/// Has requests done in their order; one that fails does not stop the later ones.
///
/// Requests travel together until one needs the index of a device that an earlier one may have made: then
/// the earlier ones are sent first and the device is looked up.
pub(super) fn transact(transport: &mut Transport, requests: &[Request]) -> Vec<Result<(), Cause>> {
    let mut session = Session { transport, indices: HashMap::new(), queue: Vec::new(), places: Vec::new() };
    let mut results: Vec<Result<(), Cause>> = requests.iter().map(|_| Ok(())).collect();
    for (place, request) in requests.iter().enumerate() {
        match session.encode(request, &mut results) {
            Ok(encoded) => {
                session.queue.push(encoded);
                session.places.push(place);
            }
            Err(cause) => set(&mut results, place, Err(cause)),
        }
        if request.moves_names() {
            session.indices.clear();
        }
    }
    session.flush(&mut results);
    for (result, request) in results.iter_mut().zip(requests) {
        if let Err(Cause::Refused { errno, .. }) = result
            && request.is_done_already(*errno)
        {
            *result = Ok(());
        }
    }
    results
}

struct Session<'t> {
    transport: &'t mut Transport,
    /// Of the devices looked up so far.
    indices: HashMap<String, u32>,
    queue: Vec<Encoded>,
    /// Which request each queued message belongs to.
    places: Vec<usize>,
}

impl Session<'_> {
    fn flush(&mut self, results: &mut [Result<(), Cause>]) {
        let queue = std::mem::take(&mut self.queue);
        let answers = self.transport.transact(&queue);
        for (place, answer) in self.places.drain(..).zip(answers) {
            set(results, place, answer);
        }
    }

    fn index(&mut self, device: &str, results: &mut [Result<(), Cause>]) -> Result<u32, Cause> {
        if let Some(index) = self.indices.get(device) {
            return Ok(*index);
        }
        self.flush(results);
        let mut found = None;
        self.transport.get(&link::get(device), |kind, payload| {
            if kind == link::NEW_LINK {
                found = link::read(payload);
            }
        })?;
        let index = found.ok_or(Cause::Malformed)?.index;
        self.indices.insert(device.to_owned(), index);
        Ok(index)
    }

    fn encode(&mut self, request: &Request, results: &mut [Result<(), Cause>]) -> Result<Encoded, Cause> {
        use RouteNetlinkMessage as Wire;
        let replace = NLM_F_CREATE | NLM_F_REPLACE | ACKNOWLEDGE;
        let encoded = match request {
            Request::AddVeth { device, peer, peer_namespace } => Encoded::new(
                Wire::NewLink(veth(device, peer, peer_namespace)),
                NLM_F_CREATE | NLM_F_EXCL | ACKNOWLEDGE,
            ),
            Request::MoveLink { device, to } => change(device, [LinkAttribute::NetNsFd(to.raw())]),
            // The device is found by its index here, as a name in the request is the new one.
            Request::RenameLink { device, name } => {
                let mut message = LinkMessage::default();
                message.header.index = self.index(device, results)?;
                message.attributes.push(LinkAttribute::IfName(name.clone()));
                Encoded::new(Wire::SetLink(message), ACKNOWLEDGE)
            }
            Request::SetMac { device, mac } => change(device, [LinkAttribute::Address(mac.0.to_vec())]),
            Request::SetMtu { device, mtu } => change(device, [LinkAttribute::Mtu(*mtu)]),
            Request::SetUp { device } => set_flags(device, LinkFlags::Up),
            Request::SetDown { device } => set_flags(device, LinkFlags::empty()),
            Request::DeleteLink { device } => Encoded::new(Wire::DelLink(named(device)), ACKNOWLEDGE),
            Request::AddAddress { device, address } => {
                let index = self.index(device, results)?;
                Encoded::new(Wire::NewAddress(address::message(index, *address)), replace)
            }
            Request::DeleteAddress { device, address } => {
                let index = self.index(device, results)?;
                Encoded::new(Wire::DelAddress(address::message(index, *address)), ACKNOWLEDGE)
            }
            Request::ReplaceRoute(route) => {
                let message = route::message(route, |device| self.index(device, results))?;
                Encoded::new(Wire::NewRoute(message), replace)
            }
            Request::DeleteRoute(route) => {
                Encoded::new(Wire::DelRoute(route::delete_message(route)), ACKNOWLEDGE)
            }
            Request::ReplaceNeighbour { device, address, mac } => {
                let mut message = neighbour(self.index(device, results)?, *address);
                message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()));
                Encoded::new(Wire::NewNeighbour(message), replace)
            }
            Request::DeleteNeighbour { device, address } => {
                let message = neighbour(self.index(device, results)?, *address);
                Encoded::new(Wire::DelNeighbour(message), ACKNOWLEDGE)
            }
        };
        Ok(encoded)
    }
}

fn set(results: &mut [Result<(), Cause>], place: usize, result: Result<(), Cause>) {
    if let Some(slot) = results.get_mut(place) {
        *slot = result;
    }
}

fn named(device: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(device.to_owned()));
    message
}

fn change(device: &str, attributes: impl IntoIterator<Item = LinkAttribute>) -> Encoded {
    let mut message = named(device);
    message.attributes.extend(attributes);
    Encoded::new(RouteNetlinkMessage::SetLink(message), ACKNOWLEDGE)
}

fn set_flags(device: &str, flags: LinkFlags) -> Encoded {
    let mut message = named(device);
    message.header.flags = flags;
    message.header.change_mask = LinkFlags::Up;
    Encoded::new(RouteNetlinkMessage::SetLink(message), ACKNOWLEDGE)
}

fn veth(device: &str, peer: &str, peer_namespace: &Namespace) -> LinkMessage {
    let mut other = named(peer);
    other.attributes.push(LinkAttribute::NetNsFd(peer_namespace.raw()));
    let mut message = named(device);
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(other))),
    ]));
    message
}

fn neighbour(index: u32, address: IpAddr) -> NeighbourMessage {
    let (family, destination) = match address {
        IpAddr::V4(address) => (AddressFamily::Inet, NeighbourAddress::Inet(address)),
        IpAddr::V6(address) => (AddressFamily::Inet6, NeighbourAddress::Inet6(address)),
    };
    let mut message = NeighbourMessage::default();
    message.header.family = family;
    message.header.ifindex = index;
    message.header.state = NeighbourState::Permanent;
    message.attributes.push(NeighbourAttribute::Destination(destination));
    message
}

impl fmt::Display for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddVeth { device, peer, peer_namespace } => {
                write!(out, "ip link add {device} type veth peer name {peer} netns {peer_namespace}")
            }
            Self::MoveLink { device, to } => write!(out, "ip link set {device} netns {to}"),
            Self::RenameLink { device, name } => write!(out, "ip link set {device} name {name}"),
            Self::SetMac { device, mac } => write!(out, "ip link set {device} address {mac}"),
            Self::SetMtu { device, mtu } => write!(out, "ip link set {device} mtu {mtu}"),
            Self::SetUp { device } => write!(out, "ip link set {device} up"),
            Self::SetDown { device } => write!(out, "ip link set {device} down"),
            Self::DeleteLink { device } => write!(out, "ip link del {device}"),
            Self::AddAddress { device, address } => write!(out, "ip addr replace {address} dev {device}"),
            Self::DeleteAddress { device, address } => write!(out, "ip addr del {address} dev {device}"),
            Self::ReplaceRoute(route) => write!(out, "ip route replace {route}"),
            Self::DeleteRoute(route) => write!(out, "ip route del {}", route.destination),
            Self::ReplaceNeighbour { device, address, mac } => {
                write!(out, "ip neigh replace {address} lladdr {mac} dev {device} nud permanent")
            }
            Self::DeleteNeighbour { device, address } => write!(out, "ip neigh del {address} dev {device}"),
        }
    }
}
