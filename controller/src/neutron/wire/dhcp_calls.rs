//! What a DHCP agent asks of the server, and tells it.

use std::net::IpAddr;

use model::{HostName, NetworkId, PortId, SubnetId};
use serde_json::{Value, json};

use super::port::{self, PortDict};
use super::read::Reader;
use crate::neutron::fault::Malformed;
use crate::neutron::role::Request;

const TOPIC: &str = "q-plugin";

/// All networks that this node is to serve, with everything on them. The server may choose this node for
/// further networks on the occasion.
pub(crate) fn active_networks(host: &HostName) -> Request {
    let args = json!({"host": host, "enable_dhcp_filter": false});
    Request::call(TOPIC, "get_active_networks_info", (1, 1), args)
}

/// One network; the answer is `null` when it is gone.
pub(crate) fn network(host: &HostName, id: NetworkId) -> Request {
    Request::call(TOPIC, "get_network_info", (1, 0), json!({"network_id": id, "host": host}))
}

/// A port for the service, with an address on each of some subnets.
pub(crate) fn create_port(
    host: &HostName,
    network: NetworkId,
    project: &str,
    device: &str,
    subnets: &[SubnetId],
) -> Request {
    let fixed_ips: Vec<Value> = subnets.iter().map(|subnet| json!({"subnet_id": subnet})).collect();
    let port = json!({
        "name": "",
        "admin_state_up": true,
        "device_id": device,
        "network_id": network,
        "project_id": project,
        "fixed_ips": fixed_ips,
    });
    Request::call(TOPIC, "create_dhcp_port", (1, 1), json!({"host": host, "port": {"port": port}}))
}

/// Takes over a port that another node's service left behind, with its addresses.
pub(crate) fn adopt_port(host: &HostName, port: PortId, network: NetworkId, device: &str) -> Request {
    update(host, port, &json!({"network_id": network, "device_id": device}))
}

/// Sets the subnets that the service's port has addresses on. An address that is there stays; one that is
/// not is the server's to choose.
pub(crate) fn set_addresses(
    host: &HostName,
    port: PortId,
    network: NetworkId,
    addresses: &[(SubnetId, Option<IpAddr>)],
) -> Request {
    let one = |(subnet, address): &(SubnetId, Option<IpAddr>)| match address {
        Some(address) => json!({"subnet_id": subnet, "ip_address": address}),
        None => json!({"subnet_id": subnet}),
    };
    let fixed_ips: Vec<Value> = addresses.iter().map(one).collect();
    update(host, port, &json!({"network_id": network, "fixed_ips": fixed_ips}))
}

fn update(host: &HostName, id: PortId, port: &Value) -> Request {
    let args = json!({"host": host, "port_id": id, "port": {"port": port}});
    Request::call(TOPIC, "update_dhcp_port", (1, 1), args)
}

/// Gives back every port of the service on a network.
pub(crate) fn release_port(host: &HostName, network: NetworkId, device: &str) -> Request {
    let args = json!({"host": host, "network_id": network, "device_id": device});
    Request::call(TOPIC, "release_dhcp_port", (1, 0), args)
}

/// Guests on these ports can get their addresses now.
pub(crate) fn ready(ports: &[PortId]) -> Request {
    Request::call(TOPIC, "dhcp_ready_on_ports", (1, 5), json!({"port_ids": ports})).telling_of(ports)
}

/// The answer to a change of the service's port: the port, or nothing when the server would not.
pub(crate) fn changed_port(answer: &Value) -> Result<Option<PortDict>, Malformed> {
    match answer {
        Value::Null => Ok(None),
        answer => port::read(&Reader::new("port", answer)?).map(Some),
    }
}
