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

/// What compiling remembers from pass to pass. A rehearsal works on a copy.
#[derive(Clone, Debug)]
pub struct Memory {
    pub index: Index,
    pub vlans: LocalVlans,
    node: Arc<NodeSpec>,
    /// The numbers of the tunnel ports of every endpoint, as last seen.
    tunnels: BTreeMap<IpAddr, Vec<Option<u32>>>,
    /// Endpoints whose tunnel ports have other numbers than before: what sends there has to follow.
    moved: BTreeSet<IpAddr>,
    /// Ports whose device is dead, as last seen.
    gone: BTreeSet<ObjectRef>,
    /// What was drawn in by the last compiling although it was not asked for.
    unasked: BTreeSet<ObjectRef>,
}

impl Memory {
    pub fn new(config: &Config) -> Self {
        Self {
            index: Index::new(config.host.clone()),
            vlans: LocalVlans::default(),
            node: Arc::new(node(config)),
            tunnels: BTreeMap::new(),
            moved: BTreeSet::new(),
            gone: BTreeSet::new(),
            unasked: BTreeSet::new(),
        }
    }

    /// Takes up what the switch remembers, from what was read for a pass over `scope`: local VLANs, and
    /// the numbers of tunnel ports. Ports whose device is gone are drawn in.
    pub fn see(&mut self, actual: &Actual, scope: &Scope) {
        self.gone.extend(actual.gone.iter().map(|port| ObjectRef::Port(*port)));
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

    /// Takes up a new state of the will. Returns what a pass over `asked` has to look at: that, what hangs on
    /// what changed, and what sends to tunnel ports that have got other numbers.
    pub fn draw_in(&mut self, desired: &Desired, asked: &Scope) -> Scope {
        let mut drawn_in = self.index.follow(desired);
        for endpoint in std::mem::take(&mut self.moved) {
            drawn_in = union(drawn_in, &Scope::Objects(self.index.senders(endpoint)));
        }
        if let (Scope::Objects(drawn_in), Scope::Objects(asked)) = (&drawn_in, asked) {
            self.unasked.extend(drawn_in - asked);
        }
        union(union(drawn_in, &Scope::Objects(std::mem::take(&mut self.gone))), asked)
    }

    /// What was looked at although nobody asked for it. It is reported on only by a pass that is asked for it.
    pub fn take_unasked(&mut self) -> BTreeSet<ObjectRef> {
        std::mem::take(&mut self.unasked)
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
