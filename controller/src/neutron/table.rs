//! Who sits at the table: a seat for each role that this node has, and what they listen to.

use std::collections::{BTreeMap, BTreeSet};

use messaging::{Endpoint, Listen, Version};
use tokio::sync::mpsc;

use super::dhcp::Dhcp;
use super::l3::L3;
use super::outlet::Outlet;
use super::seat::{Seat, Seated};
use super::settings::{AgentRole, Settings};
use super::topic::Topic;
use super::wiring::{self, Wiring, WiringConfig};

/// One seat for each role that has something to decide.
pub(crate) fn seats(
    settings: &Settings,
    outlet: &Outlet,
    wake: &mpsc::UnboundedSender<()>,
) -> Vec<Box<dyn Seat>> {
    let names = |role| topics(settings, role).into_iter().map(|topic| topic.topic).collect::<BTreeSet<_>>();
    let mut seats: Vec<Box<dyn Seat>> = Vec::new();
    for role in &settings.roles {
        let (names, outlet, wake) = (names(*role), outlet.clone(), wake.clone());
        match role {
            AgentRole::OpenVSwitch => {
                let machine = Wiring::new(WiringConfig::new(settings));
                seats.push(Box::new(Seated::new(*role, machine, names, outlet, wake)));
            }
            AgentRole::Dhcp => {
                let machine = Dhcp::new(settings.host.clone(), &settings.dhcp);
                seats.push(Box::new(Seated::new(*role, machine, names, outlet, wake)));
            }
            AgentRole::L3 => {
                let machine = L3::new(settings.host.clone(), &settings.router);
                seats.push(Box::new(Seated::new(*role, machine, names, outlet, wake)));
            }
            // This agent only says that it is alive.
            AgentRole::Metadata => {}
        }
    }
    seats
}

/// What a role listens to.
fn topics(settings: &Settings, role: AgentRole) -> Vec<Topic> {
    match role {
        AgentRole::OpenVSwitch => wiring::topics(&WiringConfig::new(settings)),
        AgentRole::Dhcp => Dhcp::topics(),
        AgentRole::L3 => L3::topics(&settings.router),
        AgentRole::Metadata => Vec::new(),
    }
}

/// The queues of all roles. A topic that two roles listen to is declared once.
pub(crate) fn listen(settings: &Settings) -> Vec<Listen> {
    let mut all: BTreeMap<String, Listen> = BTreeMap::new();
    for topic in settings.roles.iter().flat_map(|role| topics(settings, *role)) {
        let (major, minor) = topic.version;
        let endpoint =
            Endpoint { namespace: None, version: Version::new(major, minor), methods: Some(topic.methods) };
        let listen = all.entry(topic.topic.clone()).or_insert_with(|| Listen {
            topic: topic.topic,
            host: None,
            shared: false,
            fanout: false,
            endpoints: Vec::new(),
        });
        if topic.host {
            listen.host = Some(settings.host.0.clone());
        }
        listen.fanout |= topic.fanout;
        if !listen.endpoints.contains(&endpoint) {
            listen.endpoints.push(endpoint);
        }
    }
    all.into_values().collect()
}

/// The versions of the objects that the switch's role hears of.
pub(crate) fn object_versions(settings: &Settings) -> BTreeMap<String, String> {
    if !settings.roles.contains(&AgentRole::OpenVSwitch) {
        return BTreeMap::new();
    }
    let wiring = WiringConfig::new(settings);
    [("Port", wiring.port_version), ("Network", wiring.network_version)]
        .into_iter()
        .map(|(kind, version)| (kind.to_owned(), version))
        .collect()
}
