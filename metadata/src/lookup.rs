//! Who a guest is: asked of the controller, and remembered for a few seconds. Only the controller's driver knows
//! how to ask; this crate knows what to ask.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use model::Mac;
use tokio::sync::Semaphore;

use crate::place::Place;

/// Which ports are meant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Query {
    /// The network that the port is on, or the router that it is behind.
    pub place: Place,
    pub client: Client,
}

/// How a guest's port is told from others.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Client {
    /// One of its fixed addresses.
    Address(IpAddr),
    /// The MAC address out of its link-local address.
    Mac(Mac),
}

/// The instance that a port belongs to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Instance {
    /// Neutron's `device_id` of the port.
    pub id: String,
    /// Neutron's `project_id` of the port.
    pub project: String,
}

/// The controller could not be asked, or gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("cannot ask the controller who {query} is")]
pub struct LookupError {
    pub query: Query,
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Asks the controller.
pub trait Lookup: Send + Sync {
    /// The instance of every port that is meant, one entry a port, whoever owns the port.
    fn instances(&self, query: Query) -> BoxFuture<'_, Result<Vec<Instance>, LookupError>>;
}

impl Client {
    /// What tells the guest that a connection comes from. None when its link-local address is not made from a MAC
    /// address (modified EUI-64, RFC 4291 appendix A): no port can be found by such an address.
    pub fn of(address: IpAddr) -> Option<Self> {
        match address.to_canonical() {
            IpAddr::V6(address) if address.is_unicast_link_local() => mac_of(address).map(Self::Mac),
            address => Some(Self::Address(address)),
        }
    }
}

fn mac_of(address: Ipv6Addr) -> Option<Mac> {
    match address.octets() {
        [0xfe, 0x80, 0, 0, 0, 0, 0, 0, a, b, c, 0xff, 0xfe, d, e, f] => Some(Mac([a ^ 2, b, c, d, e, f])),
        _ => None,
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.client {
            Client::Address(address) => write!(f, "{address} of {}", self.place),
            Client::Mac(mac) => write!(f, "{mac} of {}", self.place),
        }
    }
}

/// Questions that the controller is asked at a time.
const AT_ONCE: usize = 16;
/// Instances that are remembered at most.
const MOST: usize = 4_096;

/// Asks, and remembers good answers. A guest that starts asks dozens of times within a second.
pub(crate) struct Memory {
    lookup: Arc<dyn Lookup>,
    keep: Duration,
    /// Leave to ask: guests must not be able to keep the controller busy.
    asking: Semaphore,
    known: Mutex<HashMap<Query, (Instant, Instance)>>,
}

impl Memory {
    pub(crate) fn new(lookup: Arc<dyn Lookup>, keep: Duration) -> Self {
        Self { lookup, keep, asking: Semaphore::new(AT_ONCE), known: Mutex::default() }
    }

    /// The instance that is meant; None when there is none, or several.
    pub(crate) async fn instance(&self, query: Query) -> Result<Option<Instance>, LookupError> {
        if let Some(instance) = self.recall(query, Instant::now()) {
            return Ok(Some(instance));
        }
        let _asking = self.asking.acquire().await;
        // Another request of the same guest may have been answered meanwhile.
        if let Some(instance) = self.recall(query, Instant::now()) {
            return Ok(Some(instance));
        }
        let mut found = self.lookup.instances(query).await?;
        let (Some(instance), true) = (found.pop(), found.is_empty()) else { return Ok(None) };
        if instance.id.is_empty() {
            return Ok(None);
        }
        self.remember(query, &instance, Instant::now());
        Ok(Some(instance))
    }

    fn recall(&self, query: Query, now: Instant) -> Option<Instance> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, instance) = known.get(&query)?;
        (now.duration_since(*since) < self.keep).then(|| instance.clone())
    }

    fn remember(&self, query: Query, instance: &Instance, now: Instant) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, (since, _)| now.duration_since(*since) < self.keep);
        }
        if known.len() < MOST {
            known.insert(query, (now, instance.clone()));
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("keep", &self.keep).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_told_by_its_address_or_its_mac() {
        let client = |text: &str| Client::of(text.parse().unwrap());
        let mac: Mac = "fa:16:3e:01:02:03".parse().unwrap();
        assert_eq!(client("10.0.0.5"), Some(Client::Address("10.0.0.5".parse().unwrap())));
        assert_eq!(client("::ffff:10.0.0.5"), client("10.0.0.5"));
        assert_eq!(client("2001:db8::5"), Some(Client::Address("2001:db8::5".parse().unwrap())));
        assert_eq!(client(&mac.link_local().to_string()), Some(Client::Mac(mac)));
        assert_eq!(client("fe80::1"), None);
        assert_eq!(client("fe80:0:0:1:f816:3eff:fe01:203"), None);
    }
}
