//! What exists on this node and is ours: listeners of this process, and whether the namespaces and devices that
//! they were opened on are still there.

use std::collections::{BTreeMap, BTreeSet};

use host::netns::Identity;

use crate::place::{Bind, Place};

/// What exists, of the objects in scope.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Actual {
    /// Places in scope where something listens.
    pub places: BTreeMap<Place, Found>,
}

/// What there is in one place.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// The namespace that has the place's name now.
    pub namespace: Option<Identity>,
    pub open: BTreeMap<Bind, Opened>,
    /// The index of each device that a listener is on.
    pub devices: BTreeMap<String, u32>,
    /// Those of these devices that were made anew and will be moved here.
    pub arrived: BTreeSet<String>,
    /// The process that Neutron's agents left for this place.
    pub leftover: Option<u32>,
}

/// A listener that is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened {
    pub namespace: Identity,
    /// The index that its device had.
    pub device: Option<u32>,
    pub guests_of: Place,
}
