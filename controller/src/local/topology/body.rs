//! From the things of a topology file to the bodies that the API would get for them, so that there is
//! one place that knows what a valid network, port or router is. A field that the file leaves out is
//! in the body with its default, unless its value is chosen.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::file::{self, Topology};
use super::words::Words;
use crate::local::config::Config;
use crate::local::fault::Fault;
use crate::local::fields::{Fields, nearest};
use crate::local::record::Port;
use crate::local::{ipam, subnets};

/// A body, to be read like any other.
pub(super) fn fields(body: Map<String, Value>) -> Result<Fields, Fault> {
    Fields::new("body", Value::Object(body))
}

/// The nodes that the file may name, and the one that it means when it names none.
pub(super) struct Hosts<'a> {
    known: Vec<&'a str>,
    default: &'a str,
}

impl<'a> Hosts<'a> {
    pub(super) fn new(topology: &'a Topology, config: &'a Config) -> Result<Self, Fault> {
        let mut known: Vec<&str> = topology.hosts.iter().map(|host| host.value.name.as_str()).collect();
        known.push(&config.host.0);
        let hosts = Self { known, default: topology.default_host.as_deref().unwrap_or(&config.host.0) };
        hosts.named("default_host", Some(hosts.default))?;
        Ok(hosts)
    }

    /// The named host, or the default.
    fn named(&self, field: &str, name: Option<&str>) -> Result<String, Fault> {
        let name = name.unwrap_or(self.default);
        if self.known.contains(&name) {
            return Ok(name.to_owned());
        }
        let reason = match nearest(name, &self.known) {
            Some(meant) => format!("{name:?} is not among the hosts, perhaps {meant:?} is meant"),
            None => format!("{name:?} is not among the hosts"),
        };
        Err(Fault::invalid(field, reason))
    }
}

pub(super) fn network(network: &file::Network, hosts: &Hosts<'_>) -> Result<Fields, Fault> {
    let mut body = described(&network.name, &network.description, &network.project_id, &network.tags);
    body.insert("admin_state_up".into(), network.admin_state_up.into());
    body.insert("shared".into(), network.shared.into());
    body.insert("router:external".into(), network.external.into());
    body.insert("port_security_enabled".into(), network.port_security_enabled.into());
    // Nought means: the largest that fits.
    body.insert("mtu".into(), network.mtu.unwrap_or(0).into());
    body.insert(
        "baryon:dhcp_host".into(),
        hosts.named("baryon:dhcp_host", network.dhcp_host.as_deref())?.into(),
    );
    insert_given(&mut body, "provider:network_type", &network.network_type);
    insert_given(&mut body, "provider:physical_network", &network.physical_network);
    insert_given(&mut body, "provider:segmentation_id", &network.segmentation_id);
    fields(body)
}

pub(super) fn subnet(subnet: &file::Subnet, network: model::NetworkId) -> Result<Fields, Fault> {
    let mut body = described(&subnet.name, &subnet.description, &subnet.project_id, &subnet.tags);
    body.insert("network_id".into(), json!(network));
    body.insert("cidr".into(), json!(subnet.cidr));
    insert_given(&mut body, "ip_version", &subnet.ip_version);
    body.insert("enable_dhcp".into(), json!(subnet.enable_dhcp));
    body.insert("dns_nameservers".into(), json!(subnet.dns_nameservers));
    body.insert("host_routes".into(), subnet.host_routes.iter().map(route).collect());
    insert_given(&mut body, "ipv6_ra_mode", &subnet.ipv6_ra_mode);
    insert_given(&mut body, "ipv6_address_mode", &subnet.ipv6_address_mode);
    // What does not parse is left to be refused where everything is.
    let gateway = gateway(subnet);
    match &subnet.gateway_ip {
        Some(Some(given)) => _ = body.insert("gateway_ip".into(), json!(given)),
        _ => _ = body.insert("gateway_ip".into(), json!(gateway)),
    }
    let pools = match (&subnet.allocation_pools, subnet.cidr.parse()) {
        (Some(pools), _) => pools.iter().map(|pool| json!({"start": pool.start, "end": pool.end})).collect(),
        (None, Ok(cidr)) => json!(ipam::default_pools(cidr, gateway)),
        (None, Err(_)) => json!([]),
    };
    body.insert("allocation_pools".into(), pools);
    fields(body)
}

/// The gateway that the file means, if it can be read.
pub(super) fn gateway(subnet: &file::Subnet) -> Option<IpAddr> {
    match &subnet.gateway_ip {
        Some(given) => given.as_ref().and_then(|given| given.parse().ok()),
        None => subnet.cidr.parse().ok().and_then(subnets::default_gateway),
    }
}

