//! The flows of one object: what it has against what it should have.

use std::collections::BTreeMap;

use model::{ObjectRef, Stage};

use super::Planner;
use crate::openflow::{Action, Flow, FlowKey};
use crate::pipeline::FlowSet;
use crate::pipeline::cookies::{self, Feature, ObjectHash};
use crate::pipeline::tables::tunnel::FLOOD_TO_TUN;
use crate::rows::Ofport;
use crate::spec::PhysicalBridge;
use crate::step::Step;

impl Planner<'_> {
    /// Brings the flows of an object to what they should be, on every bridge that is known.
    pub(super) fn flows(&mut self, object: ObjectRef, want: FlowSet) {
        // That an operator's bridge is not there is said once, by the node and by the networks on it.
        let node = self.want.node.clone();
        let absent = |bridge: &PhysicalBridge| self.have.rows.bridge(&bridge.name).is_none();
        let absent: Vec<&PhysicalBridge> = node.physical.iter().filter(|bridge| absent(bridge)).collect();
        for port in &want.missing {
            if !absent.iter().any(|bridge| bridge.int_patch == *port || bridge.phy_patch == *port) {
                let on = self.without_number(port);
                self.plan.wait(object, on);
            }
        }
        let unknown = |bridge: &&String| {
            !self.have.flows.contains_key(*bridge) && !absent.iter().any(|absent| absent.name == **bridge)
        };
        for bridge in want.flows.keys().filter(unknown) {
            let on = self.without_flows(bridge);
            self.plan.wait(object, on);
        }
        let have = self.have;
        let changes = self.changes(object, &want);
        let hash = ObjectHash::of(object);
        let mut flows = want.flows;
        for (bridge, mirror) in &have.flows {
            let wanted = flows.remove(bridge).unwrap_or_default();
            self.flows_on(object, changes, mirror.of(hash), bridge, wanted);
        }
    }

    fn changes(&self, object: ObjectRef, want: &FlowSet) -> Changes {
        let unassigned = |port: &String| {
            self.have.rows.interface(port).is_some_and(|row| row.ofport == Ofport::Unassigned)
        };
        if want.missing.iter().any(unassigned) {
            Changes::AddOnly
        } else if !self.is_wanted(object) {
            Changes::Any(Stage::RemoveFlows)
        } else if self.want.complete || matches!(object, ObjectRef::Port(_)) {
            Changes::Any(Stage::AddFlows)
        } else {
            Changes::Extend
        }
    }

    fn flows_on<'a>(
        &mut self,
        object: ObjectRef,
        changes: Changes,
        have: impl Iterator<Item = &'a Flow>,
        bridge: &str,
        mut wanted: BTreeMap<FlowKey, Flow>,
    ) {
        for flow in have {
            match (wanted.remove(&flow.key()), changes) {
                (Some(want), _) if want == *flow => {}
                (_, Changes::AddOnly) | (None, Changes::Extend) => {}
                (Some(want), Changes::Extend) => {
                    let want = keep_outputs(want, flow);
                    if want != *flow {
                        self.add_flow(object, bridge, want);
                    }
                }
                (Some(want), Changes::Any(_)) => self.add_flow(object, bridge, want),
                (None, Changes::Any(stage)) => self.delete_flow(object, stage, bridge, flow),
            }
        }
        for flow in wanted.into_values() {
            self.add_flow(object, bridge, flow);
        }
    }

    fn delete_flow(&mut self, object: ObjectRef, stage: Stage, bridge: &str, flow: &Flow) {
        // The last bolt of a cut-off port is drawn back when its tag is right.
        let bolt = stage == Stage::AddFlows && cookies::is_of(flow.cookie, Feature::DeadPort);
        let stage = if bolt { Stage::OpenPorts } else { stage };
        self.plan.push(stage, object, Step::DeleteFlow { bridge: bridge.to_owned(), flow: flow.clone() });
    }

    fn add_flow(&mut self, object: ObjectRef, bridge: &str, flow: Flow) {
        let step = Step::AddFlow { bridge: bridge.to_owned(), flow };
        self.plan.push(Stage::AddFlows, object, step);
    }

    fn without_flows(&self, bridge: &str) -> String {
        match self.have.rows.bridge(bridge) {
            None => format!("bridge {bridge}, which does not exist"),
            Some(_) => format!("the OpenFlow connection of bridge {bridge}"),
        }
    }
}

/// What may be done to the flows of an object.
#[derive(Clone, Copy)]
enum Changes {
    /// Everything; removals in this stage.
    Any(Stage),
    /// Nothing is taken away, because the picture is incomplete.
    Extend,
    /// Nothing is touched that is there, because a port that is there has no number just now: vswitchd
    /// writes the numbers again after a restart of the database.
    AddOnly,
}

/// While the picture is incomplete, an endpoint that is not named may only not have been named yet: a
/// flood goes on to where it went.
fn keep_outputs(want: Flow, have: &Flow) -> Flow {
    if want.table != FLOOD_TO_TUN || want.cookie != have.cookie {
        return want;
    }
    let is_output = |action: &&Action| matches!(action, Action::Output(_));
    let mut outputs: Vec<_> = want.actions.iter().chain(&have.actions).filter(is_output).cloned().collect();
    outputs.sort();
    outputs.dedup();
    let mut flow = want.clone();
    flow.actions.retain(|action| !is_output(&action));
    flow.actions(outputs)
}
