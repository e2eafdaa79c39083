//! The switch: OVSDB and OpenFlow clients, the flow pipeline, and the domain that keeps Open vSwitch as
//! wanted.
//!
//! ```text
//!   ovsdb::Client ── row changes ──> follow ── Scope ──> wake           (what has to be looked at again)
//!                                      │
//!   links (one OpenFlow connection     │ copies of rows
//!   per bridge, flows mirrored) ──┐    │
//!                                 v    v
//!   Desired ──compile──> Spec ──> plan <── Actual        pipeline: Spec + port numbers -> flows
//!                                  │
//!                                  v
//!                                apply: one transaction, one bundle per bridge
//! ```
//!
//! [`Switch`] is the domain. `ovsdb` and `openflow` know nothing of networks and can be used alone.
//! No process of Open vSwitch's tools is ever started, and no Controller row is written: flows go over
//! the management socket that vswitchd opens for every bridge.

mod apply;
pub mod compile;
pub mod config;
mod devices;
pub mod effect;
pub mod error;
mod follow;
pub mod index;
mod links;
pub mod local_vlan;
pub mod memory;
pub mod mirror;
pub mod names;
pub mod observe;
pub mod openflow;
pub mod ovsdb;
pub mod pipeline;
pub mod plan;
pub mod rows;
pub mod service;
pub mod spec;
pub mod step;
pub mod wakes;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::{Desired, Domain, Effect, ObjectRef, Outcome, Plan, Planned, Report, Role, Scope, SwitchFacts};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tracing::debug;

use crate::apply::Hands;
use crate::compile::compile;
pub use crate::config::{Config, ConfigError, DatapathType};
pub use crate::error::Error;
use crate::follow::{Follower, Request};
use crate::links::{Links, Wake};
use crate::memory::Memory;
use crate::observe::Actual;
use crate::spec::Spec;
use crate::step::Step;

/// The switch of this node.
pub struct Switch {
    config: Config,
    memory: Memory,
    /// What was read for this pass.
    seen: Actual,
    database: ovsdb::Client,
    links: Arc<Links>,
    requests: mpsc::UnboundedSender<Request>,
    wake: Wake,
    facts: watch::Receiver<SwitchFacts>,
    follower: AbortHandle,
}

impl Switch {
    /// Begins to connect, in the background and for as often as it takes. `wake` is called with the
    /// objects that have to be looked at again: when something of theirs changed on the switch, and
    /// [`Scope::All`] when the switch or its database went or came back. Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// When the configuration cannot be worked with.
    pub fn new(config: Config, wake: impl Fn(Scope) + Send + Sync + 'static) -> Result<Self, Error> {
        config.check()?;
        let memory = Memory::new(&config);
        let node = memory.node().clone();
        let wake: Wake = Arc::new(wake);
        let (database, events) = ovsdb::Client::start(settings(&config)?);
        let links = Arc::new(Links::new(node.bridges(), &config, &wake));
        let (teller, facts) = watch::channel(SwitchFacts::default());
        let follower = Follower::new(events, node, links.clone(), wake.clone(), teller);
        let (requests, asked) = mpsc::unbounded_channel();
        let follower = tokio::spawn(follower.run(asked)).abort_handle();
        let seen = Actual::default();
        Ok(Self { config, memory, seen, database, links, requests, wake, facts, follower })
    }

    /// What is plugged in, and what the switch can do. The receiver always has a value.
    pub fn facts(&self) -> watch::Receiver<SwitchFacts> {
        self.facts.clone()
    }

    /// Whether the database and the integration bridge can be talked to right now.
    pub fn is_up(&self) -> bool {
        self.database.is_connected()
            && (self.config.ports_only || self.links.is_up(&self.config.integration_bridge))
    }

    async fn rows(&self) -> Result<rows::Rows, Error> {
        let (request, answer) = oneshot::channel();
        self.requests.send(request).map_err(|_| Error::Ended)?;
        answer.await.map_err(|_| Error::Ended)?
    }

