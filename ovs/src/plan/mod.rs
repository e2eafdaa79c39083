//! From what must exist and what exists to the steps between them. Pure.
//!
//! Nothing that is right is touched: flows are compared by table, priority and match, rows by column.
//! An object that is wanted changes all its flows in one bundle (removals first, then additions), so
//! that no packet meets a half of it; an object that is not wanted loses them in a stage of its own.
//! While the controller's picture is incomplete, nothing of a network, endpoint or remote MAC is taken
//! away, and a flood keeps the tunnels that it has.

mod flows;
mod node;
mod own_port;
mod port;
mod predecessors;
mod tunnel;

pub(crate) use node::patches;

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::{Mac, NetworkId, ObjectRef, Plan, PortId, Scope, Stage};

use crate::observe::Actual;
use crate::pipeline::cookies::ObjectHash;
use crate::pipeline::{self, FlowSet};
use crate::rows::{InterfaceRow, Ofport, PortRow};
use crate::spec::{Owner, Spec};
use crate::step::Step;

/// The steps from `have` to `want`.
pub fn plan(want: &Spec, have: &Actual) -> Plan<Step> {
    let mut planner = Planner { want, have, plan: Plan::default() };
    match &want.scope {
        Scope::All => planner.everything(),
        Scope::Objects(objects) => objects.iter().for_each(|object| planner.object(*object)),
    }
    let mut plan = planner.plan;
    for (object, reason) in &want.refused {
        plan.refuse(*object, reason.as_str());
    }
    for (object, on) in &want.waiting {
        plan.wait(*object, on.as_str());
    }
    plan.sort();
    plan
}

struct Planner<'a> {
    want: &'a Spec,
    have: &'a Actual,
    plan: Plan<Step>,
}

