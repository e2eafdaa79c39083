//! The domains of this node, driven through one pass together.
//!
//! A pass has three moments: every domain prepares (observe, compile, plan), then the stages run one
//! after another over all of them, then the report is whole. What a domain does is its own affair; the
//! order between domains is only ever that of [`Stage`].

use std::collections::BTreeSet;
use std::time::Duration;

use host::Handles;
use model::{Desired, Domain, Effect, ObjectRef, Outcome, Plan, Report, Retry, Role, Scope, Stage};
use tracing::{debug, warn};

/// A pass that did something with so many objects leaves much memory that is not in use any more.
const MANY: usize = 64;
const MOMENT: Duration = Duration::from_millis(100);

/// The parts of a node that this process sees to. A part that is absent is somebody else's: nothing of it
/// is read or changed.
#[derive(Debug)]
pub(crate) struct Domains {
    /// Whose ports there are on the switch. It gives up nothing before all of them have a whole picture.
    pub(crate) roles: BTreeSet<Role>,
    pub(crate) switch: Option<ovs::Switch>,
    pub(crate) dhcp: Option<dhcp::Dhcp>,
    pub(crate) routers: Option<router::Routers>,
    pub(crate) metadata: Option<metadata::Metadata>,
    pub(crate) handles: Handles,
}

impl Domains {
    /// Looks at what is in scope and brings it to what is wanted.
    pub(crate) async fn pass(&mut self, desired: &Desired, scope: &Scope) -> Seen {
        let plugging = self.plugging();
        let Self { switch, dhcp, routers, metadata, .. } = self;
        // Together, because each waits for the kernel or for the switch most of the time.
        let (mut of_switch, mut of_dhcp, mut of_routers, mut of_metadata) = tokio::join!(
            prepare(switch, desired, scope, &plugging),
            prepare(dhcp, desired, scope, &[Role::Dhcp]),
            prepare(routers, desired, scope, &[Role::L3]),
            prepare(metadata, desired, scope, &[Role::Metadata]),
        );
        for stage in Stage::ALL {
            tokio::join!(
                run(switch, &mut of_switch, stage),
                run(dhcp, &mut of_dhcp, stage),
                run(routers, &mut of_routers, stage),
                run(metadata, &mut of_metadata, stage),
            );
        }
        let seen = Seen::together([of_switch.seen, of_dhcp.seen, of_routers.seen, of_metadata.seen]);
        self.come_to_rest(scope, &seen);
        seen
    }

    /// What a pass would do, as commands, in the order of the stages. Changes nothing, neither on the node nor in
    /// what the next pass will do.
    pub(crate) async fn rehearse(&mut self, desired: &Desired, scope: &Scope) -> Rehearsal {
        let plugging = self.plugging();
        let mut steps = Vec::new();
        let seen = Seen::together([
            think(&mut self.switch, desired, scope, &plugging, &mut steps).await,
            think(&mut self.dhcp, desired, scope, &[Role::Dhcp], &mut steps).await,
            think(&mut self.routers, desired, scope, &[Role::L3], &mut steps).await,
            think(&mut self.metadata, desired, scope, &[Role::Metadata], &mut steps).await,
        ]);
        steps.sort_by_key(|command| command.stage);
        self.come_to_rest(scope, &seen);
        Rehearsal { steps, report: seen.report }
    }

    /// What was read, thought and opened for many objects is not needed any more. It goes a moment later:
    /// who waits for the pass need not wait for that.
    fn come_to_rest(&self, scope: &Scope, seen: &Seen) {
        if *scope != Scope::All && seen.report.0.len() < MANY {
            return;
        }
        let handles = self.handles.clone();
        tokio::spawn(async move {
            tokio::time::sleep(MOMENT).await;
            handles.rest();
            // Sockets are closed by tasks of their own.
            tokio::time::sleep(MOMENT).await;
            host::memory::give_back();
        });
    }

    /// The objects that a device of the root namespace belongs to: its port, and what lives on it.
    pub(crate) fn owners_of_device(&self, name: &str) -> impl Iterator<Item = ObjectRef> {
        let owners = [
            self.switch.as_ref().and_then(|switch| switch.owner_of_device(name)),
            self.dhcp.as_ref().and_then(|dhcp| dhcp.owner_of_device(name)),
            self.routers.as_ref().and_then(|routers| routers.owner_of_device(name)),
            self.metadata.as_ref().and_then(|metadata| metadata.owner_of_device(name)),
        ];
        owners.into_iter().flatten()
    }

    /// The roles that have ports of their own on the switch, or answer for those of others.
    fn plugging(&self) -> Vec<Role> {
        self.roles.iter().copied().filter(|role| *role != Role::Metadata).collect()
    }
}

/// What came of a pass.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) report: Report,
    /// A domain could not be read: an object that is not in the report may be right or wrong.
    pub(crate) blind: bool,
}

