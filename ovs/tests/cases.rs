//! Runs every folder of `cases`: `case.yaml` says what is wanted and what there is, `plan.txt` which steps
//! lead there, `flows.txt` which flows there are then. `UPDATE_GOLDEN=1` writes the two. A new case needs no Rust.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test ends where it goes wrong

#[allow(dead_code, unreachable_pub)]
mod simulate;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;

use model::{
    AddressPair, Binding, Desired, FixedIp, Mac, Network, NetworkId, Port, PortId, RemotePort, Role, Scope,
    Segment, SubnetId, VlanTag,
};
use ovs::Config;
use ovs::rows::{InterfaceRow, Ofport, PortRow};
use ovs::spec::Owner;
use serde::Deserialize;
use simulate::Simulated;
use uuid::Uuid;

/// A case: what is wanted, one state after another, on a node that begins with `switch`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    config: Config,
    #[serde(default)]
    switch: Vec<BridgeText>,
    states: Vec<State>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// What this state shows, for the reader of plan.txt.
    title: String,
    #[serde(default = "yes")]
    complete: bool,
    #[serde(default)]
    networks: Vec<NetworkText>,
    #[serde(default)]
    ports: Vec<PortText>,
    #[serde(default)]
    remote: Vec<RemoteText>,
    /// What an operator or Nova plugs in before this state is looked at.
    #[serde(default)]
    plugged: Vec<PlugText>,
    /// Names of ports that they unplug.
    #[serde(default)]
    unplugged: Vec<String>,
    /// The agent is started anew.
    #[serde(default)]
    restart: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkText {
    id: u8,
    segment: Segment,
    #[serde(default)]
    mtu: u32,
    #[serde(default)]
    flood: Vec<IpAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PortText {
    id: u8,
    network: u8,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    addresses: Vec<IpAddr>,
    #[serde(default)]
    pairs: Vec<AddressPair>,
    #[serde(default = "yes")]
    admin_up: bool,
    #[serde(default = "yes")]
    port_security: bool,
    /// Another node's name when it is bound there.
    host: Option<String>,
    #[serde(default)]
    binding_failed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RemoteText {
    network: u8,
    mac: Mac,
    addresses: Vec<IpAddr>,
    endpoint: IpAddr,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BridgeText {
    name: String,
    datapath_id: String,
    #[serde(default)]
    ports: Vec<PlugText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlugText {
    name: String,
    port: Option<u8>,
    ofport: Option<i64>,
    error: Option<String>,
    tag: Option<u16>,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    options: BTreeMap<String, String>,
    #[serde(default)]
    other_config: BTreeMap<String, String>,
    owner: Option<String>,
}

fn yes() -> bool {
    true
}

fn network_id(number: u8) -> NetworkId {
    NetworkId(Uuid::from_u128(0xa000_0000_0000_4000_8000_0000_0000_0000 + u128::from(number)))
}

/// Ids differ in the digits that device names are made of.
fn port_id(number: u8) -> PortId {
    PortId(Uuid::from_u128((0xb000_0000 + u128::from(number)) << 96))
}

fn mac(number: u8) -> Mac {
    Mac([0xfa, 0x16, 0x3e, 0, 0, number])
}

impl State {
    fn desired(&self, host: &str) -> Desired {
        let mut desired = Desired::default();
        if self.complete {
            desired.complete.insert(Role::L2);
        }
        let mut segments = BTreeMap::new();
        for network in &self.networks {
            segments.insert(network.id, network.segment.clone());
            desired.set_flood(network_id(network.id), network.flood.iter().copied().collect());
            desired.set_network(Network {
                id: network_id(network.id),
                name: String::new(),
                admin_up: true,
                mtu: network.mtu,
                external: false,
                segments: vec![network.segment.clone()],
            });
        }
        for port in &self.ports {
            desired.set_port(port.port(host, segments.get(&port.network)));
        }
        for remote in &self.remote {
            desired.set_remote_port(RemotePort {
                network: network_id(remote.network),
                mac: remote.mac,
                addresses: remote.addresses.clone(),
                endpoint: remote.endpoint,
            });
        }
        desired
    }
}

impl PortText {
    fn port(&self, host: &str, segment: Option<&Segment>) -> Port {
        let fixed = |address: &IpAddr| FixedIp { subnet: SubnetId(Uuid::nil()), address: *address };
        let host = self.host.as_deref().unwrap_or(host);
        Port {
            id: port_id(self.id),
            network: network_id(self.network),
            name: String::new(),
            mac: mac(self.id),
            fixed_ips: self.addresses.iter().map(fixed).collect(),
            owner: self.owner.as_str().into(),
            device: String::new(),
            admin_up: self.admin_up,
            port_security: self.port_security,
            allowed_pairs: self.pairs.clone(),
            dhcp_options: Vec::new(),
            host_name: None,
            binding: Some(Binding {
                host: host.into(),
                segment: segment.filter(|_| !self.binding_failed).cloned(),
            }),
        }
    }
}

impl PlugText {
    fn rows(&self) -> (PortRow, InterfaceRow) {
        let port = PortRow {
            name: self.name.clone(),
            tag: self.tag.map(VlanTag),
            other_config: self.other_config.clone(),
            owner: self.owner.as_deref().and_then(Owner::parse),
            ..PortRow::default()
        };
        let number = |number| u32::try_from(number).map_or(Ofport::Failed, Ofport::Number);
        let interface = InterfaceRow {
            name: self.name.clone(),
            kind: self.kind.clone(),
            ofport: self.ofport.map_or(Ofport::Unassigned, number),
            error: self.error.clone(),
            port: self.port.map(port_id),
            mac: self.port.map(|port| mac(port).to_string()),
            options: self.options.clone(),
            ..InterfaceRow::default()
        };
        (port, interface)
    }
}

/// The plans of all states, and the flows that they lead to.
fn run(case: &Case) -> (String, String) {
    let mut switch = Simulated::new(&case.config);
    for bridge in &case.switch {
        switch.add_bridge(&bridge.name, &bridge.datapath_id);
        bridge.ports.iter().for_each(|plug| plug_in(&mut switch, &bridge.name, plug));
    }
    let mut plans = String::new();
    for state in &case.states {
        if state.restart {
            switch.restart_agent();
        }
        for name in &state.unplugged {
            let port = switch.actual.rows.port(name).map(|port| port.uuid);
            switch.remove_port(port.unwrap_or_else(|| panic!("no port {name}")));
        }
        let bridge = case.config.integration_bridge.clone();
        state.plugged.iter().for_each(|plug| plug_in(&mut switch, &bridge, plug));
        let desired = state.desired(&case.config.host.0);
        writeln!(plans, "## {}", state.title).unwrap();
        for (number, plan) in (1..).zip(switch.converge(&desired, &Scope::All)) {
            write!(plans, "# pass {number}\n{plan}").unwrap();
        }
        let rest = switch.plan(&desired, &Scope::All);
        writeln!(plans, "# at rest\n{rest}").unwrap();
    }
    (plans, flows(&switch))
}

fn plug_in(switch: &mut Simulated, bridge: &str, plug: &PlugText) {
    let (port, interface) = plug.rows();
    switch.add_port(bridge, port, interface);
}

fn flows(switch: &Simulated) -> String {
    let mut text = String::new();
    for (bridge, mirror) in &switch.actual.flows {
        writeln!(text, "## {bridge}").unwrap();
        for port in switch.actual.rows.ports_of(bridge) {
            let number =
                switch.actual.rows.number(&port.name).map_or("-".to_owned(), |number| number.to_string());
            let tag = port.tag.map_or(String::new(), |tag| format!(" tag={tag}"));
            writeln!(text, "# {number}({}){tag}", port.name).unwrap();
        }
        let mut flows: Vec<_> = mirror.flows().collect();
        flows.sort_by_key(|flow| (flow.table, u16::MAX - flow.priority, flow.to_string()));
        flows.iter().for_each(|flow| writeln!(text, "{flow}").unwrap());
    }
    text
}

#[test]
fn every_case_is_as_its_files_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() > 5, "the cases are gone");
    let mut wrong = Vec::new();
    for path in cases {
        let yaml = std::fs::read_to_string(path.join("case.yaml")).unwrap();
        let case: Case =
            serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(case.config.check(), Ok(()), "{}", path.display());
        let (plan, flows) = run(&case);
        for (name, text) in [("plan.txt", plan), ("flows.txt", flows)] {
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::write(path.join(name), &text).unwrap();
            } else if std::fs::read_to_string(path.join(name)).unwrap_or_default() != text {
                wrong.push(format!("{} is now:\n{text}", path.join(name).display()));
            }
        }
    }
    assert!(wrong.is_empty(), "UPDATE_GOLDEN=1 rewrites these:\n{}", wrong.join("\n"));
}
