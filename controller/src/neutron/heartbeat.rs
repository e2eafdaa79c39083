//! What the server is told of this node every half minute, once for each agent that the node is to it.
//! Pure: the moment and the id of a report come in from outside.
//!
//! The first report registers the agent and says what ML2 needs to bind ports here; the answer says
//! whether the server had given the agent up meanwhile.

use std::time::{Duration, Instant};

use model::SwitchFacts;
use serde_json::{Map, Value, json};

use super::role::Request;
use super::settings::{AgentRole, Settings};

/// The column that `configurations` go to has room for that many characters.
const LONGEST_CONFIGURATIONS: usize = 4095;

/// What the counters of a report are taken from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Load {
    pub(crate) devices: usize,
    pub(crate) networks: usize,
    pub(crate) subnets: usize,
    pub(crate) ports: usize,
    pub(crate) routers: usize,
    pub(crate) gateways: usize,
    pub(crate) interfaces: usize,
    pub(crate) floating_ips: usize,
}

/// What the server's answer to a report means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Welcome {
    /// Known, and nothing was missed.
    Alive,
    /// The agent was new, or given up for dead: what the server did meanwhile has to be heard again.
    Revived,
}

impl Welcome {
    /// `null` is the answer to a report that is older than the server's process.
    pub(crate) fn read(answer: &Value) -> Self {
        match answer.as_str() {
            Some("new" | "revived") => Self::Revived,
            _ => Self::Alive,
        }
    }
}

/// The reports of one agent.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    pub(crate) role: AgentRole,
    interval: Duration,
    due: Instant,
    /// A report is on its way.
    asked: bool,
    /// Whether the server took a report of this process.
    accepted: bool,
}

impl Heartbeat {
    pub(crate) fn new(role: AgentRole, interval: Duration, now: Instant) -> Self {
        Self { role, interval, due: now, asked: false, accepted: false }
    }

    /// When the next report is due; none while one is on its way.
    pub(crate) fn due(&self) -> Option<Instant> {
        (!self.asked).then_some(self.due)
    }

    /// A report at once: something that the server decides by has changed, or the broker is back.
    pub(crate) fn hasten(&mut self, now: Instant) {
        self.due = now;
    }

    /// The report that is due. It is answered by exactly one [`Heartbeat::answered`].
    pub(crate) fn report(
        &mut self,
        settings: &Settings,
        facts: &SwitchFacts,
        load: Load,
        stamp: &Stamp,
    ) -> Request {
        self.asked = true;
        let state = self.state(settings, facts, load, stamp);
        let args = json!({"agent_state": {"agent_state": state}, "time": stamp.time});
        Request {
            patience: Some(self.interval),
            // What any server understands; nothing of later versions is used.
            ..Request::call("q-reports-plugin", "report_state", (1, 0), args)
        }
    }

    pub(crate) fn answered(&mut self, good: bool, now: Instant) {
        self.asked = false;
        self.accepted |= good;
        // A server that was away is found again quickly: the agent is counted as dead after two and a half
        // intervals.
        self.due = now + if good { self.interval } else { Duration::from_secs(1) };
    }

    /// Whether the server knows this agent, so that it can be asked on its behalf.
    pub(crate) fn accepted(&self) -> bool {
        self.accepted
    }

    fn state(&self, settings: &Settings, facts: &SwitchFacts, load: Load, stamp: &Stamp) -> Value {
        let (agent_type, topic) = names(self.role);
        let mut state = Map::new();
        let mut put = |key: &str, value: Value| _ = state.insert(key.to_owned(), value);
        put("agent_type", json!(agent_type));
        put("binary", json!(self.role.binary()));
        put("host", json!(settings.host.0));
        put("topic", json!(topic));
        put("uuid", json!(stamp.id));
        if matches!(self.role, AgentRole::Dhcp | AgentRole::L3) {
            put("availability_zone", json!(settings.availability_zone));
        }
        put("configurations", configurations(self.role, settings, facts, load));
        if !self.accepted {
            put("start_flag", json!(true));
            if self.role == AgentRole::OpenVSwitch {
                put("resource_versions", json!(settings.object_versions));
            }
        }
        Value::Object(state)
    }
}

