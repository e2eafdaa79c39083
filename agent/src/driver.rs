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
        DriverChoice::Neutron(settings) => Ok(neutron(Neutron::open(settings.as_ref().clone(), facts))),
    }
}

/// Opens it to find out what is wanted, and for nothing else. The embedded controller's state is read from
/// a copy, because opening it writes.
pub(crate) fn rehearse(node: &NodeConfig, facts: watch::Receiver<SwitchFacts>) -> anyhow::Result<Open> {
    let config = match &node.driver {
        DriverChoice::Local(config) => config,
        DriverChoice::Neutron(settings) => {
            return Ok(neutron(Neutron::rehearse(settings.as_ref().clone(), facts)));
        }
    };
    let folder = std::env::temp_dir().join(format!("baryon-plan-{}", std::process::id()));
    std::fs::create_dir(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let copy = LocalConfig { store: folder.join("controller.redb"), ..config.clone() };
    let copied =
        if config.store.exists() { std::fs::copy(&config.store, &copy.store).map(drop) } else { Ok(()) };
    let opened =
        copied.with_context(|| format!("cannot read {}", config.store.display())).and_then(|()| local(&copy));
    let _ = std::fs::remove_dir_all(&folder);
    opened
}

fn neutron(neutron: Neutron) -> Open {
    Open { desired: neutron.desired(), routes: neutron.routes(), driver: Driver::Neutron(neutron) }
}

fn local(config: &LocalConfig) -> anyhow::Result<Open> {
    let folder = config.store.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {} for the controller's state", folder.display()))?;
    let (local, desired, routes) = Local::open(&config.store, config.controller.clone())
        .with_context(|| format!("cannot open the controller's state {}", config.store.display()))?;
    Ok(Open { driver: Driver::Local(local), desired, routes })
}
