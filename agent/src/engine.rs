//! The loop. It waits for an event, marks objects dirty, and runs one pass over what is dirty. Start,
//! change, retry and resync differ only in how much is dirty.
//!
//! There is no I/O here: domains do that, and whoever sends events. What objects a change concerns is
//! decided in `dirty`, when a failure is tried again in `backoff`.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use model::{Desired, HostName, ObjectRef, Outcome, Pass, Report, Retry, Role, Scope};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;
use tracing::{debug, info, warn};

use crate::backoff::Backoff;
use crate::dirty::dirty;
use crate::domains::{Domains, Seen};
use crate::event::Event;
use crate::inspect;
use crate::status::Statuses;

/// How many objects one pass looks at: so many that batches pay, so few that a port that is plugged
/// while hundreds of routers are built does not wait for all of them.
const PASS_SIZE: usize = 256;

/// The one task that decides.
#[derive(Debug)]
pub(crate) struct Engine {
    domains: Domains,
    host: HostName,
    audit_every: Duration,
    wishes: watch::Receiver<Arc<Desired>>,
    events: mpsc::UnboundedReceiver<Event>,
    reports: mpsc::UnboundedSender<Pass>,
    /// The wish that is being worked on; `wishes` may hold a later one.
    desired: Arc<Desired>,
    dirty: Dirty,
    statuses: Statuses,
    backoff: Backoff,
    audit_due: Instant,
    /// Whether the last look at everything saw everything. Until then nothing can be said of the node.
    sighted: bool,
    passes: u64,
}

/// What has to be looked at.
#[derive(Debug, Default)]
struct Dirty {
    all: bool,
    objects: BTreeSet<ObjectRef>,
}

impl Dirty {
    fn add(&mut self, scope: Scope) {
        match scope {
            Scope::All => self.all = true,
            Scope::Objects(objects) => self.objects.extend(objects),
        }
    }

    /// The scope of the next pass. Everything at once if everything is dirty: an object that nobody
    /// wants is only found that way.
    fn next(&mut self) -> Option<Scope> {
        if std::mem::take(&mut self.all) {
            self.objects.clear();
            return Some(Scope::All);
        }
        let rest = self.objects.iter().nth(PASS_SIZE).copied();
        let rest = rest.map_or_else(BTreeSet::new, |first| self.objects.split_off(&first));
        let now = std::mem::replace(&mut self.objects, rest);
        (!now.is_empty()).then_some(Scope::Objects(now))
    }
}

/// Why the loop goes on or ends.
enum Next {
    GoOn,
    Stop,
}

impl Engine {
    pub(crate) fn new(
        domains: Domains,
        host: HostName,
        audit_every: Duration,
        wishes: watch::Receiver<Arc<Desired>>,
        events: mpsc::UnboundedReceiver<Event>,
        reports: mpsc::UnboundedSender<Pass>,
    ) -> Self {
        Self {
            domains,
            host,
            audit_every,
            wishes,
            events,
            reports,
            desired: Arc::default(),
            dirty: Dirty { all: true, ..Dirty::default() },
            statuses: Statuses::default(),
            backoff: Backoff::default(),
            audit_due: Instant::now() + audit_every,
            sighted: false,
            passes: 0,
        }
    }

    /// Runs until it is told to stop. Calls `converged` whenever everything was seen and nothing is dirty.
    pub(crate) async fn run(&mut self, mut converged: impl FnMut()) {
        self.wishes.mark_changed();
        loop {
            let event = tokio::select! {
                event = self.events.recv() => event.unwrap_or(Event::Stop),
                Ok(()) = self.wishes.changed() => Event::Desired,
                () = until(self.backoff.next()) => Event::Retry,
                () = until(Some(self.audit_due)) => Event::Audit,
            };
            if let Next::Stop = self.handle(event).await {
                info!("stopping; everything stays in place");
                return;
            }
            while let Some(scope) = self.dirty.next() {
                self.pass(&scope).await;
                self.take_wish();
                // What came meanwhile joins the next pass.
                while let Ok(event) = self.events.try_recv() {
                    if let Next::Stop = self.handle(event).await {
                        info!("stopping; everything stays in place");
                        return;
                    }
                }
            }
            if self.sighted {
                converged();
            }
        }
    }

    /// Takes this node's routers away, as Neutron's L3 agent does at its end when it is told to; nothing, when
    /// it is not known which routers there are.
    pub(crate) async fn take_routers_away(&mut self) {
        if !self.desired.complete.contains(&Role::L3) {
            return;
        }
        let mut rest = Desired::clone(&self.desired);
        self.desired.routers().keys().for_each(|id| rest.drop_router(*id));
        let scope = Scope::Objects(dirty(&self.desired, &rest));
        info!(routers = self.desired.routers().len(), "taking the routers away");
        self.desired = Arc::new(rest);
        self.pass(&scope).await;
    }

