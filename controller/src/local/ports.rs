//! Ports: making, changing and removing them in a draft, with Neutron's rules.
//!
//! The ports of routers, floating IPs and DHCP are made by the modules of those things, through
//! [`make`]; what is refused to a user (deleting a router's port) is refused in [`delete`] only.

use std::net::IpAddr;

use ipnet::IpNet;
use model::{HostName, Mac, NetworkId, PortId, PortOwner, SubnetId};

use super::addresses::{self, Holder, Wish};
use super::draft::Draft;
use super::fault::Fault;
use super::fields::Fields;
use super::networks::set;
use super::record::{AddressPair, DhcpOption, Port};
use super::state::Key;
use super::{describe, dhcp_ports, floating_ips};

/// Neutron's limit (`max_fixed_ips_per_port` and `max_allowed_address_pair`).
const MOST_ADDRESSES: usize = 10;

pub fn create(draft: &mut Draft<'_>, id: Option<PortId>, mut fields: Fields) -> Result<PortId, Fault> {
    let network: NetworkId = fields.required("network_id")?;
    draft.network(network)?;
    let id = match id.filter(|id| draft.is_usable(*id)) {
        Some(id) => id,
        None => draft.new_port_id(),
    };
    let mut port = blank(draft, id, network)?;
    let wishes = fields.objects("fixed_ips", Wish::read)?;
    settings(draft, &mut port, &mut fields)?;
    fields.finish()?;
    check(&port)?;
    if is_part(&port) || port.device_owner == PortOwner::Dhcp {
        let reason = format!("ports of owner {} are made with what they are part of", port.device_owner);
        return Err(Fault::invalid("device_owner", reason));
    }
    let wishes = match wishes {
        Some(wishes) => wishes,
        None => addresses::usual(draft, network)?,
    };
    address(draft, &mut port, &wishes)?;
    draft.put_port(port);
    Ok(id)
}

/// What a service port has to be told; everything else is as of any new port.
#[derive(Debug)]
pub(super) struct Service {
    pub id: PortId,
    pub network: NetworkId,
    pub owner: PortOwner,
    pub device: String,
    pub host: Option<HostName>,
    pub project: String,
}

/// Makes a port for a router, a floating IP or DHCP.
pub(super) fn make(draft: &mut Draft<'_>, service: Service, wishes: &[Wish]) -> Result<(), Fault> {
    let mut port = blank(draft, service.id, service.network)?;
    port.device_owner = service.owner;
    port.device_id = service.device;
    port.host = service.host;
    port.port_security_enabled = false;
    port.meta.project_id = service.project;
    address(draft, &mut port, wishes)?;
    draft.put_port(port);
    Ok(())
}

pub fn update(draft: &mut Draft<'_>, id: PortId, mut fields: Fields) -> Result<(), Fault> {
    let old = draft.port(id)?.clone();
    let mut port = Port::clone(&old);
    fields.must_be("network_id", &port.network)?;
    let wishes = fields.objects("fixed_ips", Wish::read)?;
    settings(draft, &mut port, &mut fields)?;
    fields.finish()?;
    check(&port)?;
    if let Some(wishes) = wishes {
        address(draft, &mut port, &wishes)?;
    } else if port.mac_address != old.mac_address {
        follow_mac(draft, &mut port)?;
    }
    check_part(&old, &port)?;
    check_dhcp(&old, &port)?;
    draft.put_port(port);
    floating_ips::drop_lost_targets(draft, id);
    Ok(())
}

/// Removes a port; floating IPs that lead to it lead nowhere then.
pub fn delete(draft: &mut Draft<'_>, id: PortId) -> Result<(), Fault> {
    let port = draft.port(id)?.clone();
    if is_part(&port) {
        let reason = format!(
            "Port {id} cannot be deleted directly via the port API: it has device owner {}.",
            port.device_owner
        );
        return Err(Fault::conflict("ServicePortInUse", reason));
    }
    discard(draft, id);
    Ok(())
}

/// Whether a port is part of a router or of a floating IP, and is changed and removed through that.
pub(super) fn is_part(port: &Port) -> bool {
    matches!(port.device_owner, PortOwner::RouterInterface | PortOwner::RouterGateway | PortOwner::FloatingIp)
}