/// A port. `is_interface`: a router of the file has it, and with it says who owns it and where it is.
/// `old` is the port as it is, if it is there.
pub(super) fn port(
    port: &file::Port,
    words: &Words,
    hosts: &Hosts<'_>,
    is_interface: bool,
    old: Option<&Port>,
) -> Result<Fields, Fault> {
    let mut body = described(&port.name, &port.description, &port.project_id, &port.tags);
    body.insert("network_id".into(), json!(words.networks.find("network", &port.network)?));
    body.insert("admin_state_up".into(), port.admin_state_up.into());
    body.insert("dns_name".into(), json!(port.dns_name));
    insert_given(&mut body, "mac_address", &port.mac_address);
    if let Some(wishes) = &port.fixed_ips {
        body.insert("fixed_ips".into(), fixed_ips(wishes, words)?);
    }
    body.insert("extra_dhcp_opts".into(), dhcp_options(port, old));
    if is_interface {
        let says = |name, field: &str| Err(Fault::invalid(name, format!("{field} is a router's to say")));
        if !port.device_owner.is_empty() || !port.device_id.is_empty() {
            return says("device_owner", "who owns a router's port");
        }
        if port.host.is_some() {
            return says("binding:host_id", "where a router's port is");
        }
        return fields(body);
    }
    body.insert("device_owner".into(), json!(port.device_owner));
    body.insert("device_id".into(), json!(port.device_id));
    insert_given(&mut body, "port_security_enabled", &port.port_security_enabled);
    let pairs = port.allowed_address_pairs.iter();
    let pairs = pairs.map(|pair| json!({"ip_address": pair.ip_address, "mac_address": pair.mac_address}));
    body.insert("allowed_address_pairs".into(), pairs.collect());
    body.insert("binding:host_id".into(), json!(host(port, hosts)?));
    fields(body)
}

/// Guests' ports are where the file says by default; ports of anything else where they say themselves.
fn host(port: &file::Port, hosts: &Hosts<'_>) -> Result<Option<String>, Fault> {
    let of_guest = port.device_owner.is_empty() || port.device_owner.starts_with("compute:");
    match &port.host {
        Some(None) => Ok(None),
        None if !of_guest => Ok(None),
        given => {
            let name = given.as_ref().and_then(|given| given.as_deref());
            hosts.named("binding:host_id", name).map(Some)
        }
    }
}

/// The options of the file, and a null for each that is there and no longer wanted.
fn dhcp_options(port: &file::Port, old: Option<&Port>) -> Value {
    let wanted = port.extra_dhcp_opts.iter();
    let mut options: Vec<Value> = wanted
        .map(|option| {
            json!({"opt_name": option.opt_name, "opt_value": option.opt_value, "ip_version": option.ip_version})
        })
        .collect();
    for old in old.into_iter().flat_map(|port| &port.extra_dhcp_opts) {
        let same = |new: &file::DhcpOption| new.opt_name == old.opt_name && new.ip_version == old.ip_version;
        if !port.extra_dhcp_opts.iter().any(same) {
            options.push(json!({"opt_name": old.opt_name, "opt_value": null, "ip_version": old.ip_version}));
        }
    }
    options.into()
}

pub(super) fn router(router: &file::Router, words: &Words, hosts: &Hosts<'_>) -> Result<Fields, Fault> {
    let mut body = described(&router.name, &router.description, &router.project_id, &router.tags);
    body.insert("admin_state_up".into(), router.admin_state_up.into());
    body.insert("baryon:host".into(), hosts.named("baryon:host", router.host.as_deref())?.into());
    let gateway = match &router.external_gateway_info {
        None => Value::Null,
        Some(gateway) => {
            let network = words.networks.find("external_gateway_info.network", &gateway.network)?;
            let mut info = json!({"network_id": network, "enable_snat": gateway.enable_snat});
            if let Some(wishes) = &gateway.external_fixed_ips {
                info["external_fixed_ips"] = fixed_ips(wishes, words)?;
            }
            info
        }
    };
    body.insert("external_gateway_info".into(), gateway);
    fields(body)
}

/// The extra routes go in after the interfaces that lead to their next hops.
pub(super) fn router_routes(router: &file::Router) -> Result<Fields, Fault> {
    let mut body = Map::new();
    body.insert("routes".into(), router.routes.iter().map(route).collect());
    fields(body)
}

pub(super) fn floating_ip(floating: &file::FloatingIp, words: &Words) -> Result<Fields, Fault> {
    let mut body = described(&floating.name, &floating.description, &floating.project_id, &floating.tags);
    let network = words.networks.find("floating_network", &floating.floating_network)?;
    body.insert("floating_network_id".into(), json!(network));
    insert_given(&mut body, "floating_ip_address", &floating.floating_ip_address);
    let port = floating.port.as_deref().map(|port| words.ports.find("port", port)).transpose()?;
    body.insert("port_id".into(), json!(port));
    body.insert("fixed_ip_address".into(), json!(floating.fixed_ip_address));
    fields(body)
}

fn described(name: &str, description: &str, project: &str, tags: &[String]) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("name".into(), name.into());
    body.insert("description".into(), description.into());
    body.insert("project_id".into(), project.into());
    body.insert("tags".into(), json!(tags));
    body
}

fn insert_given<T: serde::Serialize>(body: &mut Map<String, Value>, name: &str, given: &Option<T>) {
    if let Some(given) = given {
        body.insert(name.to_owned(), json!(given));
    }
}

fn route(route: &file::Route) -> Value {
    json!({"destination": route.destination, "nexthop": route.nexthop})
}

fn fixed_ips(wishes: &[file::FixedIp], words: &Words) -> Result<Value, Fault> {
    let mut list = Vec::new();
    for (index, wish) in wishes.iter().enumerate() {
        let field = format!("fixed_ips[{index}].subnet");
        let subnet = wish.subnet.as_deref().map(|subnet| words.subnets.find(&field, subnet)).transpose()?;
        list.push(json!({"subnet_id": subnet, "ip_address": wish.ip_address}));
    }
    Ok(list.into())
}
