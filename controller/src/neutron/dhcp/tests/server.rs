//! A small model of the server: what it has, how it answers, and what it says when something changes.

use std::collections::{BTreeMap, BTreeSet};

use model::{NetworkId, PortId, SubnetId};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::neutron::fault::Fault;
use crate::neutron::role::{Message, Request};

#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    pub(super) networks: BTreeMap<u8, Net>,
    pub(super) ports: BTreeMap<u16, Port>,
    next_port: u16,
    /// Ports that the agent called ready.
    pub(super) ready: BTreeSet<u16>,
    pub(super) said: Vec<Message>,
}

#[derive(Clone, Debug)]
pub(super) struct Net {
    pub(super) up: bool,
    pub(super) ours: bool,
    mtu: u32,
    /// Number, and whether it has DHCP.
    pub(super) subnets: BTreeMap<u8, bool>,
}

#[derive(Clone, Debug)]
pub(super) struct Port {
    pub(super) network: u8,
    pub(super) addresses: BTreeMap<u8, u8>,
    pub(super) device: String,
    owner: &'static str,
    revision: i64,
}

pub(super) fn network_id(number: u8) -> NetworkId {
    NetworkId(Uuid::from_u128(0x1000 + u128::from(number)))
}

pub(super) fn subnet_id(network: u8, number: u8) -> SubnetId {
    SubnetId(Uuid::from_u128(0x2000 + 256 * u128::from(network) + u128::from(number)))
}

pub(super) fn port_id(number: u16) -> PortId {
    PortId(Uuid::from_u128(0x30_0000 + u128::from(number)))
}

/// What somebody does to the cloud.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Network(u8),
    Subnet(u8, u8, bool),
    DropSubnet(u8, u8),
    Up(u8, bool),
    Mtu(u8),
    Ours(u8, bool),
    DropNetwork(u8),
    Port(u8),
    FloatingIp(u8),
    Readdress(u8),
    DropPort(u8),
    DropOwn(u8),
}

impl Server {
    pub(super) fn change(&mut self, change: Change) {
        match change {
            Change::Network(n) => {
                if self.networks.contains_key(&n) {
                    return;
                }
                let net = Net { up: true, ours: true, mtu: 1450, subnets: BTreeMap::new() };
                self.networks.insert(n, net);
                self.say("network_create_end", json!({"network": {"id": network_id(n)}, "priority": 0}));
            }
            Change::Subnet(n, s, dhcp) => {
                let Some(net) = self.networks.get_mut(&n) else { return };
                net.subnets.insert(s, dhcp);
                let subnet = self.subnet(n, s, dhcp);
                self.say_of(n, "subnet_update_end", json!({"subnet": subnet}));
            }
            Change::DropSubnet(n, s) => {
                let Some(net) = self.networks.get_mut(&n) else { return };
                net.subnets.remove(&s);
                for port in self.ports.values_mut().filter(|port| port.network == n) {
                    if port.addresses.remove(&s).is_some() {
                        port.revision += 1;
                    }
                }
                let payload = json!({"subnet_id": subnet_id(n, s), "network_id": network_id(n)});
                self.say_of(n, "subnet_delete_end", payload);
            }
            Change::Up(n, up) => {
                let Some(net) = self.networks.get_mut(&n) else { return };
                net.up = up;
                self.say(
                    "network_update_end",
                    json!({"network": {"id": network_id(n), "admin_state_up": up}}),
                );
            }
            Change::Mtu(n) => {
                let Some(net) = self.networks.get_mut(&n) else { return };
                net.mtu += 1;
                self.say_of(n, "network_update_end", json!({"network": {"id": network_id(n)}}));
            }
            Change::Ours(n, ours) => self.give(n, ours),
            Change::DropNetwork(n) => {
                self.networks.remove(&n);
                self.ports.retain(|_, port| port.network != n);
                self.say("network_delete_end", json!({"network_id": network_id(n)}));
            }
            Change::Port(n) => self.make(n, "guest", "compute:lab"),
            Change::FloatingIp(n) => self.make(n, "PENDING", "network:floatingip"),
            Change::Readdress(which) => self.readdress(which),
            Change::DropPort(which) => {
                let guests = self.ports.iter().filter(|(_, port)| port.owner == "compute:lab");
                let Some(id) = guests.map(|(id, _)| *id).nth(usize::from(which)) else { return };
                self.drop_port(id);
            }
            Change::DropOwn(n) => {
                let own =
                    self.ports.iter().find(|(_, port)| port.network == n && port.owner == "network:dhcp");
                let Some(id) = own.map(|(id, _)| *id) else { return };
                self.drop_port(id);
            }
        }
    }

