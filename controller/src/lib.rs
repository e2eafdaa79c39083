//! Controller drivers: whatever tells the node what should exist, turned into a [`model::Desired`].
//!
//! A driver gives whole states, never single changes, and takes reports. There is one so far,
//! [`local::Local`]; the one that speaks Neutron's RPC comes beside it. [`client`] and [`cli`] are the other
//! end of the embedded controller's API: they run in the command line program.

use std::sync::Arc;

use model::{Desired, Report};
use tokio::sync::watch;

pub mod cli;
pub mod client;
pub mod local;
pub mod neutron;

pub use local::Local;

/// The driver that a node runs with.
#[derive(Clone, Debug)]
pub enum Driver {
    /// The embedded controller.
    Local(Local),
}

impl Driver {
    /// What the node is to be. The receiver always has a value; a change marks it.
    pub fn desired(&self) -> watch::Receiver<Arc<Desired>> {
        match self {
            Self::Local(local) => local.desired(),
        }
    }

    /// Takes in what came of a pass of the engine.
    pub fn report(&self, report: &Report) {
        match self {
            Self::Local(local) => local.report(report),
        }
    }
}
