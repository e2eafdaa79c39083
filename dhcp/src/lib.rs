//! The DHCP service: a `qdhcp-` namespace with one device for each network that is served on this node, and
//! a DHCPv4 server inside this process for each.
//!
//! A network is served here when a port of it with owner `network:dhcp` is bound to this node, the network
//! is up, and a subnet of it has DHCP. A guest's port is one host in its network's server: a change of it
//! costs the same on a network with ten ports and with sixty thousand.
//!
//! Not here: DHCPv6, names (DNS), the metadata service. The port of the switch that the device belongs to
//! is made by the switch's domain; this one waits for its device, unless it makes a pair of its own.

pub mod actual;
mod apply;
pub mod compile;
pub mod config;
pub mod error;
pub mod index;
mod leftover;
mod named;
mod observe;
pub mod plan;
pub mod server;
pub mod service;
pub mod spec;
pub mod step;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use host::Handles;
use model::{Desired, Domain, Effect, NetworkId, ObjectRef, Plan, Planned, Report, Role, Scope};

pub use actual::Actual;
pub use config::Config;
pub use error::Error;
pub use service::{HostEntry, LeaseEntry, Service};
pub use spec::Spec;
pub use step::Step;

use index::Index;
use step::Action;

/// The DHCP part of a node.
#[derive(Debug)]
pub struct Dhcp {
    config: Config,
    handles: Handles,
    service: Service,
    memory: Memory,
    /// Networks whose devices did not come in this pass.
    waiting: BTreeSet<NetworkId>,
}

/// What is remembered between passes.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    index: Index,
    /// The devices of the networks that were to be served when they were last looked at.
    devices: BTreeMap<NetworkId, BTreeSet<String>>,
    owners: BTreeMap<String, NetworkId>,
}

impl Dhcp {
    pub fn new(config: Config, handles: Handles) -> Self {
        Self {
            config,
            handles,
            service: Service::default(),
            memory: Memory::default(),
            waiting: BTreeSet::new(),
        }
    }

    /// The running servers, for asking about hosts, leases and counters.
    pub fn service(&self) -> Service {
        self.service.clone()
    }

    /// The leases of all networks.
    pub fn leases(&self) -> Vec<LeaseEntry> {
        self.service.networks().into_iter().flat_map(|network| self.service.leases(network)).collect()
    }

    /// The hosts of all networks.
    pub fn hosts(&self) -> Vec<HostEntry> {
        self.service.networks().into_iter().flat_map(|network| self.service.hosts(network)).collect()
    }

    /// The networks in scope whose servers know their hosts. With everything in scope it is not asked for.
    fn loaded(&self, scope: &Scope) -> BTreeSet<NetworkId> {
        let Scope::Objects(objects) = scope else { return BTreeSet::new() };
        let networks = objects.iter().filter_map(|object| match object {
            ObjectRef::Network(id) => Some(*id),
            _ => None,
        });
        networks.filter(|id| self.service.has(*id)).collect()
    }
}

impl Memory {
    fn remember_devices(&mut self, spec: &Spec) {
        if spec.everything {
            self.devices.clear();
            self.owners.clear();
        }
        for (network, wanted) in &spec.networks {
            for device in self.devices.remove(network).unwrap_or_default() {
                self.owners.remove(&device);
            }
            let Some(wanted) = wanted else { continue };
            let names = [Some(&wanted.device.name), wanted.device.peer.as_ref()];
            let names: BTreeSet<String> = names.into_iter().flatten().cloned().collect();
            self.owners.extend(names.iter().map(|name| (name.clone(), *network)));
            self.devices.insert(*network, names);
        }
    }
}

impl Domain for Dhcp {
    type Spec = Spec;
    type Actual = Actual;
    type Step = Step;
    type Error = Error;
    type Memory = Memory;

    const NAME: &'static str = "dhcp";
    const ROLE: Role = Role::Dhcp;

    async fn observe(&mut self, scope: &Scope) -> Result<Actual, Error> {
        self.waiting.clear();
        if *scope == Scope::All {
            self.handles.sweep();
        }
        observe::observe(&self.handles, &self.service, &self.memory.devices, scope).await
    }

    fn compile(&mut self, desired: &Desired, scope: &Scope) -> Spec {
        self.memory.index.update(desired);
        let loaded = self.loaded(scope);
        let spec = compile::compile(desired, &self.config, &self.memory.index, &loaded, scope);
        self.memory.remember_devices(&spec);
        spec
    }

    fn memory(&mut self) -> &mut Memory {
        &mut self.memory
    }

    fn plan(want: &Spec, have: &Actual) -> Plan<Step> {
        plan::plan(want, have)
    }

    fn effect(planned: &Planned<Step>, _have: &Actual) -> Effect {
        match planned.step.action {
            Action::Configure { .. }
            | Action::LoadHosts { .. }
            | Action::SetHost { .. }
            | Action::Listen { .. } => Effect::Service,
            _ => Effect::Changes,
        }
    }

    async fn apply(&mut self, steps: Vec<Planned<Step>>) -> Report {
        let state_path = self.config.state_path.as_deref();
        apply::apply(&self.handles, &self.service, state_path, &mut self.waiting, steps).await
    }

    fn owner_of_device(&self, name: &str) -> Option<ObjectRef> {
        self.memory.owners.get(name).map(|network| ObjectRef::Network(*network))
    }
}
