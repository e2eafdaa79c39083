//! Controller drivers: whatever tells the node what should exist, turned into a [`model::Desired`].
//!
//! A driver gives whole states, never single changes, and takes reports. There are two: [`local::Local`],
//! the embedded controller, and [`neutron::Neutron`], which a neutron-server drives by RPC. [`client`] and
//! [`cli`] are the other end of the embedded controller's API: they run in the command line program.

use std::sync::Arc;

use model::{Desired, Pass};
use tokio::sync::watch;

pub mod cli;
pub mod client;
mod clock;
pub mod guest;
pub mod local;
pub mod neutron;

pub use local::Local;
pub use neutron::Neutron;

/// The driver that a node runs with.
#[derive(Clone, Debug)]
pub enum Driver {
    /// The embedded controller.
    Local(Local),
    /// A neutron-server.
    Neutron(Neutron),
}

impl Driver {
    /// What the node is to be. The receiver always has a value; a change marks it.
    pub fn desired(&self) -> watch::Receiver<Arc<Desired>> {
        match self {
            Self::Local(local) => local.desired(),
            Self::Neutron(neutron) => neutron.desired(),
        }
    }

    /// Takes in what came of a pass of the engine.
    pub fn report(&self, pass: Pass) {
        match self {
            Self::Local(local) => local.report(&pass.report),
            Self::Neutron(neutron) => neutron.report(pass),
        }
    }

    /// Says goodbye to whoever is at the other end, as far as that can be done quickly.
    pub async fn close(&self) {
        match self {
            Self::Local(_) => {}
            Self::Neutron(neutron) => neutron.close().await,
        }
    }
}