/// What makes one report differ from the next.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    /// UTC with a fraction and no zone.
    pub(crate) time: String,
    pub(crate) id: String,
}

/// `agent_type` and `topic`: the server compares these texts.
fn names(role: AgentRole) -> (&'static str, &'static str) {
    match role {
        AgentRole::OpenVSwitch => ("Open vSwitch agent", "N/A"),
        AgentRole::Dhcp => ("DHCP agent", "dhcp_agent"),
        AgentRole::L3 => ("L3 agent", "l3_agent"),
        AgentRole::Metadata => ("Metadata agent", "N/A"),
    }
}

fn configurations(role: AgentRole, settings: &Settings, facts: &SwitchFacts, load: Load) -> Value {
    let mut all = match role {
        AgentRole::OpenVSwitch => switch(settings, facts, load),
        AgentRole::Dhcp => json!({
            "dhcp_driver": settings.dhcp.driver,
            "dhcp_lease_duration": settings.dhcp.lease_seconds,
            "networks": load.networks,
            "subnets": load.subnets,
            "ports": load.ports,
        }),
        AgentRole::L3 => json!({
            "agent_mode": settings.router.agent_mode,
            "handle_internal_only_routers": settings.router.handle_internal_only_routers,
            "interface_driver": settings.router.interface_driver,
            "extensions": settings.router.extensions,
            "routers": load.routers,
            "ex_gw_ports": load.gateways,
            "interfaces": load.interfaces,
            "floating_ips": load.floating_ips,
        }),
        AgentRole::Metadata => json!({
            "metadata_proxy_socket": settings.metadata.proxy_socket,
            "nova_metadata_host": settings.metadata.nova_host,
            "nova_metadata_port": settings.metadata.nova_port,
        }),
    };
    if let Value::Object(all) = &mut all {
        all.insert("log_agent_heartbeats".to_owned(), json!(settings.log_agent_heartbeats));
        shorten(all);
    }
    all
}

fn switch(settings: &Settings, facts: &SwitchFacts, load: Load) -> Value {
    let switch = &settings.switch;
    let mut all = json!({
        "bridge_mappings": switch.bridge_mappings,
        "integration_bridge": switch.integration_bridge,
        "tunnel_types": switch.tunnel_types.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "tunneling_ip": switch.local_ip.map(|address| address.to_string()),
        "l2_population": switch.l2_population,
        "arp_responder_enabled": switch.arp_responder,
        "enable_distributed_routing": false,
        "in_distributed_mode": false,
        "extensions": switch.extensions,
        "datapath_type": switch.datapath_type,
        "ovs_capabilities": {
            "datapath_types": facts.datapath_types.iter().collect::<Vec<_>>(),
            "iface_types": facts.interface_types.iter().collect::<Vec<_>>(),
        },
        "vhostuser_socket_dir": switch.vhostuser_socket_dir,
        "ovs_hybrid_plug": switch.ovs_hybrid_plug,
        "baremetal_smartnic": false,
        "devices": load.devices,
        // The placement plugin complains of every report without it.
        "resource_provider_bandwidths": {},
    });
    if let Value::Object(all) = &mut all {
        all.extend(switch.resource_providers.clone());
    }
    all
}

/// What can be done without goes, the least needed first, before the database refuses the report as a whole:
/// extensions are only shown to people, the rest matters to placement and to ports of DPDK guests.
fn shorten(all: &mut Map<String, Value>) {
    const LEAST_NEEDED: [&str; 4] = [
        "extensions",
        "resource_provider_packet_processing_inventory_defaults",
        "resource_provider_inventory_defaults",
        "ovs_capabilities",
    ];
    for key in LEAST_NEEDED {
        let length = serde_json::to_string(all).map_or(0, |text| text.len());
        if length <= LONGEST_CONFIGURATIONS {
            return;
        }
        tracing::warn!(length, key, "the agent's configurations are too long for the server; left out");
        all.remove(key);
    }
}

#[cfg(test)]
mod tests;
