//! What the tests of this part share: a machine with a clock, the sum of its findings, and a small
//! neutron-server as a value.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use imbl::{OrdMap, OrdSet};
use model::{Mac, Network, NetworkId, ObjectRef, Outcome, PortId, RemotePort, Report, SwitchFacts};
use serde_json::Map;
use std::sync::Arc;
use uuid::Uuid;

use super::*;
use crate::neutron::finding::Sighting;
use crate::neutron::role::Message;

pub(super) const HERE: &str = "n1";
pub(super) const THERE: &str = "n2";
pub(super) const FAR: &str = "n3";

pub(super) fn address_of(host: &str) -> IpAddr {
    format!("198.51.100.{}", &host[1..]).parse().unwrap()
}

pub(super) fn config(l2_population: bool) -> WiringConfig {
    WiringConfig {
        host: HostName::from(HERE),
        tunnel_types: vec![TunnelKind::Vxlan],
        local_ip: Some(address_of(HERE)),
        l2_population,
        port_version: "1.7".to_owned(),
        network_version: "1.1".to_owned(),
        notices: true,
    }
}

pub(super) fn port_id(number: u128) -> PortId {
    PortId(Uuid::from_u128(0x1000 + number))
}

pub(super) fn network_id(number: u128) -> NetworkId {
    NetworkId(Uuid::from_u128(0x2000 + number))
}

pub(super) fn mac_of(port: PortId) -> Mac {
    let bytes = port.0.as_u128().to_be_bytes();
    Mac([0xfa, 0x16, 0x3e, 0, bytes[14], bytes[15]])
}

pub(super) fn message(topic: &str, method: &str, args: Value) -> Message {
    let Value::Object(args) = args else { unreachable!() };
    Message { topic: topic.to_owned(), method: method.to_owned(), args }
}

/// The sum of findings.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Sum {
    pub(super) ports: BTreeMap<PortId, Sighting>,
    pub(super) networks: BTreeMap<NetworkId, Arc<Network>>,
    pub(super) remotes: BTreeMap<(NetworkId, Mac), Arc<RemotePort>>,
    pub(super) floods: BTreeMap<NetworkId, OrdSet<IpAddr>>,
    pub(super) complete: bool,
}

impl Sum {
    fn add(&mut self, finding: Finding) {
        fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
            match value {
                Some(value) => _ = map.insert(key, value),
                None => _ = map.remove(&key),
            }
        }
        match finding {
            Finding::BoundPort(id, port) => put(&mut self.ports, id, port),
            Finding::WiredNetwork(id, network) => put(&mut self.networks, id, network),
            Finding::Remote(network, mac, remote) => put(&mut self.remotes, (network, mac), remote),
            Finding::Flood(network, ends) => {
                put(&mut self.floods, network, Some(ends).filter(|ends| !ends.is_empty()));
            }
            Finding::Complete(Role::L2, complete) => self.complete = complete,
            other => panic!("{other:?} is not for this part to say"),
        }
    }
}

/// Whether a finding takes something away.
pub(super) fn removes(finding: &Finding, before: &Sum) -> bool {
    match finding {
        Finding::BoundPort(id, None) => before.ports.contains_key(id),
        Finding::WiredNetwork(_, None) | Finding::Remote(_, _, None) => true,
        Finding::Flood(network, ends) => {
            before.floods.get(network).is_some_and(|old| !old.iter().all(|end| ends.contains(end)))
        }
        _ => false,
    }
}

/// A machine with everything around it but the server.
pub(super) struct Bench {
    pub(super) wiring: Wiring,
    pub(super) now: Instant,
    pub(super) sum: Sum,
    pub(super) facts: SwitchFacts,
    pub(super) open: VecDeque<Ask>,
    pub(super) complaints: Vec<String>,
    rows: u128,
}

