//! Local VLANs: the number of each network and segment on this node's integration bridge. Chosen once
//! and kept: the rows of the ports remember it, so that a restart renumbers nothing.
//!
//! Pure bookkeeping. What a number does to packets is in `pipeline::provider` and `pipeline::tunnel`.

use std::collections::{BTreeMap, BTreeSet};

use model::{NetworkId, ObjectRef, Segment, VlanTag};

use crate::observe::RememberedVlans;
use crate::pipeline::cookies::ObjectHash;
use crate::pipeline::registers::LOCAL_VLANS;

/// What has a local VLAN.
pub type Key = (NetworkId, Segment);

/// The same as flows know it: by the network's hash.
pub type FlowKey = (ObjectHash, Segment);

/// No number is left. A node has room for 4094 networks and segments.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("all {} local VLANs of this node are in use", LOCAL_VLANS.end())]
pub struct Exhausted;

/// The numbers that are given out, and those that had better not be.
#[derive(Clone, Debug, Default)]
pub struct LocalVlans {
    given: BTreeMap<Key, VlanTag>,
    taken: BTreeSet<VlanTag>,
    /// What rows say of networks that have not asked yet.
    remembered: BTreeMap<Key, VlanTag>,
    /// What flows say of networks that no row remembers.
    in_flows: BTreeMap<FlowKey, VlanTag>,
    /// Numbers on rows that are nobody's we know: never given out.
    foreign: BTreeSet<VlanTag>,
    /// Numbers that flows may still carry from before: given out last.
    stale: BTreeSet<VlanTag>,
}

impl LocalVlans {
    /// Takes up what was read from the switch. Of two networks that claim one number, the first has it.
    pub fn remember(&mut self, known: RememberedVlans) {
        let mut claimed = self.taken.clone();
        let mut claim = |vlan: VlanTag| LOCAL_VLANS.contains(&vlan.0) && claimed.insert(vlan);
        self.remembered.clear();
        for (key, vlan) in known.networks {
            if !self.given.contains_key(&key) && !self.remembered.contains_key(&key) && claim(vlan) {
                self.remembered.insert(key, vlan);
            }
        }
        self.foreign = known.tags.into_iter().collect();
        let foreign =
            |vlan: &VlanTag| self.foreign.contains(vlan) && !self.remembered.values().any(|own| own == vlan);
        self.in_flows.clear();
        for (key, vlan) in known.segments {
            if !foreign(&vlan) && claim(vlan) {
                self.in_flows.entry(key).or_insert(vlan);
            }
        }
        self.foreign.retain(|vlan| !claimed.contains(vlan));
        self.stale = known.in_flows.into_iter().collect();
    }

    pub fn get(&self, key: &Key) -> Option<VlanTag> {
        self.given.get(key).copied()
    }

    /// The number of a network and segment: its own, else the one that rows remember, else the lowest
    /// that nothing speaks against. `complete` says that stale flows are about to be removed.
    pub fn take(&mut self, key: &Key, complete: bool) -> Result<VlanTag, Exhausted> {
        if let Some(vlan) = self.get(key) {
            return Ok(vlan);
        }
        let by_flow = (ObjectHash::of(ObjectRef::Network(key.0)), key.1.clone());
        let remembered = self.remembered.remove(key).or_else(|| self.in_flows.remove(&by_flow));
        let remembered = remembered.filter(|vlan| !self.taken.contains(vlan));
        let vlan =
            remembered.or_else(|| self.free(true)).or_else(|| complete.then(|| self.free(false)).flatten());
        let vlan = vlan.ok_or(Exhausted)?;
        self.given.insert(key.clone(), vlan);
        self.taken.insert(vlan);
        Ok(vlan)
    }

    /// Gives a number back. It is given out again after every other one, as its flows go in this pass.
    pub fn release(&mut self, key: &Key) {
        if let Some(vlan) = self.given.remove(key) {
            self.taken.remove(&vlan);
            self.stale.insert(vlan);
        }
    }

    /// The segments of a network that have a number.
    pub fn segments(&self, network: NetworkId) -> impl Iterator<Item = &Segment> {
        let from = (network, Segment::Local); // the least segment there is
        let own = self.given.range(from..).take_while(move |((other, _), _)| *other == network);
        own.map(|((_, segment), _)| segment)
    }

    /// Every network and segment that has a number.
    pub fn given(&self) -> &BTreeMap<Key, VlanTag> {
        &self.given
    }

    fn free(&self, careful: bool) -> Option<VlanTag> {
        let promised: BTreeSet<_> = self.remembered.values().chain(self.in_flows.values()).copied().collect();
        let bad = |vlan: &VlanTag| {
            self.taken.contains(vlan)
                || self.foreign.contains(vlan)
                || careful && (self.stale.contains(vlan) || promised.contains(vlan))
        };
        LOCAL_VLANS.map(VlanTag).find(|vlan| !bad(vlan))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u128) -> Key {
        (NetworkId(uuid::Uuid::from_u128(number)), Segment::Local)
    }

    #[test]
    fn a_number_is_kept_and_the_lowest_free_is_given() {
        let mut vlans = LocalVlans::default();
        assert_eq!(vlans.take(&key(1), true), Ok(VlanTag(1)));
        assert_eq!(vlans.take(&key(2), true), Ok(VlanTag(2)));
        assert_eq!(vlans.take(&key(1), true), Ok(VlanTag(1)));
    }

    #[test]
    fn rows_remember_and_foreign_tags_are_left_alone() {
        let mut vlans = LocalVlans::default();
        let by_flow =
            |number| ((ObjectHash::of(ObjectRef::Network(key(number).0)), Segment::Local), VlanTag(9));
        vlans.remember(RememberedVlans {
            networks: vec![(key(7), VlanTag(2))],
            tags: vec![VlanTag(1), VlanTag(2)],
            segments: vec![by_flow(8)],
            in_flows: vec![VlanTag(3), VlanTag(9)],
        });
        assert_eq!(vlans.take(&key(1), true), Ok(VlanTag(4)));
        assert_eq!(vlans.take(&key(7), true), Ok(VlanTag(2)));
        assert_eq!(vlans.take(&key(8), true), Ok(VlanTag(9)));
    }

    #[test]
    fn the_dead_vlan_is_not_remembered() {
        let mut vlans = LocalVlans::default();
        let networks = vec![(key(1), VlanTag(4095))];
        vlans.remember(RememberedVlans { networks, tags: vec![VlanTag(4095)], ..RememberedVlans::default() });
        assert_eq!(vlans.take(&key(1), true), Ok(VlanTag(1)));
    }

    #[test]
    fn a_number_that_was_given_back_comes_last() {
        let mut vlans = LocalVlans::default();
        vlans.take(&key(1), true).unwrap();
        vlans.release(&key(1));
        assert_eq!(vlans.take(&key(2), true), Ok(VlanTag(2)));
        for number in 3..=4094 {
            vlans.take(&key(number), true).unwrap();
        }
        assert_eq!(vlans.take(&key(9_999), false), Err(Exhausted));
        assert_eq!(vlans.take(&key(9_999), true), Ok(VlanTag(1)));
        assert_eq!(vlans.take(&key(10_000), true), Err(Exhausted));
    }
}
