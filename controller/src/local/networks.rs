//! Networks: making, changing and removing them in a draft, with Neutron's rules.

use model::{HostName, NetworkId, PortOwner};

use super::draft::Draft;
use super::fault::Fault;
use super::fields::Fields;
use super::record::{Network, NetworkType};
use super::state::Key;
use super::{describe, segments};

/// The smallest MTU that IPv4 allows (RFC 791).
const SMALLEST_MTU: u32 = 68;

pub fn create(draft: &mut Draft<'_>, id: Option<NetworkId>, mut fields: Fields) -> Result<NetworkId, Fault> {
    let id = id.unwrap_or_else(|| NetworkId(draft.chance.id()));
    let requested = segments::Requested::read(&mut fields)?;
    let mut network = Network {
        id,
        name: String::new(),
        meta: draft.meta(),
        admin_state_up: true,
        mtu: 0,
        shared: false,
        external: false,
        port_security_enabled: true,
        provider: segments::allocate(draft, &requested)?,
        dhcp_host: draft.local_host(),
    };
    settings(&mut network, &mut fields)?;
    mtu(draft, &mut network, &mut fields)?;
    fields.finish()?;
    draft.put_network(network);
    Ok(id)
}

pub fn update(draft: &mut Draft<'_>, id: NetworkId, mut fields: Fields) -> Result<(), Fault> {
    let mut network = Network::clone(draft.network(id)?);
    segments::Requested::read(&mut fields)?.must_be(&network.provider)?;
    let was_external = network.external;
    settings(&mut network, &mut fields)?;
    mtu(draft, &mut network, &mut fields)?;
    fields.finish()?;
    if was_external && !network.external && has_gateways(draft, id) {
        let reason = format!(
            "External network {id} cannot be updated to be made non-external, since it has existing gateway ports."
        );
        return Err(Fault::conflict("ExternalNetworkInUse", reason));
    }
    draft.put_network(network);
    Ok(())
}

/// Removes a network with its subnets and its DHCP ports; refused while anything else uses it.
pub fn delete(draft: &mut Draft<'_>, id: NetworkId) -> Result<(), Fault> {
    draft.network(id)?;
    let ports: Vec<_> = draft.state.ports_of(id).cloned().collect();
    if let Some(port) = ports.iter().find(|port| port.device_owner != PortOwner::Dhcp) {
        let reason = format!(
            "Unable to complete operation on network {id}. There are one or more ports still in use on the network, id for these ports is: {}.",
            port.id
        );
        return Err(Fault::conflict("NetworkInUse", reason));
    }
    let subnets: Vec<_> = draft.state.subnets_of(id).map(|subnet| subnet.id).collect();
    ports.iter().for_each(|port| draft.remove(Key::Port(port.id)));
    subnets.into_iter().for_each(|subnet| draft.remove(Key::Subnet(subnet)));
    draft.remove(Key::Network(id));
    Ok(())
}

fn settings(network: &mut Network, fields: &mut Fields) -> Result<(), Fault> {
    describe::settings(&mut network.name, &mut network.meta, fields)?;
    set(&mut network.admin_state_up, fields.flag("admin_state_up")?);
    set(&mut network.shared, fields.flag("shared")?);
    set(&mut network.external, fields.flag("router:external")?);
    set(&mut network.port_security_enabled, fields.flag("port_security_enabled")?);
    if let Some(host) = fields.text("baryon:dhcp_host")? {
        network.dhcp_host = HostName(host);
    }
    fields.tolerate(&[
        "availability_zone_hints",
        "is_default",
        "vlan_transparent",
        "dns_domain",
        "qos_policy_id",
    ]);
    Ok(())
}

fn mtu(draft: &Draft<'_>, network: &mut Network, fields: &mut Fields) -> Result<(), Fault> {
    let kind = network.provider.network_type;
    let largest = draft.config.largest_mtu(kind);
    match fields.number::<u32>("mtu")? {
        // Neutron's own way of saying "choose".
        Some(0) => network.mtu = largest,
        Some(mtu) if (SMALLEST_MTU..=largest).contains(&mtu) => network.mtu = mtu,
        Some(mtu) if mtu < SMALLEST_MTU => {
            return Err(Fault::invalid("mtu", format!("{mtu} is less than {SMALLEST_MTU}")));
        }
        Some(mtu) => {
            let reason = format!("{mtu} is more than a {kind} network can carry, which is {largest}");
            return Err(Fault::invalid("mtu", reason));
        }
        None if network.mtu == 0 => network.mtu = largest,
        None => {}
    }
    Ok(())
}

fn has_gateways(draft: &Draft<'_>, id: NetworkId) -> bool {
    draft.state.ports_of(id).any(|port| port.device_owner == PortOwner::RouterGateway)
}

/// Takes a value that was given.
pub(super) fn set<T>(field: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *field = value;
    }
}

impl NetworkType {
    /// Whether such a network is on a provider bridge.
    pub fn is_physical(self) -> bool {
        matches!(self, Self::Flat | Self::Vlan)
    }
}
