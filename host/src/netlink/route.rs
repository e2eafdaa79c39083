//! Unicast routes of the main table, IPv4 and IPv6. Blackholes, other tables and rules are not seen here.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use nix::errno::Errno;
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteNextHop, RouteScope, RouteType, RouteVia,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage as Message};
use rtnetlink::{RouteMessageBuilder, RouteNextHopBuilder};

use super::cause::Cause;
use super::channel;
use super::link::Link;

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

/// What IPv6 takes when no metric is given (`IP6_RT_PRIO_USER`).
const IPV6_DEFAULT_METRIC: u32 = 1024;

/// Both families at once: for a single one the kernel refuses a table that does not exist yet.
pub(super) async fn dump(handle: &mut channel::Route, links: &[Link]) -> Result<Vec<Route>, Cause> {
    let mut request = RouteMessage::default();
    request.header.table = RouteHeader::RT_TABLE_MAIN;
    let found = channel::dump(handle, Message::GetRoute(request)).await?;
    let read = |message| if let Message::NewRoute(message) = message { read(&message, links) } else { None };
    Ok(found.into_iter().filter_map(read).collect())
}

/// The message that makes a route. `devices` are the indices of the devices of its hops.
pub(super) fn message(route: &Route, devices: &[u32]) -> Result<RouteMessage, Cause> {
    let near = route.hops.iter().all(|hop| hop.via.is_none());
    let scope =
        if near && route.destination.addr().is_ipv4() { RouteScope::Link } else { RouteScope::Universe };
    let mut builder = selector(route)?.scope(scope);
    if let ([hop], [device]) = (route.hops.as_slice(), devices) {
        builder = builder.output_interface(*device);
        if let Some(via) = gateway(hop, route)? {
            builder = builder.gateway(via).map_err(invalid)?;
        }
    } else {
        let hops = route.hops.iter().zip(devices);
        let hops: Result<_, _> = hops.map(|(hop, device)| next_hop(hop, *device, route)).collect();
        builder = builder.multipath(hops?);
    }
    Ok(builder.build())
}

/// The message that deletes a route, whatever its next hops are.
pub(super) fn delete_message(route: &Route) -> Result<RouteMessage, Cause> {
    // So that IPv4 compares no scope.
    Ok(selector(route)?.scope(RouteScope::NoWhere).build())
}

/// A unicast route of the main table.
fn selector(route: &Route) -> Result<RouteMessageBuilder, Cause> {
    let destination = route.destination;
    let builder = RouteMessageBuilder::<IpAddr>::new()
        .protocol(u8::from(route.protocol).into())
        .destination_prefix(destination.network(), destination.prefix_len())
        .map_err(invalid)?;
    Ok(if route.metric == 0 { builder } else { builder.priority(route.metric) })
}

fn next_hop(hop: &Hop, device: u32, route: &Route) -> Result<RouteNextHop, Cause> {
    let builder = match route.destination {
        IpNet::V4(_) => RouteNextHopBuilder::new_ipv4(),
        IpNet::V6(_) => RouteNextHopBuilder::new_ipv6(),
    };
    let builder = builder.interface(device);
    let Some(via) = gateway(hop, route)? else { return Ok(builder.build()) };
    builder.via(via).map(RouteNextHopBuilder::build).map_err(invalid)
}

/// A gateway of the other family (RFC 8950) is refused: Neutron never has one, and of the two ways the kernel
/// knows only that of IPv4 by IPv6.
fn gateway(hop: &Hop, route: &Route) -> Result<Option<IpAddr>, Cause> {
    match hop.via {
        Some(via) if via.is_ipv4() != route.destination.addr().is_ipv4() => {
            Err(invalid(format!("the gateway {via} is not of the family of {}", route.destination)))
        }
        via => Ok(via),
    }
}

fn invalid(reason: impl fmt::Display) -> Cause {
    Cause::Refused { errno: Errno::EAFNOSUPPORT, reason: reason.to_string() }
}

/// None for what is not a unicast route of IPv4 or IPv6.
fn read(message: &RouteMessage, links: &[Link]) -> Option<Route> {
    let header = &message.header;
    if header.kind != RouteType::Unicast {
        return None;
    }
    let (mut destination, default_metric) = match header.address_family {
        AddressFamily::Inet => (IpAddr::from([0; 4]), 0),
        AddressFamily::Inet6 => (IpAddr::from([0; 16]), IPV6_DEFAULT_METRIC),
        _ => return None,
    };
    let (mut metric, mut hops) = (default_metric, Vec::new());
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(found) => destination = address(found)?,
            RouteAttribute::Priority(found) => metric = *found,
            RouteAttribute::Oif(index) => hops.push(read_hop(*index, &message.attributes, links)),
            RouteAttribute::MultiPath(found) => {
                hops.extend(found.iter().map(|hop| read_hop(hop.interface_index, &hop.attributes, links)));
            }
            _ => {}
        }
    }
    hops.sort();
    Some(Route {
        destination: IpNet::new(destination, header.destination_prefix_length).ok()?,
        hops,
        protocol: RouteProtocol::from(u8::from(header.protocol)),
        metric: if metric == default_metric { 0 } else { metric },
    })
}

fn read_hop(index: u32, attributes: &[RouteAttribute], links: &[Link]) -> Hop {
    let via = attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(found) => address(found),
        RouteAttribute::Via(RouteVia::Inet(found)) => Some((*found).into()),
        RouteAttribute::Via(RouteVia::Inet6(found)) => Some((*found).into()),
        _ => None,
    });
    Hop { via, device: super::device_name(links, index) }
}

fn address(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

impl From<RouteProtocol> for u8 {
    fn from(protocol: RouteProtocol) -> Self {
        match protocol {
            RouteProtocol::Kernel => 2,
            RouteProtocol::Boot => 3,
            RouteProtocol::Static => 4,
            RouteProtocol::RouterAdvertisement => 9,
            RouteProtocol::Other(number) => number,
        }
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