impl Planner<'_> {
    fn everything(&mut self) {
        if self.want.node.ports_only {
            self.have_ports()
                .union(&self.want.ports.keys().copied().collect())
                .for_each(|port| self.port(*port));
            return self.leftover_rows();
        }
        let mut objects = BTreeSet::from([ObjectRef::Node]);
        objects.extend(self.want.networks.keys().map(|network| ObjectRef::Network(*network)));
        objects.extend(self.want.endpoints.keys().map(|endpoint| ObjectRef::Endpoint(*endpoint)));
        objects
            .extend(self.want.remote_macs.keys().map(|(network, mac)| ObjectRef::RemoteMac(*network, *mac)));
        objects.extend(self.want.ports.keys().chain(&self.have_ports()).map(|port| ObjectRef::Port(*port)));
        objects.iter().for_each(|object| self.object(*object));
        self.leftover_rows();
        self.leftover_flows(&objects);
        self.leave_no_predecessor();
        self.foresee();
    }

    fn have_ports(&self) -> BTreeSet<PortId> {
        let here = |port: &PortId| self.have.rows.plugs(*port, &self.want.node.integration).next().is_some();
        self.have.rows.plugged().filter(here).collect()
    }

    fn object(&mut self, object: ObjectRef) {
        match object {
            ObjectRef::Port(port) => self.port(port),
            // All else is seen to by somebody else.
            _ if self.want.node.ports_only => {}
            ObjectRef::Node => self.node(),
            ObjectRef::Network(network) => self.network(network),
            ObjectRef::Endpoint(address) => self.endpoint(address),
            ObjectRef::RemoteMac(network, mac) => self.remote_mac(network, mac),
            ObjectRef::Router(_) => {}
        }
    }

    fn network(&mut self, network: NetworkId) {
        let object = ObjectRef::Network(network);
        let Some(spec) = self.want.networks.get(&network) else {
            return self.flows(object, FlowSet::default());
        };
        for local in &spec.segments {
            if let Some(reason) = self.missing_bridge(&local.segment) {
                // Not refused: its other segments, and the services on it, go on.
                self.plan.wait(object, reason);
            }
        }
        let set = pipeline::network(spec, &self.want.node, &|port| self.have.rows.number(port));
        self.flows(object, set);
    }

    fn remote_mac(&mut self, network: NetworkId, mac: Mac) {
        let set = match self.want.remote_macs.get(&(network, mac)) {
            Some(spec) => pipeline::remote_mac(spec, &self.want.node, &|port| self.have.rows.number(port)),
            None => FlowSet::default(),
        };
        self.flows(ObjectRef::RemoteMac(network, mac), set);
    }

    /// The operator's bridge that a segment needs and that is not there.
    fn missing_bridge(&self, segment: &model::Segment) -> Option<String> {
        let bridge = self.want.node.physical(segment.physical_network()?)?;
        let missing = self.have.rows.bridge(&bridge.name).is_none();
        missing.then(|| {
            format!("bridge {} of physical network {}, which does not exist", bridge.name, bridge.network)
        })
    }

    /// Why a port of the switch has no number yet, for people.
    fn without_number(&self, name: &str) -> String {
        match self.have.rows.interface(name) {
            None => format!("port {name} to be made"),
            Some(interface) => match (&interface.error, interface.ofport) {
                (Some(error), _) => format!("the switch to open {name}: {error}"),
                (None, Ofport::Failed) => format!("the switch to open {name}"),
                (None, _) => format!("the switch to give {name} a number"),
            },
        }
    }

    /// Rows with our mark that no object asks for.
    fn leftover_rows(&mut self) {
        let pairs: Vec<&str> = patches(&self.want.node).collect();
        let tunnels = self.want.endpoints.values().flat_map(|endpoint| &endpoint.tunnels);
        let tunnels: BTreeSet<&str> = tunnels.map(|tunnel| tunnel.name.as_str()).collect();
        let devices: BTreeSet<&str> = own_port::devices(self.want).collect();
        let mut leftovers: Vec<(ObjectRef, &PortRow)> = Vec::new();
        for (owner, wanted) in [
            (Owner::Patch, &pairs.into_iter().collect()),
            (Owner::Tunnel, &tunnels),
            (Owner::Dhcp, &devices),
            (Owner::Router, &devices),
        ] {
            if !self.want.node.owners.contains(&owner) {
                continue;
            }
            let left = self.have.rows.owned(owner).filter(|port| !wanted.contains(port.name.as_str()));
            leftovers.extend(left.map(|port| (self.object_of(port), port)));
        }
        for (object, port) in leftovers {
            self.remove_port(object, port);
        }
    }

    fn object_of(&self, port: &PortRow) -> ObjectRef {
        let interface = port.interfaces.first().and_then(|uuid| self.have.rows.interface_by_uuid(*uuid));
        let endpoint = interface.and_then(InterfaceRow::remote).map(ObjectRef::Endpoint);
        let plugged = interface.and_then(|interface| interface.port).map(ObjectRef::Port);
        plugged.or(endpoint).unwrap_or(ObjectRef::Node)
    }

    fn remove_port(&mut self, object: ObjectRef, port: &PortRow) {
        let planned =
            |step: &Step| matches!(step, Step::RemovePort { port: planned, .. } if *planned == port.uuid);
        if self.plan.steps.iter().any(|step| step.object == object && planned(&step.step)) {
            return;
        }
        let bridge = port.interfaces.first().and_then(|uuid| self.have.rows.plug(*uuid));
        let Some(bridge) = bridge.map(|plug| plug.bridge.name.clone()) else { return };
        let step = Step::RemovePort { bridge, port: port.uuid, name: port.name.clone() };
        self.plan.push(Stage::RemovePorts, object, step);
    }

    /// Flows of ours of objects that nobody knows any more, in whatever table.
    fn leftover_flows(&mut self, known: &BTreeSet<ObjectRef>) {
        let known: BTreeSet<ObjectHash> = known.iter().map(|object| ObjectHash::of(*object)).collect();
        for (bridge, mirror) in &self.have.flows {
            for object in mirror.objects().filter(|object| !known.contains(object)) {
                for flow in mirror.of(object) {
                    let step = Step::DeleteFlow { bridge: bridge.clone(), flow: flow.clone() };
                    self.plan.push(Stage::RemoveFlows, ObjectRef::Node, step);
                }
            }
        }
    }

    fn is_wanted(&self, object: ObjectRef) -> bool {
        match object {
            ObjectRef::Node => true,
            ObjectRef::Network(network) => self.want.networks.contains_key(&network),
            ObjectRef::Endpoint(address) => self.want.endpoints.contains_key(&address),
            ObjectRef::Port(port) => self.want.ports.contains_key(&port),
            ObjectRef::RemoteMac(network, mac) => self.want.remote_macs.contains_key(&(network, mac)),
            ObjectRef::Router(_) => false,
        }
    }

    fn endpoint(&mut self, address: IpAddr) {
        tunnel::endpoint(self, address);
    }
}
