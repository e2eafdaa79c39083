//! Lets the metadata proxy ask the controller's driver who a guest is.

use std::sync::{Arc, OnceLock};

use controller::Driver;
use controller::guest::{Known, Near, Owner};
use futures::future::BoxFuture;
use metadata::{Client, Instance, Lookup, LookupError, Place, Query};

/// Asks whichever driver the node has; nobody as long as none is open.
#[derive(Clone, Default)]
pub(crate) struct Asker {
    driver: Arc<OnceLock<Driver>>,
}

impl Asker {
    /// From now on, this one. A second one is not taken.
    pub(crate) fn ask(&self, driver: Driver) {
        let _ = self.driver.set(driver);
    }
}

impl Lookup for Asker {
    fn instances(&self, query: Query) -> BoxFuture<'_, Result<Vec<Instance>, LookupError>> {
        Box::pin(async move {
            let near = match query.place {
                Place::Network(id) => Near::Network(id),
                Place::Router(id) => Near::Router(id),
            };
            let known = match query.client {
                Client::Address(address) => Known::Address(address),
                Client::Mac(mac) => Known::Mac(mac),
            };
            let owners = match self.driver.get() {
                None => {
                    return Err(LookupError {
                        query,
                        source: "the controller's driver is not open yet".into(),
                    });
                }
                Some(Driver::Local(local)) => local.owners(near, known),
                Some(Driver::Neutron(neutron)) => neutron
                    .owners(near, known)
                    .await
                    .map_err(|source| LookupError { query, source: source.into() })?,
            };
            Ok(owners.into_iter().map(|Owner { device, project }| Instance { id: device, project }).collect())
        })
    }
}