/// What a router or a floating IP relies on is not changed behind its back, and nothing is made part
/// of one by claiming to be.
fn check_part(old: &Port, new: &Port) -> Result<(), Fault> {
    if !is_part(old) && !is_part(new) {
        return Ok(());
    }
    let differ = [
        ("device_owner", old.device_owner != new.device_owner),
        ("device_id", old.device_id != new.device_id),
        ("mac_address", old.mac_address != new.mac_address),
        ("fixed_ips", old.fixed_ips != new.fixed_ips),
        ("binding:host_id", old.host != new.host),
    ];
    match differ.into_iter().find(|(_, differs)| *differs) {
        Some((field, _)) => {
            Err(Fault::invalid(field, "the port is part of a router or a floating IP, which says it"))
        }
        None => Ok(()),
    }
}

/// The node takes every DHCP port that is bound to it for its own service's and makes a device for it, so
/// no guest's port becomes one, nor the service's a guest's. Neutron's policy keeps owners that begin with
/// `network:` from those who do not run the cloud.
fn check_dhcp(old: &Port, new: &Port) -> Result<(), Fault> {
    let is_dhcp = |port: &Port| port.device_owner == PortOwner::Dhcp;
    let differ = [
        ("device_owner", old.device_owner != new.device_owner),
        ("device_id", old.device_id != new.device_id),
    ];
    match differ.into_iter().find(|(_, differs)| *differs) {
        Some((field, _)) if is_dhcp(new) || dhcp_ports::is_ours(old) => {
            Err(Fault::invalid(field, "ports of the DHCP service are made with the subnets that it serves"))
        }
        _ => Ok(()),
    }
}

/// Removes a port whoever owns it.
pub fn discard(draft: &mut Draft<'_>, id: PortId) {
    draft.remove(Key::Port(id));
    floating_ips::drop_lost_targets(draft, id);
}

/// Takes the addresses on a subnet from a port.
pub fn strip_subnet(draft: &mut Draft<'_>, id: PortId, subnet: SubnetId) -> Result<(), Fault> {
    let mut port = Port::clone(draft.port(id)?);
    port.fixed_ips.retain(|fixed| fixed.subnet_id != subnet);
    draft.put_port(port);
    floating_ips::drop_lost_targets(draft, id);
    Ok(())
}

fn blank(draft: &Draft<'_>, id: PortId, network: NetworkId) -> Result<Port, Fault> {
    Ok(Port {
        id,
        name: String::new(),
        meta: draft.meta(),
        network,
        mac_address: draft.new_mac(network, id)?,
        fixed_ips: Vec::new(),
        device_owner: PortOwner::from(""),
        device_id: String::new(),
        admin_state_up: true,
        port_security_enabled: draft.network(network)?.port_security_enabled,
        allowed_address_pairs: Vec::new(),
        extra_dhcp_opts: Vec::new(),
        dns_name: String::new(),
        host: None,
        vnic_type: "normal".to_owned(),
    })
}

fn address(draft: &mut Draft<'_>, port: &mut Port, wishes: &[Wish]) -> Result<(), Fault> {
    if wishes.len() > MOST_ADDRESSES && !port.device_owner.is_network_service() {
        return Err(Fault::invalid("fixed_ips", format!("more than {MOST_ADDRESSES} entries")));
    }
    let granted = addresses::grant(draft, &holder(port), wishes, &port.fixed_ips)?;
    port.fixed_ips = granted;
    Ok(())
}

/// Derived addresses change with the MAC, the others stay.
fn follow_mac(draft: &mut Draft<'_>, port: &mut Port) -> Result<(), Fault> {
    let mut wishes = Vec::new();
    for fixed in &port.fixed_ips {
        let derives = draft.subnet(fixed.subnet_id)?.derives_addresses();
        let service = port.device_owner.is_network_service();
        let keep = (!derives || service).then_some(fixed.ip_address);
        wishes.push(Wish { subnet: Some(fixed.subnet_id), address: keep });
    }
    let granted = addresses::grant(draft, &holder(port), &wishes, &[])?;
    port.fixed_ips = granted;
    Ok(())
}

fn holder(port: &Port) -> Holder {
    Holder { port: port.id, network: port.network, mac: port.mac_address, owner: port.device_owner.clone() }
}