impl Bench {
    pub(super) fn new(config: WiringConfig) -> Self {
        Self {
            wiring: Wiring::new(config),
            now: Instant::now(),
            sum: Sum::default(),
            facts: SwitchFacts { alive: true, ..SwitchFacts::default() },
            open: VecDeque::new(),
            complaints: Vec::new(),
            rows: 0,
        }
    }

    pub(super) fn hear(&mut self, event: Event<'_, Ask>) -> Vec<Finding> {
        self.wiring.hear(event, self.now);
        self.open.extend(self.wiring.asks(self.now));
        assert!(self.open.len() <= 20, "{} asks are open", self.open.len());
        self.complaints.extend(self.wiring.complaints());
        let findings = self.wiring.findings();
        findings.iter().for_each(|finding| self.sum.add(finding.clone()));
        findings
    }

    pub(super) fn begin(&mut self) {
        let facts = self.facts.clone();
        self.hear(Event::Switch(&facts));
        self.hear(Event::Gap);
        self.hear(Event::Open);
    }

    /// Plugs a port in, or in again with another interface.
    pub(super) fn plug(&mut self, port: PortId) {
        self.rows += 1;
        let plugged = self.facts.plugged.update(port, OrdSet::unit(Uuid::from_u128(self.rows)));
        self.see(plugged);
    }

    pub(super) fn unplug(&mut self, port: PortId) {
        let plugged = self.facts.plugged.without(&port);
        self.see(plugged);
    }

    fn see(&mut self, plugged: OrdMap<PortId, OrdSet<Uuid>>) {
        self.facts.plugged = plugged;
        let facts = self.facts.clone();
        self.hear(Event::Switch(&facts));
    }

    pub(super) fn push(&mut self, message: &Message) {
        self.hear(Event::Message(message));
    }

    /// The engine reached everything that was found.
    pub(super) fn engine_is_done(&mut self) {
        let mut report = Report::default();
        for id in self.sum.ports.keys() {
            let outcome = if self.facts.plugged.contains_key(id) {
                Outcome::Done
            } else {
                Outcome::Expecting { what: String::new() }
            };
            report.add(ObjectRef::Port(*id), outcome);
        }
        self.hear(Event::Report(&report));
    }

    /// Takes the oldest ask that is open.
    pub(super) fn next(&mut self) -> Option<(Ask, Request)> {
        let ask = self.open.pop_front()?;
        let request = self.wiring.request(&ask);
        Some((ask, request))
    }

    /// Lets the server answer until nothing is asked any more, with time passing as far as the machine wants.
    pub(super) fn converge(&mut self, server: &mut Server) {
        for _ in 0..500 {
            self.engine_is_done();
            while let Some((ask, request)) = self.next() {
                let (answer, casts) = server.serve(&request);
                // The table is on its way when the report is answered.
                let findings = self.hear(Event::Answer(ask, Ok(answer)));
                drop(findings);
                for cast in casts {
                    self.push(&cast);
                }
                self.engine_is_done();
            }
            match self.wiring.due() {
                Some(due) => self.now = self.now.max(due),
                None => return,
            }
            self.hear(Event::Tick);
        }
        panic!("no end: {:#?}", self.wiring);
    }
}

/// A port as the server has it.
#[derive(Clone, Debug)]
pub(super) struct ServerPort {
    pub(super) network: u128,
    pub(super) host: String,
    pub(super) moving_to: Option<String>,
    pub(super) admin_up: bool,
    pub(super) status: &'static str,
    pub(super) name: u32,
    pub(super) revision: i64,
    /// The VNI that it is bound to.
    pub(super) key: u32,
}

#[derive(Clone, Debug)]
pub(super) struct ServerNetwork {
    pub(super) key: u32,
    pub(super) mtu: u32,
    pub(super) revision: i64,
}

/// A neutron-server with l2population, as a value.
#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    pub(super) ports: BTreeMap<PortId, ServerPort>,
    pub(super) networks: BTreeMap<u128, ServerNetwork>,
    /// What was reported, in order.
    pub(super) reports: Vec<(PortId, &'static str)>,
    pub(super) calls: BTreeMap<&'static str, usize>,
    /// So many ports that are reported next stay DOWN: the report met another one.
    pub(super) races: u32,
}

