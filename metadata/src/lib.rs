//! The metadata proxy: guests ask 169.254.169.254 (or fe80::a9fe:a9fe) who they are, and Nova answers.
//!
//! A guest's request comes into the namespace of a router or of its network's DHCP service, where a listener of this
//! process takes it. The namespace and the guest's address tell which instance it is (the controller is asked, by
//! [`lookup::Lookup`]); the request goes to Nova with the instance's id, signed with a secret that Nova has too.
//! One task for each listener serves all of them; Neutron runs a haproxy for each.
//!
//! As a domain of the node it has only listeners to open and close: [`compile`] says where there must be some, [`plan`]
//! compares, `apply` opens them. Namespaces, devices, addresses and the rules that lead packets here are the work of the
//! domains that own them. Of a request: `listener` takes the connection, `proxy` the request, [`rate`] counts it,
//! `request` says what goes on to Nova, `answer` what the guest is told otherwise.

pub mod actual;
mod agents;
mod answer;
mod apply;
pub mod compile;
pub mod config;
pub mod counters;
pub mod error;
mod leftover;
mod listener;
pub mod lookup;
mod observe;
mod patience;
pub mod place;
pub mod plan;
mod proxy;
pub mod rate;
mod relay;
mod request;
pub mod service;
mod signature;
mod socket;
pub mod spec;
pub mod step;
mod upstream;

use std::sync::Arc;

use host::Handles;
use model::{Desired, Domain, Effect, ObjectRef, Plan, Planned, Report, Role, Scope};

pub use actual::Actual;
pub use config::{AgentSocket, Config};
pub use error::Error;
pub use lookup::{Client, Instance, Lookup, LookupError, Query};
pub use place::Place;
pub use service::Service;
pub use spec::Spec;
pub use step::Step;

use proxy::Proxy;
use step::Change;

/// The metadata part of a node.
#[derive(Debug)]
pub struct Metadata {
    config: Config,
    handles: Handles,
    service: Service,
    memory: (),
}

impl Metadata {
    /// Opens nothing yet; the first pass does. `wake` is called with what to look at again when a listener could be
    /// opened that another program was in the way of.
    pub fn new(
        config: Config,
        handles: Handles,
        lookup: Arc<dyn Lookup>,
        wake: impl Fn(Scope) + Send + Sync + 'static,
    ) -> Self {
        let proxy = Proxy::new(config.clone(), lookup);
        Self { service: Service::new(proxy, Arc::new(wake)), config, handles, memory: () }
    }

    /// Serves as the node's metadata agent for other processes, Neutron's haproxies among them, from now on and in
    /// the background. While another agent answers on the socket it is left to that one.
    pub fn serve_agents(&self, socket: AgentSocket) {
        tokio::spawn(agents::serve(self.service.proxy(), socket));
    }

    /// The listeners and counters, for asking while the engine is at work.
    pub fn service(&self) -> Service {
        self.service.clone()
    }
}

impl Domain for Metadata {
    type Spec = Spec;
    type Actual = Actual;
    type Step = Step;
    type Error = Error;
    /// What was done is seen in the service.
    type Memory = ();

    const NAME: &'static str = "metadata";
    const ROLE: Role = Role::Metadata;

    async fn observe(&mut self, scope: &Scope) -> Result<Actual, Error> {
        observe::observe(&self.handles, &self.service, &self.config, scope).await
    }

    fn compile(&mut self, desired: &Desired, scope: &Scope) -> Spec {
        compile::compile(desired, &self.config, scope)
    }

    fn memory(&mut self) -> &mut () {
        &mut self.memory
    }

    fn begin(&mut self, spec: &Spec) {
        self.service.forget_unwanted(spec);
    }

    fn plan(want: &Spec, have: &Actual) -> Plan<Step> {
        plan::plan(want, have)
    }

    fn effect(planned: &Planned<Step>, _have: &Actual) -> Effect {
        match planned.step.change {
            Change::Open { .. } => Effect::Service,
            Change::Close { .. } | Change::EndLeftover { .. } => Effect::Changes,
        }
    }

    async fn apply(&mut self, steps: Vec<Planned<Step>>) -> Report {
        apply::apply(&self.handles, &self.service, &self.config.state_path, steps).await
    }

    /// Whoever has the device brings the network up again, and this with it.
    fn owner_of_device(&self, _name: &str) -> Option<ObjectRef> {
        None
    }
}
