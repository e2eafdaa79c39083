//! Floating IPs: making, associating and removing them in a draft, with Neutron's rules.

use std::net::IpAddr;
use std::sync::Arc;

use model::{FloatingIpId, NetworkId, PortId, PortOwner, RouterId};

use super::addresses::{self, Wish};
use super::draft::Draft;
use super::fault::Fault;
use super::fields::Fields;
use super::networks::set;
use super::ports::{self, Service};
use super::record::{FloatingIp, Port, Target};
use super::state::Key;
use super::{describe, subnets};

pub fn create(
    draft: &mut Draft<'_>,
    id: Option<FloatingIpId>,
    mut fields: Fields,
) -> Result<FloatingIpId, Fault> {
    let id = id.unwrap_or_else(|| FloatingIpId(draft.chance.id()));
    let network: NetworkId = fields.required("floating_network_id")?;
    if !draft.network(network)?.external {
        return Err(Fault::BadRequest(format!("Network {network} is not a valid external network.")));
    }
    let wish = wish(draft, network, &mut fields)?;
    let own_port = draft.derived_port_id(&format!("floatingip/{id}"));
    let mut floating = FloatingIp {
        id,
        name: String::new(),
        meta: draft.meta(),
        network,
        address: IpAddr::from([0, 0, 0, 0]),
        own_port,
        target: None,
    };
    let target = settings(&mut floating, &mut fields)?;
    fields.tolerate(&["dns_domain", "dns_name", "qos_policy_id"]);
    fields.finish()?;
    let service = Service {
        id: own_port,
        network,
        owner: PortOwner::FloatingIp,
        device: id.to_string(),
        host: None,
        project: String::new(),
    };
    ports::make(draft, service, &[wish])?;
    floating.address = first_address(draft, own_port)?;
    aim(draft, &mut floating, target)?;
    draft.put_floating_ip(floating);
    Ok(id)
}

pub fn update(draft: &mut Draft<'_>, id: FloatingIpId, mut fields: Fields) -> Result<(), Fault> {
    let mut floating = FloatingIp::clone(draft.floating_ip(id)?);
    fields.must_be("floating_network_id", &floating.network)?;
    fields.must_be("floating_ip_address", &floating.address)?;
    let target = settings(&mut floating, &mut fields)?;
    fields.tolerate(&["qos_policy_id"]);
    fields.finish()?;
    aim(draft, &mut floating, target)?;
    draft.put_floating_ip(floating);
    Ok(())
}

pub fn delete(draft: &mut Draft<'_>, id: FloatingIpId) -> Result<(), Fault> {
    let own_port = draft.floating_ip(id)?.own_port;
    draft.remove(Key::FloatingIp(id));
    draft.remove(Key::Port(own_port));
    Ok(())
}

/// Floating IPs that led to an address that their port no longer has lead nowhere.
pub(super) fn drop_lost_targets(draft: &mut Draft<'_>, port: PortId) {
    let addresses: Vec<IpAddr> = match draft.state.ports().get(&port) {
        Some(port) => port.fixed_ips.iter().map(|fixed| fixed.ip_address).collect(),
        None => Vec::new(),
    };
    let lost = |floating: &&Arc<FloatingIp>| {
        floating.target.as_ref().is_some_and(|target| !addresses.contains(&target.fixed))
    };
    let lost: Vec<_> = draft.state.floating_ips_to(port).filter(lost).cloned().collect();
    for floating in lost {
        draft.put_floating_ip(FloatingIp { target: None, ..FloatingIp::clone(&floating) });
    }
}

/// What a request says about the target: the port (null: none) and one of its addresses.
#[derive(Clone, Copy)]
struct Aim {
    port: Option<Option<PortId>>,
    fixed: Option<Option<IpAddr>>,
}

fn settings(floating: &mut FloatingIp, fields: &mut Fields) -> Result<Aim, Fault> {
    describe::settings(&mut floating.name, &mut floating.meta, fields)?;
    set(&mut floating.name, fields.text("baryon:name")?);
    Ok(Aim { port: fields.nullable_parse("port_id")?, fixed: fields.nullable_parse("fixed_ip_address")? })
}

fn wish(draft: &Draft<'_>, network: NetworkId, fields: &mut Fields) -> Result<Wish, Fault> {
    let subnet = fields.parse("subnet_id")?;
    let address: Option<IpAddr> = fields.parse("floating_ip_address")?;
    if address.is_some_and(|address| !address.is_ipv4()) {
        return Err(Fault::invalid("floating_ip_address", "floating IPs are IPv4 only"));
    }
    if subnet.is_some() || address.is_some() {
        return Ok(Wish { subnet, address });
    }
    let usual = addresses::usual(draft, network)?;
    let ipv4 = usual.into_iter().find(|wish| {
        let subnet = wish.subnet.and_then(|id| draft.state.subnets().get(&id));
        subnet.is_some_and(|subnet| subnets::ip_version(subnet.cidr) == 4)
    });
    let none = || Fault::BadRequest(format!("Network {network} does not contain any IPv4 subnet."));
    ipv4.ok_or_else(none)
}

