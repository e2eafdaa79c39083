//! Unicast routes of the main table, IPv4 and IPv6. Blackholes, other tables and rules are not seen here.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteNextHop, RouteNextHopFlags,
    RouteProtocol as WireProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use super::link::Link;
use super::transport::{Cause, DUMP, Encoded, attributes, read_address, read_u16, read_u32};

/// A route: where packets to `destination` go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// Without host bits.
    pub destination: IpNet,
    /// One, or several for equal-cost multipath.
    pub hops: Vec<Hop>,
    /// Who made it.
    pub protocol: RouteProtocol,
    /// Lower is better; 0 is what the kernel takes by default (which it writes as 1024 for IPv6).
    pub metric: u32,
}

/// A next hop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hop {
    /// None: the destination is on the device's own link (`scope link`).
    pub via: Option<IpAddr>,
    pub device: String,
}

/// Who made a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteProtocol {
    /// The kernel, for an address of a device.
    Kernel,
    /// `ip route add` without saying.
    Boot,
    /// An administrator or agent: what Neutron's agents and ours make.
    Static,
    /// The kernel, from a router advertisement.
    RouterAdvertisement,
    Other(u8),
}

impl Route {
    /// A static route with one next hop.
    pub fn via(destination: IpNet, gateway: IpAddr, device: impl Into<String>) -> Self {
        Self::multipath(destination, vec![Hop { via: Some(gateway), device: device.into() }])
    }

    /// A static route to what is on the link of a device.
    pub fn on_link(destination: IpNet, device: impl Into<String>) -> Self {
        Self::multipath(destination, vec![Hop { via: None, device: device.into() }])
    }

    /// A static route over several next hops of equal cost. Hops are sorted, as their order means nothing.
    pub fn multipath(destination: IpNet, mut hops: Vec<Hop>) -> Self {
        hops.sort();
        Self { destination: destination.trunc(), hops, protocol: RouteProtocol::Static, metric: 0 }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.destination)?;
        for hop in &self.hops {
            if self.hops.len() > 1 {
                write!(out, " nexthop")?;
            }
            if let Some(gateway) = hop.via {
                write!(out, " via {gateway}")?;
            }
            write!(out, " dev {}", hop.device)?;
        }
        if self.metric != 0 {
            write!(out, " metric {}", self.metric)?;
        }
        Ok(())
    }
}

/// `RTM_NEWROUTE` of linux/rtnetlink.h
pub(crate) const NEW_ROUTE: u16 = 24;

/// `struct rtmsg`
const HEADER: usize = 12;
const RTN_UNICAST: u8 = 1;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_MULTIPATH: u16 = 9;
const RTA_VIA: u16 = 18;
/// `struct rtnexthop`
const HOP_HEADER: usize = 8;
/// What IPv6 takes when no metric is given (`IP6_RT_PRIO_USER`).
const IPV6_DEFAULT_METRIC: u32 = 1024;

/// Both families at once: for a single one the kernel refuses a table that does not exist yet.
pub(crate) fn dump() -> Encoded {
    let mut message = RouteMessage::default();
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    Encoded::new(RouteNetlinkMessage::GetRoute(message), DUMP)
}

/// The message that makes a route. `index_of` gives the index of a device.
pub(crate) fn message(
    route: &Route,
    mut index_of: impl FnMut(&str) -> Result<u32, Cause>,
) -> Result<RouteMessage, Cause> {
    let mut message = selector(route);
    message.header.protocol = route.protocol.wire();
    let near = route.hops.iter().all(|hop| hop.via.is_none());
    message.header.scope =
        if near && route.destination.addr().is_ipv4() { RouteScope::Link } else { RouteScope::Universe };
    if let [hop] = route.hops.as_slice() {
        message.attributes.push(RouteAttribute::Oif(index_of(&hop.device)?));
        message.attributes.extend(gateway(hop, route.destination)?);
    } else {
        let mut hops = Vec::new();
        for hop in &route.hops {
            let mut next = RouteNextHop::default();
            next.flags = RouteNextHopFlags::empty();
            next.interface_index = index_of(&hop.device)?;
            next.attributes.extend(gateway(hop, route.destination)?);
            hops.push(next);
        }
        message.attributes.push(RouteAttribute::MultiPath(hops));
    }
    Ok(message)
}

