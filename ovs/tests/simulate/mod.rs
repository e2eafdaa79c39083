//! A switch in memory that does what steps say, so that plans can be tried without a switch: what they
//! lead to, and whether a second look finds nothing to do. It gives every port a number at once.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use futures::FutureExt as _;
use model::{Desired, Domain, ObjectRef, Plan, Planned, Report, Role, Scope};
use ovs::compile::compile;
use ovs::memory::Memory;
use ovs::mirror::Mirror;
use ovs::observe::Actual;
use ovs::rows::{BridgeRow, InterfaceRow, Ofport, PortRow};
use ovs::spec::Spec;
use ovs::step::{BridgeChange, InterfaceChange, NewBridge, NewPort, PortChange, REMEMBERED, Step};
use ovs::{Config, Switch};
use uuid::Uuid;

/// See the head of this module.
pub struct Simulated {
    pub config: Config,
    pub memory: Memory,
    pub actual: Actual,
    /// What passes drew in that they were not asked for.
    pub woken: BTreeSet<ObjectRef>,
    last_row: u128,
    last_number: BTreeMap<String, u32>,
}

impl Simulated {
    pub fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            memory: Memory::new(config),
            actual: Actual::default(),
            woken: BTreeSet::new(),
            last_row: 0,
            last_number: BTreeMap::new(),
        }
    }

    /// A new agent: it remembers nothing but what the switch tells it.
    pub fn restart_agent(&mut self) {
        self.memory = Memory::new(&self.config);
    }

    /// What a pass plans, which is expected to be carried out.
    pub fn plan(&mut self, desired: &Desired, scope: &Scope) -> Plan<Step> {
        let Ok(actual) = now(self.observe(scope));
        let spec = self.compile(desired, scope);
        self.begin(&spec);
        self.compare(desired, &spec, &actual)
    }

    /// What a pass would plan, asked by the way.
    pub fn rehearsed(&mut self, desired: &Desired, scope: &Scope) -> Plan<Step> {
        let Ok((spec, actual)) = now(self.rehearse(desired, scope));
        self.compare(desired, &spec, &actual)
    }

    fn compare(&self, desired: &Desired, spec: &Spec, actual: &Actual) -> Plan<Step> {
        let mut plan = Switch::plan(spec, actual);
        if !desired.complete.contains(&Role::L2) {
            plan.keep_everything();
        }
        plan
    }

    /// Plans and does until nothing is left to do. Returns the plans that had steps.
    pub fn converge(&mut self, desired: &Desired, scope: &Scope) -> Vec<Plan<Step>> {
        let mut plans = Vec::new();
        loop {
            // A change leads to others of other objects by the events of the rows; here everything is looked at.
            let scope = if plans.is_empty() { scope } else { &Scope::All };
            let plan = self.plan(desired, scope);
            if plan.is_empty() && (*scope == Scope::All || plans.len() > 1) {
                return plans;
            }
            assert!(plans.len() < 8, "does not come to rest:\n{plan}");
            plan.steps.iter().for_each(|planned| self.carry_out(&planned.step));
            plans.push(plan);
        }
    }

    pub fn carry_out(&mut self, step: &Step) {
        match step {
            Step::MakeBridge(bridge) => self.make_bridge(bridge),
            Step::SetBridge(change) => self.set_bridge(change),
            Step::MakePort(port) => self.make_port(port),
            Step::RemovePort { port, .. } => self.remove_port(*port),
            Step::SetPort(change) => self.set_port(change),
            Step::SetInterface(change) => self.set_interface(change),
            Step::AddFlow { bridge, flow } => self.flows(bridge).add(flow.clone()),
            Step::DeleteFlow { bridge, flow } => self.flows(bridge).delete(&flow.key()),
            Step::DeleteCookie { bridge, cookie } => self.flows(bridge).delete_cookie(*cookie),
            Step::SetPredecessors { name, cookies, .. } => {
                let Some(mut row) = self.actual.rows.bridge(name).cloned() else { panic!("no such bridge") };
                row.predecessors.clone_from(cookies);
                self.actual.rows.set_bridge(row.uuid, Some(row));
            }
        }
    }

    /// A bridge of the operator.
    pub fn add_bridge(&mut self, name: &str, datapath_id: &str) {
        let uuid = self.uuid();
        let row = BridgeRow {
            uuid,
            name: name.to_owned(),
            datapath_id: Some(datapath_id.to_owned()),
            ..BridgeRow::default()
        };
        self.actual.rows.set_bridge(uuid, Some(row));
        self.actual.flows.insert(name.to_owned(), Mirror::default());
    }

    /// A port that somebody else makes.
    pub fn add_port(&mut self, bridge: &str, mut port: PortRow, mut interface: InterfaceRow) {
        (port.uuid, interface.uuid) = (self.uuid(), self.uuid());
        port.interfaces = vec![interface.uuid];
        if interface.ofport == Ofport::Unassigned {
            let number = self.last_number.entry(bridge.to_owned()).or_default();
            *number += 1;
            interface.ofport = Ofport::Number(*number);
        }
        let Some(mut row) = self.actual.rows.bridge(bridge).cloned() else { panic!("no bridge {bridge}") };
        assert!(self.actual.rows.port(&port.name).is_none(), "a second port {}", port.name);
        row.ports.push(port.uuid);
        row.ports.sort();
        let rows = &mut self.actual.rows;
        rows.set_interface(interface.uuid, Some(interface));
        rows.set_port(port.uuid, Some(port));
        rows.set_bridge(row.uuid, Some(row));
    }

    fn uuid(&mut self) -> Uuid {
        self.last_row += 1;
        Uuid::from_u128(self.last_row)
    }

    fn flows(&mut self, bridge: &str) -> &mut Mirror {
        self.actual.flows.get_mut(bridge).unwrap_or_else(|| panic!("no flows of {bridge}"))
    }

    fn make_bridge(&mut self, bridge: &NewBridge) {
        assert!(self.actual.rows.bridge(&bridge.name).is_none(), "a second bridge {}", bridge.name);
        self.add_bridge(&bridge.name, "0000000000000001");
        let Some(row) = self.actual.rows.bridge(&bridge.name).cloned() else { return };
        let row = BridgeRow {
            datapath_type: bridge.datapath_type.as_str().to_owned(),
            protocols: bridge.protocols.iter().map(ToString::to_string).collect(),
            fail_mode: Some("secure".to_owned()),
            other_config: bridge.other_config.clone(),
            ..row
        };
        self.actual.rows.set_bridge(row.uuid, Some(row));
    }

    fn set_bridge(&mut self, change: &BridgeChange) {
        let Some(mut row) = self.actual.rows.bridge(&change.name).cloned() else { panic!("no such bridge") };
        if let Some(kind) = change.datapath_type {
            row.datapath_type = kind.as_str().to_owned();
        }
        if change.secure {
            row.fail_mode = Some("secure".to_owned());
        }
        row.protocols.extend(change.protocols.iter().map(ToString::to_string));
        if let Some(id) = change.other_config.get("datapath-id") {
            row.datapath_id = Some(id.clone());
        }
        row.other_config.extend(change.other_config.clone());
        self.actual.rows.set_bridge(row.uuid, Some(row));
    }

    fn make_port(&mut self, port: &NewPort) {
        let row = PortRow {
            name: port.name.clone(),
            tag: port.tag,
            other_config: port.other_config.clone(),
            owner: Some(port.owner),
            ..PortRow::default()
        };
        let interface = InterfaceRow {
            name: port.name.clone(),
            kind: port.kind.clone(),
            port: port.plugged.map(|(id, _)| id),
            mac: port.plugged.map(|(_, mac)| mac.to_string()),
            options: port.options.clone(),
            mtu_request: port.mtu,
            ..InterfaceRow::default()
        };
        self.add_port(&port.bridge, row, interface);
    }

    pub fn remove_port(&mut self, port: Uuid) {
        let rows = &mut self.actual.rows;
        let Some(row) = rows.port_by_uuid(port).cloned() else { panic!("no such port") };
        let bridge = row.interfaces.first().and_then(|uuid| rows.plug(*uuid)).map(|plug| plug.bridge.clone());
        if let Some(mut bridge) = bridge {
            bridge.ports.retain(|uuid| *uuid != port);
            rows.set_bridge(bridge.uuid, Some(bridge));
        }
        for interface in &row.interfaces {
            rows.set_interface(*interface, None);
        }
        rows.set_port(port, None);
    }

    fn set_port(&mut self, change: &PortChange) {
        let Some(mut row) = self.actual.rows.port_by_uuid(change.port).cloned() else {
            panic!("no such port")
        };
        row.tag = Some(change.tag);
        if change.access {
            (row.vlan_mode, row.has_trunks) = (None, false);
        }
        if let Some(texts) = &change.remember {
            row.other_config.retain(|key, _| !REMEMBERED.contains(&key.as_str()));
            row.other_config.extend(texts.clone());
        }
        row.owner = change.owner.or(row.owner);
        self.actual.rows.set_port(row.uuid, Some(row));
    }

    fn set_interface(&mut self, change: &InterfaceChange) {
        let rows = &mut self.actual.rows;
        let Some(mut row) = rows.interface_by_uuid(change.interface).cloned() else {
            panic!("no such interface")
        };
        if let Some(kind) = &change.kind {
            row.kind.clone_from(kind);
        }
        if let Some(options) = &change.options {
            row.options.clone_from(options);
        }
        row.mtu_request = change.mtu.or(row.mtu_request);
        row.mac = change.mac.map(|mac| mac.to_string()).or(row.mac);
        rows.set_interface(row.uuid, Some(row));
    }
}

impl Domain for Simulated {
    type Spec = Spec;
    type Actual = Actual;
    type Step = Step;
    type Error = Infallible;
    type Memory = Memory;

    const NAME: &'static str = "simulated";
    const ROLE: Role = Role::L2;

    async fn observe(&mut self, scope: &Scope) -> Result<Actual, Infallible> {
        self.memory.see(&self.actual, scope);
        Ok(self.actual.clone())
    }

    fn compile(&mut self, desired: &Desired, scope: &Scope) -> Spec {
        compile(desired, &self.config, &mut self.memory, scope)
    }

    fn memory(&mut self) -> &mut Memory {
        &mut self.memory
    }

    fn begin(&mut self, _spec: &Spec) {
        self.woken.extend(self.memory.take_unasked());
    }

    fn plan(want: &Spec, have: &Actual) -> Plan<Step> {
        Switch::plan(want, have)
    }

    async fn apply(&mut self, steps: Vec<Planned<Step>>) -> Report {
        steps.iter().for_each(|planned| self.carry_out(&planned.step));
        Report::default()
    }

    fn owner_of_device(&self, _name: &str) -> Option<ObjectRef> {
        None
    }
}

/// Nothing here waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap_or_else(|| panic!("it waits"))
}
