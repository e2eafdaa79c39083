//! Flows of an agent that had the bridges before us (Neutron's own, usually), and how they go.
//!
//! A foreign flow in the very place of one that every packet meets was put there by our predecessor: its
//! cookie is what all its flows have in common. Ours replace those in the same places, one by one and
//! without a gap; what is left over goes by that cookie, once everything of ours is in. What has another
//! cookie, or none, is somebody else's and is not touched.
//!
//! The cookies are kept in the bridge's row: the flows that they were recognised by are soon replaced.
//!
//! A rehearsal, which knows all foreign flows, foresees in the first look what a later one takes away.

use std::collections::BTreeSet;

use model::{ObjectRef, Stage};

use super::Planner;
use crate::openflow::Flow;
use crate::pipeline::{FlowSet, spoof_guard};
use crate::step::Step;

impl Planner<'_> {
    /// Writes down the cookies that are not written down yet. `base` are the flows that every packet meets.
    pub(super) fn remember_predecessors(&mut self, base: &FlowSet) {
        for (bridge, wanted) in &base.flows {
            let (Some(row), Some(mirror)) = (self.have.rows.bridge(bridge), self.have.flows.get(bridge))
            else {
                continue;
            };
            let found: BTreeSet<u64> = wanted.keys().filter_map(|key| mirror.stranger(key)).collect();
            if !found.is_subset(&row.predecessors) {
                let cookies = &found | &row.predecessors;
                let step = Step::SetPredecessors { bridge: row.uuid, name: row.name.clone(), cookies };
                self.plan.push(Stage::AddPorts, ObjectRef::Node, step);
            }
        }
    }

    /// Takes away what a predecessor left, when nothing of ours is missing on the bridge any more.
    pub(super) fn leave_no_predecessor(&mut self) {
        if !self.want.complete {
            return;
        }
        for bridge in self.want.node.clone().bridges() {
            let Some(row) = self.have.rows.bridge(bridge) else { continue };
            if row.predecessors.is_empty() || !self.have.flows.contains_key(bridge) || self.adds_flows(bridge)
            {
                continue;
            }
            for cookie in &row.predecessors {
                let step = Step::DeleteCookie { bridge: bridge.to_owned(), cookie: *cookie };
                self.plan.push(Stage::RemoveFlows, ObjectRef::Node, step);
            }
            let (bridge, name) = (row.uuid, row.name.clone());
            let step = Step::SetPredecessors { bridge, name, cookies: BTreeSet::new() };
            self.plan.push(Stage::AddPorts, ObjectRef::Node, step);
        }
    }

    /// In a rehearsal: the flows that a later look takes away because nothing of ours takes their places. While
    /// the picture is incomplete nobody knows which those are on the tunnel bridge. What has a limit in time was
    /// learnt from packets, and is learnt again.
    pub(super) fn foresee(&mut self) {
        let node = self.want.node.clone();
        let is_known = |bridge: &&str| {
            self.want.complete || node.tunnel.as_ref().is_none_or(|tunnel| tunnel.name != **bridge)
        };
        for bridge in node.bridges().filter(is_known) {
            let Some(mirror) = self.have.flows.get(bridge) else { continue };
            let mut cookies: BTreeSet<u64> =
                self.have.rows.bridge(bridge).map(|row| row.predecessors.clone()).unwrap_or_default();
            let mut replaced = BTreeSet::new();
            for planned in &self.plan.steps {
                match &planned.step {
                    Step::AddFlow { bridge: on, flow } if on == bridge => {
                        replaced.insert(flow.key());
                        replaced.extend(spoof_guard::of_neutron(flow).map(|theirs| theirs.key()));
                    }
                    Step::SetPredecessors { name, cookies: found, .. } if name == bridge => {
                        cookies.extend(found);
                    }
                    _ => {}
                }
            }
            let goes = |flow: &&Flow| {
                cookies.contains(&flow.cookie)
                    && (flow.hard_timeout, flow.idle_timeout) == (0, 0)
                    && !replaced.contains(&flow.key())
            };
            for flow in mirror.foreign().filter(goes) {
                let step = Step::DeleteFlow { bridge: bridge.to_owned(), flow: flow.clone() };
                // No stage that a picture which is incomplete holds back: it will be complete.
                self.plan.push(Stage::AddFlows, ObjectRef::Node, step);
            }
        }
    }

    fn adds_flows(&self, bridge: &str) -> bool {
        let adds = |step: &Step| matches!(step, Step::AddFlow { bridge: on, .. } if on == bridge);
        let remembers = |step: &Step| matches!(step, Step::SetPredecessors { name, .. } if name == bridge);
        self.plan.steps.iter().any(|planned| adds(&planned.step) || remembers(&planned.step))
    }
}
