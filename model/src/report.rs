//! What came of a pass, object by object. A failure is a value here: it stops nothing but the
//! object that it belongs to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Desired, ObjectRef, changes};

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

/// What a pass worked from, and what came of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Pass {
    pub desired: Arc<Desired>,
    pub report: Report,
}

impl Pass {
    /// The outcomes that are true of what is wanted now, and the rest. An object that is wanted otherwise since, or a
    /// port whose network is, is looked at again, and what came of the older wish says nothing of the newer. It counts
    /// again if the older wish comes back before anybody looked.
    pub fn split(self, now: &Desired) -> (Report, Option<Self>) {
        let changed = changes(&self.desired, now);
        if changed.is_empty() {
            return (self.report, None);
        }
        let is_outdated = |object: &ObjectRef| match object {
            ObjectRef::Port(id) if !changed.contains(object) => {
                let network = now.ports().get(id).map(|port| port.network);
                // Whom the network is flooded to is of no account to its ports.
                network.is_some_and(|network| {
                    self.desired.networks().get(&network) != now.networks().get(&network)
                })
            }
            object => changed.contains(object),
        };
        let (outdated, kept): (BTreeMap<_, _>, BTreeMap<_, _>) =
            self.report.0.into_iter().partition(|(object, _)| is_outdated(object));
        let rest = (!outdated.is_empty()).then_some(Self { desired: self.desired, report: Report(outdated) });
        (Report(kept), rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::tests::port;
    use crate::{Network, NetworkId, Port};

    const NETWORK: NetworkId = NetworkId(uuid::Uuid::from_u128(1));

    fn network(mtu: u32) -> Network {
        let segments = Vec::new();
        Network { id: NETWORK, name: String::new(), admin_up: true, mtu, external: false, segments }
    }

    fn done(pass: &Pass, now: &Desired) -> Vec<ObjectRef> {
        pass.clone().split(now).0.0.into_keys().collect()
    }

    #[test]
    fn what_came_of_an_older_wish_says_nothing_of_the_newer() {
        let mut desired = Desired::default();
        desired.set_network(network(1500));
        (2..5).for_each(|id| desired.set_port(port(id)));
        let objects: Vec<ObjectRef> = (2..5).map(|id| ObjectRef::Port(port(id).id)).collect();
        let report = Report(objects.iter().map(|object| (*object, Outcome::Done)).collect());
        let pass = Pass { desired: Arc::new(desired.clone()), report };
        assert_eq!(done(&pass, &desired), objects);

        let mut now = desired.clone();
        now.set_port(Port { admin_up: false, ..port(3) });
        now.drop_port(port(4).id);
        assert_eq!(done(&pass, &now), objects[..1]);
        // Wanted as before, though in another value.
        now.set_port(port(3));
        assert_eq!(done(&pass, &now), objects[..2]);

        now.set_flood(NETWORK, std::iter::once(std::net::IpAddr::from([192, 0, 2, 1])).collect());
        assert_eq!(done(&pass, &now), objects[..2]);
        now.set_network(network(9000));
        assert!(done(&pass, &now).is_empty());
    }
}
