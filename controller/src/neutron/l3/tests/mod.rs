//! The machine, played: against recorded messages, in single cases, and against a small model of the
//! server with every disorder that messages and answers can come in.

mod cases;
mod properties;
mod recorded;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use model::{HostName, ObjectRef, PortId, Role, Router, RouterId};

use super::L3;
use crate::neutron::finding::{Finding, Sighting};
use crate::neutron::settings::RouterSettings;

fn settings(extensions: &[&str]) -> RouterSettings {
    RouterSettings {
        agent_mode: "legacy".to_owned(),
        handle_internal_only_routers: true,
        interface_driver: String::new(),
        extensions: extensions.iter().map(ToString::to_string).collect(),
        periodic_interval: Duration::from_secs(40),
    }
}

fn machine() -> L3 {
    L3::new(HostName::from("n1"), &settings(&["port_forwarding"]))
}

/// Findings put together.
#[derive(Clone, PartialEq, Debug, Default)]
struct Found {
    routers: BTreeMap<RouterId, Arc<Router>>,
    ports: BTreeMap<PortId, Sighting>,
    left_alone: BTreeSet<ObjectRef>,
    complete: bool,
}

impl Found {
    fn take_in(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            match finding {
                Finding::Router(id, value) => put(&mut self.routers, id, value),
                Finding::OwnPort(id, value) => put(&mut self.ports, id, value),
                Finding::Complete(Role::L3, complete) => self.complete = complete,
                Finding::LeftAlone(id, true) => _ = self.left_alone.insert(id),
                Finding::LeftAlone(id, false) => _ = self.left_alone.remove(&id),
                other => panic!("{other:?}"),
            }
        }
    }
}

fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => _ = map.insert(key, value),
        None => _ = map.remove(&key),
    }
}

fn takes_away(finding: &Finding) -> bool {
    matches!(finding, Finding::Router(_, None) | Finding::OwnPort(_, None))
}