fn settings(draft: &Draft<'_>, port: &mut Port, fields: &mut Fields) -> Result<(), Fault> {
    describe::settings(&mut port.name, &mut port.meta, fields)?;
    if let Some(mac) = fields.parse("mac_address")? {
        port.mac_address = usable_mac(draft, port, mac)?;
    }
    set(&mut port.device_owner, fields.parse("device_owner")?);
    set(&mut port.device_id, fields.text("device_id")?);
    set(&mut port.admin_state_up, fields.flag("admin_state_up")?);
    set(&mut port.port_security_enabled, fields.flag("port_security_enabled")?);
    set(&mut port.allowed_address_pairs, fields.objects("allowed_address_pairs", pair)?);
    if let Some(options) = fields.objects("extra_dhcp_opts", dhcp_option)? {
        merge_options(&mut port.extra_dhcp_opts, options);
    }
    set(&mut port.dns_name, fields.text("dns_name")?);
    if let Some(host) = fields.nullable_text("binding:host_id")? {
        port.host = host.filter(|host| !host.is_empty()).map(HostName);
    }
    set(&mut port.vnic_type, fields.text("binding:vnic_type")?);
    no_security_groups(fields)?;
    fields.tolerate(&["binding:profile", "binding:vif_details", "binding:vif_type", "qos_policy_id"]);
    fields.tolerate(&["propagate_uplink_status", "numa_affinity_policy", "device_profile", "dns_domain"]);
    Ok(())
}

/// A rule that nobody would enforce is not accepted.
fn no_security_groups(fields: &mut Fields) -> Result<(), Fault> {
    match fields.texts::<String>("security_groups")? {
        Some(groups) if !groups.is_empty() => Err(Fault::invalid(
            "security_groups",
            "there is no firewall yet, so only the empty list is taken",
        )),
        _ => Ok(()),
    }
}

fn usable_mac(draft: &Draft<'_>, port: &Port, mac: Mac) -> Result<Mac, Fault> {
    if mac == Mac::ZERO || mac.is_multicast() {
        return Err(Fault::invalid("mac_address", format!("{mac} is not the address of one host")));
    }
    match draft.state.port_with_mac(port.network, mac) {
        Some(other) if other != port.id => {
            let reason = format!(
                "Unable to complete operation for network {}. The mac address {mac} is in use by port {other}.",
                port.network
            );
            Err(Fault::conflict("MacAddressInUse", reason))
        }
        _ => Ok(mac),
    }
}

fn pair(fields: &mut Fields) -> Result<AddressPair, Fault> {
    let text: String = fields.required("ip_address")?;
    let address = text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse::<IpNet>());
    let ip_address =
        address.map_err(|_| Fault::invalid("ip_address", format!("{text:?} is no address and no prefix")))?;
    Ok(AddressPair { ip_address, mac_address: fields.parse("mac_address")? })
}

/// An option to set, or with no value to take away.
fn dhcp_option(fields: &mut Fields) -> Result<(String, u8, Option<String>), Fault> {
    let name: String = fields.required("opt_name")?;
    let version = fields.number::<u8>("ip_version")?.unwrap_or(4);
    if name.is_empty() || name.len() > 64 {
        return Err(Fault::invalid("opt_name", "it has not between 1 and 64 characters"));
    }
    if version != 4 && version != 6 {
        return Err(Fault::invalid("ip_version", format!("{version} is neither 4 nor 6")));
    }
    Ok((name, version, fields.nullable_text("opt_value")?.flatten()))
}

/// As Neutron does it: options that are not mentioned stay, a null value takes one away.
fn merge_options(options: &mut Vec<DhcpOption>, given: Vec<(String, u8, Option<String>)>) {
    for (opt_name, ip_version, value) in given {
        let at = options.iter().position(|old| old.opt_name == opt_name && old.ip_version == ip_version);
        match (at, value) {
            (Some(at), Some(value)) => options[at].opt_value = value,
            (Some(at), None) => _ = options.remove(at),
            (None, Some(opt_value)) => options.push(DhcpOption { opt_name, opt_value, ip_version }),
            (None, None) => {}
        }
    }
}

fn check(port: &Port) -> Result<(), Fault> {
    let pairs = &port.allowed_address_pairs;
    if pairs.len() > MOST_ADDRESSES {
        return Err(Fault::invalid("allowed_address_pairs", format!("more than {MOST_ADDRESSES} entries")));
    }
    if !pairs.is_empty() && !port.port_security_enabled {
        let reason = "Port Security must be enabled in order to have allowed address pairs on a port.";
        return Err(Fault::conflict("AddressPairAndPortSecurityRequired", reason));
    }
    Ok(())
}
