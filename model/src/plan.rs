//! A plan: effects in the order in which a node may be changed. Making one does nothing, and printing
//! one shows the commands that an operator would type.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ObjectRef;

/// The order of change on a node, removals first because keys may collide (an address, a device name,
/// a flow's match that moves from one object to another), but for [`Self::RetireAddresses`]. Within a stage steps keep their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Stage {
    StopServices,
    RemoveFlows,
    RemoveRules,
    RemoveRoutes,
    RemoveLinks,
    RemovePorts,
    RemoveNamespaces,
    AddNamespaces,
    AddPorts,
    AddLinks,
    AddRoutes,
    AddRules,
    /// What goes only once the new rules hold, because it is the mark by which a later pass knows that
    /// they may not hold yet, or that something that they do away with is left.
    RetireAddresses,
    AddFlows,
    /// What lets traffic in, once everything that guards it is in place (a port's VLAN tag).
    OpenPorts,
    StartServices,
}

impl Stage {
    pub const ALL: [Self; 16] = [
        Self::StopServices,
        Self::RemoveFlows,
        Self::RemoveRules,
        Self::RemoveRoutes,
        Self::RemoveLinks,
        Self::RemovePorts,
        Self::RemoveNamespaces,
        Self::AddNamespaces,
        Self::AddPorts,
        Self::AddLinks,
        Self::AddRoutes,
        Self::AddRules,
        Self::RetireAddresses,
        Self::AddFlows,
        Self::OpenPorts,
        Self::StartServices,
    ];

    /// Stages that take something away.
    pub fn removes(self) -> bool {
        self <= Self::RemoveNamespaces || self == Self::RetireAddresses
    }
}

/// One step, when it may run and for whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned<S> {
    pub stage: Stage,
    pub object: ObjectRef,
    pub step: S,
}

/// Steps in order, and what could not be planned yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan<S> {
    pub steps: Vec<Planned<S>>,
    /// Objects that somebody else has to bring something for; its arrival wakes the engine.
    pub expecting: Vec<(ObjectRef, String)>,
    /// Objects that need something that is not there; its arrival wakes the engine.
    pub waiting: Vec<(ObjectRef, String)>,
    /// Objects that cannot be planned at all until they change, with the reason.
    pub impossible: Vec<(ObjectRef, String)>,
    /// Objects of which nothing is known because reading them failed; worth another try soon.
    pub unreadable: Vec<(ObjectRef, String)>,
}

impl<S> Default for Plan<S> {
    fn default() -> Self {
        Self {
            steps: Vec::new(),
            expecting: Vec::new(),
            waiting: Vec::new(),
            impossible: Vec::new(),
            unreadable: Vec::new(),
        }
    }
}

impl<S> Plan<S> {
    /// True when nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub fn push(&mut self, stage: Stage, object: ObjectRef, step: S) {
        self.steps.push(Planned { stage, object, step });
    }

    pub fn expect(&mut self, object: ObjectRef, what: impl Into<String>) {
        self.expecting.push((object, what.into()));
    }

    pub fn wait(&mut self, object: ObjectRef, on: impl Into<String>) {
        self.waiting.push((object, on.into()));
    }

    pub fn refuse(&mut self, object: ObjectRef, reason: impl Into<String>) {
        self.impossible.push((object, reason.into()));
    }

    pub fn give_up_reading(&mut self, object: ObjectRef, reason: impl Into<String>) {
        self.unreadable.push((object, reason.into()));
    }

    /// Puts the steps into the order of their stages.
    pub fn sort(&mut self) {
        self.steps.sort_by_key(|planned| planned.stage);
    }

    /// Takes out the steps of one stage, in order.
    pub fn take(&mut self, stage: Stage) -> Vec<Planned<S>> {
        self.steps.extract_if(.., |planned| planned.stage == stage).collect()
    }

    /// Drops the steps that take something away: the rule for a picture that is not complete.
    pub fn keep_everything(&mut self) {
        self.steps.retain(|planned| !planned.stage.removes());
    }
}

impl<S: fmt::Display> fmt::Display for Plan<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for planned in &self.steps {
            writeln!(f, "{}", planned.step)?;
        }
        for (object, what) in &self.expecting {
            writeln!(f, "# {object} expects {what}")?;
        }
        for (object, on) in &self.waiting {
            writeln!(f, "# {object} waits for {on}")?;
        }
        for (object, reason) in &self.impossible {
            writeln!(f, "# {object} cannot be made: {reason}")?;
        }
        for (object, reason) in &self.unreadable {
            writeln!(f, "# {object} cannot be read: {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_is_listed_in_order() {
        assert!(Stage::ALL.is_sorted());
        assert_eq!(Stage::ALL.len(), Stage::StartServices as usize + 1);
    }

    #[test]
    fn an_incomplete_picture_takes_nothing_away() {
        let mut plan = Plan::default();
        for stage in Stage::ALL {
            plan.push(stage, ObjectRef::Node, "step");
        }
        plan.keep_everything();
        assert_eq!(plan.steps.first().map(|planned| planned.stage), Some(Stage::AddNamespaces));
        assert!(!plan.steps.iter().any(|planned| planned.stage == Stage::RetireAddresses));
    }
}
