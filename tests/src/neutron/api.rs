//! Neutron's API as a test sees it: JSON over HTTP on the server's unix socket, one connection a request.

use crate::wait;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Api {
    socket: PathBuf,
}

impl Api {
    pub(super) fn at(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Sends a request for a path below `/v2.0/`; `Value::Null` sends no body.
    ///
    /// # Errors
    /// What the server said with a status other than 2xx, or why it could not be asked.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let (status, text) =
            self.exchange(method, path, body).map_err(|error| format!("{method} {path}: {error}"))?;
        if !(200..300).contains(&status) {
            return Err(format!("{method} {path}: {status} {text}"));
        }
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| format!("{method} {path}: {error}: {text}"))
    }

    /// Makes a resource, e.g. `create("network", json!({"name": "red"}))`; gives it as the server shows it.
    #[track_caller]
    #[must_use]
    pub fn create(&self, kind: &str, fields: &Value) -> Value {
        let answer = self.must("POST", &collection(kind), &json!({ kind: fields }));
        answer[kind].clone()
    }

    #[track_caller]
    pub fn update(&self, kind: &str, id: &str, fields: &Value) -> Value {
        let answer = self.must("PUT", &format!("{}/{id}", collection(kind)), &json!({ kind: fields }));
        answer[kind].clone()
    }

    #[track_caller]
    #[must_use]
    pub fn show(&self, kind: &str, id: &str) -> Value {
        self.must("GET", &format!("{}/{id}", collection(kind)), &Value::Null)[kind].clone()
    }

    /// A list, by a query such as `device_owner=network:dhcp`.
    #[track_caller]
    #[must_use]
    pub fn list(&self, kind: &str, query: &str) -> Vec<Value> {
        let plural = collection(kind);
        let answer = self.must("GET", &format!("{plural}?{query}"), &Value::Null);
        answer[plural.replace('-', "_")].as_array().cloned().unwrap_or_default()
    }

    #[track_caller]
    pub fn delete(&self, kind: &str, id: &str) {
        self.must("DELETE", &format!("{}/{id}", collection(kind)), &Value::Null);
    }

    /// A network of the tenant's usual type, with one subnet that has DHCP. Gives both.
    #[track_caller]
    #[must_use]
    pub fn network_with_subnet(&self, name: &str, cidr: &str) -> (Value, Value) {
        let network = self.create("network", &json!({ "name": name }));
        let subnet = self.subnet(&network, cidr);
        (network, subnet)
    }

    #[track_caller]
    #[must_use]
    pub fn subnet(&self, network: &Value, cidr: &str) -> Value {
        self.create("subnet", &json!({"network_id": network["id"], "ip_version": 4, "cidr": cidr}))
    }

    /// The external network on `br-ex`, with the addresses 203.0.113.100 to 199 and the outside as gateway.
    #[track_caller]
    #[must_use]
    pub fn external_network(&self) -> Value {
        let network = self.create(
            "network",
            &json!({"name": "public", "router:external": true, "provider:network_type": "flat",
                "provider:physical_network": "public"}),
        );
        let _ = self.create(
            "subnet",
            &json!({"network_id": network["id"], "ip_version": 4, "cidr": "203.0.113.0/24", "enable_dhcp": false,
                "gateway_ip": crate::OUTSIDE,
                "allocation_pools": [{"start": "203.0.113.100", "end": "203.0.113.199"}]}),
        );
        network
    }

    /// A port of a virtual machine, bound to a host that has an L2 agent. Its `device_id` is its own name.
    #[track_caller]
    #[must_use]
    pub fn port(&self, network: &Value, host: &str, fields: &Value) -> Value {
        let mut all =
            json!({"network_id": network["id"], "binding:host_id": host, "device_owner": "compute:nova"});
        merge(&mut all, fields);
        let port = self.create("port", &all);
        assert_ne!(port["binding:vif_type"], "binding_failed", "no L2 agent on {host} would have it: {port}");
        port
    }

    /// A router with a leg in each subnet and, when there is one, a gateway to the external network.
    #[track_caller]
    #[must_use]
    pub fn router(&self, name: &str, subnets: &[&Value], external: Option<&Value>) -> Value {
        let mut fields = json!({ "name": name });
        if let Some(network) = external {
            fields["external_gateway_info"] = json!({"network_id": network["id"]});
        }
        let router = self.create("router", &fields);
        for subnet in subnets {
            self.router_interface(&router, subnet, "add");
        }
        router
    }

    /// `change` is `add` or `remove`.
    #[track_caller]
    pub fn router_interface(&self, router: &Value, subnet: &Value, change: &str) {
        self.must(
            "PUT",
            &format!("routers/{}/{change}_router_interface", text(router, "id")),
            &json!({"subnet_id": subnet["id"]}),
        );
    }

    #[track_caller]
    #[must_use]
    pub fn floating_ip(&self, external: &Value, port: &Value) -> Value {
        self.create("floatingip", &json!({"floating_network_id": external["id"], "port_id": port["id"]}))
    }

    /// Waits until a resource has this `status`.
    #[track_caller]
    pub fn await_status(&self, kind: &str, id: &str, status: &str, seconds: u64) {
        let path = format!("{}/{id}?fields=status", collection(kind));
        wait::seldom(seconds, &format!("{kind} {id} becomes {status}"), || {
            let answer = self.call("GET", &path, &Value::Null)?;
            if answer[kind]["status"] == status { Ok(()) } else { Err(answer.to_string()) }
        });
    }

    #[track_caller]
    pub fn await_active(&self, port: &Value, seconds: u64) {
        self.await_status("port", text(port, "id"), "ACTIVE", seconds);
    }

    /// Takes a network's DHCP service, or a router, from whoever has it, and gives it to an agent of this host.
    /// `kind` is `dhcp-network` or `l3-router`.
    #[track_caller]
    pub fn move_to(&self, kind: &str, resource: &Value, host: &str) {
        let (type_of_agent, field, listing) = match kind {
            "dhcp-network" => {
                ("DHCP agent", "network_id", format!("networks/{}/dhcp-agents", text(resource, "id")))
            }
            _ => ("L3 agent", "router_id", format!("routers/{}/l3-agents", text(resource, "id"))),
        };
        let agents = |path: &str| {
            let answer = self.must("GET", path, &Value::Null);
            answer["agents"].as_array().cloned().unwrap_or_default()
        };
        for agent in agents(&listing) {
            if agent["host"] == host {
                return;
            }
            let id = text(&agent, "id");
            self.must("DELETE", &format!("agents/{id}/{kind}s/{}", text(resource, "id")), &Value::Null);
        }
        let there = agents(&format!("agents?host={host}"));
        let agent = there.iter().find(|agent| agent["agent_type"] == type_of_agent);
        let agent = agent.unwrap_or_else(|| panic!("there is no {type_of_agent} on {host}: {there:?}"));
        let id = text(agent, "id");
        self.must("POST", &format!("agents/{id}/{kind}s"), &json!({ field: resource["id"] }));
    }

    #[track_caller]
    fn must(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, path, body).unwrap_or_else(|said| panic!("{said}"))
    }

    fn exchange(&self, method: &str, path: &str, body: &Value) -> std::io::Result<(u16, String)> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(60) * wait::patience()))?;
        // HTTP/1.0, so that the end of the connection is the end of the answer.
        write!(
            stream,
            "{method} /v2.0/{path} HTTP/1.0\r\nHost: neutron\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        Ok((status, body.to_owned()))
    }
}

/// A field that is text.
///
/// # Panics
/// When there is no such field.
#[track_caller]
#[must_use]
pub fn text<'v>(resource: &'v Value, field: &str) -> &'v str {
    resource[field].as_str().unwrap_or_else(|| panic!("there is no text {field} in {resource}"))
}

fn collection(kind: &str) -> String {
    match kind.strip_suffix("policy") {
        Some(rest) => format!("{rest}policies"),
        None => format!("{kind}s"),
    }
}

fn merge(into: &mut Value, from: &Value) {
    for (key, value) in from.as_object().into_iter().flatten() {
        into[key] = value.clone();
    }
}
