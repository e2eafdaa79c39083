//! Subnets: making, changing and removing them in a draft, with Neutron's rules.

use std::net::IpAddr;

use ipnet::IpNet;
use model::{NetworkId, PortOwner, SubnetId};

use super::draft::Draft;
use super::fault::Fault;
use super::fields::Fields;
use super::networks::set;
use super::record::{Pool, Route, Subnet};
use super::state::Key;
use super::{describe, ipam, ports};

/// Neutron's limit (`max_dns_nameservers`).
const MOST_NAMESERVERS: usize = 5;
/// Neutron's limit (`max_subnet_host_routes`).
const MOST_HOST_ROUTES: usize = 20;

pub fn create(draft: &mut Draft<'_>, id: Option<SubnetId>, mut fields: Fields) -> Result<SubnetId, Fault> {
    let id = id.unwrap_or_else(|| SubnetId(draft.chance.id()));
    let network: NetworkId = fields.required("network_id")?;
    draft.network(network)?;
    let cidr = cidr(&mut fields)?;
    let gateway_ip = match fields.nullable_parse("gateway_ip")? {
        Some(given) => given,
        None => default_gateway(cidr),
    };
    let modes = ["ipv6_ra_mode", "ipv6_address_mode"].map(|name| mode(&mut fields, name, cidr));
    let [ipv6_ra_mode, ipv6_address_mode] = modes;
    let mut subnet = Subnet {
        id,
        name: String::new(),
        meta: draft.meta(),
        network,
        cidr,
        gateway_ip,
        enable_dhcp: true,
        dns_nameservers: Vec::new(),
        host_routes: Vec::new(),
        allocation_pools: ipam::default_pools(cidr, gateway_ip),
        ipv6_ra_mode: ipv6_ra_mode?,
        ipv6_address_mode: ipv6_address_mode?,
    };
    settings(&mut subnet, &mut fields)?;
    fields.tolerate(&["subnetpool_id", "prefixlen", "use_default_subnetpool", "segment_id", "service_types"]);
    fields.tolerate(&["dns_publish_fixed_ip", "router:external"]);
    fields.finish()?;
    check(&subnet)?;
    check_overlap(draft, &subnet)?;
    draft.put_subnet(subnet);
    Ok(id)
}

pub fn update(draft: &mut Draft<'_>, id: SubnetId, mut fields: Fields) -> Result<(), Fault> {
    let mut subnet = Subnet::clone(draft.subnet(id)?);
    let old_gateway = subnet.gateway_ip;
    fields.must_be("network_id", &subnet.network)?;
    fields.must_be("cidr", &subnet.cidr)?;
    fields.must_be("ip_version", &ip_version(subnet.cidr))?;
    set(&mut subnet.gateway_ip, fields.nullable_parse("gateway_ip")?);
    settings(&mut subnet, &mut fields)?;
    fields.tolerate(&["segment_id", "service_types", "dns_publish_fixed_ip"]);
    fields.finish()?;
    check(&subnet)?;
    if old_gateway != subnet.gateway_ip {
        check_gateway_is_unused(draft, id, old_gateway)?;
    }
    draft.put_subnet(subnet);
    Ok(())
}

/// Removes a subnet; DHCP ports give up their addresses on it, anything else stands against it.
pub fn delete(draft: &mut Draft<'_>, id: SubnetId) -> Result<(), Fault> {
    draft.subnet(id)?;
    let users: Vec<_> = draft.state.addresses_on(id).map(|(_, port)| port).collect();
    for user in &users {
        let port = draft.port(*user)?;
        if port.device_owner != PortOwner::Dhcp {
            let reason = format!(
                "Unable to complete operation on subnet {id}: One or more ports have an IP allocation from this subnet, port {user} for one."
            );
            return Err(Fault::conflict("SubnetInUse", reason));
        }
    }
    for user in users {
        ports::strip_subnet(draft, user, id)?;
    }
    draft.remove(Key::Subnet(id));
    Ok(())
}

/// 4 or 6.
pub(super) fn ip_version(cidr: IpNet) -> u8 {
    if cidr.addr().is_ipv4() { 4 } else { 6 }
}

fn cidr(fields: &mut Fields) -> Result<IpNet, Fault> {
    let cidr: IpNet = fields.required("cidr")?;
    if cidr.addr() != cidr.network() {
        let reason = format!("{cidr} has bits set outside of its prefix, {} is meant", cidr.trunc());
        return Err(Fault::invalid("cidr", reason));
    }
    let version = ip_version(cidr);
    match fields.number::<u8>("ip_version")? {
        Some(given) if given != version => {
            Err(Fault::invalid("ip_version", format!("{given} does not fit the cidr {cidr}")))
        }
        _ => Ok(cidr),
    }
}

/// The first host of the prefix, if it has more than one.
pub(super) fn default_gateway(cidr: IpNet) -> Option<IpAddr> {
    let (first, last) = ipam::hosts(cidr);
    (first != last && cidr.prefix_len() + 1 < cidr.max_prefix_len()).then_some(first)
}

fn mode(fields: &mut Fields, name: &'static str, cidr: IpNet) -> Result<Option<String>, Fault> {
    let Some(mode) = fields.text(name)? else { return Ok(None) };
    if cidr.addr().is_ipv4() {
        return Err(Fault::invalid(name, "an IPv4 subnet has none"));
    }
    if !["slaac", "dhcpv6-stateful", "dhcpv6-stateless"].contains(&mode.as_str()) {
        let reason = format!("{mode:?} is none of slaac, dhcpv6-stateful, dhcpv6-stateless");
        return Err(Fault::invalid(name, reason));
    }
    if mode != "dhcpv6-stateful" && cidr.prefix_len() != 64 {
        return Err(Fault::invalid(name, format!("{mode} needs a prefix of 64 bits, {cidr} is none")));
    }
    Ok(Some(mode))
}

