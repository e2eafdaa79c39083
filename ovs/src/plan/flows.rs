//! The flows of one object: what it has against what it should have.

use std::collections::BTreeMap;

use model::{ObjectRef, Stage};

use super::Planner;
use crate::mirror::Mirror;
use crate::openflow::{Action, Flow, FlowKey};
use crate::pipeline::FlowSet;
use crate::pipeline::cookies::{self, Feature, ObjectHash};
use crate::pipeline::tables::tunnel::FLOOD_TO_TUN;
use crate::step::Step;

impl Planner<'_> {
    /// Brings the flows of an object to what they should be, on every bridge that is known.
    pub(super) fn flows(&mut self, object: ObjectRef, want: FlowSet) {
        for port in &want.missing {
            let on = self.without_number(port);
            self.plan.wait(object, on);
        }
        for bridge in want.flows.keys().filter(|bridge| !self.have.flows.contains_key(*bridge)) {
            let on = self.without_flows(bridge);
            self.plan.wait(object, on);
        }
        let have = self.have;
        let hash = ObjectHash::of(object);
        let mut flows = want.flows;
        for (bridge, mirror) in &have.flows {
            let wanted = flows.remove(bridge).unwrap_or_default();
            self.flows_on(object, hash, (bridge, mirror), wanted);
        }
    }

    fn flows_on(
        &mut self,
        object: ObjectRef,
        hash: ObjectHash,
        (bridge, mirror): (&String, &Mirror),
        mut wanted: BTreeMap<FlowKey, Flow>,
    ) {
        let (stage, may_delete) = match object {
            _ if !self.is_wanted(object) => (Stage::RemoveFlows, true),
            ObjectRef::Port(_) => (Stage::AddFlows, true),
            _ => (Stage::AddFlows, self.want.complete),
        };
        for flow in mirror.of(hash) {
            match wanted.remove(&flow.key()) {
                Some(want) if want == *flow => {}
                Some(want) => {
                    let want = if self.want.complete { want } else { keep_outputs(want, flow) };
                    if want != *flow {
                        self.add_flow(object, bridge, want);
                    }
                }
                None if may_delete => {
                    // The last bolt of a cut-off port is drawn back when its tag is right.
                    let bolt = stage == Stage::AddFlows && cookies::is_of(flow.cookie, Feature::DeadPort);
                    let stage = if bolt { Stage::OpenPorts } else { stage };
                    let step = Step::DeleteFlow { bridge: bridge.clone(), flow: flow.clone() };
                    self.plan.push(stage, object, step);
                }
                None => {}
            }
        }
        for flow in wanted.into_values() {
            self.add_flow(object, bridge, flow);
        }
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
