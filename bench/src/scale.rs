//! The node that several benchmarks share, because it takes a while to make: 100 networks with DHCP, 1,000
//! guest ports plugged in, 100 routers with a gateway each.

use std::collections::BTreeSet;

use anyhow::Context as _;
use tests::{Node, Underlay};

use crate::agent::Agent;
use crate::clock;

/// What a node is to hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) networks: usize,
    /// On every network.
    pub(crate) ports: usize,
    /// One on every network, with a gateway.
    pub(crate) routers: bool,
}

pub(crate) const LARGE: Size = Size { networks: 100, ports: 10, routers: true };

/// A node and the agent that has converged on it.
#[derive(Debug)]
pub(crate) struct Populated {
    pub(crate) node: &'static Node,
    /// None while it is stopped.
    pub(crate) agent: Option<Agent<'static>>,
    /// Neutron ids of the guests' ports.
    pub(crate) ports: Vec<String>,
    /// MiB that the agent took when it had made everything and had come to rest.
    pub(crate) resident_when_made: f64,
}

/// The large node, once it has been made.
#[derive(Debug, Default)]
pub(crate) struct Scale(Option<Populated>);

impl Scale {
    pub(crate) fn get(&mut self) -> anyhow::Result<&mut Populated> {
        if self.0.is_none() {
            eprintln!("  making a node with 100 networks, 1,000 ports and 100 routers ...");
            self.0 = Some(Populated::make(1, LARGE)?);
        }
        self.0.as_mut().context("it was made")
    }
}

impl Populated {
    /// The node lives until the program ends; the sandbox takes it away.
    pub(crate) fn make(number: u8, size: Size) -> anyhow::Result<Self> {
        let underlay: &'static Underlay = Box::leak(Box::new(Underlay::new()));
        let node: &'static Node = Box::leak(Box::new(Node::new(underlay, number)));
        let agent = Agent::configure(node)?;
        agent.apply(&topology(size, node.name()))?;
        let ports = guests(&agent)?;
        for batch in ports.chunks(100) {
            plug(node, batch);
        }
        agent.await_converged(600);
        agent.await_idle()?;
        let resident_when_made = clock::resident(agent.started.pid)?;
        let ports = ports.into_iter().map(|(id, _)| id).collect();
        Ok(Self { node, agent: Some(agent), ports, resident_when_made })
    }

    pub(crate) fn agent(&self) -> anyhow::Result<&Agent<'static>> {
        self.agent.as_ref().context("the agent runs")
    }
}

fn topology(size: Size, host: &str) -> String {
    let mut text = "version: 1\nnetworks:\n".to_owned();
    text += "  - name: public\n    router:external: true\n    provider:network_type: flat\n    \
             provider:physical_network: public\n    subnets:\n      \
             - {name: public4, cidr: 203.0.113.0/24, gateway_ip: 203.0.113.1, enable_dhcp: false}\n";
    for n in 0..size.networks {
        text += &format!(
            "  - name: n{n}\n    provider:network_type: vxlan\n    subnets:\n      \
             - {{name: s{n}, cidr: 10.{n}.0.0/24}}\n"
        );
    }
    text += "ports:\n";
    for (n, p) in (0..size.networks).flat_map(|n| (0..size.ports).map(move |p| (n, p))) {
        text += &format!("  - {{name: p{n}-{p}, network: n{n}, \"binding:host_id\": {host}}}\n");
    }
    if size.routers {
        text += "routers:\n";
        for n in 0..size.networks {
            text += &format!(
                "  - {{name: r{n}, external_gateway_info: {{network: public}}, interfaces: [{{subnet: s{n}}}]}}\n"
            );
        }
    }
    text
}

/// Ids and MAC addresses of the guests' ports.
fn guests(agent: &Agent<'_>) -> anyhow::Result<Vec<(String, String)>> {
    let listed = agent.api("GET", "/v2.0/ports", "")?;
    let listed = listed["ports"].as_array().context("the API lists ports")?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let guests = listed.iter().filter(|port| port["device_owner"] == "");
    let ports: BTreeSet<_> = guests.map(|port| (text(&port["id"]), text(&port["mac_address"]))).collect();
    Ok(ports.into_iter().collect())
}

/// Internal ports stand for taps: a device and a row each, all in one transaction.
fn plug(node: &Node, ports: &[(String, String)]) {
    let mut script = "ovs-vsctl".to_owned();
    for (id, mac) in ports {
        script += &format!(
            " -- add-port br-int tap{id:.11} -- set Interface tap{id:.11} type=internal \
             external_ids:iface-id={id} external_ids:iface-status=active external_ids:attached-mac={mac}"
        );
    }
    node.sh(&script);
}
