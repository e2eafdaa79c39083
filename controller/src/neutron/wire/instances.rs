//! Whose request for metadata it is: the instance on the port that has the address which asked.
//!
//! A request comes in on a network that this node serves with DHCP, or through a router. In a router the
//! networks behind it are asked for first.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use model::{Mac, NetworkId, PortId, RouterId};
use serde_json::{Value, json};

use super::read::Reader;
use crate::neutron::fault::Malformed;
use crate::neutron::role::Request;

/// An instance, and the port that it asks on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Instance {
    pub(crate) port: PortId,
    pub(crate) network: NetworkId,
    /// The instance's id, as Nova knows it: `device_id`.
    pub(crate) instance: String,
    pub(crate) project: String,
}

/// The ports of a router on its networks, of every kind of router.
const OWNERS: [&str; 3] = [
    "network:router_interface",
    "network:ha_router_replicated_interface",
    "network:router_interface_distributed",
];

/// Asks for the networks behind a router; the answer is read by [`networks`].
pub(crate) fn of_router(router: RouterId) -> Request {
    get_ports(&json!({"device_id": [router], "device_owner": OWNERS}))
}

/// Asks for the ports on these networks that `client` can be; the answer is read by [`instances`]. None
/// when there is no network, and for a link-local address that is not made of a MAC: nobody can be found by
/// it.
pub(crate) fn of_client(networks: &BTreeSet<NetworkId>, client: IpAddr) -> Option<Request> {
    if networks.is_empty() {
        return None;
    }
    let filters = match client {
        IpAddr::V6(address) if address.is_unicast_link_local() => {
            json!({"network_id": networks, "mac_address": [mac(address)?.to_string()]})
        }
        client => json!({"network_id": networks, "fixed_ips": {"ip_address": [client]}}),
    };
    Some(get_ports(&filters))
}

fn get_ports(filters: &Value) -> Request {
    Request::call("q-plugin", "get_ports", (1, 0), json!({"filters": filters}))
}

/// The MAC that a link-local address was made of (modified EUI-64, RFC 4291 appendix A).
fn mac(address: Ipv6Addr) -> Option<Mac> {
    let [.., a, b, c, 0xff, 0xfe, d, e, f] = address.octets() else { return None };
    let mac = Mac([a ^ 2, b, c, d, e, f]);
    (mac.link_local() == address).then_some(mac)
}

pub(crate) fn networks(answer: &Value) -> Result<BTreeSet<NetworkId>, Malformed> {
    each(answer, |port| port.required("network_id"))
}

/// The ports that the client can be. Exactly one names an instance; none or several name nobody.
pub(crate) fn instances(answer: &Value) -> Result<Vec<Instance>, Malformed> {
    each(answer, |port| {
        let project = match port.text("project_id")? {
            Some(project) => project.to_owned(),
            None => port.text_or_empty("tenant_id")?,
        };
        Ok(Instance {
            port: port.required("id")?,
            network: port.required("network_id")?,
            instance: port.text_or_empty("device_id")?,
            project,
        })
    })
}

/// Everything or nothing: who asks must not be guessed from half of an answer.
fn each<T, C: FromIterator<T>>(
    answer: &Value,
    read: impl Fn(&Reader<'_>) -> Result<T, Malformed>,
) -> Result<C, Malformed> {
    let Value::Array(values) = answer else {
        return Err(Malformed { at: "ports".to_owned(), why: "is no list".to_owned() });
    };
    let ports = values.iter().enumerate();
    ports.map(|(index, port)| read(&Reader::new(&format!("ports[{index}]"), port)?)).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const NETWORK: NetworkId = NetworkId(Uuid::from_u128(5));

    fn filters(client: &str) -> Option<Value> {
        let request = of_client(&BTreeSet::from([NETWORK]), client.parse().unwrap())?;
        assert_eq!((request.topic, request.method, request.version), ("q-plugin", "get_ports", (1, 0)));
        Some(request.args["filters"].clone())
    }

    #[test]
    fn a_client_is_looked_for_by_address() {
        let network = NETWORK.to_string();
        for client in ["10.0.0.5", "2001:db8::5"] {
            let wanted = json!({"network_id": [network], "fixed_ips": {"ip_address": [client]}});
            assert_eq!(filters(client), Some(wanted));
        }
        let wanted = json!({"network_id": [network], "mac_address": ["fa:16:3e:00:00:01"]});
        assert_eq!(filters("fe80::f816:3eff:fe00:1"), Some(wanted));
        assert_eq!(filters("fe80::1"), None);
        assert_eq!(filters("fe80::1:f816:3eff:fe00:1"), None);
        assert_eq!(of_client(&BTreeSet::new(), "10.0.0.5".parse().unwrap()), None);
    }

    #[test]
    fn a_router_is_looked_for_by_its_interfaces() {
        let request = of_router(RouterId(Uuid::from_u128(7)));
        let wanted = json!({"device_id": ["00000000-0000-0000-0000-000000000007"], "device_owner": OWNERS});
        assert_eq!(request.args["filters"], wanted);
        let answer = json!([{"network_id": NETWORK, "id": "x"}, {"network_id": NETWORK}]);
        assert_eq!(networks(&answer), Ok(BTreeSet::from([NETWORK])));
    }

    #[test]
    fn half_an_answer_names_nobody() {
        let port = json!({"id": "00000000-0000-0000-0000-000000000009", "network_id": NETWORK, "device_id": "vm1",
            "project_id": "p1"});
        let instance = Instance {
            port: PortId(Uuid::from_u128(9)),
            network: NETWORK,
            instance: "vm1".to_owned(),
            project: "p1".to_owned(),
        };
        assert_eq!(instances(&json!([port])), Ok(vec![instance]));
        assert_eq!(instances(&json!([])), Ok(Vec::new()));
        assert!(instances(&json!([port, {"id": 1}])).is_err());
        assert!(instances(&json!(null)).is_err());
    }
}
