//! What we know of the flows of one bridge: those of ours, by the object that they were made for. Filled
//! by a dump when a connection is made, and kept in step by what we send ourselves. A copy costs nothing.
//!
//! Foreign flows are not in here, nor are those that the switch learns. Of the first table it is known
//! whose flows there are besides ours: an agent that had the bridge before us is recognised by that. Only the
//! rehearsal of a takeover, which has to say what becomes of them, keeps all foreign flows.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use crate::openflow::{Flow, FlowKey};
use crate::pipeline::cookies::{self, ObjectHash};

/// The flows of ours on one bridge.
#[derive(Clone, Debug, Default)]
pub struct Mirror {
    flows: OrdSet<ByKey>,
    by_object: OrdMap<ObjectHash, OrdSet<ByKey>>,
    /// Foreign flows of the first table, and their cookies.
    strangers: OrdMap<FlowKey, u64>,
    /// All foreign flows; absent when they were not asked for.
    foreign: Option<Arc<BTreeMap<FlowKey, Flow>>>,
}

impl Mirror {
    /// Out of everything that a bridge has.
    pub fn new(dump: impl IntoIterator<Item = Flow>) -> Self {
        let mut mirror = Self::default();
        dump.into_iter().for_each(|flow| mirror.add(flow));
        mirror
    }

    /// The same, with everything that the first table has. A flow without a cookie is nobody's.
    #[must_use]
    pub fn with_first_table(mut self, dump: impl IntoIterator<Item = Flow>) -> Self {
        let strangers = dump.into_iter().filter(|flow| flow.cookie != 0 && !cookies::is_ours(flow.cookie));
        self.strangers = strangers.map(|flow| (flow.key(), flow.cookie)).collect();
        self
    }

    /// The same, with every foreign flow.
    #[must_use]
    pub fn with_everything(mut self, dump: Vec<Flow>) -> Self {
        let (ours, foreign): (Vec<Flow>, Vec<Flow>) =
            dump.into_iter().partition(|flow| cookies::is_ours(flow.cookie));
        ours.into_iter().for_each(|flow| self.add(flow));
        let first_table: Vec<Flow> = foreign.iter().filter(|flow| flow.table == 0).cloned().collect();
        self.foreign = Some(Arc::new(foreign.into_iter().map(|flow| (flow.key(), flow)).collect()));
        self.with_first_table(first_table)
    }

    /// What is in the place of a flow, ours or not.
    pub fn in_place_of(&self, flow: &Flow) -> Option<&Flow> {
        let key = flow.key();
        let ours = self.flows.get(&ByKey(Arc::new(Flow::new(key.table, key.priority, key.matches.clone()))));
        ours.map(|flow| flow.0.as_ref()).or_else(|| self.foreign.as_ref()?.get(&key))
    }

    /// The foreign flows; none when they were not asked for.
    pub fn foreign(&self) -> impl Iterator<Item = &Flow> {
        self.foreign.iter().flat_map(|flows| flows.values())
    }

    /// The cookie of a foreign flow of the first table.
    pub fn stranger(&self, key: &FlowKey) -> Option<u64> {
        self.strangers.get(key).copied()
    }

    /// All flows with a cookie were deleted.
    pub fn delete_cookie(&mut self, cookie: u64) {
        let gone: Vec<FlowKey> = self
            .strangers
            .iter()
            .filter(|(_, other)| **other == cookie)
            .map(|(key, _)| key.clone())
            .collect();
        gone.iter().for_each(|key| _ = self.strangers.remove(key));
    }

    /// A flow was added: it replaces the one with its table, priority and match.
    pub fn add(&mut self, flow: Flow) {
        if !self.strangers.is_empty() {
            self.strangers.remove(&flow.key());
        }
        let flow = ByKey(Arc::new(flow));
        self.forget(&flow);
        if let Some(object) = cookies::owner(flow.0.cookie) {
            self.by_object.entry(object).or_default().insert(flow.clone());
            self.flows.insert(flow);
        }
    }

    /// A flow was deleted.
    pub fn delete(&mut self, key: &FlowKey) {
        let FlowKey { table, priority, matches } = key.clone();
        self.forget(&ByKey(Arc::new(Flow::new(table, priority, matches))));
    }

    /// The flows of an object, in the order of table, priority and match.
    pub fn of(&self, object: ObjectHash) -> impl Iterator<Item = &Flow> {
        self.by_object.get(&object).into_iter().flatten().map(|flow| flow.0.as_ref())
    }

    pub fn objects(&self) -> impl Iterator<Item = ObjectHash> {
        self.by_object.keys().copied()
    }

    pub fn flows(&self) -> impl Iterator<Item = &Flow> {
        self.flows.iter().map(|flow| flow.0.as_ref())
    }

    pub fn len(&self) -> usize {
        self.flows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    fn forget(&mut self, flow: &ByKey) {
        let Some(old) = self.flows.remove(flow) else { return };
        let Some(object) = cookies::owner(old.0.cookie) else { return };
        if let Some(flows) = self.by_object.get_mut(&object) {
            flows.remove(&old);
            if flows.is_empty() {
                self.by_object.remove(&object);
            }
        }
    }
}

/// A flow that is compared by what makes it the same for the switch.
#[derive(Clone, Debug)]
struct ByKey(Arc<Flow>);

impl ByKey {
    fn key(&self) -> (u8, u16, &crate::openflow::Match) {
        (self.0.table, self.0.priority, &self.0.matches)
    }
}

impl Ord for ByKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for ByKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ByKey {}

#[cfg(test)]
mod tests {
    use model::ObjectRef;

    use super::*;
    use crate::openflow::Match;
    use crate::pipeline::cookies::{Feature, cookie};

    fn flow(number: u32, object: ObjectRef) -> Flow {
        Flow::new(0, 1, Match::new().in_port(number)).cookie(cookie(Feature::Base, object))
    }

    #[test]
    fn a_flow_that_changes_hands_has_one_owner() {
        let other = ObjectRef::Endpoint("10.0.0.1".parse().unwrap());
        let mut mirror = Mirror::new([flow(1, ObjectRef::Node), flow(2, ObjectRef::Node)]);
        mirror.add(flow(1, other));
        assert_eq!(mirror.of(ObjectHash::of(ObjectRef::Node)).count(), 1);
        assert_eq!(mirror.of(ObjectHash::of(other)).count(), 1);
        assert_eq!(mirror.len(), 2);
        mirror.delete(&flow(1, other).key());
        assert_eq!(mirror.objects().count(), 1);
    }

    #[test]
    fn foreign_flows_are_invisible() {
        let foreign = Flow::new(0, 1, Match::new());
        assert!(
            Mirror::new([foreign.clone(), foreign.cookie(cookie(Feature::Learnt, ObjectRef::Node))])
                .is_empty()
        );
    }
}
