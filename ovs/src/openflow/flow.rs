//! A flow as a value: where it is, what it matches, what it does.
//!
//! Flows are made by [`Flow::new`] and the methods after it, which keep the list of actions in the order in
//! which the switch carries them out. A flow made so, installed and dumped again is equal to itself.

use super::action::Action;
use super::matcher::Match;

/// One entry of a flow table.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Flow {
    pub table: u8,
    /// The highest wins.
    pub priority: u16,
    pub matches: Match,
    /// Whose flow it is; see the pipeline's cookies.
    pub cookie: u64,
    /// Seconds without a packet until it goes away; 0 is for ever.
    pub idle_timeout: u16,
    /// Seconds until it goes away; 0 is for ever.
    pub hard_timeout: u16,
    /// None drops the packet.
    pub actions: Vec<Action>,
}

/// What makes a flow the same flow for the switch: two with one key cannot be in a bridge.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FlowKey {
    pub table: u8,
    pub priority: u16,
    pub matches: Match,
}

impl Flow {
    /// A flow that drops what it matches.
    pub fn new(table: u8, priority: u16, matches: Match) -> Self {
        Self { table, priority, matches, cookie: 0, idle_timeout: 0, hard_timeout: 0, actions: Vec::new() }
    }

    #[must_use]
    pub fn cookie(self, cookie: u64) -> Self {
        Self { cookie, ..self }
    }

    #[must_use]
    pub fn idle_timeout(self, seconds: u16) -> Self {
        Self { idle_timeout: seconds, ..self }
    }

    #[must_use]
    pub fn hard_timeout(self, seconds: u16) -> Self {
        Self { hard_timeout: seconds, ..self }
    }

    /// Adds an action behind the others.
    #[must_use]
    pub fn action(self, action: Action) -> Self {
        self.actions([action])
    }

    /// Adds actions behind the others.
    #[must_use]
    pub fn actions(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        self.actions.extend(actions);
        // A stable sort: only the instructions move, actions keep their order.
        self.actions.sort_by_key(Action::rank);
        self
    }

    pub fn key(&self) -> FlowKey {
        FlowKey { table: self.table, priority: self.priority, matches: self.matches.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_find_their_place() {
        let flow = Flow::new(0, 1, Match::new()).action(Action::GotoTable(5)).actions([
            Action::PopVlan,
            Action::Meter(1),
            Action::Normal,
        ]);
        assert_eq!(flow.actions, [Action::Meter(1), Action::PopVlan, Action::Normal, Action::GotoTable(5)]);
    }
}