fn first_address(draft: &Draft<'_>, port: PortId) -> Result<IpAddr, Fault> {
    let fixed = draft.port(port)?.fixed_ips.first().map(|fixed| fixed.ip_address);
    fixed.ok_or_else(|| Fault::not_found("Port", port))
}

fn aim(draft: &Draft<'_>, floating: &mut FloatingIp, aim: Aim) -> Result<(), Fault> {
    let port = match (aim.port, aim.fixed) {
        (Some(port), _) => port,
        (None, Some(_)) => floating.target.as_ref().map(|target| target.port),
        (None, None) => return Ok(()),
    };
    let Some(port) = port else {
        if let Some(Some(_)) = aim.fixed {
            return Err(Fault::invalid("fixed_ip_address", "it needs a port_id"));
        }
        floating.target = None;
        return Ok(());
    };
    let port = draft.port(port)?;
    let fixed = fixed_address(port, aim.fixed.flatten())?;
    let router = router_between(draft, floating.network, port, fixed)?;
    check_free(draft, floating, port, fixed)?;
    floating.target = Some(Target { port: port.id, fixed, router });
    Ok(())
}

/// The address asked for, or the port's only IPv4 address.
fn fixed_address(port: &Port, asked: Option<IpAddr>) -> Result<IpAddr, Fault> {
    let mut ipv4 = port.fixed_ips.iter().map(|fixed| fixed.ip_address).filter(IpAddr::is_ipv4);
    match asked {
        Some(asked) if ipv4.any(|address| address == asked) => Ok(asked),
        Some(asked) => {
            Err(Fault::invalid("fixed_ip_address", format!("port {} has no address {asked}", port.id)))
        }
        None => match (ipv4.next(), ipv4.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Fault::invalid("port_id", format!("port {} has no IPv4 address", port.id))),
            (Some(_), Some(_)) => {
                let reason = format!("port {} has several IPv4 addresses, say which", port.id);
                Err(Fault::invalid("fixed_ip_address", reason))
            }
        },
    }
}

/// The router that has an interface on the address's subnet and its gateway on the external network;
/// of several the one that is the subnet's gateway.
fn router_between(
    draft: &Draft<'_>,
    external: NetworkId,
    port: &Port,
    fixed: IpAddr,
) -> Result<RouterId, Fault> {
    let subnet = port.fixed_ips.iter().find(|own| own.ip_address == fixed).map(|own| own.subnet_id);
    let Some(subnet) = subnet else { return Err(Fault::not_found("Subnet", fixed)) };
    let leads_out = |id: &RouterId| {
        let router = draft.state.routers().get(id);
        router.and_then(|router| router.gateway.as_ref()).is_some_and(|gateway| gateway.network == external)
    };
    let router_at = |port: PortId| {
        let port = draft.state.ports().get(&port)?;
        let is_interface = port.device_owner == PortOwner::RouterInterface;
        is_interface.then(|| port.device_id.parse::<RouterId>().ok()).flatten().filter(leads_out)
    };
    let gateway = draft.subnet(subnet)?.gateway_ip;
    let preferred = gateway.and_then(|gateway| draft.state.port_with_address(subnet, gateway));
    let mut others = draft.state.ports_of(port.network).filter(|other| {
        other.device_owner == PortOwner::RouterInterface
            && other.fixed_ips.iter().any(|fixed| fixed.subnet_id == subnet)
    });
    let found = preferred.and_then(router_at).or_else(|| others.find_map(|other| router_at(other.id)));
    found.ok_or_else(|| Fault::NotFound {
        kind: "External Gateway For Floating IP",
        id: format!("(network {external}, reachable from subnet {subnet}, for port {})", port.id),
    })
}

fn check_free(draft: &Draft<'_>, floating: &FloatingIp, port: &Port, fixed: IpAddr) -> Result<(), Fault> {
    let clash = draft.state.floating_ips_to(port.id).find(|other| {
        let same = other.target.as_ref().is_some_and(|target| target.fixed == fixed);
        same && other.id != floating.id && other.network == floating.network
    });
    match clash {
        None => Ok(()),
        Some(other) => {
            let reason = format!(
                "Cannot associate floating IP {} ({}) with port {} using fixed IP {fixed}, as that fixed IP already has a floating IP on external network {}: {}.",
                floating.address, floating.id, port.id, floating.network, other.address
            );
            Err(Fault::conflict("FloatingIPPortAlreadyAssociated", reason))
        }
    }
}