    fn give(&mut self, n: u8, ours: bool) {
        let Some(net) = self.networks.get_mut(&n) else { return };
        if net.ours == ours {
            return;
        }
        net.ours = ours;
        if ours {
            self.say("network_create_end", json!({"network": {"id": network_id(n)}}));
        } else {
            for port in
                self.ports.values_mut().filter(|port| port.network == n && port.owner == "network:dhcp")
            {
                port.device = "reserved_dhcp_port".to_owned();
                port.revision += 1;
            }
            self.say("network_delete_end", json!({"network_id": network_id(n)}));
        }
    }

    fn make(&mut self, n: u8, device: &str, owner: &'static str) {
        let Some(net) = self.networks.get(&n) else { return };
        let subnets: Vec<u8> = net.subnets.keys().copied().collect();
        let id = self.add_port(n, device, owner, &subnets);
        let port = self.port(id);
        self.say_of(n, "port_create_end", json!({"port": port, "priority": 5}));
    }

    fn add_port(&mut self, network: u8, device: &str, owner: &'static str, subnets: &[u8]) -> u16 {
        let id = self.next_port;
        self.next_port += 1;
        let addresses = subnets.iter().map(|subnet| (*subnet, self.free(network, *subnet))).collect();
        let port = Port { network, addresses, device: device.to_owned(), owner, revision: 1 };
        self.ports.insert(id, port);
        id
    }

    /// The lowest, so that addresses are soon somebody else's.
    fn free(&self, network: u8, subnet: u8) -> u8 {
        let ports = self.ports.values().filter(|port| port.network == network);
        let taken: BTreeSet<u8> = ports.filter_map(|port| port.addresses.get(&subnet).copied()).collect();
        (2..=254).find(|address| !taken.contains(address)).unwrap()
    }

    fn readdress(&mut self, which: u8) {
        let guests = self.ports.iter().filter(|(_, port)| port.owner == "compute:lab");
        let Some(id) = guests.map(|(id, _)| *id).nth(usize::from(which)) else { return };
        let network = self.ports[&id].network;
        let subnets: Vec<u8> = self.networks[&network].subnets.keys().copied().collect();
        let addresses = subnets.iter().map(|subnet| (*subnet, self.free(network, *subnet))).collect();
        let port = self.ports.get_mut(&id).unwrap();
        port.addresses = addresses;
        port.revision += 1;
        self.ready.remove(&id);
        let port = self.port(id);
        self.say_of(network, "port_update_end", json!({"port": port, "priority": 6}));
    }

    fn drop_port(&mut self, id: u16) {
        let Some(port) = self.ports.remove(&id) else { return };
        self.ready.remove(&id);
        let payload =
            json!({"port_id": port_id(id), "network_id": network_id(port.network), "fixed_ips": []});
        self.say_of(port.network, "port_delete_end", payload);
    }

    /// Carries out a call.
    pub(super) fn answer(&mut self, request: &Request) -> Result<Value, Fault> {
        assert_eq!(request.topic, "q-plugin");
        let args = &request.args;
        let text = |field: &str| args[field].as_str().unwrap().to_owned();
        Ok(match request.method {
            "get_active_networks_info" => {
                let ours = self.networks.iter().filter(|(_, net)| net.ours);
                ours.map(|(n, net)| self.info(*n, net, false)).collect()
            }
            "get_network_info" => {
                let n = number(&text("network_id"), network_id);
                self.networks.get(&n).map_or(Value::Null, |net| self.info(n, net, true))
            }
            "create_dhcp_port" => self.create_own(&args["port"]["port"]),
            "update_dhcp_port" => return self.update_own(&text("port_id"), &args["port"]["port"]),
            "release_dhcp_port" => {
                let device = text("device_id");
                let ports = self.ports.iter().filter(|(_, port)| port.device == device);
                let ports: Vec<u16> = ports.map(|(id, _)| *id).collect();
                ports.into_iter().for_each(|id| self.drop_port(id));
                Value::Null
            }
            "dhcp_ready_on_ports" => {
                let ports = args["port_ids"].as_array().unwrap();
                assert!(ports.len() <= 64 && !ports.is_empty());
                let ports = ports.iter().map(|id| number16(id.as_str().unwrap()));
                self.ready.extend(ports);
                Value::Null
            }
            other => panic!("{other}"),
        })
    }

