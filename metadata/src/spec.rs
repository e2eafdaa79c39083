//! What must exist on this node: listeners, each in a namespace. Nothing is left to choose here.

use std::collections::{BTreeMap, BTreeSet};

use crate::place::{Bind, Place};

/// What must exist, of the objects in scope.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Spec {
    /// True when everything was looked at: what listens in a place that is not listed is stale.
    pub everything: bool,
    /// What exists in these is not stale, whatever is known of them.
    pub left_alone: BTreeSet<Place>,
    /// `None`: nothing of ours may listen there.
    pub places: BTreeMap<Place, Option<PlaceSpec>>,
}

/// The listeners of one namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlaceSpec {
    pub binds: BTreeSet<Bind>,
    /// Whose ports the guests that ask there have: the place itself, but for a network that leads to a router's
    /// metadata.
    pub guests_of: Place,
}
