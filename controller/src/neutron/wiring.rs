//! The Open vSwitch agent's part of the driver: the ports and networks of this node ([`L2`]) and what is
//! behind its tunnels ([`Tunnels`]), which meet in one place only: a table of l2population is asked for by
//! reporting a port.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use model::{HostName, Role, TunnelKind};
use serde_json::{Value, json};

use super::fault::Fault;
use super::finding::Finding;
use super::l2::{Ask as L2Ask, L2, NOTICES};
use super::role::{Event, Machine, Request};
use super::settings::Settings;
use super::topic::Topic;
use super::tunnels::Tunnels;

/// The topic of the server's port and network calls.
const PLUGIN: &str = "q-plugin";

/// What the endpoint of Neutron's own agent calls itself.
const ENDPOINT: (u32, u32) = (1, 7);

/// How long a table is awaited that no port can ask for yet.
const OUT_OF_REACH: Duration = Duration::from_secs(10);

/// What has to be known to be an Open vSwitch agent.
#[derive(Clone, Debug)]
pub(crate) struct WiringConfig {
    pub(crate) host: HostName,
    pub(crate) tunnel_types: Vec<TunnelKind>,
    pub(crate) local_ip: Option<IpAddr>,
    pub(crate) l2_population: bool,
    /// Versions of objects to ask for, as `1.7`.
    pub(crate) port_version: String,
    pub(crate) network_version: String,
    /// Whether to listen to the older notices as well. Servers learn only after a minute which versions of
    /// objects a new agent wants; until then these are all that tells of changes.
    pub(crate) notices: bool,
}

impl WiringConfig {
    pub(crate) fn new(settings: &Settings) -> Self {
        let version = |kind: &str, usual: &str| {
            settings.object_versions.get(kind).cloned().unwrap_or_else(|| usual.to_owned())
        };
        Self {
            host: settings.host.clone(),
            tunnel_types: settings.switch.tunnel_types.clone(),
            local_ip: settings.switch.local_ip,
            l2_population: settings.switch.l2_population,
            port_version: version("Port", "1.7"),
            network_version: version("Network", "1.1"),
            notices: true,
        }
    }

    fn has_tunnels(&self) -> bool {
        self.local_ip.is_some() && !self.tunnel_types.is_empty()
    }
}

/// What [`Wiring`] wants to hear.
pub(crate) fn topics(config: &WiringConfig) -> Vec<Topic> {
    let mut topics = vec![
        Topic::fanout(format!("neutron-vo-Port-{}", config.port_version), (1, 1), &["push"]),
        Topic::fanout(format!("neutron-vo-Network-{}", config.network_version), (1, 1), &["push"]),
    ];
    if config.has_tunnels() {
        topics.push(Topic::fanout("q-agent-notifier-tunnel-update", ENDPOINT, &["tunnel_update"]));
        topics.push(Topic::fanout("q-agent-notifier-tunnel-delete", ENDPOINT, &["tunnel_delete"]));
        if config.l2_population {
            topics.push(Topic::both(
                "q-agent-notifier-l2population-update",
                ENDPOINT,
                &["add_fdb_entries", "remove_fdb_entries", "update_fdb_entries"],
            ));
        }
    }
    if config.notices {
        topics.extend(NOTICES.map(|(topic, methods)| Topic::fanout(topic, ENDPOINT, methods)));
    }
    topics
}

/// A question or a report of this part.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Ask {
    L2(L2Ask),
    /// The tunnel ends of a type. It also tells the server of this node's.
    Ends(TunnelKind),
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Wiring {
    config: WiringConfig,
    l2: L2,
    tunnels: Tunnels,
    open: bool,
    complete: bool,
    /// Since when everything about ports and networks is known.
    known_since: Option<Instant>,
    findings: Vec<Finding>,
    next_look: Option<Instant>,
    now: Option<Instant>,
}

impl Wiring {
    pub(crate) fn new(config: WiringConfig) -> Self {
        Self {
            l2: L2::new(config.host.clone()),
            tunnels: Tunnels::new(
                config.host.clone(),
                config.local_ip,
                &config.tunnel_types,
                config.l2_population,
            ),
            config,
            open: false,
            complete: false,
            known_since: None,
            findings: Vec::new(),
            next_look: None,
            now: None,
        }
    }

    fn answer(&mut self, ask: Ask, answer: Result<Value, Fault>, now: Instant) {
        match ask {
            Ask::L2(L2Ask::Ports(ids)) => self.l2.ports_answered(&ids, answer, now),
            Ask::L2(L2Ask::Networks(ids)) => self.l2.networks_answered(&ids, answer, now),
            Ask::L2(L2Ask::Down(ids)) => _ = self.l2.reported(&ids, false, &answer, now),
            Ask::L2(L2Ask::Up { ports, tables }) => {
                let failed = self.l2.reported(&ports, true, &answer, now);
                for table in tables {
                    let came = !failed.contains(&table.port);
                    self.tunnels.table_answered(table.network, table.round, came, now);
                }
            }
            Ask::Ends(kind) => self.tunnels.synced(kind, answer, now),
        }
    }