impl Seen {
    /// Nothing of a domain could be read.
    fn nothing<D: Domain>(error: &D::Error, scope: &Scope) -> Self {
        Self { report: unreadable::<D>(error, scope), blind: true }
    }

    fn together(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut whole = Self::default();
        for part in parts {
            whole.report.merge(part.report);
            whole.blind |= part.blind;
        }
        whole
    }
}

/// What a pass would do.
#[derive(Debug, Default)]
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
    /// What it means to packets, and why where that is argued.
    #[serde(flatten)]
    pub(crate) effect: Effect,
}

/// One domain's part of a pass.
struct Part<S> {
    plan: Plan<S>,
    seen: Seen,
}

impl<S> Default for Part<S> {
    fn default() -> Self {
        Self { plan: Plan::default(), seen: Seen::default() }
    }
}

/// Observe, compile, plan, for steps that are taken then. Objects that cannot be brought on are in the report.
async fn prepare<D: Domain>(
    domain: &mut Option<D>,
    desired: &Desired,
    scope: &Scope,
    whole: &[Role],
) -> Part<D::Step> {
    let Some(domain) = domain else { return Part::default() };
    let actual = match domain.observe(scope).await {
        Ok(actual) => actual,
        Err(error) => return Part { plan: Plan::default(), seen: Seen::nothing::<D>(&error, scope) },
    };
    let spec = domain.compile(desired, scope);
    domain.begin(&spec);
    let plan = compare::<D>(&spec, &actual, desired, whole);
    let report = open_points(&plan);
    Part { plan, seen: Seen { report, blind: false } }
}

/// The same for steps that are only told.
async fn think<D: Domain>(
    domain: &mut Option<D>,
    desired: &Desired,
    scope: &Scope,
    whole: &[Role],
    commands: &mut Vec<Command>,
) -> Seen {
    let Some(domain) = domain else { return Seen::default() };
    let (spec, actual) = match domain.rehearse(desired, scope).await {
        Ok(both) => both,
        Err(error) => return Seen::nothing::<D>(&error, scope),
    };
    let plan = compare::<D>(&spec, &actual, desired, whole);
    commands.extend(plan.steps.iter().map(|planned| Command {
        stage: planned.stage,
        object: planned.object,
        command: planned.step.to_string(),
        effect: D::effect(planned, &actual),
    }));
    Seen { report: open_points(&plan), blind: false }
}

/// Nothing is taken away until the pictures of the roles in `whole` are complete.
fn compare<D: Domain>(
    spec: &D::Spec,
    actual: &D::Actual,
    desired: &Desired,
    whole: &[Role],
) -> Plan<D::Step> {
    let mut plan = D::plan(spec, actual);
    plan.sort();
    if !whole.iter().all(|role| desired.complete.contains(role)) {
        plan.keep_everything();
    }
    debug!(domain = D::NAME, steps = plan.steps.len(), waiting = plan.waiting.len(), "planned");
    plan
}

/// What a plan says of objects besides its steps.
fn open_points<S>(plan: &Plan<S>) -> Report {
    let mut report = Report::default();
    let failed = |reason: &String, retry| Outcome::Failed { chain: vec![reason.clone()], retry };
    for (object, what) in &plan.expecting {
        report.add(*object, Outcome::Expecting { what: what.clone() });
    }
    for (object, on) in &plan.waiting {
        report.add(*object, Outcome::Waiting { on: on.clone() });
    }
    for (object, reason) in &plan.impossible {
        report.add(*object, failed(reason, Retry::OnChange));
    }
    for (object, reason) in &plan.unreadable {
        report.add(*object, failed(reason, Retry::Soon));
    }
    report
}

/// Nothing of a domain could be read: its objects wait for it, and nothing is assumed gone.
fn unreadable<D: Domain>(error: &D::Error, scope: &Scope) -> Report {
    let outcome = Outcome::failed(error, Retry::Soon);
    warn!(domain = D::NAME, %outcome, "cannot be read; left as it is until it can");
    let objects = match scope {
        Scope::All => BTreeSet::from([ObjectRef::Node]),
        Scope::Objects(objects) => objects.clone(),
    };
    Report(objects.into_iter().map(|object| (object, outcome.clone())).collect())
}

/// The steps of one stage, without those of objects that this domain failed with before in this pass: a
/// later step may lean on an earlier one. Another domain's failure is no reason: it lets its own part wait.
async fn run<D: Domain>(domain: &mut Option<D>, part: &mut Part<D::Step>, stage: Stage) {
    let Some(domain) = domain else { return };
    let mut steps = part.plan.take(stage);
    steps.retain(|planned| !part.seen.report.failed(planned.object));
    if steps.is_empty() {
        return;
    }
    for planned in &steps {
        debug!(domain = D::NAME, object = %planned.object, step = %planned.step, "apply");
    }
    part.seen.report.merge(domain.apply(steps).await);
}
