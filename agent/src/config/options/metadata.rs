//! The options of the metadata proxy: those of `metadata_agent.ini`, and some of the agents whose namespaces it
//! listens in.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use metadata::AgentSocket;
use metadata::config::{Identity, Nova, Times, Way};
use metadata::rate::{IpVersion, Limit, Window};
use model::{HostName, Role};

use crate::config::values::{Name, Values};

/// Listeners belong to the agents in whose namespaces they are; the way from them to Nova to the metadata agent.
pub(super) fn metadata(
    values: &mut Values,
    host: &HostName,
    roles: &BTreeSet<Role>,
    dhcp: &dhcp::Config,
    router: &router::Config,
    state_path: &Path,
) -> metadata::Config {
    let usual = metadata::Config::new(host.clone());
    let has = |role| roles.contains(&role);
    let way = if has(Role::Metadata) { Way::Nova } else { Way::Agent(socket_path(values, state_path)) };
    metadata::Config {
        routers: has(Role::L3) && router.metadata_port.is_some(),
        port: router.metadata_port.unwrap_or(usual.port),
        isolated: has(Role::Dhcp) && dhcp.isolated_metadata,
        force: has(Role::Dhcp) && dhcp.force_metadata,
        way,
        metadata_network: values.flag(
            option!(
                "DEFAULT",
                "enable_metadata_network",
                "networks in 169.254.0.0/16 lead to a router's metadata"
            ),
            usual.metadata_network,
        ),
        use_veth: dhcp.use_veth,
        nova: nova(values),
        secret: values.get(
            secret!(
                "DEFAULT",
                "metadata_proxy_shared_secret",
                "what instance ids are signed with; Nova has it too"
            ),
            usual.secret.clone(),
        ),
        rate_limit: rate_limit(values),
        times: times(values),
        state_path: state_path.to_owned(),
        // What Neutron's agents left is theirs no more when this agent runs in their place.
        take_over: true,
        ..usual
    }
}

/// The socket for other processes of this node, Neutron's haproxies among them.
pub(super) fn socket(values: &mut Values, state_path: &Path) -> AgentSocket {
    let user: String = values.get(
        option!("DEFAULT", "metadata_proxy_user", "who the processes are that ask on the socket"),
        String::new(),
    );
    let group: String = values.get(option!("DEFAULT", "metadata_proxy_group", "their group"), String::new());
    let mode = values.get(
        option!("DEFAULT", "metadata_proxy_socket_mode", "user, group or all may ask, or deduce"),
        SocketMode::Deduce,
    );
    let mode = match mode {
        SocketMode::User => 0o644,
        SocketMode::Group => 0o664,
        SocketMode::All => 0o666,
        SocketMode::Deduce if user.is_empty() || user == "root" || user == "0" => 0o644,
        SocketMode::Deduce if group.is_empty() => 0o664,
        SocketMode::Deduce => 0o666,
    };
    AgentSocket { path: socket_path(values, state_path), mode }
}

fn socket_path(values: &mut Values, state_path: &Path) -> PathBuf {
    let name =
        option!("DEFAULT", "metadata_proxy_socket", "where the metadata agent is asked by other processes");
    PathBuf::from(values.get(name, state_path.join("metadata_proxy").display().to_string()))
}

#[derive(Debug, Clone, Copy)]
enum SocketMode {
    Deduce,
    User,
    Group,
    All,
}

impl SocketMode {
    const ALL: [(Self, &str); 4] =
        [(Self::Deduce, "deduce"), (Self::User, "user"), (Self::Group, "group"), (Self::All, "all")];
}

impl FromStr for SocketMode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|(_, name)| *name == text);
        known.map(|(mode, _)| mode).ok_or("none of deduce, user, group and all")
    }
}

impl std::fmt::Display for SocketMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Deduce => "deduce",
            Self::User => "user",
            Self::Group => "group",
            Self::All => "all",
        })
    }
}

fn nova(values: &mut Values) -> Nova {
    let usual = Nova::default();
    let certificate = option!("DEFAULT", "nova_client_cert", "this node's certificate for Nova");
    let certificate: String = values.get(certificate, String::new());
    let key: String =
        values.get(option!("DEFAULT", "nova_client_priv_key", "the key of that certificate"), String::new());
    let authority: String =
        values.get(option!("DEFAULT", "auth_ca_cert", "who may sign Nova's certificate"), String::new());
    let given = |text: String| (!text.is_empty()).then(|| text.into());
    Nova {
        tls: values
            .get(option!("DEFAULT", "nova_metadata_protocol", "http or https"), Protocol { tls: usual.tls })
            .tls,
        host: values
            .get(option!("DEFAULT", "nova_metadata_host", "where Nova's metadata service is"), usual.host),
        port: values.get(option!("DEFAULT", "nova_metadata_port", "its TCP port"), usual.port),
        insecure: values.flag(
            option!("DEFAULT", "nova_metadata_insecure", "whatever certificate Nova shows is good"),
            usual.insecure,
        ),
        authority: given(authority),
        identity: given(certificate).zip(given(key)).map(|(certificate, key)| Identity { certificate, key }),
    }
}

fn rate_limit(values: &mut Values) -> Option<Limit> {
    const SECTION: &str = "metadata_rate_limiting";
    let enabled = values.flag(
        option!("metadata_rate_limiting", "rate_limit_enabled", "limit how often a guest may ask"),
        false,
    );
    let versions = option!("metadata_rate_limiting", "ip_versions", "4 or 6: whose requests are counted");
    let list: Vec<u8> = values.list(versions);
    let base = window(
        values,
        option!("metadata_rate_limiting", "base_window_duration", "seconds over which requests are counted"),
        option!("metadata_rate_limiting", "base_query_rate_limit", "requests in that time"),
    );
    let burst = window(
        values,
        option!("metadata_rate_limiting", "burst_window_duration", "the same for bursts"),
        option!("metadata_rate_limiting", "burst_query_rate_limit", "requests in that time"),
    );
    // As Neutron has it: of one version, and 4 when nothing is said.
    let version = match list.as_slice() {
        [] if !values.is_written(SECTION, versions.option) => IpVersion::V4,
        [4] => IpVersion::V4,
        [6] => IpVersion::V6,
        other => {
            if enabled {
                let text = other.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
                values.warn(versions, &format!("{text} is not one of 4 and 6, so requests are not limited"));
            }
            return None;
        }
    };
    enabled.then_some(Limit { version, base, burst })
}

fn window(values: &mut Values, duration: Name, requests: Name) -> Window {
    let seconds: u64 = values.get(duration, 10);
    Window { duration: Duration::from_secs(seconds.max(1)), requests: values.get(requests, 10) }
}

fn times(values: &mut Values) -> Times {
    let usual = Times::default();
    let mut get = |name: Name, usual: Duration| super::seconds(values, name, usual);
    Times {
        connect: get(
            option!("metadata_haproxy", "connect_timeout", "seconds until Nova takes a connection"),
            usual.connect,
        ),
        client: get(
            option!("metadata_haproxy", "client_timeout", "seconds that a guest may pause within a body"),
            usual.client,
        ),
        server: get(
            option!("metadata_haproxy", "server_timeout", "seconds until Nova answers"),
            usual.server,
        ),
        request: get(
            option!("metadata_haproxy", "http_request_timeout", "seconds that a guest may be silent"),
            usual.request,
        ),
    }
}

struct Protocol {
    tls: bool,
}

impl FromStr for Protocol {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "http" => Ok(Self { tls: false }),
            "https" => Ok(Self { tls: true }),
            _ => Err("neither http nor https"),
        }
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.tls { "https" } else { "http" })
    }
}
