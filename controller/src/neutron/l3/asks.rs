//! What the machine asks the server, and tells it. Pure.

use std::collections::BTreeMap;

use model::{FloatingIpId, HostName, RouterId};

use crate::neutron::role::Request;
use crate::neutron::wire::l3_calls::{self, Status};
use crate::neutron::wire::port_forwarding;

/// One call. The answer comes back with it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Ask {
    /// Which routers are ours.
    Ids,
    /// Everything about some routers. `Part` of a reading of all, or because of events.
    Routers(Vec<RouterId>, Reason),
    Forwardings(Vec<FloatingIpId>),
    Statuses(RouterId, BTreeMap<FloatingIpId, Status>),
}

/// Why routers are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reason {
    Event,
    Part,
}

impl Ask {
    pub(super) fn request(&self, host: &HostName) -> Request {
        match self {
            Self::Ids => l3_calls::router_ids(host),
            Self::Routers(ids, _) => l3_calls::routers(host, ids),
            Self::Forwardings(floating_ips) => port_forwarding::pull(floating_ips),
            Self::Statuses(router, statuses) => l3_calls::statuses(*router, statuses),
        }
    }
}
