//! The smallest engine: passes over what is dirty until a condition holds.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use model::{Desired, Domain as _, ObjectRef, Outcome, Report, Scope, Stage};
use ovs::{Config, Switch};
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Engine {
    switch: Switch,
    wakes: mpsc::UnboundedReceiver<Scope>,
    pub(crate) desired: Desired,
    dirty: Option<Scope>,
    /// The last outcome of every object.
    pub(crate) report: Report,
    /// Every step that was carried out, as its command.
    pub(crate) steps: Vec<String>,
}

impl Engine {
    pub(crate) fn start(config: &Config, desired: &Desired) -> Self {
        let (wake, wakes) = mpsc::unbounded_channel();
        let switch =
            Switch::new(config.clone(), move |scope| _ = wake.send(scope)).expect("a sound configuration");
        Self {
            switch,
            wakes,
            desired: desired.clone(),
            dirty: Some(Scope::All),
            report: Report::default(),
            steps: Vec::new(),
        }
    }

    /// Changes what is wanted.
    pub(crate) fn want(&mut self, change: impl FnOnce(&mut Desired)) {
        let before = self.desired.clone();
        change(&mut self.desired);
        self.mark(Scope::Objects(model::changes(&before, &self.desired)));
    }

    /// Looks at everything at the next pass.
    pub(crate) fn audit(&mut self) {
        self.mark(Scope::All);
    }

    pub(crate) fn mark(&mut self, scope: Scope) {
        self.dirty = Some(match (self.dirty.take(), scope) {
            (Some(Scope::Objects(mut old)), Scope::Objects(new)) => {
                old.extend(new);
                Scope::Objects(old)
            }
            (None, scope) => scope,
            _ => Scope::All,
        });
    }

    /// Passes, and waits for wakes, until the condition holds. What failed is tried again at once.
    pub(crate) async fn until(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            while let Ok(scope) = self.wakes.try_recv() {
                self.mark(scope);
            }
            if let Some(scope) = self.dirty.take() {
                self.pass(&scope).await;
                continue;
            }
            if condition(self) {
                return;
            }
            assert!(Instant::now() < deadline, "waited too long until {what}; {:#?}", self.troubles());
            match tokio::time::timeout(Duration::from_millis(20), self.wakes.recv()).await {
                Ok(Some(scope)) => self.mark(scope),
                Ok(None) => panic!("the switch does not wake us any more"),
                Err(_) => {
                    let failed: BTreeSet<_> =
                        self.report.0.keys().copied().filter(|object| self.report.failed(*object)).collect();
                    if !failed.is_empty() {
                        self.mark(Scope::Objects(failed));
                    }
                }
            }
        }
    }

    pub(crate) async fn until_done(&mut self) {
        self.until("every object is as wanted", |engine| engine.troubles().is_empty()).await;
    }

    /// What is not as wanted.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let troubles = self.report.0.iter().filter(|(_, outcome)| **outcome != Outcome::Done);
        troubles.map(|(object, outcome)| format!("{object}: {outcome}")).collect()
    }

    pub(crate) fn outcome(&self, object: ObjectRef) -> String {
        self.report.0.get(&object).map_or_else(|| "never looked at".to_owned(), ToString::to_string)
    }

    /// Observe, compile, plan, apply.
    pub(crate) async fn pass(&mut self, scope: &Scope) {
        let actual = match self.switch.observe(scope).await {
            Ok(actual) => actual,
            Err(error) => {
                let failed = Outcome::failed(&error, model::Retry::Soon);
                self.report.0.insert(ObjectRef::Node, failed);
                return;
            }
        };
        let spec = self.switch.compile(&self.desired, scope);
        self.switch.begin(&spec);
        let mut plan = Switch::plan(&spec, &actual);
        if !self.desired.complete.contains(&Switch::ROLE) {
            plan.keep_everything();
        }
        self.steps.extend(plan.steps.iter().map(|planned| planned.step.to_string()));
        let mut report = Report::default();
        for (object, what) in &plan.expecting {
            report.add(*object, Outcome::Expecting { what: what.clone() });
        }
        for (object, what) in &plan.expecting {
            report.add(*object, Outcome::Expecting { what: what.clone() });
        }
        for (object, on) in &plan.waiting {
            report.add(*object, Outcome::Waiting { on: on.clone() });
        }
        for (object, reason) in &plan.impossible {
            report
                .add(*object, Outcome::Failed { chain: vec![reason.clone()], retry: model::Retry::OnChange });
        }
        for stage in Stage::ALL {
            let mut steps = plan.take(stage);
            steps.retain(|planned| !report.failed(planned.object));
            if !steps.is_empty() {
                report.merge(self.switch.apply(steps).await);
            }
        }
        let looked_at: Vec<ObjectRef> = match scope {
            Scope::All => self.report.0.keys().copied().chain([ObjectRef::Node]).collect(),
            Scope::Objects(objects) => objects.iter().copied().collect(),
        };
        for object in looked_at {
            report.0.entry(object).or_insert(Outcome::Done);
        }
        self.report.0.extend(report.0);
    }
}
