//! What came of the engine's passes, as far as it is true of what is wanted now.
//!
//! A wish may change while the engine works on it. The outcome is held back then: if the old wish comes back before the
//! engine looked, nothing changed for the engine, and it will not speak of the object again. Pure.

use model::{Desired, Pass, Report};

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Passes {
    /// Outcomes of what was wanted before. The next pass over an object ends them, so there are few.
    held: Vec<Pass>,
}

impl Passes {
    /// Takes in what came of a pass. Gives what is true of it.
    pub(crate) fn take_in(&mut self, pass: Pass, now: &Desired) -> Report {
        for held in &mut self.held {
            held.report.0.retain(|object, _| !pass.report.0.contains_key(object));
        }
        self.held.retain(|held| !held.report.0.is_empty());
        let (report, rest) = pass.split(now);
        self.held.extend(rest);
        report
    }

    /// What is wanted is another thing now. Gives what was held back and is true again, if there is any.
    pub(crate) fn again_true(&mut self, now: &Desired) -> Option<Report> {
        let mut all = Report::default();
        for pass in std::mem::take(&mut self.held) {
            let (report, rest) = pass.split(now);
            all.merge(report);
            self.held.extend(rest);
        }
        (!all.0.is_empty()).then_some(all)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Network, NetworkId, ObjectRef, Outcome};
    use uuid::Uuid;

    use super::*;

    const NETWORK: NetworkId = NetworkId(Uuid::from_u128(1));

    fn wish(mtu: u32) -> Desired {
        let mut desired = Desired::default();
        let segments = Vec::new();
        let network =
            Network { id: NETWORK, name: String::new(), admin_up: true, mtu, external: false, segments };
        desired.set_network(network);
        desired
    }

    fn pass(mtu: u32, outcome: Outcome) -> Pass {
        let mut report = Report::default();
        report.add(ObjectRef::Network(NETWORK), outcome);
        Pass { desired: Arc::new(wish(mtu)), report }
    }

    #[test]
    fn an_outcome_counts_again_when_its_wish_comes_back() {
        let mut passes = Passes::default();
        assert!(passes.take_in(pass(1500, Outcome::Done), &wish(9000)).0.is_empty());
        assert_eq!(passes.again_true(&wish(1400)), None);
        let again = passes.again_true(&wish(1500)).unwrap();
        assert_eq!(again, pass(1500, Outcome::Done).report);
        assert_eq!(passes.again_true(&wish(1500)), None, "it is said once");
    }

    #[test]
    fn a_later_pass_ends_what_was_held_back() {
        let mut passes = Passes::default();
        passes.take_in(pass(1500, Outcome::Done), &wish(9000));
        let waiting = || Outcome::Waiting { on: "its bridge".to_owned() };
        assert_eq!(passes.take_in(pass(9000, waiting()), &wish(9000)), pass(9000, waiting()).report);
        assert_eq!(passes.again_true(&wish(1500)), None);
        assert!(passes.held.is_empty());
    }
}
