//! What the server tells a DHCP agent of a network: subnets and ports, in one dictionary. What has nothing
//! to do with DHCP is left out here: subnets without it, and the ports of floating IPs.

use std::sync::Arc;

use model::{Network, NetworkId, PortId, PortOwner, Subnet, SubnetId};
use serde_json::Value;

use super::read::Reader;
use super::{port, subnet};
use crate::neutron::fault::Malformed;
use crate::neutron::finding::Sighting;

/// A network as its DHCP service needs it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct NetworkInfo {
    /// Without segments: these are not said here.
    pub(crate) network: Arc<Network>,
    pub(crate) project: String,
    /// Those with DHCP.
    pub(crate) subnets: Vec<Arc<Subnet>>,
    /// None of a network that is not to be served.
    pub(crate) ports: Vec<Sighting>,
    /// The network is not to be served, and yet the service has a port on it.
    pub(crate) leftover: bool,
    pub(crate) unread: Unread,
}

/// What is there and was not understood.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Unread {
    pub(crate) ports: Vec<PortId>,
    pub(crate) subnets: Vec<SubnetId>,
    /// Something of which not even the id could be read.
    pub(crate) nameless_port: bool,
    pub(crate) nameless_subnet: bool,
    pub(crate) why: Vec<Malformed>,
}

impl Unread {
    /// Whether a subnet that is known is merely not understood.
    pub(crate) fn has_subnet(&self, id: SubnetId) -> bool {
        self.nameless_subnet || self.subnets.contains(&id)
    }

    /// Whether there may be more subnets than were understood.
    pub(crate) fn has_subnets(&self) -> bool {
        self.nameless_subnet || !self.subnets.is_empty()
    }

    /// Whether a port that is known is merely not understood.
    pub(crate) fn has_port(&self, id: PortId) -> bool {
        self.nameless_port || self.ports.contains(&id)
    }
}

/// The answer to a question about all networks: what was understood, and of what was not, the id if that
/// much could be read.
pub(crate) fn all(answer: &Value, own_device: impl Fn(NetworkId) -> String) -> Result<All, Malformed> {
    let Value::Array(values) = answer else {
        return Err(Malformed { at: "networks".to_owned(), why: "is no list".to_owned() });
    };
    let mut all = All::default();
    for (index, value) in values.iter().enumerate() {
        match one(&format!("networks[{index}]"), value, &own_device) {
            Ok(info) => all.networks.push(info),
            Err(why) => {
                all.unread.push(value.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok()));
                all.why.push(why);
            }
        }
    }
    Ok(all)
}

/// See [`all`].
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct All {
    pub(crate) networks: Vec<NetworkInfo>,
    pub(crate) unread: Vec<Option<NetworkId>>,
    pub(crate) why: Vec<Malformed>,
}

/// One network. `own_device` is the `device_id` of the service's port on it.
pub(crate) fn one(
    name: &str,
    value: &Value,
    own_device: impl Fn(NetworkId) -> String,
) -> Result<NetworkInfo, Malformed> {
    let info = Reader::new(name, value)?;
    let network = Network {
        id: info.required("id")?,
        name: info.text_or_empty("name")?,
        admin_up: info.flag("admin_state_up", true)?,
        mtu: info.number("mtu")?.unwrap_or(0),
        external: info.flag("router:external", false)?,
        segments: Vec::new(),
    };
    let project = match info.text("project_id")? {
        Some(project) => project.to_owned(),
        None => info.text_or_empty("tenant_id")?,
    };
    let mut unread = Unread::default();
    let subnets = subnets(&info, network.id, &mut unread)?;
    let may_serve = network.admin_up && (!subnets.is_empty() || !unread.why.is_empty());
    let ports = if may_serve { ports(&info, network.id, &mut unread)? } else { Vec::new() };
    let leftover = !may_serve && has_device(&info, &own_device(network.id))?;
    Ok(NetworkInfo { network: Arc::new(network), project, subnets, ports, leftover, unread })
}

fn subnets(
    info: &Reader<'_>,
    network: NetworkId,
    unread: &mut Unread,
) -> Result<Vec<Arc<Subnet>>, Malformed> {
    let mut subnets = Vec::new();
    for (value, item) in info.values("subnets")?.iter().zip(info.objects("subnets")?) {
        match item.and_then(|item| on_network(subnet::read(&item)?, &item, network)) {
            Ok(subnet) if subnet.dhcp => subnets.push(Arc::new(subnet)),
            Ok(_) => {}
            Err(why) => {
                match value.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok()) {
                    Some(id) => unread.subnets.push(id),
                    None => unread.nameless_subnet = true,
                }
                unread.why.push(why);
            }
        }
    }
    Ok(subnets)
}

