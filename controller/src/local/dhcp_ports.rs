//! The ports of the DHCP service. They are made, readdressed and removed as networks and subnets
//! change; nobody asks for them.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{HostName, NetworkId, PortOwner};
use uuid::Uuid;

use super::addresses::{self, Holder, Wish};
use super::draft::Draft;
use super::fault::Fault;
use super::ports::{self, Service};
use super::record::{Network, Port};
use super::state::{Key, State};

/// Brings the DHCP ports of every network that the draft touched in line with its subnets.
/// `before` is the state that the draft began with.
pub(super) fn settle(draft: &mut Draft<'_>, before: &State) -> Result<(), Fault> {
    for network in touched_networks(draft, before) {
        if let Some(network) = draft.state.networks().get(&network).cloned() {
            settle_one(draft, &network)?;
        }
    }
    Ok(())
}

fn touched_networks(draft: &Draft<'_>, before: &State) -> BTreeSet<NetworkId> {
    let mut networks = BTreeSet::new();
    for key in &draft.touched {
        match key {
            Key::Network(id) => _ = networks.insert(*id),
            Key::Subnet(id) => {
                let both = [before.subnets().get(id), draft.state.subnets().get(id)];
                networks.extend(both.into_iter().flatten().map(|subnet| subnet.network));
            }
            Key::Port(id) => {
                let both = [before.ports().get(id), draft.state.ports().get(id)].into_iter().flatten();
                let dhcp = both.filter(|port| port.device_owner == PortOwner::Dhcp);
                networks.extend(dhcp.map(|port| port.network));
            }
            Key::Host(_) | Key::Router(_) | Key::FloatingIp(_) => {}
        }
    }
    networks
}

fn settle_one(draft: &mut Draft<'_>, network: &Network) -> Result<(), Fault> {
    let device = device_id(&network.dhcp_host, network.id);
    let all: Vec<Arc<Port>> =
        draft.state.ports_of(network.id).filter(|port| is_ours(port)).cloned().collect();
    for port in all.iter().filter(|port| port.device_id != device) {
        ports::discard(draft, port.id);
    }
    let wishes = wishes(draft, network.id);
    let port = all.into_iter().find(|port| port.device_id == device);
    match (port, wishes.is_empty()) {
        (None, true) => Ok(()),
        (Some(port), true) => {
            ports::discard(draft, port.id);
            Ok(())
        }
        (Some(port), false) => readdress(draft, &port, &network.dhcp_host, &wishes),
        (None, false) => {
            let service = Service {
                id: draft.derived_port_id(&device),
                network: network.id,
                owner: PortOwner::Dhcp,
                device,
                host: Some(network.dhcp_host.clone()),
                project: network.meta.project_id.clone(),
            };
            let wishes = with_room(draft, &wishes, None);
            ports::make(draft, service, &wishes)
        }
    }
}

/// Ports that this module made, or would have; a DHCP port that a user made for a server of his own
/// is none of them.
pub(super) fn is_ours(port: &Port) -> bool {
    port.device_owner == PortOwner::Dhcp && port.device_id.starts_with("dhcp")
}

/// One address on each subnet that is served.
fn wishes(draft: &Draft<'_>, network: NetworkId) -> Vec<Wish> {
    draft
        .state
        .subnets_of(network)
        .filter(|subnet| subnet.enable_dhcp)
        .map(|subnet| Wish::on(subnet.id))
        .collect()
}

fn readdress(draft: &mut Draft<'_>, port: &Port, host: &HostName, wishes: &[Wish]) -> Result<(), Fault> {
    let wishes = with_room(draft, wishes, Some(port));
    let holder =
        Holder { port: port.id, network: port.network, mac: port.mac_address, owner: PortOwner::Dhcp };
    let fixed_ips = addresses::grant(draft, &holder, &wishes, &port.fixed_ips)?;
    draft.put_port(Port { fixed_ips, host: Some(host.clone()), ..port.clone() });
    Ok(())
}

/// Without the subnets that are full: they stay without DHCP rather than that a change is refused.
fn with_room(draft: &Draft<'_>, wishes: &[Wish], port: Option<&Port>) -> Vec<Wish> {
    let has_room = |wish: &&Wish| {
        let Some(subnet) = wish.subnet.and_then(|id| draft.state.subnets().get(&id)) else { return false };
        let held = port.is_some_and(|port| port.fixed_ips.iter().any(|fixed| fixed.subnet_id == subnet.id));
        let free = || draft.state.free(subnet.id).and_then(|free| free.lowest(subnet.cidr.addr()));
        held || subnet.derives_addresses() || free().is_some()
    };
    wishes.iter().filter(has_room).cloned().collect()
}

/// Neutron's `device_id` of a DHCP port: a UUID of the short host name, and the network.
pub(super) fn device_id(host: &HostName, network: NetworkId) -> String {
    let short = host.0.split('.').next().unwrap_or_default();
    format!("dhcp{}-{network}", Uuid::new_v5(&Uuid::NAMESPACE_DNS, short.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_ids_are_those_of_neutron() {
        let network: NetworkId = "24d0a689-81b3-4c1e-9f10-3c2b5a4e6d7f".parse().unwrap();
        let device = device_id(&HostName::from("compute1.example.org"), network);
        assert_eq!(device, format!("dhcpe0130025-5ee5-5094-8d98-24d0a68981b3-{network}"));
    }
}