impl Server {
    pub(super) fn with_networks(count: u128) -> Self {
        let network = |number| (number, ServerNetwork { key: 100 + number as u32, mtu: 1450, revision: 1 });
        Self { networks: (0..count).map(network).collect(), ..Self::default() }
    }

    pub(super) fn create(&mut self, number: u128, network: u128, host: &str) -> PortId {
        let key = self.networks[&network].key;
        let port = ServerPort {
            network,
            host: host.to_owned(),
            moving_to: None,
            admin_up: true,
            status: "DOWN",
            name: 0,
            revision: 1,
            key,
        };
        self.ports.insert(port_id(number), port);
        port_id(number)
    }

    pub(super) fn change(&mut self, port: PortId, change: impl FnOnce(&mut ServerPort)) {
        if let Some(port) = self.ports.get_mut(&port) {
            change(port);
            port.revision += 1;
        }
    }

    pub(super) fn pushed(&self, port: PortId) -> Message {
        let args = match self.ports.get(&port) {
            Some(_) => json!({"event_type": "updated", "resource_list": [self.port_object(port)]}),
            None => json!({"event_type": "deleted", "resource_list": [{"versioned_object.name": "Port",
                "versioned_object.data": {"id": port, "security_group_ids": null}}]}),
        };
        message("neutron-vo-Port-1.7", "push", args)
    }

    pub(super) fn pushed_network(&self, network: u128) -> Message {
        let args = json!({"event_type": "updated", "resource_list": [self.network_object(network)]});
        message("neutron-vo-Network-1.1", "push", args)
    }

    pub(super) fn port_object(&self, id: PortId) -> Value {
        let port = &self.ports[&id];
        let data = |value: Value| json!({"versioned_object.data": value});
        let profile = port.moving_to.as_ref().map_or(json!({}), |host| json!({"migrating_to": host}));
        let binding = data(json!({"host": port.host, "status": "ACTIVE", "vnic_type": "normal",
            "vif_type": if port.host.is_empty() { "unbound" } else { "ovs" }, "profile": profile.to_string()}));
        let segment = data(json!({"network_type": "vxlan", "segmentation_id": port.key}));
        let level = data(json!({"host": port.host, "level": 0, "segment": segment}));
        let fixed =
            data(json!({"subnet_id": Uuid::nil(), "ip_address": format!("10.0.0.{}", mac_of(id).0[5])}));
        json!({"versioned_object.name": "Port", "versioned_object.data": {
            "id": id, "network_id": network_id(port.network), "mac_address": mac_of(id), "name": port.name.to_string(),
            "admin_state_up": port.admin_up, "status": port.status, "device_owner": "compute:nova",
            "bindings": [binding], "fixed_ips": [fixed], "revision_number": port.revision,
            "binding_levels": if port.host.is_empty() { json!([]) } else { json!([level]) },
        }})
    }

    fn network_object(&self, number: u128) -> Value {
        let network = &self.networks[&number];
        let segment = json!({"versioned_object.data":
            {"network_type": "vxlan", "segmentation_id": network.key}});
        json!({"versioned_object.name": "Network", "versioned_object.data": {
            "id": network_id(number), "name": "n", "mtu": network.mtu, "segments": [segment],
            "revision_number": network.revision}})
    }

    /// What is behind a host in a network, as an entry of a table.
    fn behind(&self, network: u128, host: &str) -> Vec<Value> {
        let ports = self
            .ports
            .iter()
            .filter(|(_, port)| port.network == network && port.host == host && port.status == "ACTIVE");
        ports.map(|(id, _)| json!([mac_of(*id), format!("10.0.0.{}", mac_of(*id).0[5])])).collect()
    }

