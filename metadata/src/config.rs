//! What an operator can choose about the metadata proxy, with Neutron's names and defaults. The agent fills it in
//! from the configuration files.

use std::path::PathBuf;
use std::time::Duration;

use model::HostName;

use crate::rate;

/// The checked configuration of this domain. The names in brackets are those of Neutron's files.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    /// The name of this node. Only what it serves gets a listener.
    pub host: HostName,
    /// `enable_metadata_proxy`: listeners for routers.
    pub routers: bool,
    /// `metadata_port`: where routers send requests to, inside their namespaces.
    pub port: u16,
    /// `enable_isolated_metadata`: listeners for networks with a subnet that no router serves.
    pub isolated: bool,
    /// `force_metadata`: listeners for every network with DHCP.
    pub force: bool,
    /// `enable_metadata_network`: a network inside 169.254.0.0/16 that leads to a router's metadata.
    pub metadata_network: bool,
    /// `ovs_use_veth`: what the device of a DHCP port is called.
    pub use_veth: bool,
    /// Where requests go.
    pub way: Way,
    /// `nova_metadata_protocol`, `nova_metadata_host` and `nova_metadata_port`.
    pub nova: Nova,
    /// `metadata_proxy_shared_secret`: what instance ids are signed with.
    pub secret: String,
    /// `[metadata_rate_limiting]`; absent when it is off.
    pub rate_limit: Option<rate::Limit>,
    /// `[metadata_haproxy]`.
    pub times: Times,
    /// Connections of all guests together.
    pub connections: usize,
    /// Connections of one guest.
    pub connections_each: usize,
    /// How long a guest stays known by its address.
    pub remember: Duration,
    /// `state_path`: where Neutron's agents keep what belongs to their haproxy processes.
    pub state_path: PathBuf,
    /// Whether a haproxy that those agents left is ended and replaced.
    pub take_over: bool,
}

/// Where guests' requests go from a listener.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Way {
    /// To Nova, by this process.
    Nova,
    /// `metadata_proxy_socket`: to the metadata agent of this node, which is another process.
    Agent(PathBuf),
}

/// The unix socket on which this process is the node's metadata agent for others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentSocket {
    /// `metadata_proxy_socket`
    pub path: PathBuf,
    /// `metadata_proxy_socket_mode`, as permissions.
    pub mode: u32,
}

/// Nova's metadata service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nova {
    /// `nova_metadata_protocol` is `https`.
    pub tls: bool,
    /// A name or an address.
    pub host: String,
    pub port: u16,
    /// `nova_metadata_insecure`: any certificate will do.
    pub insecure: bool,
    /// `auth_ca_cert`: who may sign Nova's certificate; the system's authorities when absent.
    pub authority: Option<PathBuf>,
    /// `nova_client_cert` and `nova_client_priv_key`.
    pub identity: Option<Identity>,
}

/// Files of this node's certificate for Nova.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// How long each side may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// `http_request_timeout` and `http_keep_alive_timeout`: until the head of a request is there.
    pub request: Duration,
    /// `client_timeout`: until a guest sends or takes the next piece of a body.
    pub client: Duration,
    /// `connect_timeout`: until Nova takes a connection.
    pub connect: Duration,
    /// `server_timeout`: until Nova sends an answer, or the next piece of its body.
    pub server: Duration,
}

impl Config {
    /// Neutron's defaults for a node.
    pub fn new(host: HostName) -> Self {
        Self {
            host,
            routers: true,
            port: 9697,
            isolated: false,
            force: false,
            metadata_network: false,
            use_veth: false,
            way: Way::Nova,
            nova: Nova::default(),
            secret: String::new(),
            rate_limit: None,
            times: Times::default(),
            connections: 4096,
            connections_each: 128,
            remember: Duration::from_secs(5),
            state_path: PathBuf::from("/var/lib/neutron"),
            take_over: false,
        }
    }
}

impl Default for Nova {
    fn default() -> Self {
        Self {
            tls: false,
            host: "127.0.0.1".to_owned(),
            port: 8775,
            insecure: false,
            authority: None,
            identity: None,
        }
    }
}

impl Default for Times {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(30),
            client: Duration::from_secs(32),
            connect: Duration::from_secs(30),
            server: Duration::from_secs(32),
        }
    }
}

/// The secret is not shown.
impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("host", &self.host)
            .field("routers", &self.routers)
            .field("port", &self.port)
            .field("isolated", &self.isolated)
            .field("force", &self.force)
            .field("way", &self.way)
            .field("nova", &self.nova)
            .field("rate_limit", &self.rate_limit)
            .field("take_over", &self.take_over)
            .finish_non_exhaustive()
    }
}
