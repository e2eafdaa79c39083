//! What an operator says about the driver, out of Neutron's own options. The agent reads it from the
//! configuration files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use model::{HostName, Role, TunnelKind};
use serde_json::{Map, Value};

/// An agent of Neutron's that this node is to the server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum AgentRole {
    OpenVSwitch,
    Dhcp,
    L3,
    Metadata,
}

impl AgentRole {
    /// The part of the node's picture that the agent is told.
    pub fn role(self) -> Role {
        match self {
            Self::OpenVSwitch => Role::L2,
            Self::Dhcp => Role::Dhcp,
            Self::L3 => Role::L3,
            Self::Metadata => Role::Metadata,
        }
    }
}

/// The driver of one node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name that ports are bound to; must be the same for every role.
    pub host: HostName,
    pub roles: BTreeSet<AgentRole>,
    pub bus: messaging::Settings,
    /// `[AGENT] report_interval`
    pub report_interval: Duration,
    /// `availability_zone` of the DHCP and L3 agents.
    pub availability_zone: String,
    pub log_agent_heartbeats: bool,
    pub switch: SwitchSettings,
    pub dhcp: DhcpSettings,
    pub router: RouterSettings,
    pub metadata: MetadataSettings,
    /// Where what the node was told is kept over a restart; `None`: nowhere.
    pub kept: Option<PathBuf>,
    /// Versions of objects to ask for and report, by type, when they are not to be the built-in ones.
    pub object_versions: BTreeMap<String, String>,
}

/// What the server has to know about the switch to bind ports to this node.
#[derive(Clone, Debug)]
pub struct SwitchSettings {
    pub bridge_mappings: BTreeMap<String, String>,
    pub tunnel_types: Vec<TunnelKind>,
    pub local_ip: Option<std::net::IpAddr>,
    pub l2_population: bool,
    pub arp_responder: bool,
    pub integration_bridge: String,
    /// `system` or `netdev`
    pub datapath_type: String,
    pub vhostuser_socket_dir: String,
    pub ovs_hybrid_plug: bool,
    pub extensions: Vec<String>,
    /// `resource_provider_*` of the configurations, as they are sent.
    pub resource_providers: Map<String, Value>,
}

/// Options of the DHCP agent that the server hears of or that pace the driver.
#[derive(Clone, Debug)]
pub struct DhcpSettings {
    /// The text of `dhcp_driver`, shown to operators.
    pub driver: String,
    pub lease_seconds: i64,
    /// How many networks are asked about at the same time (`num_sync_threads`).
    pub parallel: usize,
    /// Shortest and longest pause before a failed network is asked about again.
    pub resync_throttle: Duration,
    pub resync_interval: Duration,
}

/// Options of the L3 agent.
#[derive(Clone, Debug)]
pub struct RouterSettings {
    /// `legacy`; other modes are refused by the configuration.
    pub agent_mode: String,
    pub handle_internal_only_routers: bool,
    pub interface_driver: String,
    pub extensions: Vec<String>,
    /// Pause before a failed router is asked about again (`periodic_interval` bounds it).
    pub periodic_interval: Duration,
}

/// Options of the metadata agent that operators are shown.
#[derive(Clone, Debug)]
pub struct MetadataSettings {
    pub proxy_socket: String,
    pub nova_host: String,
    pub nova_port: u16,
}
