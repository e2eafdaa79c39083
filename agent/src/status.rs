//! What the engine knows about every object: what came of it last, since when, and how often it failed.

use std::collections::BTreeMap;
use std::time::SystemTime;

use model::{ObjectRef, Outcome, Report};
use serde::Serialize;

/// The last outcome of one object.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ObjectStatus {
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    /// Seconds since the Unix epoch at which this outcome was first seen.
    pub(crate) since: u64,
}

/// The last outcome of every object that is wanted here or that failed.
#[derive(Debug, Default)]
pub(crate) struct Statuses(BTreeMap<ObjectRef, ObjectStatus>);

impl Statuses {
    /// Takes in a report and returns the objects whose outcome is another than before.
    pub(crate) fn update(&mut self, report: &Report, now: SystemTime) -> Vec<(ObjectRef, Outcome)> {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_secs());
        let mut changed = Vec::new();
        for (object, outcome) in &report.0 {
            if self.0.get(object).is_none_or(|before| before.outcome != *outcome) {
                self.0.insert(*object, ObjectStatus { outcome: outcome.clone(), since });
                changed.push((*object, outcome.clone()));
            }
        }
        changed
    }

    pub(crate) fn forget(&mut self, object: ObjectRef) {
        self.0.remove(&object);
    }

    pub(crate) fn get(&self, object: ObjectRef) -> Option<&ObjectStatus> {
        self.0.get(&object)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ObjectRef, &ObjectStatus)> {
        self.0.iter()
    }
}
