//! Tells neighbours about addresses in the background: three rounds, two seconds apart, as Neutron's
//! `arping` does. A lost round is no failure of the router.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use host::{Handles, announce};
use model::{RouterId, names};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

const ROUNDS: usize = 3;
const BETWEEN_ROUNDS: Duration = Duration::from_secs(2);

/// The kernel takes its time to close the sockets, and passes must not stand in line behind them.
static SENDING: Semaphore = Semaphore::const_new(1);

/// Starts announcing addresses by device, and returns at once.
pub(crate) fn begin(handles: &Handles, router: RouterId, addresses: Vec<(String, Ipv4Addr)>) {
    let mut by_device: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    for (device, address) in addresses {
        by_device.entry(device).or_default().push(IpAddr::V4(address));
    }
    tokio::spawn(rounds(handles.clone(), names::router_namespace(router), by_device));
}

async fn rounds(handles: Handles, namespace: String, by_device: BTreeMap<String, Vec<IpAddr>>) {
    let mut clock = interval(BETWEEN_ROUNDS);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for _ in 0..ROUNDS {
        clock.tick().await;
        // Taken anew each time: a handle that is held would keep a deleted namespace alive.
        let Ok(handle) = handles.namespace(&namespace).await else { return };
        for (device, addresses) in &by_device {
            let Ok(_permit) = SENDING.acquire().await else { return };
            if let Err(error) = announce::announce(&handle, device, addresses).await {
                debug!(error = &error as &dyn std::error::Error, "addresses could not be announced");
            }
        }
    }
}
