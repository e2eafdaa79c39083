//! Whose a guest's port is. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{NetworkId, PortId, PortOwner};

use super::record::Port;
use super::state::State;
use crate::guest::{Known, Near, Owner};

/// The owner of every port that is meant, one entry a port.
pub(super) fn owners(state: &State, near: Near, known: Known) -> Vec<Owner> {
    let networks: BTreeSet<NetworkId> = match near {
        Near::Network(id) => [id].into(),
        Near::Router(id) => {
            let id = id.to_string();
            let ports = state.ports_of_device(&id);
            let interfaces = ports.filter(|port| port.device_owner == PortOwner::RouterInterface);
            interfaces.map(|port| port.network).collect()
        }
    };
    let ports: BTreeSet<PortId> =
        networks.into_iter().flat_map(|network| ports(state, network, known)).collect();
    let owner =
        |port: &Arc<Port>| Owner { device: port.device_id.clone(), project: port.meta.project_id.clone() };
    ports.iter().filter_map(|id| state.ports().get(id)).map(owner).collect()
}

fn ports(state: &State, network: NetworkId, known: Known) -> Vec<PortId> {
    match known {
        Known::Address(address) => {
            let subnets = state.subnets_of(network);
            subnets.filter_map(|subnet| state.port_with_address(subnet.id, address)).collect()
        }
        Known::Mac(mac) => state.port_with_mac(network, mac).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::Bench;
    use super::*;

    #[test]
    fn a_guest_is_found_by_its_network_or_its_router() {
        let mut bench = Bench::new();
        let network = bench.network(json!({"name": "n"})).unwrap();
        let other = bench.network(json!({"name": "other"})).unwrap();
        let subnet = json!({"network_id": network, "cidr": "10.0.0.0/24"});
        let subnet = bench.subnet(subnet).unwrap();
        bench.subnet(json!({"network_id": other, "cidr": "10.0.0.0/24"})).unwrap();
        let address = "10.0.0.77";
        let port = |network: NetworkId, device: &str| {
            json!({
                "network_id": network, "device_id": device, "project_id": "p",
                "fixed_ips": [{"ip_address": address}], "mac_address": "fa:16:3e:00:00:07",
            })
        };
        bench.port(port(network, "i-1")).unwrap();
        bench.port(port(other, "i-2")).unwrap();
        let router = bench.router(json!({})).unwrap();
        let by_address = Known::Address(address.parse().unwrap());
        let find = |bench: &Bench, near, known| -> Vec<String> {
            owners(&bench.state, near, known).into_iter().map(|owner| owner.device).collect()
        };
        assert_eq!(find(&bench, Near::Network(network), by_address), ["i-1"]);
        assert_eq!(find(&bench, Near::Network(other), by_address), ["i-2"]);
        assert_eq!(find(&bench, Near::Router(router), by_address), [""; 0]);
        bench.interface(router, subnet).unwrap();
        assert_eq!(find(&bench, Near::Router(router), by_address), ["i-1"]);
        let by_mac = Known::Mac("fa:16:3e:00:00:07".parse().unwrap());
        assert_eq!(find(&bench, Near::Router(router), by_mac), ["i-1"]);
        assert_eq!(
            find(&bench, Near::Network(network), Known::Address("10.0.0.78".parse().unwrap())),
            [""; 0]
        );
    }
}