    fn create_own(&mut self, port: &Value) -> Value {
        let n = number(port["network_id"].as_str().unwrap(), network_id);
        let Some(net) = self.networks.get(&n) else { return Value::Null };
        let wanted = subnets(n, &port["fixed_ips"]);
        if wanted.iter().any(|subnet| !net.subnets.contains_key(subnet)) {
            return Value::Null;
        }
        let id = self.add_port(n, port["device_id"].as_str().unwrap(), "network:dhcp", &wanted);
        let port = self.port(id);
        self.say_of(n, "port_create_end", json!({"port": port}));
        port
    }

    fn update_own(&mut self, id: &str, change: &Value) -> Result<Value, Fault> {
        let id = number16(id);
        let Some(port) = self.ports.get(&id) else { return Ok(Value::Null) };
        let network = port.network;
        let Some(net) = self.networks.get(&network) else { return Ok(Value::Null) };
        if !net.ours {
            let class = "NetworkNotFound".to_owned();
            return Err(Fault::Refused { class, message: String::new() });
        }
        let mut port = port.clone();
        if let Some(device) = change["device_id"].as_str() {
            port.device = device.to_owned();
        }
        if change["fixed_ips"].is_array() {
            let wanted = subnets(network, &change["fixed_ips"]);
            if wanted.iter().any(|subnet| !net.subnets.contains_key(subnet)) {
                return Ok(Value::Null);
            }
            let keep = |subnet: &u8| port.addresses.get(subnet).copied();
            let address = |subnet: &u8| keep(subnet).unwrap_or_else(|| self.free(network, *subnet));
            port.addresses = wanted.iter().map(|subnet| (*subnet, address(subnet))).collect();
        }
        port.revision += 1;
        self.ports.insert(id, port);
        let port = self.port(id);
        self.say_of(network, "port_update_end", json!({"port": port}));
        Ok(port)
    }

    fn info(&self, n: u8, net: &Net, only_dhcp: bool) -> Value {
        let subnets = net.subnets.iter().filter(|(_, dhcp)| **dhcp || !only_dhcp);
        let subnets: Vec<Value> = subnets.map(|(s, dhcp)| self.subnet(n, *s, *dhcp)).collect();
        let ports = self.ports.iter().filter(|(_, port)| port.network == n);
        let ports: Vec<Value> = ports.map(|(id, _)| self.port(*id)).collect();
        json!({"id": network_id(n), "project_id": "p", "admin_state_up": net.up, "mtu": net.mtu,
            "subnets": subnets, "ports": ports, "non_local_subnets": []})
    }

    fn subnet(&self, n: u8, s: u8, dhcp: bool) -> Value {
        json!({"id": subnet_id(n, s), "network_id": network_id(n), "cidr": format!("10.{n}.{s}.0/24"),
            "gateway_ip": format!("10.{n}.{s}.1"), "enable_dhcp": dhcp, "dns_nameservers": [], "host_routes": []})
    }

    fn port(&self, id: u16) -> Value {
        let port = &self.ports[&id];
        let n = port.network;
        let address = |(s, last): (&u8, &u8)| json!({"subnet_id": subnet_id(n, *s), "ip_address": format!("10.{n}.{s}.{last}")});
        let fixed_ips: Vec<Value> = port.addresses.iter().map(address).collect();
        json!({"id": port_id(id), "network_id": network_id(n), "device_id": port.device, "device_owner": port.owner,
            "mac_address": format!("fa:16:3e:00:{:02x}:{:02x}", id / 256, id % 256), "fixed_ips": fixed_ips,
            "binding:host_id": "n1", "status": "DOWN", "revision_number": port.revision})
    }

    /// Only of what is ours; except of deletions.
    fn say_of(&mut self, n: u8, method: &str, payload: Value) {
        if self.networks.get(&n).is_some_and(|net| net.ours) {
            self.say(method, payload);
        }
    }

    fn say(&mut self, method: &str, payload: Value) {
        let args = Map::from_iter([("payload".to_owned(), payload)]);
        self.said.push(Message { topic: "dhcp_agent".to_owned(), method: method.to_owned(), args });
    }
}

fn subnets(n: u8, fixed_ips: &Value) -> Vec<u8> {
    let fixed_ips = fixed_ips.as_array().unwrap().iter();
    fixed_ips.map(|fixed| number(fixed["subnet_id"].as_str().unwrap(), |s| subnet_id(n, s))).collect()
}

fn number<T: PartialEq + std::str::FromStr>(id: &str, make: impl Fn(u8) -> T) -> u8 {
    let id = id.parse::<T>().ok().unwrap();
    (0..=255).find(|number| make(*number) == id).unwrap()
}

fn number16(id: &str) -> u16 {
    let id: PortId = id.parse().unwrap();
    u16::try_from(id.0.as_u128() - 0x30_0000).unwrap()
}
