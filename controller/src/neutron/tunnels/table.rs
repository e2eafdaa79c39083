//! What is behind tunnels in one network, as l2population says. Takes the same news twice, late or without
//! what they belong to; what was not repeated when the table was sent again can be withdrawn.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::Mac;

use crate::neutron::wire::fdb::{Behind, Readdressed};

/// The most that is believed of one network.
const MOST_MACS: usize = 65_536;
const MOST_ENDS: usize = 4096;
const MOST_ADDRESSES: usize = 512;

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Table {
    macs: BTreeMap<Mac, Remote>,
    /// Tunnel ends that the network floods to, with the round in which each was last heard.
    ends: BTreeMap<IpAddr, u64>,
}

/// One MAC address behind a tunnel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Remote {
    pub(super) endpoint: IpAddr,
    pub(super) addresses: BTreeSet<IpAddr>,
    round: u64,
}

/// What has to be said anew.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) macs: BTreeSet<Mac>,
    pub(super) ends: bool,
    /// Something was passed over because there is too much of it.
    pub(super) too_much: bool,
}

impl Table {
    pub(super) fn get(&self, mac: Mac) -> Option<&Remote> {
        self.macs.get(&mac)
    }

    pub(super) fn ends(&self) -> impl Iterator<Item = IpAddr> {
        self.ends.keys().copied()
    }

    pub(super) fn add(&mut self, behind: &Behind, round: u64, changes: &mut Changes) {
        if behind.flood {
            if self.ends.len() >= MOST_ENDS && !self.ends.contains_key(&behind.endpoint) {
                changes.too_much = true;
            } else {
                changes.ends |= self.ends.insert(behind.endpoint, round).is_none();
            }
        }
        for (mac, address) in &behind.entries {
            self.add_mac(*mac, *address, behind.endpoint, round, changes);
        }
    }

    fn add_mac(&mut self, mac: Mac, address: IpAddr, endpoint: IpAddr, round: u64, changes: &mut Changes) {
        let is_full = self.macs.len() >= MOST_MACS;
        let remote = match self.macs.entry(mac) {
            Entry::Vacant(_) if is_full => {
                changes.too_much = true;
                return;
            }
            Entry::Vacant(vacant) => {
                changes.macs.insert(mac);
                vacant.insert(Remote { endpoint, addresses: BTreeSet::new(), round })
            }
            Entry::Occupied(occupied) => occupied.into_mut(),
        };
        if remote.endpoint != endpoint || remote.round != round {
            // It moved, or the table is being sent anew: what it had before does not count. A port's addresses
            // always come together, in one message.
            *remote = Remote { endpoint, addresses: BTreeSet::new(), round };
            changes.macs.insert(mac);
        }
        if remote.addresses.len() >= MOST_ADDRESSES {
            changes.too_much = true;
        } else if remote.addresses.insert(address) {
            changes.macs.insert(mac);
        }
    }

    /// A port that moved is said to be gone from its former end; that does not touch where it is now.
    pub(super) fn remove(&mut self, behind: &Behind, changes: &mut Changes) {
        changes.ends |= behind.flood && self.ends.remove(&behind.endpoint).is_some();
        for (mac, _) in &behind.entries {
            if self.macs.get(mac).is_some_and(|remote| remote.endpoint == behind.endpoint) {
                self.macs.remove(mac);
                changes.macs.insert(*mac);
            }
        }
    }

    pub(super) fn readdress(&mut self, change: &Readdressed, changes: &mut Changes) {
        let at = |remote: &&mut Remote| remote.endpoint == change.endpoint;
        for (mac, address) in &change.before {
            if let Some(remote) = self.macs.get_mut(mac).filter(at)
                && remote.addresses.remove(address)
            {
                changes.macs.insert(*mac);
            }
        }
        for (mac, address) in &change.after {
            if let Some(remote) = self.macs.get_mut(mac).filter(at)
                && remote.addresses.len() < MOST_ADDRESSES
                && remote.addresses.insert(*address)
            {
                changes.macs.insert(*mac);
            }
        }
    }

    /// A tunnel end does not exist any more.
    pub(super) fn forget_end(&mut self, endpoint: IpAddr, changes: &mut Changes) {
        changes.ends |= self.ends.remove(&endpoint).is_some();
        let gone: Vec<Mac> =
            self.macs.iter().filter(|(_, remote)| remote.endpoint == endpoint).map(|(mac, _)| *mac).collect();
        for mac in gone {
            self.macs.remove(&mac);
            changes.macs.insert(mac);
        }
    }

    /// Forgets what was last heard before a round.
    pub(super) fn withdraw_before(&mut self, round: u64, changes: &mut Changes) {
        let ends = self.ends.len();
        self.ends.retain(|_, heard| *heard >= round);
        changes.ends |= self.ends.len() != ends;
        self.macs.retain(|mac, remote| {
            let stays = remote.round >= round;
            if !stays {
                changes.macs.insert(*mac);
            }
            stays
        });
    }
}
