//! What has to be done, from what must exist and what exists. Pure; equal states give no step.
//!
//! The order for one router: what is wrong goes, then the namespace, devices with their addresses,
//! routes, rules. Floating addresses come after the rules that translate them, so that the router
//! never answers for them itself. One that nobody wants any more is deleted when its rules are gone and
//! its connections cut: while it is there, a later pass knows that this may be left to do, whatever
//! failed or ended in between. Neighbours are told last, when the switch lets the device's frames
//! through.

mod links;
mod routes;
mod rules;

use std::collections::BTreeSet;

use model::{ObjectRef, Plan, RouterId, Stage};

use crate::actual::{Actual, Found, Snapshot};
use crate::spec::{RouterSpec, Spec};
use crate::step::{Change, Step};

/// The steps from one state to the other, in the order of their stages.
pub fn plan(want: &Spec, have: &Actual) -> Plan<Step> {
    let mut plan = Plan::default();
    for (router, spec) in want.routers.iter().filter(|(router, _)| !want.left_alone.contains(router)) {
        match spec {
            Some(spec) => build(*router, spec, have, &mut plan),
            None if have.routers.contains_key(router) => remove(*router, &mut plan),
            None => {}
        }
    }
    if want.everything {
        let is_stale =
            |router: &&RouterId| !want.routers.contains_key(router) && !want.left_alone.contains(router);
        for router in have.routers.keys().filter(is_stale) {
            remove(*router, &mut plan);
        }
    }
    plan.sort();
    plan
}

/// The namespace takes everything in it along.
fn remove(router: RouterId, plan: &mut Plan<Step>) {
    let step = Step { router, change: Change::DeleteNamespace };
    plan.push(Stage::RemoveNamespaces, ObjectRef::Router(router), step);
}

fn build(router: RouterId, spec: &RouterSpec, have: &Actual, plan: &mut Plan<Step>) {
    let object = ObjectRef::Router(router);
    let nothing = Snapshot::default();
    let (snapshot, exists) = match have.routers.get(&router) {
        Some(Found::Namespace(snapshot)) => (snapshot, true),
        Some(Found::Unreadable(reason)) => return plan.give_up_reading(object, reason.as_str()),
        None => (&nothing, false),
    };
    for condition in &spec.unmet {
        plan.wait(object, condition.as_str());
    }
    let mut work = Work {
        router,
        spec,
        have: snapshot,
        exists,
        fresh: BTreeSet::new(),
        unsettled: BTreeSet::new(),
        forget: Vec::new(),
        retire: Vec::new(),
        plan,
    };
    work.namespace();
    work.links(&have.arrived);
    work.routes();
    work.rules();
}

/// Planning of one router.
struct Work<'a> {
    router: RouterId,
    spec: &'a RouterSpec,
    have: &'a Snapshot,
    /// Whether the namespace is there; what a new one is like is not known.
    exists: bool,
    /// Devices that are fetched: nothing is known about what they have.
    fresh: BTreeSet<&'a str>,
    /// Devices whose routes the kernel drops because of what is planned for them.
    unsettled: BTreeSet<&'a str>,
    /// Connections to cut when the rules are right.
    forget: Vec<Change>,
    /// Addresses to delete when those are cut.
    retire: Vec<Change>,
    plan: &'a mut Plan<Step>,
}

impl Work<'_> {
    fn push(&mut self, stage: Stage, change: Change) {
        let step = Step { router: self.router, change };
        self.plan.push(stage, ObjectRef::Router(self.router), step);
    }

    fn namespace(&mut self) {
        if !self.exists {
            self.push(Stage::AddNamespaces, Change::CreateNamespace);
        }
        if self.have.links.get("lo").is_none_or(|lo| !lo.up) {
            let lo = Change::SetLink { device: "lo".to_owned(), mac: None, mtu: None };
            self.push(Stage::AddNamespaces, lo);
        }
        let spec = self.spec;
        for (key, value) in spec.sysctls.iter().filter(|(key, _)| !of_conntrack(key)) {
            self.sysctl(Stage::AddNamespaces, key, value, !self.exists);
        }
    }

    /// `unknown`: the value could not be read, because what has it will only be made.
    fn sysctl(&mut self, stage: Stage, key: &str, value: &str, unknown: bool) {
        let wrong = match self.have.sysctls.get(key) {
            Some(old) => old != value,
            None => unknown,
        };
        if wrong {
            self.push(stage, Change::SetSysctl { key: key.to_owned(), value: value.to_owned() });
        }
    }
}

/// Keys that may appear only when the first rule that needs conntrack is loaded.
fn of_conntrack(key: &str) -> bool {
    key.starts_with("net.netfilter.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_cannot_be_read_is_tried_again() {
        let router = RouterId(uuid::Uuid::from_u128(1));
        let want = Spec {
            everything: false,
            routers: [(router, Some(RouterSpec::default()))].into(),
            ..Spec::default()
        };
        let found = Found::Unreadable("try again".to_owned());
        let have = Actual { routers: [(router, found)].into(), ..Actual::default() };
        let plan = plan(&want, &have);
        assert!(plan.is_empty() && plan.impossible.is_empty());
        assert_eq!(plan.unreadable, [(ObjectRef::Router(router), "try again".to_owned())]);
    }
}