fn on_network(subnet: Subnet, reader: &Reader<'_>, network: NetworkId) -> Result<Subnet, Malformed> {
    if subnet.network == network {
        return Ok(subnet);
    }
    Err(reader.wrong("network_id", format_args!("{} is another network", subnet.network)))
}

fn ports(info: &Reader<'_>, network: NetworkId, unread: &mut Unread) -> Result<Vec<Sighting>, Malformed> {
    let mut ports = Vec::new();
    for (value, item) in info.values("ports")?.iter().zip(info.objects("ports")?) {
        match item.and_then(|item| a_port(&item, network)) {
            Ok(Some(sighting)) => ports.push(sighting),
            Ok(None) => {}
            Err(why) => {
                match value.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok()) {
                    Some(id) => unread.ports.push(id),
                    None => unread.nameless_port = true,
                }
                unread.why.push(why);
            }
        }
    }
    Ok(ports)
}

/// Floating IPs have ports on external networks, thousands of them, that no guest ever uses.
fn a_port(item: &Reader<'_>, network: NetworkId) -> Result<Option<Sighting>, Malformed> {
    if port::owner(item)? == PortOwner::FloatingIp {
        return Ok(None);
    }
    let sighting = port::read(item)?.sighting;
    if sighting.port.network == network {
        return Ok(Some(sighting));
    }
    Err(item.wrong("network_id", format_args!("{} is another network", sighting.port.network)))
}

fn has_device(info: &Reader<'_>, device: &str) -> Result<bool, Malformed> {
    let is_own = |port: &Value| port.get("device_id").and_then(Value::as_str) == Some(device);
    Ok(info.values("ports")?.iter().any(is_own))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NETWORK: &str = "f0215f62-974a-47e6-9b68-f24351d35c45";

    fn info() -> Value {
        json!({"id": NETWORK, "project_id": "p1", "admin_state_up": true, "mtu": 1450, "non_local_subnets": [],
            "subnets": [
                {"id": "fd1c5d3d-e318-4134-8193-df9061e962b9", "network_id": NETWORK, "cidr": "10.9.0.0/24",
                    "gateway_ip": "10.9.0.1", "enable_dhcp": true},
                {"id": "fd1c5d3d-e318-4134-8193-df9061e962ba", "network_id": NETWORK, "cidr": "10.8.0.0/24",
                    "gateway_ip": "10.8.0.1", "enable_dhcp": false}],
            "ports": [
                {"id": "2ec13202-c562-4ce1-a6fb-98c671d840cd", "network_id": NETWORK, "mac_address": "fa:16:3e:64:73:52",
                    "device_id": "mine", "device_owner": "network:dhcp", "fixed_ips": []},
                {"id": "2ec13202-c562-4ce1-a6fb-98c671d840ce", "network_id": NETWORK, "mac_address": "fa:16:3e:64:73:53",
                    "device_id": "PENDING", "device_owner": "network:floatingip", "fixed_ips": []},
                {"id": "2ec13202-c562-4ce1-a6fb-98c671d840cf", "network_id": NETWORK, "mac_address": "bad"},
                7]})
    }

    fn read(value: &Value) -> NetworkInfo {
        one("network", value, |_| "mine".to_owned()).unwrap()
    }

    #[test]
    fn what_is_wrong_fails_alone() {
        let info = read(&info());
        assert_eq!((info.subnets.len(), info.ports.len(), info.leftover), (1, 1, false));
        assert_eq!(info.unread.ports.len(), 1);
        assert!(info.unread.nameless_port && !info.unread.nameless_subnet);
        let why: Vec<_> = info.unread.why.iter().map(ToString::to_string).collect();
        assert!(why[0].starts_with("network.ports[2].mac_address: \"bad\""), "{why:?}");
        assert_eq!(why[1], "network.ports[3]: a number instead of an object");
        assert!(info.network.admin_up && !info.subnets.is_empty());
    }

    #[test]
    fn a_network_that_is_down_is_only_searched_for_what_is_left_of_us() {
        let mut value = info();
        value["admin_state_up"] = json!(false);
        let info = read(&value);
        assert!(info.leftover && !info.network.admin_up && info.ports.is_empty());
        assert!(!one("network", &value, |_| "other".to_owned()).unwrap().leftover);
    }

    #[test]
    fn networks_fail_one_by_one() {
        let mut bad = info();
        bad["mtu"] = json!("large");
        let all = all(&json!([info(), bad, {"x": 1}]), |_| String::new()).unwrap();
        assert_eq!((all.networks.len(), all.unread.len()), (1, 2));
        assert_eq!(all.unread[0].unwrap().to_string(), NETWORK);
        assert_eq!(all.unread[1], None);
        assert_eq!(all.why[0].to_string(), "networks[1].mtu: is not a whole number in range");
    }

    #[test]
    fn no_list_is_no_answer() {
        assert!(all(&json!({"networks": []}), |_| String::new()).is_err());
    }
}
