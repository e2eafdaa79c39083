//! One effect: a listener opens or closes, or a process that others left ends. Prints as an operator would say it.

use std::fmt;

use crate::place::{Bind, Place};

/// A change and the place where it is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    pub place: Place,
    pub change: Change,
}

/// What is done in a place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Ends the connections of the listener, too.
    Close { bind: Bind },
    /// Listens, for guests of a place that may be another one; in place of a listener that is dead, if there is one.
    Open { bind: Bind, guests_of: Place },
    /// Ends the haproxy that Neutron's agents left for a place where nothing is to listen.
    EndLeftover { process: u32 },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = self.place.namespace();
        match &self.change {
            Change::Close { bind } => write!(f, "metadata close {bind} in {namespace}"),
            Change::Open { bind, guests_of } if *guests_of == self.place => {
                write!(f, "metadata listen on {bind} in {namespace}")
            }
            Change::Open { bind, guests_of } => {
                write!(f, "metadata listen on {bind} in {namespace} for guests of {guests_of}")
            }
            Change::EndLeftover { process } => write!(f, "kill -USR1 {process} # haproxy of {namespace}"),
        }
    }
}