    async fn handle(&mut self, event: Event) -> Next {
        match event {
            Event::Desired => self.desire(),
            Event::Switch(scope) => self.dirty.add(scope),
            Event::Device(name) => self.dirty.objects.extend(self.domains.owners_of_device(&name)),
            Event::Namespace(name) => self.dirty.objects.extend(model::names::owner_of_namespace(&name)),
            Event::Overflow => self.dirty.all = true,
            Event::Retry => {
                self.dirty.objects.extend(self.backoff.take_due(Instant::now()));
                // A look at everything that failed is done again as a whole.
                self.dirty.all |= !self.sighted;
            }
            Event::Audit => {
                self.audit_due = Instant::now() + self.audit_every;
                self.dirty.all = true;
            }
            Event::Question(question, answer) => {
                // Whoever made a wish and then asks wants to hear of that wish.
                self.take_wish();
                let busy = !self.sighted || self.dirty.all || !self.dirty.objects.is_empty();
                let Self { desired, statuses, host, domains, .. } = self;
                let known = inspect::Known { desired, statuses, host, busy };
                let value = inspect::answer(&question, &known, domains).await;
                // Whoever asked may have hung up.
                let _ = answer.send(value);
            }
            Event::Stop => return Next::Stop,
        }
        Next::GoOn
    }

    fn take_wish(&mut self) {
        if self.wishes.has_changed().unwrap_or(false) {
            self.desire();
        }
    }

    fn desire(&mut self) {
        let desired = self.wishes.borrow_and_update().clone();
        if desired.complete != self.desired.complete {
            // Removals that were held back become possible, and only a look at everything finds them.
            self.dirty.all = true;
        } else {
            self.dirty.objects.extend(dirty(&self.desired, &desired));
        }
        self.desired = desired;
    }

    async fn pass(&mut self, scope: &Scope) {
        let begin = Instant::now();
        let Seen { mut report, blind } = self.domains.pass(&self.desired, scope).await;
        self.passes += 1;
        if *scope == Scope::All {
            self.sighted = !blind;
        }
        self.complete(scope, &mut report, blind);
        self.settle(&report);
        debug!(pass = self.passes, ?scope, took = ?begin.elapsed(), "pass");
        // The controller may be on its way out; its last reports are of no use then.
        let _ = self.reports.send(Pass { desired: self.desired.clone(), report });
    }

    /// Adds what was looked at and found right: nothing is said of it otherwise.
    fn complete(&self, scope: &Scope, report: &mut Report, blind: bool) {
        let looked_at: Vec<ObjectRef> = match scope {
            Scope::All if blind => return,
            Scope::All => self.statuses.iter().map(|(object, _)| *object).chain(self.wanted()).collect(),
            Scope::Objects(objects) => objects.iter().copied().collect(),
        };
        for object in looked_at {
            report.0.entry(object).or_insert(Outcome::Done);
        }
    }

    /// Keeps what came of every object, says what is new, and arranges for another try.
    fn settle(&mut self, report: &Report) {
        let now = Instant::now();
        for (object, outcome) in &report.0 {
            match outcome {
                Outcome::Failed { retry: Retry::Soon, .. } => self.backoff.failed(*object, now),
                _ => self.backoff.recovered(*object),
            }
        }
        for (object, outcome) in self.statuses.update(report, SystemTime::now()) {
            match outcome {
                Outcome::Failed { chain, retry } => {
                    let next = match retry {
                        Retry::Soon => "tried again soon, other objects go on",
                        Retry::OnChange => "tried again when it or what it needs changes",
                    };
                    let failures = self.backoff.failures(object);
                    warn!(%object, error = chain.join(": "), failures, next, "failed");
                }
                Outcome::Waiting { on } => info!(%object, on, "waiting"),
                Outcome::Expecting { what } => debug!(%object, what, "expecting"),
                Outcome::Done => debug!(%object, "as wanted"),
            }
        }
        for (object, outcome) in &report.0 {
            if *outcome == Outcome::Done && !self.is_wanted(*object) {
                self.statuses.forget(*object);
            }
        }
    }

    /// Every object that the controller knows. What does not concern this node is right by being absent.
    fn wanted(&self) -> impl Iterator<Item = ObjectRef> {
        let ports = self.desired.ports().values().filter(|port| port.is_on(&self.host));
        let routers = self.desired.routers().values();
        let routers = routers.filter(|router| router.host.as_ref() == Some(&self.host));
        let networks = self.desired.networks().keys();
        std::iter::once(ObjectRef::Node)
            .chain(networks.map(|id| ObjectRef::Network(*id)))
            .chain(ports.map(|port| ObjectRef::Port(port.id)))
            .chain(routers.map(|router| ObjectRef::Router(router.id)))
    }

    fn is_wanted(&self, object: ObjectRef) -> bool {
        match object {
            ObjectRef::Node => true,
            ObjectRef::Endpoint(_) | ObjectRef::RemoteMac(..) => false,
            ObjectRef::Network(id) => self.desired.networks().contains_key(&id),
            ObjectRef::Port(id) => self.desired.ports().get(&id).is_some_and(|port| port.is_on(&self.host)),
            ObjectRef::Router(id) => {
                let router = self.desired.routers().get(&id);
                router.is_some_and(|router| router.host.as_ref() == Some(&self.host))
            }
        }
    }
}

/// Waits for a moment, or for ever.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(count: u128) -> BTreeSet<ObjectRef> {
        (0..count).map(|id| ObjectRef::Port(model::PortId(uuid::Uuid::from_u128(id)))).collect()
    }

    #[test]
    fn many_dirty_objects_take_several_passes() {
        let mut dirty = Dirty { all: false, objects: ports(600) };
        let mut sizes = Vec::new();
        while let Some(Scope::Objects(objects)) = dirty.next() {
            sizes.push(objects.len());
        }
        assert_eq!(sizes, [256, 256, 88]);
    }

    #[test]
    fn everything_swallows_the_rest() {
        let mut dirty = Dirty { all: true, objects: ports(3) };
        assert_eq!(dirty.next(), Some(Scope::All));
        assert_eq!(dirty.next(), None);
    }
}
