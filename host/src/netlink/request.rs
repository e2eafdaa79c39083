//! The changes that a netlink handle can make, as values. Each prints as the command that an operator would
//! type. Devices go by name; the index that the kernel wants for some is looked up when the change is made.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use model::Mac;
use nix::errno::Errno;
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use rtnetlink::packet_route::link::{InfoData, InfoVeth, LinkMessage};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage as Message};
use rtnetlink::{LinkUnspec, LinkVeth};

use super::cause::Cause;
use super::channel::{self, Answers};
use super::route::Route;
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

/// Makes changes in their order; one that fails does not stop the later ones. The results stand in the order
/// of the requests.
///
/// A request goes out without waiting for the answers to the earlier ones. The kernel takes them in turn, so
/// when one needs the index of a device that an earlier one makes, the device is looked up in between.
pub(super) async fn change(handle: channel::Route, requests: &[Request]) -> Vec<Result<(), Cause>> {
    let mut session = Session { handle, indices: HashMap::new() };
    let mut started = Vec::with_capacity(requests.len());
    for request in requests {
        started.push(session.start(request).await);
        if request.moves_names() {
            session.indices.clear();
        }
    }
    let mut results = Vec::with_capacity(requests.len());
    for (answers, request) in started.into_iter().zip(requests) {
        let result = match answers {
            Ok(answers) => channel::finish(answers).await.map(drop),
            Err(cause) => Err(cause),
        };
        results.push(match result {
            Err(Cause::Refused { errno, .. }) if request.is_done_already(errno) => Ok(()),
            result => result,
        });
    }
    results
}

struct Session {
    handle: channel::Route,
    /// Of the devices looked up so far.
    indices: HashMap<String, u32>,
}

impl Session {
    async fn start(&mut self, request: &Request) -> Result<impl Answers<Message> + use<>, Cause> {
        let (message, flags) = self.encode(request).await?;
        channel::start(&mut self.handle, message, NLM_F_ACK | flags)
    }

    async fn index(&mut self, device: &str) -> Result<u32, Cause> {
        if let Some(index) = self.indices.get(device) {
            return Ok(*index);
        }
        let absent = || Cause::Refused { errno: Errno::ENODEV, reason: String::new() };
        let index = link::get(&mut self.handle, device).await?.ok_or_else(absent)?.index;
        self.indices.insert(device.to_owned(), index);
        Ok(index)
    }

    /// The message of a request, and its flags.
    async fn encode(&mut self, request: &Request) -> Result<(Message, u16), Cause> {
        const REPLACE: u16 = NLM_F_CREATE | NLM_F_REPLACE;
        let link = |device: &String| LinkUnspec::new_with_name(device);
        Ok(match request {
            Request::AddVeth { device, peer, peer_namespace } => {
                (Message::NewLink(veth(device, peer, peer_namespace)), NLM_F_CREATE | NLM_F_EXCL)
            }
            Request::MoveLink { device, to } => {
                (Message::SetLink(link(device).setns_by_fd(to.raw()).build()), 0)
            }
            // The device is found by its index here, as a name in the request is the new one.
            Request::RenameLink { device, name } => {
                let index = self.index(device).await?;
                (Message::SetLink(LinkUnspec::new_with_index(index).name(name).build()), 0)
            }
            Request::SetMac { device, mac } => {
                (Message::SetLink(link(device).address(mac.0.to_vec()).build()), 0)
            }
            Request::SetMtu { device, mtu } => (Message::SetLink(link(device).mtu(*mtu).build()), 0),
            Request::SetUp { device } => (Message::SetLink(link(device).up().build()), 0),
            Request::SetDown { device } => (Message::SetLink(link(device).down().build()), 0),
            Request::DeleteLink { device } => (Message::DelLink(link(device).build()), 0),
            Request::AddAddress { device, address } => {
                (Message::NewAddress(address::message(self.index(device).await?, *address)), REPLACE)
            }
            Request::DeleteAddress { device, address } => {
                (Message::DelAddress(address::message(self.index(device).await?, *address)), 0)
            }
            Request::ReplaceRoute(route) => {
                let mut devices = Vec::with_capacity(route.hops.len());
                for hop in &route.hops {
                    devices.push(self.index(&hop.device).await?);
                }
                (Message::NewRoute(route::message(route, &devices)?), REPLACE)
            }
            Request::DeleteRoute(route) => (Message::DelRoute(route::delete_message(route)?), 0),
            Request::ReplaceNeighbour { device, address, mac } => {
                let mut message = neighbour(self.index(device).await?, *address);
                message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()));
                (Message::NewNeighbour(message), REPLACE)
            }
            Request::DeleteNeighbour { device, address } => {
                (Message::DelNeighbour(neighbour(self.index(device).await?, *address)), 0)
            }
        })
    }
}

fn veth(device: &str, peer: &str, peer_namespace: &Namespace) -> LinkMessage {
    let other = LinkUnspec::new_with_name(peer).setns_by_fd(peer_namespace.raw()).build();
    LinkVeth::new(device, peer).set_info_data(InfoData::Veth(InfoVeth::Peer(other))).build()
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
