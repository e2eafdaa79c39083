//! The tunnel ends of one type as `tunnel_sync`, `tunnel_update` and `tunnel_delete` tell of them: a full mesh,
//! used where nothing says which node needs which network.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// The most ends that are believed.
const MOST_ENDS: usize = 4096;

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Mesh {
    ends: BTreeSet<IpAddr>,
    /// What was heard since the list was asked for: it may be younger than the list.
    came: BTreeSet<IpAddr>,
    went: BTreeSet<IpAddr>,
    /// Whether a list was heard since the last gap.
    pub(super) synced: bool,
    listed: bool,
}

impl Mesh {
    /// Whether a list was ever heard, so that the ends are more than the few that were told of since.
    pub(super) fn is_whole(&self) -> bool {
        self.listed
    }

    pub(super) fn ends(&self) -> &BTreeSet<IpAddr> {
        &self.ends
    }

    /// The list is asked for.
    pub(super) fn asked(&mut self) {
        self.came.clear();
        self.went.clear();
    }

    /// The list came. Where it could not be read whole, nothing is taken away.
    pub(super) fn listed(&mut self, list: BTreeSet<IpAddr>, is_whole: bool) {
        let mut ends = list;
        if !is_whole {
            ends.extend(&self.ends);
        }
        ends.extend(&self.came);
        ends.retain(|end| !self.went.contains(end));
        while ends.len() > MOST_ENDS {
            ends.pop_last();
        }
        self.synced = true;
        self.listed = true;
        self.ends = ends;
    }

    pub(super) fn came(&mut self, end: IpAddr) -> bool {
        if self.ends.len() >= MOST_ENDS {
            return false;
        }
        self.went.remove(&end);
        self.came.insert(end);
        self.ends.insert(end)
    }

    pub(super) fn went(&mut self, end: IpAddr) -> bool {
        self.came.remove(&end);
        if self.went.len() < MOST_ENDS {
            self.went.insert(end);
        }
        self.ends.remove(&end)
    }
}
