//! An address that a file names goes to whoever the file names it for. Whoever has it because it was
//! chosen (a DHCP server, a gateway, a port that does not say) makes way and gets another one.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use model::{NetworkId, PortId, PortOwner, RouterId};

use super::file::{FixedIp, Topology};
use super::words::Words;
use crate::local::draft::Draft;
use crate::local::record::{Port, Router};
use crate::local::state::State;
use crate::local::{dhcp_ports, ports};

/// An address on a network, and the port that is to have it if that is there already.
struct Claim {
    network: NetworkId,
    address: IpAddr,
    by: Option<PortId>,
}

pub(super) fn make_way(draft: &mut Draft<'_>, topology: &Topology, words: &Words) {
    let chosen = Chosen::new(topology, words);
    for claim in claims(draft, topology, words) {
        match holder(&draft.state, &claim) {
            Some(port) if Some(port.id) != claim.by => take(draft, &port, claim.address, &chosen),
            _ => {}
        }
    }
}

fn holder(state: &State, claim: &Claim) -> Option<Arc<Port>> {
    let subnet = state.subnets_of(claim.network).find(|subnet| subnet.cidr.contains(&claim.address))?.id;
    let port = state.port_with_address(subnet, claim.address)?;
    state.ports().get(&port).cloned()
}

/// Those in the file whose addresses are chosen.
struct Chosen {
    ports: BTreeSet<PortId>,
    gateways: BTreeSet<RouterId>,
}

impl Chosen {
    fn new(topology: &Topology, words: &Words) -> Self {
        let is_chosen = |wishes: &Option<Vec<FixedIp>>| {
            wishes.as_ref().is_none_or(|wishes| wishes.iter().any(|wish| wish.ip_address.is_none()))
        };
        let ports = topology.ports.iter().filter(|port| is_chosen(&port.value.fixed_ips));
        let gateways = topology.routers.iter().filter(|router| {
            router
                .value
                .external_gateway_info
                .as_ref()
                .is_some_and(|info| is_chosen(&info.external_fixed_ips))
        });
        Self {
            ports: ports.filter_map(|port| words.ports.known(&port.value.name)).collect(),
            gateways: gateways.filter_map(|router| words.routers.known(&router.value.name)).collect(),
        }
    }
}

fn take(draft: &mut Draft<'_>, port: &Port, address: IpAddr, chosen: &Chosen) {
    if dhcp_ports::is_ours(port) || chosen.ports.contains(&port.id) {
        let mut changed = port.clone();
        changed.fixed_ips.retain(|fixed| fixed.ip_address != address);
        draft.put_port(changed);
    } else if port.device_owner == PortOwner::RouterGateway
        && let Ok(router) = port.device_id.parse()
        && chosen.gateways.contains(&router)
        && let Some(router) = draft.state.routers().get(&router).cloned()
    {
        ports::discard(draft, port.id);
        draft.put_router(Router { gateway: None, ..Router::clone(&router) });
    }
}

fn claims(draft: &Draft<'_>, topology: &Topology, words: &Words) -> Vec<Claim> {
    let mut claims = Vec::new();
    let mut claim = |network: &str, address: &Option<String>, by| {
        let address = address.as_ref().and_then(|address| address.parse().ok());
        if let (Some(network), Some(address)) = (words.networks.known(network), address) {
            claims.push(Claim { network, address, by });
        }
    };
    for port in &topology.ports {
        let by = words.ports.known(&port.value.name);
        for wish in port.value.fixed_ips.iter().flatten() {
            claim(&port.value.network, &wish.ip_address, by);
        }
    }
    for router in &topology.routers {
        let record = words.routers.known(&router.value.name).and_then(|id| draft.state.routers().get(&id));
        let by = record.and_then(|router| router.gateway.as_ref()).map(|gateway| gateway.port);
        if let Some(info) = &router.value.external_gateway_info {
            for wish in info.external_fixed_ips.iter().flatten() {
                claim(&info.network, &wish.ip_address, by);
            }
        }
    }
    for floating in &topology.floatingips {
        let known = words.floating_ips.known(&floating.value.name);
        let record = known.and_then(|id| draft.state.floating_ips().get(&id));
        let by = record.map(|floating| floating.own_port);
        claim(&floating.value.floating_network, &floating.value.floating_ip_address, by);
    }
    claims
}
