//! Routers: `qrouter-` namespaces with their interfaces, routes and address translation.
//!
//! [`compile`] decides which routers are this node's and what they consist of ([`spec`], made by
//! [`parts`], one file per feature); [`observe`] reads what exists ([`actual`]); [`plan`] compares the
//! two; [`apply`] carries it out. A feature is a file in `parts` that adds to the [`spec::RouterSpec`].
//!
//! The devices of a router are made by the switch's domain. They appear in the root namespace, are moved
//! into the router's namespace here, and a router whose device has not appeared yet waits for it.
//!
//! Nothing outside `qrouter-<uuid>` namespaces is changed but for the move of those devices; see
//! [`actual`] for what inside them is foreign.

pub mod actual;
mod announce;
mod apply;
pub mod compile;
pub mod config;
mod effect;
pub mod error;
pub mod leftover;
mod observe;
pub mod parts;
pub mod plan;
pub mod ruleset;
pub mod spec;
pub mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use host::Handles;
use model::{Desired, Domain, Effect, ObjectRef, Plan, Planned, Report, Role, RouterId, Scope};

pub use actual::Actual;
pub use config::Config;
pub use error::Error;
pub use spec::{RouterSpec, Spec};
pub use step::Step;

use actual::{Found, Snapshot};
use ruleset::Family;
use spec::Translations;

/// How many routers are read or changed at the same time.
const AT_ONCE: usize = 8;

/// The routers of this node.
#[derive(Debug)]
pub struct Routers {
    handles: Handles,
    config: Config,
    memory: Memory,
}

/// What is remembered between passes.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// What was wanted last of every router here.
    wanted: BTreeMap<RouterId, Arc<Wanted>>,
    /// Whose devices are wanted, by their names.
    devices: BTreeMap<String, RouterId>,
    /// Where nothing of Neutron's L3 agent is left: it is not coming back while we are here.
    looked_through: BTreeSet<RouterId>,
    /// The generation of each ruleset in which our rules were last known to be as they were loaded.
    generations: BTreeMap<RouterId, u32>,
}

/// What is remembered of a router. What is made does not depend on it: it only tells what addresses stood for,
/// and when it is not known they are all looked at.
#[derive(Debug)]
struct Wanted {
    devices: Vec<String>,
    tables: BTreeMap<Family, String>,
    translations: Translations,
}

impl Routers {
    /// Does nothing yet; the first pass does.
    pub fn new(config: Config, handles: Handles) -> Self {
        Self { handles, config, memory: Memory::default() }
    }
}

impl Memory {
    /// Tables that were loaded from what was wanted last hold what addresses stood for.
    fn recognise(&self, router: RouterId, snapshot: &mut Snapshot) {
        let wanted = self.wanted.get(&router);
        let loaded = wanted.filter(|wanted| snapshot.tables == wanted.tables);
        snapshot.translations = loaded.map(|wanted| wanted.translations.clone());
    }

    fn remember(&mut self, spec: &Spec) {
        if spec.everything {
            self.wanted.clear();
            self.devices.clear();
        }
        for (router, spec) in &spec.routers {
            if let Some(old) = self.wanted.remove(router) {
                old.devices.iter().for_each(|device| _ = self.devices.remove(device));
            }
            if let Some(spec) = spec {
                let devices: Vec<String> = spec.interfaces.keys().cloned().collect();
                self.devices.extend(devices.iter().map(|device| (device.clone(), *router)));
                let tables = spec.ruleset.tables();
                let wanted = Wanted { devices, tables, translations: spec.translations.clone() };
                self.wanted.insert(*router, Arc::new(wanted));
            }
        }
    }
}

impl Domain for Routers {
    type Spec = Spec;
    type Actual = Actual;
    type Step = Step;
    type Error = Error;
    type Memory = Memory;

    const NAME: &'static str = "routers";
    const ROLE: Role = Role::L3;

    async fn observe(&mut self, scope: &Scope) -> Result<Actual, Error> {
        let mut actual = observe::observe(&self.handles, &self.memory.looked_through, scope).await?;
        for (router, found) in &mut actual.routers {
            if let Found::Namespace(snapshot) = found {
                snapshot.doubt(*self.memory.generations.entry(*router).or_insert(snapshot.generation));
                self.memory.recognise(*router, snapshot);
                if snapshot.leftovers.is_empty() {
                    self.memory.looked_through.insert(*router);
                }
            }
        }
        // A namespace that comes back later may be somebody else's work.
        match scope {
            Scope::All => {
                self.memory.looked_through.retain(|router| actual.routers.contains_key(router));
                self.memory.generations.retain(|router, _| actual.routers.contains_key(router));
            }
            Scope::Objects(_) => {
                let gone = compile::routers_in(scope).filter(|router| !actual.routers.contains_key(router));
                gone.for_each(|router| {
                    self.memory.looked_through.remove(&router);
                    self.memory.generations.remove(&router);
                });
            }
        }
        Ok(actual)
    }

    fn compile(&mut self, desired: &Desired, scope: &Scope) -> Spec {
        let spec = compile::compile(desired, &self.config, scope);
        self.memory.remember(&spec);
        spec
    }

    fn memory(&mut self) -> &mut Memory {
        &mut self.memory
    }

    fn plan(want: &Spec, have: &Actual) -> Plan<Step> {
        plan::plan(want, have)
    }

    fn effect(planned: &Planned<Step>, have: &Actual) -> Effect {
        effect::effect(&planned.step, have)
    }

    async fn apply(&mut self, steps: Vec<Planned<Step>>) -> Report {
        let applied = apply::apply(&self.handles, steps).await;
        self.memory.generations.extend(applied.generations);
        applied.report
    }

    fn owner_of_device(&self, name: &str) -> Option<ObjectRef> {
        self.memory.devices.get(name).copied().map(ObjectRef::Router)
    }
}
