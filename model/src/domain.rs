//! A domain: one part of a node (the switch, the DHCP service, the routers) that can be looked at,
//! planned for and changed. The engine drives every domain the same way, whatever woke it:
//!
//! 1. [`Domain::observe`] reads what exists and is ours, for the objects in scope;
//! 2. [`Domain::compile`] turns what the controller wants into what must exist here, in the node's words;
//! 3. [`Domain::plan`] compares the two (pure);
//! 4. [`Domain::apply`] carries out the steps of one stage and says what came of each object.
//!
//! Start, change, retry and resync are the same four calls; only the scope differs.
//!
//! A rehearsal ([`Domain::rehearse`]) is the first two of them with a copy of what the domain remembers, so that
//! asking what would be done never changes what is done next.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;

use crate::{Desired, Effect, ObjectRef, Plan, Planned, Report, Role};

/// Which objects a pass looks at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Everything, and with it what exists although nobody wants it.
    All,
    /// Just these, wanted or not.
    Objects(BTreeSet<ObjectRef>),
}

impl Scope {
    pub fn has(&self, object: ObjectRef) -> bool {
        match self {
            Self::All => true,
            Self::Objects(objects) => objects.contains(&object),
        }
    }
}

/// One part of a node. See the head of this module for the cycle.
pub trait Domain: Send {
    /// What must exist here: of every object in scope, what it should be or that it should not be.
    type Spec: Send;
    /// What exists here and is ours, of the objects in scope. Foreign things are left out.
    type Actual: Send;
    /// One effect. Prints as the command that an operator would type.
    type Step: fmt::Display + Send + Sync;
    /// Why nothing could be read at all (the switch is away).
    type Error: std::error::Error + Send + Sync + 'static;
    /// Whatever `observe` and `compile` leave behind for later passes. What is not in here they must not change.
    type Memory: Clone + Send;

    /// The word for this part in logs and for people.
    const NAME: &'static str;
    /// Whose picture must be complete before this domain may take anything away.
    const ROLE: Role;

    fn observe(&mut self, scope: &Scope) -> impl Future<Output = Result<Self::Actual, Self::Error>> + Send;

    /// Called after `observe` of the same pass, so that choices that the node remembers (a network's
    /// local VLAN) can be taken up from what was read.
    fn compile(&mut self, desired: &Desired, scope: &Scope) -> Self::Spec;

    /// What is remembered from pass to pass.
    fn memory(&mut self) -> &mut Self::Memory;

    /// Called between `compile` and the first `apply` of a pass, and never of a rehearsal: what was compiled is
    /// carried out now. For what goes with that beside the steps, as waking others.
    fn begin(&mut self, _spec: &Self::Spec) {}

    /// What a pass would want and find. Leaves no trace: the next pass does what it would have done without.
    fn rehearse(
        &mut self,
        desired: &Desired,
        scope: &Scope,
    ) -> impl Future<Output = Result<(Self::Spec, Self::Actual), Self::Error>> + Send {
        async move {
            let kept = self.memory().clone();
            let seen = self.observe(scope).await;
            let both = seen.map(|actual| (self.compile(desired, scope), actual));
            *self.memory() = kept;
            both
        }
    }

    /// Pure. Equal states give no step.
    fn plan(want: &Self::Spec, have: &Self::Actual) -> Plan<Self::Step>;

    /// Pure. What a step would mean to the packets that pass the node as it was found.
    fn effect(_planned: &Planned<Self::Step>, _have: &Self::Actual) -> Effect {
        Effect::Changes
    }

    /// Carries out steps of one stage, as few transactions as can be. Never fails as a whole: every
    /// object that a step could not be done for is in the report.
    fn apply(&mut self, steps: Vec<Planned<Self::Step>>) -> impl Future<Output = Report> + Send;

    /// The object that a network device belongs to, for waking up when the device comes or goes.
    fn owner_of_device(&self, name: &str) -> Option<ObjectRef>;
}
