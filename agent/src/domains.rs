//! The domains of this node, driven through one pass together.
//!
//! A pass has three moments: every domain prepares (observe, compile, plan), then the stages run one
//! after another over all of them, then the report is whole. What a domain does is its own affair; the
//! order between domains is only ever that of [`Stage`].

use std::collections::BTreeSet;

use model::{Desired, Domain, ObjectRef, Outcome, Plan, Report, Retry, Scope, Stage};
use tracing::{debug, warn};

/// The parts of a node.
#[derive(Debug)]
pub(crate) struct Domains {
    pub(crate) switch: ovs::Switch,
    pub(crate) dhcp: dhcp::Dhcp,
    pub(crate) routers: router::Routers,
}

impl Domains {
    /// Looks at what is in scope and brings it to what is wanted.
    pub(crate) async fn pass(&mut self, desired: &Desired, scope: &Scope) -> Seen {
        let mut seen = Seen::default();
        let mut switch = prepare(&mut self.switch, desired, scope, &mut seen).await;
        let mut dhcp = prepare(&mut self.dhcp, desired, scope, &mut seen).await;
        let mut routers = prepare(&mut self.routers, desired, scope, &mut seen).await;
        for stage in Stage::ALL {
            let (one, two, three) = tokio::join!(
                run(&mut self.switch, &mut switch, stage, &seen.report),
                run(&mut self.dhcp, &mut dhcp, stage, &seen.report),
                run(&mut self.routers, &mut routers, stage, &seen.report),
            );
            [one, two, three].into_iter().for_each(|part| seen.report.merge(part));
        }
        seen
    }

    /// What a pass would do, as commands, in the order of the stages. Changes nothing.
    pub(crate) async fn rehearse(&mut self, desired: &Desired, scope: &Scope) -> Rehearsal {
        let mut seen = Seen::default();
        let mut steps = Vec::new();
        commands(&prepare(&mut self.switch, desired, scope, &mut seen).await, &mut steps);
        commands(&prepare(&mut self.dhcp, desired, scope, &mut seen).await, &mut steps);
        commands(&prepare(&mut self.routers, desired, scope, &mut seen).await, &mut steps);
        steps.sort_by_key(|command| command.stage);
        Rehearsal { steps, report: seen.report }
    }

    /// The objects that a device of the root namespace belongs to: its port, and what lives on it.
    pub(crate) fn owners_of_device(&self, name: &str) -> impl Iterator<Item = ObjectRef> {
        let owners = [
            self.switch.owner_of_device(name),
            self.dhcp.owner_of_device(name),
            self.routers.owner_of_device(name),
        ];
        owners.into_iter().flatten()
    }
}

/// What came of a pass.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) report: Report,
    /// A domain could not be read: an object that is not in the report may be right or wrong.
    pub(crate) blind: bool,
}

/// What a pass would do.
#[derive(Debug)]
pub(crate) struct Rehearsal {
    pub(crate) steps: Vec<Command>,
    /// What cannot be done now, and why.
    pub(crate) report: Report,
}

/// One step, as text.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Command {
    pub(crate) stage: Stage,
    pub(crate) object: ObjectRef,
    pub(crate) command: String,
}

fn commands<S: std::fmt::Display>(plan: &Plan<S>, into: &mut Vec<Command>) {
    into.extend(plan.steps.iter().map(|planned| Command {
        stage: planned.stage,
        object: planned.object,
        command: planned.step.to_string(),
    }));
}

/// Observe, compile, plan. Objects that cannot be brought on are put into the report.
async fn prepare<D: Domain>(
    domain: &mut D,
    desired: &Desired,
    scope: &Scope,
    seen: &mut Seen,
) -> Plan<D::Step> {
    let actual = match domain.observe(scope).await {
        Ok(actual) => actual,
        Err(error) => {
            seen.blind = true;
            unreadable::<D>(&error, scope, &mut seen.report);
            return Plan::default();
        }
    };
    let spec = domain.compile(desired, scope);
    let mut plan = D::plan(&spec, &actual);
    plan.sort();
    if !desired.complete.contains(&D::ROLE) {
        plan.keep_everything();
    }
    for (object, what) in &plan.expecting {
        seen.report.add(*object, Outcome::Expecting { what: what.clone() });
    }
    for (object, on) in &plan.waiting {
        seen.report.add(*object, Outcome::Waiting { on: on.clone() });
    }
    for (object, reason) in &plan.unreadable {
        seen.report.add(*object, Outcome::Failed { chain: vec![reason.clone()], retry: Retry::Soon });
    }
    for (object, reason) in &plan.impossible {
        seen.report.add(*object, Outcome::Failed { chain: vec![reason.clone()], retry: Retry::OnChange });
    }
    debug!(domain = D::NAME, steps = plan.steps.len(), waiting = plan.waiting.len(), "planned");
    plan
}

/// Nothing of a domain could be read: its objects wait for it, and nothing is assumed gone.
fn unreadable<D: Domain>(error: &D::Error, scope: &Scope, report: &mut Report) {
    let outcome = Outcome::failed(error, Retry::Soon);
    warn!(domain = D::NAME, %outcome, "cannot be read; left as it is until it can");
    let objects = match scope {
        Scope::All => BTreeSet::from([ObjectRef::Node]),
        Scope::Objects(objects) => objects.clone(),
    };
    for object in objects {
        report.add(object, outcome.clone());
    }
}

/// The steps of one stage, without those of objects that failed before in this pass: a later step may
/// lean on an earlier one.
async fn run<D: Domain>(domain: &mut D, plan: &mut Plan<D::Step>, stage: Stage, so_far: &Report) -> Report {
    let mut steps = plan.take(stage);
    steps.retain(|planned| !so_far.failed(planned.object));
    if steps.is_empty() {
        return Report::default();
    }
    for planned in &steps {
        debug!(domain = D::NAME, object = %planned.object, step = %planned.step, "apply");
    }
    domain.apply(steps).await
}
