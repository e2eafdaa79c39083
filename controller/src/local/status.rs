//! What the node said came of its objects, for the `status` fields of the API. Not kept: after a
//! restart the first pass of the engine says it again.

use imbl::OrdMap;
use model::{HostName, ObjectRef, Outcome, Report};

use super::record::{FloatingIp, Port, Router};
use super::state::State;

/// The last outcome of every object that was reported. A copy shares its memory: every answer of the API
/// is made from one.
#[derive(Clone, Debug, Default)]
pub(super) struct Statuses(OrdMap<ObjectRef, Outcome>);

impl Statuses {
    /// Takes in what a report says of the things of `state`: of those that are gone, the node says for the
    /// last time that they are. What it does not mention stays.
    pub(super) fn take(&mut self, report: &Report, state: &State) {
        let there = report.0.iter().filter(|(object, _)| exists(state, **object));
        self.0.extend(there.map(|(object, outcome)| (*object, outcome.clone())));
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&mut self, object: ObjectRef) {
        self.0.remove(&object);
    }

    /// `ACTIVE`, `DOWN` or `ERROR`; `N/A` for a port that is bound elsewhere, of which this node
    /// hears nothing.
    pub(super) fn port(&self, port: &Port, local: &HostName) -> &'static str {
        match &port.host {
            None => "DOWN",
            Some(host) if host != local => "N/A",
            Some(_) if !port.admin_state_up => "DOWN",
            Some(_) => self.of(ObjectRef::Port(port.id)).unwrap_or("DOWN"),
        }
    }

    /// Neutron's routers are active from the start, whatever the node does.
    pub(super) fn router(&self, router: &Router) -> &'static str {
        match self.of(ObjectRef::Router(router.id)) {
            Some("ERROR") => "ERROR",
            _ => "ACTIVE",
        }
    }

    pub(super) fn floating_ip(&self, floating: &FloatingIp, router_is_local: bool) -> &'static str {
        match &floating.target {
            None => "DOWN",
            Some(_) if !router_is_local => "ACTIVE",
            Some(target) => self.of(ObjectRef::Router(target.router)).unwrap_or("DOWN"),
        }
    }

    fn of(&self, object: ObjectRef) -> Option<&'static str> {
        self.0.get(&object).map(|outcome| match outcome {
            Outcome::Done => "ACTIVE",
            Outcome::Expecting { .. } | Outcome::Waiting { .. } => "DOWN",
            Outcome::Failed { .. } => "ERROR",
        })
    }
}

fn exists(state: &State, object: ObjectRef) -> bool {
    match object {
        ObjectRef::Network(id) => state.networks().contains_key(&id),
        ObjectRef::Port(id) => state.ports().contains_key(&id),
        ObjectRef::Router(id) => state.routers().contains_key(&id),
        ObjectRef::Node | ObjectRef::Endpoint(_) | ObjectRef::RemoteMac(..) => false,
    }
}