    /// The flows of every bridge that is connected. Without the integration bridge, once it was there, the
    /// switch as a whole is away; of another bridge it is only that nothing is known of its flows.
    async fn flows(&self, rows: &rows::Rows, audit: bool) -> Result<BTreeMap<String, mirror::Mirror>, Error> {
        let mut flows = BTreeMap::new();
        for bridge in self.memory.node().bridges().filter(|bridge| rows.bridge(bridge).is_some()) {
            match self.links.flows(bridge, audit).await {
                Ok(Some(mirror)) => _ = flows.insert(bridge.to_owned(), mirror),
                Ok(None) => {}
                Err(error) if bridge == self.config.integration_bridge => return Err(error),
                Err(error) => {
                    debug!(bridge, error = &error as &dyn std::error::Error, "its flows are unknown");
                }
            }
        }
        Ok(flows)
    }
}

impl Domain for Switch {
    type Spec = Spec;
    type Actual = Actual;
    type Step = Step;
    type Error = Error;
    type Memory = Memory;

    const NAME: &'static str = "switch";
    const ROLE: Role = Role::L2;

    async fn observe(&mut self, scope: &Scope) -> Result<Actual, Error> {
        let rows = self.rows().await?;
        let flows = self.flows(&rows, *scope == Scope::All).await?;
        let bridge = &self.config.integration_bridge;
        let gone = devices::gone(&rows, &self.memory.index, bridge, scope).await;
        let actual = Actual { rows, flows, gone };
        self.memory.see(&actual, scope);
        self.seen = actual.clone();
        Ok(actual)
    }

    fn compile(&mut self, desired: &Desired, scope: &Scope) -> Spec {
        compile(desired, &self.config, &mut self.memory, scope)
    }

    fn memory(&mut self) -> &mut Memory {
        &mut self.memory
    }

    fn begin(&mut self, _spec: &Spec) {
        let unasked = self.memory.take_unasked();
        if !unasked.is_empty() {
            (self.wake)(Scope::Objects(unasked));
        }
    }

    fn plan(want: &Spec, have: &Actual) -> Plan<Step> {
        plan::plan(want, have)
    }

    fn effect(planned: &Planned<Step>, have: &Actual) -> Effect {
        effect::effect(&planned.step, have)
    }

    async fn apply(&mut self, steps: Vec<Planned<Step>>) -> Report {
        let hands =
            Hands { database: &self.database, links: &self.links, ovsdb_timeout: self.config.ovsdb_timeout };
        let succeeds_somebody = steps.iter().any(|planned| planned.step.is_flow())
            && self.seen.rows.bridges().any(|bridge| !bridge.predecessors.is_empty());
        let report = apply::apply(steps, hands).await;
        let failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed { .. });
        if succeeds_somebody && !report.0.values().any(failed) {
            // What the agent before us left goes when a look at everything finds nothing of ours missing.
            (self.wake)(Scope::All);
        }
        report
    }

    /// Ports are woken by the database, which hears of their devices first.
    fn owner_of_device(&self, _name: &str) -> Option<ObjectRef> {
        None
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl fmt::Debug for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switch").field("config", &self.config).finish_non_exhaustive()
    }
}

/// How the database is connected to. A lost one is looked for often: until it is back nothing is heard
/// of ports that are plugged in.
fn settings(config: &Config) -> Result<ovsdb::Settings, Error> {
    let remote = config.ovsdb.parse().map_err(Error::Remote)?;
    let files = (&config.ssl_key_file, &config.ssl_cert_file, &config.ssl_ca_cert_file);
    let tls = match files {
        (Some(key), Some(certificate), Some(authority)) => Some(ovsdb::TlsFiles {
            private_key: key.clone(),
            certificate: certificate.clone(),
            ca_certificate: authority.clone(),
        }),
        _ => None,
    };
    Ok(ovsdb::Settings {
        tls,
        connect_timeout: config.ovsdb_timeout,
        shortest_pause: Duration::from_millis(20),
        longest_pause: Duration::from_secs(1),
        ..ovsdb::Settings::new(remote, rows::read::monitor())
    })
}
