//! The machine, played: against recorded messages, in single cases, and against a small model of the
//! server with every disorder that messages and answers can come in.

mod cases;
mod properties;
mod recorded;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use model::{HostName, Network, NetworkId, ObjectRef, PortId, Role, Subnet, SubnetId};

use super::Dhcp;
use crate::neutron::finding::{Finding, Sighting};
use crate::neutron::settings::DhcpSettings;

fn machine() -> Dhcp {
    let settings = DhcpSettings {
        driver: String::new(),
        lease_seconds: 86_400,
        parallel: 4,
        resync_throttle: Duration::from_secs(1),
        resync_interval: Duration::from_secs(5),
    };
    Dhcp::new(HostName::from("n1"), &settings)
}

/// Findings put together.
#[derive(Clone, PartialEq, Debug, Default)]
struct Found {
    networks: BTreeMap<NetworkId, Arc<Network>>,
    subnets: BTreeMap<SubnetId, Arc<Subnet>>,
    ports: BTreeMap<PortId, Sighting>,
    own: BTreeMap<PortId, Sighting>,
    left_alone: BTreeSet<ObjectRef>,
    complete: bool,
}

impl Found {
    fn take_in(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            match finding {
                Finding::ServedNetwork(id, value) => put(&mut self.networks, id, value),
                Finding::ServedSubnet(id, value) => put(&mut self.subnets, id, value),
                Finding::ServedPort(id, value) => put(&mut self.ports, id, value),
                Finding::OwnPort(id, value) => put(&mut self.own, id, value),
                Finding::LeftAlone(id, true) => _ = self.left_alone.insert(id),
                Finding::LeftAlone(id, false) => _ = self.left_alone.remove(&id),
                Finding::Complete(Role::Dhcp, complete) => self.complete = complete,
                other => panic!("{other:?}"),
            }
        }
    }
}

fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => _ = map.insert(key, value),
        None => _ = map.remove(&key),
    }
}

fn takes_away(finding: &Finding) -> bool {
    matches!(
        finding,
        Finding::ServedNetwork(_, None)
            | Finding::ServedSubnet(_, None)
            | Finding::ServedPort(_, None)
            | Finding::OwnPort(_, None)
    )
}
