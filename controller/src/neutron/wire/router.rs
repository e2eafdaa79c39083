//! A router with everything on it, as the server tells an L3 agent.
//!
//! It fails as a whole: a router without the one interface that was not understood is another router.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use model::{
    FloatingIpId, Gateway, HostName, NetworkId, Router, RouterFloatingIp, RouterId, RouterInterface, SubnetId,
};
use serde_json::Value;

use super::port::{self, list};
use super::read::Reader;
use super::subnet::route;
use crate::neutron::fault::Malformed;
use crate::neutron::finding::Sighting;

/// A router as the server gives it to this node.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct RouterDict {
    /// Without its port forwardings: these are told apart.
    pub(crate) router: Router,
    /// The ports that it has on the switch.
    pub(crate) ports: Vec<Sighting>,
    /// Every floating IP that it answers for, with the status that the server has.
    pub(crate) statuses: BTreeMap<FloatingIpId, String>,
    /// Floating IPs that stand for what their port forwardings say.
    pub(crate) forwarded: Vec<FloatingIpId>,
    /// What it would need that this node cannot do.
    pub(crate) beyond: Option<&'static str>,
}

/// The answer to a question about routers: what was understood, and of what was not, the id if that much
/// could be read.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Routers {
    pub(crate) routers: Vec<RouterDict>,
    pub(crate) unread: Vec<Option<RouterId>>,
    pub(crate) why: Vec<Malformed>,
}

/// Reads the answer of `sync_routers`. The routers are `host`'s.
pub(crate) fn all(answer: &Value, host: &HostName) -> Result<Routers, Malformed> {
    let Value::Array(values) = answer else {
        return Err(Malformed { at: "routers".to_owned(), why: "is no list".to_owned() });
    };
    let mut all = Routers::default();
    for (index, value) in values.iter().enumerate() {
        match Reader::new(&format!("routers[{index}]"), value).and_then(|reader| one(&reader, host)) {
            Ok(router) => all.routers.push(router),
            Err(why) => {
                all.unread.push(value.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok()));
                all.why.push(why);
            }
        }
    }
    Ok(all)
}

fn one(router: &Reader<'_>, host: &HostName) -> Result<RouterDict, Malformed> {
    let inside = list(router, "_interfaces", leg)?;
    let outside = router.object("gw_port")?.map(|port| gateway_leg(&port)).transpose()?;
    let enable_snat = router.flag("enable_snat", true)?;
    let mut statuses = BTreeMap::new();
    let mut floating_ips = Vec::new();
    for (id, status, addresses) in list(router, "_floatingips", floating_ip)? {
        statuses.insert(id, status);
        if let Some((floating, fixed)) = addresses {
            floating_ips.push(RouterFloatingIp { id, floating, fixed });
        }
    }
    statuses.extend(
        list(router, "_pf_floatingips", floating_ip)?.into_iter().map(|(id, status, _)| (id, status)),
    );
    let sightings = inside.iter().map(|leg| leg.sighting.clone());
    let ports = sightings.chain(outside.iter().map(|(leg, ..)| leg.sighting.clone())).collect();
    let gateway = outside.map(|(leg, next_hops, on_link)| Gateway {
        interface: leg.interface,
        enable_snat,
        next_hops,
        on_link,
    });
    let word = Router {
        id: router.required("id")?,
        name: router.text_or_empty("name")?,
        admin_up: router.flag("admin_state_up", true)?,
        host: Some(host.clone()),
        interfaces: inside.into_iter().map(|leg| leg.interface).collect(),
        gateway,
        routes: list(router, "routes", route)?,
        floating_ips,
        port_forwardings: Vec::new(),
    };
    Ok(RouterDict {
        router: word,
        ports,
        statuses,
        forwarded: router.parsed_list("fip_managed_by_port_forwardings")?,
        beyond: beyond(router)?,
    })
}

fn beyond(router: &Reader<'_>) -> Result<Option<&'static str>, Malformed> {
    let is_distributed = router.flag("distributed", false)?;
    Ok(match (router.flag("ha", false)?, is_distributed) {
        (true, _) => Some("is highly available (ha)"),
        (false, true) => Some("is distributed"),
        (false, false) => None,
    })
}

/// One port of a router.
struct Leg {
    interface: RouterInterface,
    sighting: Sighting,
}

fn leg(port: &Reader<'_>) -> Result<Leg, Malformed> {
    let sighting = port::read(port)?.sighting;
    let subnets: BTreeMap<SubnetId, IpNet> = list(port, "subnets", prefix)?.into_iter().collect();
    let interface = RouterInterface {
        port: sighting.port.id,
        network: sighting.port.network,
        mac: sighting.port.mac,
        mtu: port.number("mtu")?.unwrap_or(0),
        admin_up: sighting.port.admin_up,
        addresses: list(port, "fixed_ips", |fixed| address(fixed, &subnets))?,
    };
    Ok(Leg { interface, sighting })
}

fn prefix(subnet: &Reader<'_>) -> Result<(SubnetId, IpNet), Malformed> {
    Ok((subnet.required("id")?, subnet.required("cidr")?))
}

fn address(fixed: &Reader<'_>, subnets: &BTreeMap<SubnetId, IpNet>) -> Result<IpNet, Malformed> {
    let address: IpAddr = fixed.required("ip_address")?;
    let length = match fixed.number("prefixlen")? {
        Some(length) => Some(length),
        None => subnets.get(&fixed.required("subnet_id")?).map(IpNet::prefix_len),
    };
    let length: u8 = length.ok_or_else(|| fixed.wrong("prefixlen", "is missing"))?;
    IpNet::new(address, length).map_err(|error| fixed.wrong("prefixlen", error))
}

/// A gateway's port, its next hops, and what else is on its link.
fn gateway_leg(port: &Reader<'_>) -> Result<(Leg, Vec<IpAddr>, Vec<IpNet>), Malformed> {
    let next_hops = list(port, "subnets", |subnet| subnet.parsed("gateway_ip"))?;
    let on_link = list(port, "extra_subnets", |subnet| subnet.required("cidr"))?;
    Ok((leg(port)?, next_hops.into_iter().flatten().collect(), on_link))
}

type FloatingIp = (FloatingIpId, String, Option<(Ipv4Addr, Ipv4Addr)>);

/// One without a fixed address stands for no single one.
fn floating_ip(floating: &Reader<'_>) -> Result<FloatingIp, Malformed> {
    let address = floating.required("floating_ip_address")?;
    let fixed: Option<Ipv4Addr> = floating.parsed("fixed_ip_address")?;
    let status = floating.text_or_empty("status")?;
    Ok((floating.required("id")?, status, fixed.map(|fixed| (address, fixed))))
}

/// The networks that the server says something new of, with their MTU.
pub(crate) fn network(network: &Reader<'_>) -> Result<(NetworkId, Option<u32>), Malformed> {
    Ok((network.required("id")?, network.number("mtu")?))
}
