//! The options of the embedded controller and of the agent's own API. They are not Neutron's.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use controller::local;
use controller::local::record::NetworkType;
use model::{HostName, Role};

use crate::config::values::Values;
use crate::socket;

/// Where the agent can be asked.
#[derive(Debug, Clone)]
pub(crate) struct ApiConfig {
    pub(crate) socket: PathBuf,
    /// A loopback address for tools that cannot speak to a unix socket.
    pub(crate) listen: Option<SocketAddr>,
}

pub(super) fn api(values: &mut Values, roles: &BTreeSet<Role>) -> ApiConfig {
    let listen = option!("local", "listen", "loopback address and port of the HTTP API, if any");
    let address: Option<SocketAddr> = values.optional(listen);
    if let Some(address) = address.filter(|address| !address.ip().is_loopback()) {
        values.refuse(listen, &address.to_string(), "there is no authentication: only loopback is served");
    }
    ApiConfig {
        socket: values
            .get(
                option!("local", "api_socket", "unix socket of the HTTP API and of the commands"),
                socket::of_roles(roles).display().to_string(),
            )
            .into(),
        listen: address,
    }
}

pub(super) fn local(values: &mut Values, host: &HostName, switch: &ovs::Config) -> local::Config {
    let usual = local::Config::new(host.0.clone());
    let ranges: Vec<VlanRange> = values.list(option!(
        "local",
        "network_vlan_ranges",
        "VLAN ids for networks that name none, as network:first:last,…"
    ));
    let keys = values.get(
        option!("local", "vni_ranges", "tunnel keys for networks that name none, as first:last"),
        Range { first: *usual.tunnel_keys.start(), last: *usual.tunnel_keys.end() },
    );
    local::Config {
        tunnel_ip: switch.local_ip,
        network_type: values
            .get(
                option!("local", "network_type", "what carries a network that does not say"),
                Carrier::default(),
            )
            .0,
        tunnel_keys: keys.first..=keys.last,
        vlans: ranges.into_iter().map(|range| (range.network, range.first..=range.last)).collect(),
        wire_mtu: values.get(
            option!("local", "global_physnet_mtu", "MTU of the wires between nodes, in bytes"),
            usual.wire_mtu,
        ),
        ..usual
    }
}

struct Carrier(NetworkType);

impl Default for Carrier {
    fn default() -> Self {
        Self(NetworkType::Vxlan)
    }
}

impl FromStr for Carrier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| format!("{text:?} is not a type of network"))
    }
}

impl std::fmt::Display for Carrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, f)
    }
}

/// `first:last`
struct Range {
    first: u32,
    last: u32,
}

impl FromStr for Range {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (first, last) = text.split_once(':').ok_or("not of the form first:last")?;
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if first > 0 && first <= last => Ok(Self { first, last }),
            _ => Err("not two numbers, the smaller first"),
        }
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.first, self.last)
    }
}

/// `network:first:last`
struct VlanRange {
    network: String,
    first: u16,
    last: u16,
}

impl FromStr for VlanRange {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (network, range) = text.split_once(':').ok_or("not of the form network:first:last")?;
        let range: Range = range.parse()?;
        match (u16::try_from(range.first), u16::try_from(range.last)) {
            (Ok(first), Ok(last)) if last <= 4094 => {
                Ok(Self { network: network.trim().to_owned(), first, last })
            }
            _ => Err("a VLAN id is 1 to 4094"),
        }
    }
}
