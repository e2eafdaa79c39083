//! What a machine has to complain of, never more than somebody would read. Pure.

use std::fmt::Display;

/// More than so many at a time are only counted.
const MOST: usize = 32;

/// A complaint is cut off after so many characters: it may quote what came in.
const LONGEST: usize = 400;

#[derive(Debug, Default)]
pub(crate) struct Complaints {
    said: Vec<String>,
    more: usize,
}

impl Complaints {
    pub(crate) fn add(&mut self, complaint: impl Display) {
        if self.said.len() < MOST {
            self.said.push(complaint.to_string().chars().take(LONGEST).collect());
        } else {
            self.more += 1;
        }
    }

    /// Everything since this was last called.
    pub(crate) fn take(&mut self) -> Vec<String> {
        let mut said = std::mem::take(&mut self.said);
        if std::mem::take(&mut self.more) > 0 {
            said.push("and more of the kind".to_owned());
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_short() {
        let mut complaints = Complaints::default();
        (0..1000).for_each(|_| complaints.add("x".repeat(10_000)));
        let said = complaints.take();
        assert_eq!(said.len(), MOST + 1);
        assert!(said.iter().all(|text| text.len() <= LONGEST));
        assert!(complaints.take().is_empty());
    }
}
