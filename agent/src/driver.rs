//! Opens what tells the node what should exist, as the configuration says.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use controller::{Driver, Local, Neutron};
use model::{Desired, SwitchFacts};
use tokio::sync::watch;

use crate::config::{DriverChoice, LocalConfig, NodeConfig};

/// A driver, what it wants, and its own part of the HTTP API.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) driver: Driver,
    pub(crate) desired: watch::Receiver<Arc<Desired>>,
    pub(crate) routes: axum::Router,
}

/// Opens the driver. `facts` is what it is told of the switch.
pub(crate) fn open(node: &NodeConfig, facts: watch::Receiver<SwitchFacts>) -> anyhow::Result<Open> {
    match &node.driver {
        DriverChoice::Local(config) => local(config),
        DriverChoice::Neutron(settings) => {
            let neutron = Neutron::open(settings.as_ref().clone(), facts);
            Ok(Open {
                desired: neutron.desired(),
                routes: neutron.routes(),
                driver: Driver::Neutron(neutron),
            })
        }
    }
}

fn local(config: &LocalConfig) -> anyhow::Result<Open> {
    let folder = config.store.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {} for the controller's state", folder.display()))?;
    let (local, desired, routes) = Local::open(&config.store, config.controller.clone())
        .with_context(|| format!("cannot open the controller's state {}", config.store.display()))?;
    Ok(Open { driver: Driver::Local(local), desired, routes })
}