    /// Carries news from one part to the other.
    fn settle(&mut self, now: Instant) {
        if self.l2.knows_all() && self.tunnels.take_moved() {
            self.l2.announce(now);
        }
        for (network, kinds) in self.l2.take_tunnelled() {
            self.tunnels.carry(network, kinds);
        }
        self.findings.append(&mut self.l2.findings);
        self.findings.append(&mut self.tunnels.findings);
        self.next_look = None;
        if !self.complete && self.is_complete(now) {
            self.complete = true;
            self.tunnels.release();
            self.findings.append(&mut self.tunnels.findings);
            self.findings.push(Finding::Complete(Role::L2, true));
        }
    }

    fn is_complete(&mut self, now: Instant) -> bool {
        if !self.l2.knows_all() {
            self.known_since = None;
            return false;
        }
        let end = *self.known_since.get_or_insert(now) + OUT_OF_REACH;
        if end > now {
            self.next_look = Some(end);
        }
        self.tunnels.knows_all(|network| end <= now && !self.l2.has_bearer(network))
    }
}

impl Machine for Wiring {
    type Ask = Ask;

    fn request(&self, ask: &Ask) -> Request {
        let call = |method, version, args| Request::call(PLUGIN, method, version, args);
        let pull = |kind: &str, version: &str, ids: Value| {
            let args = json!({"resource_type": kind, "version": version, "filter_kwargs": {"id": ids}});
            call("bulk_pull", (1, 1), args)
        };
        let report = |up: Value, down: Value, refresh: bool| {
            let host = &self.config.host.0;
            let args = json!({"devices_up": up, "devices_down": down, "agent_id": format!("ovs-agent-{host}"),
                "host": host, "refresh_tunnels": refresh});
            call("update_device_list", (1, 9), args)
        };
        match ask {
            Ask::L2(L2Ask::Ports(ids)) => pull("Port", &self.config.port_version, json!(ids)),
            Ask::L2(L2Ask::Networks(ids)) => pull("Network", &self.config.network_version, json!(ids)),
            Ask::L2(L2Ask::Up { ports, tables }) => {
                report(json!(ports), json!([]), !tables.is_empty()).telling_of(ports)
            }
            Ask::L2(L2Ask::Down(ports)) => report(json!([]), json!(ports), false).telling_of(ports),
            Ask::Ends(kind) => {
                let ip = self.config.local_ip.map(|ip| ip.to_string());
                let host = &self.config.host.0;
                call("tunnel_sync", (1, 4), json!({"tunnel_ip": ip, "tunnel_type": kind, "host": host}))
            }
        }
    }

    fn hear(&mut self, event: Event<'_, Ask>, now: Instant) {
        self.now = Some(now);
        match event {
            Event::Gap => {
                self.l2.doubt(now);
                self.tunnels.doubt();
            }
            Event::Open => {
                self.open = true;
                self.l2.hasten();
                self.tunnels.hasten();
            }
            Event::Closed => self.open = false,
            Event::Message(message) => {
                self.l2.message(message, now);
                self.tunnels.message(message, now);
            }
            Event::Answer(ask, answer) => self.answer(ask, answer, now),
            Event::Report(report) => self.l2.report(report, now),
            Event::OwnPort(port, is_own) => self.l2.own_port(port, is_own, now),
            Event::Switch(facts) => self.l2.switch(facts, now),
            Event::Tick => {
                self.l2.tick(now);
                self.tunnels.tick(now);
            }
        }
        self.settle(now);
    }

    fn asks(&mut self, now: Instant) -> Vec<Ask> {
        if !self.open {
            return Vec::new();
        }
        let mut asks: Vec<Ask> = self.tunnels.questions(now).into_iter().map(Ask::Ends).collect();
        asks.extend(self.l2.questions(now).into_iter().map(Ask::L2));
        for ask in self.l2.reports(&self.tunnels.wanted(), now) {
            if let L2Ask::Up { tables, .. } = &ask {
                for table in tables {
                    self.tunnels.table_asked(table.network, table.round);
                }
            }
            asks.push(Ask::L2(ask));
        }
        asks
    }

    fn findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    fn complaints(&mut self) -> Vec<String> {
        let mut complaints = self.l2.complaints.take();
        complaints.extend(self.tunnels.complaints.take());
        complaints
    }

    fn due(&self) -> Option<Instant> {
        let now = self.now?;
        [self.l2.due(now), self.tunnels.due(now), self.next_look].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod bench;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod mangled;
#[cfg(test)]
mod property;
#[cfg(test)]
mod scenarios;