/// The message that deletes a route, whatever its next hops are.
pub(crate) fn delete_message(route: &Route) -> RouteMessage {
    let mut message = selector(route);
    message.header.protocol = route.protocol.wire();
    // So that IPv4 compares no scope.
    message.header.scope = RouteScope::NoWhere;
    message
}

fn selector(route: &Route) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = match route.destination {
        IpNet::V4(_) => AddressFamily::Inet,
        IpNet::V6(_) => AddressFamily::Inet6,
    };
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.kind = RouteType::Unicast;
    message.header.destination_prefix_length = route.destination.prefix_len();
    if route.destination.prefix_len() > 0 {
        message.attributes.push(RouteAttribute::Destination(route.destination.network().into()));
    }
    if route.metric != 0 {
        message.attributes.push(RouteAttribute::Priority(route.metric));
    }
    message
}

fn gateway(hop: &Hop, destination: IpNet) -> Result<Option<RouteAttribute>, Cause> {
    let Some(via) = hop.via else { return Ok(None) };
    // The kernel has another attribute for gateways of the other family (RFC 8950), which Neutron never has;
    // in this one it would read the wrong bytes.
    if via.is_ipv4() != destination.addr().is_ipv4() {
        let reason = format!("the gateway {via} is not of the family of {destination}");
        return Err(Cause::Refused { errno: Errno::EAFNOSUPPORT, reason });
    }
    Ok(Some(RouteAttribute::Gateway(via.into())))
}

/// None for what is not a unicast route of IPv4 or IPv6.
pub(crate) fn read(payload: &[u8], links: &[Link]) -> Option<Route> {
    let &[family, prefix, _source, _tos, _table, protocol, _scope, kind, ..] = payload else { return None };
    if kind != RTN_UNICAST {
        return None;
    }
    let mut destination = match i32::from(family) {
        nix::libc::AF_INET => IpAddr::from([0; 4]),
        nix::libc::AF_INET6 => IpAddr::from([0; 16]),
        _ => return None,
    };
    let default_metric = if destination.is_ipv6() { IPV6_DEFAULT_METRIC } else { 0 };
    let (mut device, mut metric, mut hops) = (None, default_metric, Vec::new());
    let attributes_at = payload.get(HEADER..)?;
    for (kind, value) in attributes(attributes_at) {
        match kind {
            RTA_DST => destination = read_address(value)?,
            RTA_OIF => device = read_u32(value),
            RTA_PRIORITY => metric = read_u32(value)?,
            RTA_MULTIPATH => hops = read_hops(value, links),
            _ => {}
        }
    }
    if let Some(index) = device {
        hops.push(Hop { via: read_gateway(attributes_at), device: super::device_name(links, index) });
    }
    hops.sort();
    Some(Route {
        destination: IpNet::new(destination, prefix).ok()?,
        hops,
        protocol: RouteProtocol::from(protocol),
        metric: if metric == default_metric { 0 } else { metric },
    })
}

fn read_hops(mut bytes: &[u8], links: &[Link]) -> Vec<Hop> {
    let mut hops = Vec::new();
    while let Some((hop, rest)) = split_hop(bytes, links) {
        hops.push(hop);
        bytes = rest;
    }
    hops
}

fn split_hop<'b>(bytes: &'b [u8], links: &[Link]) -> Option<(Hop, &'b [u8])> {
    let length = usize::from(read_u16(bytes)?);
    let index = read_u32(bytes.get(4..)?)?;
    let via = read_gateway(bytes.get(HOP_HEADER..length)?);
    let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((Hop { via, device: super::device_name(links, index) }, rest))
}

fn read_gateway(bytes: &[u8]) -> Option<IpAddr> {
    attributes(bytes).find_map(|(kind, value)| match kind {
        RTA_GATEWAY => read_address(value),
        // The address stands behind its family.
        RTA_VIA => read_address(value.get(2..)?),
        _ => None,
    })
}

impl RouteProtocol {
    fn wire(self) -> WireProtocol {
        WireProtocol::from(match self {
            Self::Kernel => 2,
            Self::Boot => 3,
            Self::Static => 4,
            Self::RouterAdvertisement => 9,
            Self::Other(number) => number,
        })
    }
}

impl From<u8> for RouteProtocol {
    fn from(number: u8) -> Self {
        match number {
            2 => Self::Kernel,
            3 => Self::Boot,
            4 => Self::Static,
            9 => Self::RouterAdvertisement,
            other => Self::Other(other),
        }
    }
}
