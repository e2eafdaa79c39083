//! What compiling remembers from pass to pass: the index over the controller's will, the local VLANs, and
//! the numbers that tunnel ports had. All of it can be found again from the switch and the will.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::{Desired, ObjectRef, Scope};

use crate::compile::{node, union};
use crate::config::Config;
use crate::index::Index;
use crate::local_vlan::LocalVlans;
use crate::observe::Actual;
use crate::spec::NodeSpec;

/// What compiling remembers from pass to pass.
#[derive(Debug)]
pub struct Memory {
    pub index: Index,
    pub vlans: LocalVlans,
    node: Arc<NodeSpec>,
    /// The numbers of the tunnel ports of every endpoint, as last seen.
    tunnels: BTreeMap<IpAddr, Vec<Option<u32>>>,
    /// Endpoints whose tunnel ports have other numbers than before: what sends there has to follow.
    moved: BTreeSet<IpAddr>,
    /// What a change has drawn in and no pass has carried out yet: compiling may have been a rehearsal.
    pending: Scope,
}

impl Memory {
    pub fn new(config: &Config) -> Self {
        Self {
            index: Index::new(config.host.clone()),
            vlans: LocalVlans::default(),
            node: Arc::new(node(config)),
            tunnels: BTreeMap::new(),
            moved: BTreeSet::new(),
            pending: Scope::Objects(BTreeSet::new()),
        }
    }

    /// Takes up what the switch remembers, from what was read for a pass over `scope`: local VLANs, and
    /// the numbers of tunnel ports. Ports whose device is gone are drawn in.
    pub fn see(&mut self, actual: &Actual, scope: &Scope) {
        let gone = actual.gone.iter().map(|port| ObjectRef::Port(*port)).collect();
        self.pending = union(Scope::Objects(gone), &self.pending);
        match scope {
            Scope::All => {
                let known = actual.remembered_vlans(&self.node);
                self.vlans.remember(known);
                let gone =
                    self.tunnels.keys().filter(|endpoint| actual.rows.tunnels(**endpoint).next().is_none());
                let endpoints: BTreeSet<IpAddr> = gone.copied().chain(actual.rows.endpoints()).collect();
                endpoints.into_iter().for_each(|endpoint| self.see_tunnels(actual, endpoint));
            }
            Scope::Objects(objects) => {
                for object in objects {
                    if let ObjectRef::Endpoint(endpoint) = object {
                        self.see_tunnels(actual, *endpoint);
                    }
                }
            }
        }
    }

    /// Takes up a new state of the will. Returns what has to be looked at because of it, and because of
    /// tunnel ports that have got other numbers; all that is pending until [`Memory::settle`].
    pub fn draw_in(&mut self, desired: &Desired) -> Scope {
        let mut drawn_in = self.index.follow(desired);
        for endpoint in std::mem::take(&mut self.moved) {
            drawn_in = union(drawn_in, &Scope::Objects(self.index.senders(endpoint)));
        }
        self.pending = union(drawn_in.clone(), &self.pending);
        drawn_in
    }

    /// What was drawn in since the last [`Memory::settle`].
    pub fn pending(&self) -> &Scope {
        &self.pending
    }

    pub fn has_pending(&self) -> bool {
        !matches!(&self.pending, Scope::Objects(objects) if objects.is_empty())
    }

    /// What was compiled last is carried out, or asks for no step.
    pub fn settle(&mut self) {
        self.pending = Scope::Objects(BTreeSet::new());
    }

    fn see_tunnels(&mut self, actual: &Actual, endpoint: IpAddr) {
        let numbers: Vec<_> =
            actual.rows.tunnels(endpoint).map(|plug| plug.interface.ofport.number()).collect();
        let before = if numbers.is_empty() {
            self.tunnels.remove(&endpoint).unwrap_or_default()
        } else {
            self.tunnels.insert(endpoint, numbers.clone()).unwrap_or_default()
        };
        if before != numbers {
            self.moved.insert(endpoint);
        }
    }

    pub fn node(&self) -> &Arc<NodeSpec> {
        &self.node
    }
}