    /// The casts that tell of a port of another node.
    pub(super) fn cast_port(&self, method: &str, port: PortId) -> Option<Message> {
        let known = self.ports.get(&port)?;
        let mut entries = vec![json!([mac_of(port), format!("10.0.0.{}", mac_of(port).0[5])])];
        entries.push(json!(["00:00:00:00:00:00", "0.0.0.0"]));
        let ports = Map::from_iter([(address_of(&known.host).to_string(), json!(entries))]);
        Some(fdb(method, known.network, &json!(ports)))
    }

    /// Answers a request; with the casts that it causes.
    pub(super) fn serve(&mut self, request: &Request) -> (Value, Vec<Message>) {
        *self.calls.entry(request.method).or_default() += 1;
        let args = &request.args;
        match request.method {
            "bulk_pull" if args["resource_type"] == "Port" => {
                let ids = ids(&args["filter_kwargs"]["id"]).into_iter().map(PortId);
                let known = ids.filter(|id| self.ports.contains_key(id));
                (known.map(|id| self.port_object(id)).collect(), Vec::new())
            }
            "bulk_pull" => {
                let asked: BTreeSet<_> = ids(&args["filter_kwargs"]["id"]).into_iter().collect();
                let known = self.networks.keys().filter(|number| asked.contains(&network_id(**number).0));
                (known.map(|number| self.network_object(*number)).collect(), Vec::new())
            }
            "tunnel_sync" => {
                let ends =
                    [HERE, THERE, FAR].map(|host| json!({"ip_address": address_of(host), "host": host}));
                (json!({"tunnels": ends}), Vec::new())
            }
            "update_device_list" => self.update_device_list(args),
            other => panic!("{other} is not a method that is known"),
        }
    }

    fn update_device_list(&mut self, args: &Map<String, Value>) -> (Value, Vec<Message>) {
        let mut casts = Vec::new();
        let (up, down) = (ids(&args["devices_up"]), ids(&args["devices_down"]));
        for id in up.iter().map(|id| PortId(*id)) {
            self.reports.push((id, "up"));
            let Some(port) = self.ports.get_mut(&id).filter(|port| port.host == HERE) else { continue };
            if self.races > 0 {
                self.races -= 1;
            } else if port.status != "ACTIVE" {
                port.status = "ACTIVE";
                port.revision += 1;
                casts.push(self.pushed(id));
            }
            if args["refresh_tunnels"] == true {
                casts.extend(self.table(self.ports[&id].network));
            }
        }
        for id in down.iter().map(|id| PortId(*id)) {
            self.reports.push((id, "down"));
            let Some(port) = self.ports.get_mut(&id).filter(|port| port.host == HERE) else { continue };
            if port.status != "DOWN" {
                port.status = "DOWN";
                port.revision += 1;
                casts.push(self.pushed(id));
            }
        }
        let down: Vec<Value> = down.iter().map(|id| json!({"device": id, "exists": true})).collect();
        let answer = json!({"devices_up": up, "failed_devices_up": [], "devices_down": down,
            "failed_devices_down": []});
        (answer, casts)
    }

    fn table(&self, network: u128) -> Option<Message> {
        let mut ports = Map::new();
        for host in [THERE, FAR] {
            let mut entries = self.behind(network, host);
            if !entries.is_empty() {
                entries.push(json!(["00:00:00:00:00:00", "0.0.0.0"]));
                ports.insert(address_of(host).to_string(), json!(entries));
            }
        }
        (!ports.is_empty()).then(|| fdb("add_fdb_entries", network, &json!(ports)))
    }
}

fn fdb(method: &str, network: u128, ports: &Value) -> Message {
    let entries = Map::from_iter([(
        network_id(network).to_string(),
        json!({"segment_id": 1, "network_type": "vxlan", "ports": ports}),
    )]);
    message("q-agent-notifier-l2population-update", method, json!({"fdb_entries": entries}))
}

fn ids(value: &Value) -> Vec<Uuid> {
    serde_json::from_value(value.clone()).unwrap()
}
