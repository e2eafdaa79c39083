//! Remembering which messages were seen, as a broker may deliver one twice.

use std::collections::{HashSet, VecDeque};

/// How many are remembered; oslo.messaging remembers 16 for each listener.
const REMEMBERED: usize = 512;
/// An identifier has 32 characters; a longer one is not worth remembering.
const LONGEST: usize = 64;

/// The identifiers of the latest messages.
#[derive(Debug, Default)]
pub(crate) struct Duplicates {
    seen: HashSet<String>,
    order: VecDeque<String>,
}

impl Duplicates {
    /// Whether the message was seen before; it was from now on.
    pub(crate) fn is_repeated(&mut self, unique_id: &str) -> bool {
        if unique_id.is_empty() || unique_id.len() > LONGEST {
            return false;
        }
        if !self.seen.insert(unique_id.to_owned()) {
            return true;
        }
        self.order.push_back(unique_id.to_owned());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_remembered_and_the_oldest_forgotten() {
        let mut duplicates = Duplicates::default();
        for number in 0..=REMEMBERED {
            assert!(!duplicates.is_repeated(&number.to_string()));
        }
        assert!(duplicates.is_repeated("1") && duplicates.is_repeated(&REMEMBERED.to_string()));
        assert!(!duplicates.is_repeated("0"), "the oldest was pushed out");
        assert_eq!(duplicates.seen.len(), REMEMBERED);
    }

    #[test]
    fn a_message_without_identifier_is_never_a_repeat() {
        let mut duplicates = Duplicates::default();
        let long = "x".repeat(LONGEST + 1);
        for id in ["", "", &long, &long] {
            assert!(!duplicates.is_repeated(id));
        }
    }
}
