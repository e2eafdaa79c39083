//! Which of two objects counts: what was pushed, what was pulled, what was there before. The only
//! judgement by revisions in the driver.

use std::collections::{BTreeSet, VecDeque};

/// How many deleted objects are remembered: deletions of the whole cloud come by.
const MOST_BURIED: usize = 16_384;

/// What is known of one object.
#[derive(Debug)]
pub(super) struct Slot<T> {
    object: Option<T>,
    revision: Option<i64>,
    /// Something may have been missed since it was heard; the answer to a pull counts, whatever it says.
    doubted: bool,
    /// The server said that there is no such object.
    absent: bool,
    /// A push was taken in since the pull that is under way was sent: it may be younger than the answer.
    pushed: bool,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { object: None, revision: None, doubted: true, absent: false, pushed: false }
    }
}

/// What became of an object that came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Taken,
    /// It is older than what is known.
    Stale,
    /// It cannot be judged, so the server has to be asked.
    Doubtful,
}

impl<T: PartialEq> Slot<T> {
    pub(super) fn object(&self) -> Option<&T> {
        self.object.as_ref()
    }

    pub(super) fn revision(&self) -> Option<i64> {
        self.revision
    }

    /// Nothing that was heard so far is sure any more.
    pub(super) fn doubt(&mut self) {
        self.doubted = true;
    }

    /// A pull is sent.
    pub(super) fn asked(&mut self) {
        self.pushed = false;
    }

    /// Takes in a pushed object. Not everything that an object shows is counted by its own revision, so of
    /// two that differ under the same one nobody can tell which is the later.
    pub(super) fn push(&mut self, object: T, revision: Option<i64>) -> Verdict {
        match (revision, self.revision) {
            // Without a number nobody knows how long it was on its way.
            (None, _) => return Verdict::Doubtful,
            // It was deleted and this is late, or it was made only now.
            _ if self.absent => return Verdict::Doubtful,
            (Some(new), Some(old)) if new < old => {
                return if self.doubted { Verdict::Doubtful } else { Verdict::Stale };
            }
            (Some(new), Some(old)) if new == old && self.object.as_ref() != Some(&object) => {
                return Verdict::Doubtful;
            }
            _ => {}
        }
        self.object = Some(object);
        self.revision = revision;
        self.pushed = true;
        Verdict::Taken
    }

    /// Takes in what a pull says: the object, or that there is none.
    pub(super) fn pulled(&mut self, object: Option<(T, Option<i64>)>) -> Verdict {
        let Some((object, revision)) = object else {
            if self.pushed {
                return Verdict::Doubtful;
            }
            self.bury();
            self.doubted = false;
            return Verdict::Taken;
        };
        let is_older = matches!((revision, self.revision), (Some(new), Some(old)) if new < old);
        // A lagging database may answer with what was; after a gap it is the only one to believe.
        let verdict =
            if is_older && (self.pushed || !self.doubted) { Verdict::Stale } else { Verdict::Taken };
        if verdict == Verdict::Taken {
            self.object = Some(object);
            self.revision = revision;
            self.absent = false;
        }
        self.doubted = false;
        verdict
    }

    /// The object is there and could not be read: what was known stays.
    pub(super) fn unreadable(&mut self) {
        self.doubted = false;
    }

    /// The object does not exist.
    pub(super) fn bury(&mut self) {
        self.object = None;
        self.revision = None;
        self.absent = true;
    }
}

/// Objects that were deleted: whatever is still said of them is late.
#[derive(Debug)]
pub(super) struct Buried<K> {
    order: VecDeque<K>,
    ids: BTreeSet<K>,
}

impl<K: Ord + Copy> Default for Buried<K> {
    fn default() -> Self {
        Self { order: VecDeque::new(), ids: BTreeSet::new() }
    }
}

impl<K: Ord + Copy> Buried<K> {
    pub(super) fn insert(&mut self, id: K) {
        if self.ids.insert(id) {
            self.order.push_back(id);
        }
        if self.order.len() > MOST_BURIED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, id: K) -> bool {
        self.ids.contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(revision: i64) -> Slot<i64> {
        let mut slot = Slot::default();
        slot.asked();
        assert_eq!(slot.pulled(Some((revision, Some(revision)))), Verdict::Taken);
        slot
    }

    #[test]
    fn a_late_push_is_passed_over() {
        let mut slot = known(5);
        assert_eq!(slot.push(4, Some(4)), Verdict::Stale);
        assert_eq!(slot.push(5, Some(5)), Verdict::Taken);
        assert_eq!(slot.push(50, Some(5)), Verdict::Doubtful);
        assert_eq!(slot.push(6, None), Verdict::Doubtful);
        assert_eq!(slot.object(), Some(&5));
    }

    #[test]
    fn an_answer_that_a_push_overtook_is_passed_over() {
        let mut slot = known(5);
        slot.doubt();
        slot.asked();
        assert_eq!(slot.push(7, Some(7)), Verdict::Taken);
        assert_eq!(slot.pulled(Some((6, Some(6)))), Verdict::Stale);
        assert_eq!(slot.object(), Some(&7));
        slot.asked();
        assert_eq!(slot.push(8, Some(8)), Verdict::Taken);
        assert_eq!(slot.pulled(None), Verdict::Doubtful);
        slot.asked();
        assert_eq!(slot.pulled(None), Verdict::Taken);
        assert_eq!(slot.object(), None);
    }

    #[test]
    fn after_a_gap_a_database_may_have_been_turned_back() {
        let mut slot = known(50);
        slot.doubt();
        slot.asked();
        assert_eq!(slot.push(11, Some(11)), Verdict::Doubtful);
        assert_eq!(slot.pulled(Some((10, Some(10)))), Verdict::Taken);
        assert_eq!(slot.push(11, Some(11)), Verdict::Taken);
        slot.asked();
        assert_eq!(slot.pulled(Some((10, Some(10)))), Verdict::Stale);
    }

    #[test]
    fn the_buried_are_counted() {
        let mut buried = Buried::default();
        (0..MOST_BURIED * 2).for_each(|id| buried.insert(id));
        assert_eq!(buried.order.len(), MOST_BURIED);
        assert!(!buried.contains(0) && buried.contains(MOST_BURIED * 2 - 1));
    }
}