fn settings(subnet: &mut Subnet, fields: &mut Fields) -> Result<(), Fault> {
    describe::settings(&mut subnet.name, &mut subnet.meta, fields)?;
    set(&mut subnet.enable_dhcp, fields.flag("enable_dhcp")?);
    set(&mut subnet.dns_nameservers, fields.texts("dns_nameservers")?);
    set(&mut subnet.host_routes, fields.objects("host_routes", route)?);
    let pools = fields.objects("allocation_pools", |pool| {
        Ok(Pool { start: pool.required("start")?, end: pool.required("end")? })
    })?;
    if let Some(mut pools) = pools {
        pools.sort();
        subnet.allocation_pools = pools;
    }
    Ok(())
}

/// One entry of `host_routes` or of a router's `routes`.
pub(super) fn route(fields: &mut Fields) -> Result<Route, Fault> {
    let destination: IpNet = fields.required("destination")?;
    let nexthop: IpAddr = fields.required("nexthop")?;
    if destination.addr() != destination.network() {
        return Err(Fault::invalid(
            "destination",
            format!("{destination} has bits set outside of its prefix"),
        ));
    }
    if destination.addr().is_ipv4() != nexthop.is_ipv4() {
        return Err(Fault::invalid("nexthop", format!("{nexthop} is not of the family of {destination}")));
    }
    Ok(Route { destination, nexthop })
}

fn check(subnet: &Subnet) -> Result<(), Fault> {
    if let Some(gateway) = subnet.gateway_ip {
        check_family("gateway_ip", subnet, gateway)?;
        if subnet.cidr.contains(&gateway) && !is_host(subnet.cidr, gateway) {
            let reason = format!("{gateway} is the network or broadcast address of {}", subnet.cidr);
            return Err(Fault::invalid("gateway_ip", reason));
        }
    }
    if subnet.dns_nameservers.len() > MOST_NAMESERVERS {
        return Err(Fault::invalid("dns_nameservers", format!("more than {MOST_NAMESERVERS} entries")));
    }
    for (index, address) in subnet.dns_nameservers.iter().enumerate() {
        check_family(&format!("dns_nameservers[{index}]"), subnet, *address)?;
    }
    if subnet.host_routes.len() > MOST_HOST_ROUTES {
        return Err(Fault::invalid("host_routes", format!("more than {MOST_HOST_ROUTES} entries")));
    }
    for (index, route) in subnet.host_routes.iter().enumerate() {
        check_family(&format!("host_routes[{index}].nexthop"), subnet, route.nexthop)?;
    }
    check_pools(subnet)
}

fn check_pools(subnet: &Subnet) -> Result<(), Fault> {
    let mut last: Option<Pool> = None;
    for (index, pool) in subnet.allocation_pools.iter().enumerate() {
        let name = format!("allocation_pools[{index}]");
        let refuse = |reason: String| Err(Fault::invalid(name.clone(), reason));
        if pool.start.is_ipv4() != pool.end.is_ipv4() || pool.start > pool.end {
            return refuse(format!("{} to {} is no range", pool.start, pool.end));
        }
        if !is_host(subnet.cidr, pool.start) || !is_host(subnet.cidr, pool.end) {
            return refuse(format!(
                "{} to {} is not within the hosts of {}",
                pool.start, pool.end, subnet.cidr
            ));
        }
        if last.is_some_and(|last| last.end >= pool.start) {
            return refuse(format!("{} to {} overlaps with another pool", pool.start, pool.end));
        }
        if let Some(gateway) = subnet.gateway_ip
            && pool.start <= gateway
            && gateway <= pool.end
        {
            let reason =
                format!("Gateway ip {gateway} conflicts with allocation pool {}-{}.", pool.start, pool.end);
            return Err(Fault::conflict("GatewayConflictWithAllocationPools", reason));
        }
        last = Some(*pool);
    }
    Ok(())
}

fn check_family(field: &str, subnet: &Subnet, address: IpAddr) -> Result<(), Fault> {
    if address.is_ipv4() == subnet.cidr.addr().is_ipv4() {
        Ok(())
    } else {
        Err(Fault::invalid(field, format!("{address} is not of the family of {}", subnet.cidr)))
    }
}

/// Whether a host of the prefix can have this address.
pub(super) fn is_host(cidr: IpNet, address: IpAddr) -> bool {
    let (first, last) = ipam::hosts(cidr);
    cidr.contains(&address) && first <= address && address <= last
}

fn check_overlap(draft: &Draft<'_>, subnet: &Subnet) -> Result<(), Fault> {
    match draft.state.subnets_of(subnet.network).find(|other| overlap(other.cidr, subnet.cidr)) {
        None => Ok(()),
        Some(other) => {
            let reason =
                format!("it overlaps with {} of subnet {} on the same network", other.cidr, other.id);
            Err(Fault::invalid("cidr", reason))
        }
    }
}

pub(super) fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other) || other.contains(&one)
}

/// A gateway address that a router's port has cannot be taken from under it.
fn check_gateway_is_unused(draft: &Draft<'_>, id: SubnetId, gateway: Option<IpAddr>) -> Result<(), Fault> {
    let port = gateway.and_then(|gateway| draft.state.port_with_address(id, gateway));
    match port {
        None => Ok(()),
        Some(port) => {
            let reason =
                format!("Current gateway ip of subnet {id} is in use by port {port}. Unable to update.");
            Err(Fault::conflict("GatewayIpInUse", reason))
        }
    }
}
