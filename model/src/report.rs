//! What came of a pass, object by object. A failure is a value here: it stops nothing but the
//! object that it belongs to.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ObjectRef;

/// What came of one object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// As wanted.
    Done,
    /// Somebody else has to bring something, as Nova a guest's interface. Nothing is wrong and nothing
    /// of ours is left to do.
    Expecting { what: String },
    /// Something else has to happen first; its arrival wakes the engine. `on` says what, for people.
    Waiting { on: String },
    /// `chain` is the error and its causes, outermost first: what was being done, on what, why it failed.
    Failed { chain: Vec<String>, retry: Retry },
}

/// When a failed object is worth another try.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// After a pause that grows with each failure.
    Soon,
    /// When the object, or what it depends on, changes.
    OnChange,
}

impl Outcome {
    /// A failure out of an error and its sources.
    pub fn failed(error: &dyn std::error::Error, retry: Retry) -> Self {
        let chain = std::iter::successors(Some(error), |error| error.source());
        Self::Failed { chain: chain.map(ToString::to_string).collect(), retry }
    }

    /// The worse of two: failed over waiting over expecting over done.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        // What is worth a try soon must not hide behind what is not.
        let rank = |outcome: &Self| match outcome {
            Self::Done => 0,
            Self::Expecting { .. } => 1,
            Self::Waiting { .. } => 2,
            Self::Failed { retry: Retry::OnChange, .. } => 3,
            Self::Failed { retry: Retry::Soon, .. } => 4,
        };
        if rank(&other) > rank(&self) { other } else { self }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Expecting { what } => write!(f, "expecting {what}"),
            Self::Waiting { on } => write!(f, "waiting for {on}"),
            Self::Failed { chain, .. } => write!(f, "failed: {}", chain.join(": ")),
        }
    }
}

/// Outcomes of a pass, by object. An object that is absent was not looked at.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report(pub BTreeMap<ObjectRef, Outcome>);

impl Report {
    /// Adds an outcome; of two for the same object the worse stays.
    pub fn add(&mut self, object: ObjectRef, outcome: Outcome) {
        let outcome = match self.0.remove(&object) {
            Some(before) => before.worse(outcome),
            None => outcome,
        };
        self.0.insert(object, outcome);
    }

    pub fn merge(&mut self, other: Self) {
        for (object, outcome) in other.0 {
            self.add(object, outcome);
        }
    }

    pub fn failed(&self, object: ObjectRef) -> bool {
        matches!(self.0.get(&object), Some(Outcome::Failed { .. }))
    }
}
