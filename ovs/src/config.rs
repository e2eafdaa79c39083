//! What an operator says about the switch of a node, with Neutron's names and defaults. The agent
//! reads it out of its configuration file; [`Config::check`] is called once, before anything starts.
//!
//! Nothing here is found out from the machine: what exists is observed.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use model::{HostName, TunnelKind};
use serde::{Deserialize, Serialize};

/// The kind of forwarding path that bridges are made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatapathType {
    /// The kernel module.
    #[default]
    System,
    /// Userspace: DPDK, and anything without the kernel module.
    Netdev,
}

impl DatapathType {
    /// The text of the OVSDB column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Netdev => "netdev",
        }
    }
}

/// The switch of one node. Defaults are Neutron's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The name by which the controller knows this node.
    pub host: HostName,
    pub integration_bridge: String,
    pub tunnel_bridge: String,
    /// The patch port on the integration bridge that leads to the tunnel bridge.
    pub int_peer_patch_port: String,
    /// Its other end.
    pub tun_peer_patch_port: String,
    /// Physical network to bridge. The bridges are the operator's; they are set up, never made.
    pub bridge_mappings: BTreeMap<String, String>,
    pub datapath_type: DatapathType,
    /// The address of this node that tunnels end at.
    pub local_ip: Option<IpAddr>,
    /// Empty: no tunnel bridge.
    pub tunnel_types: Vec<TunnelKind>,
    pub vxlan_udp_port: u16,
    pub tunnel_csum: bool,
    pub dont_fragment: bool,
    /// DSCP of the outer header, 0 to 63.
    pub dscp: Option<u8>,
    pub dscp_inherit: bool,
    /// Answer ARP requests for addresses behind tunnels on this node.
    pub arp_responder: bool,
    /// Unicast entries for known remote MACs. Without, addresses behind tunnels are only learnt.
    pub l2_population: bool,
    pub bridge_mac_table_size: u32,
    /// Somebody else sees to the switch: only ports of our own services are made here, cut off until he
    /// lets them in, and taken away.
    pub ports_only: bool,
    /// Whether the ports of DHCP services are made here; if not, they are plugged in as guests are.
    pub dhcp_ports: bool,
    /// The same of routers' ports.
    pub router_ports: bool,
    /// Own ports are one end of a veth pair that somebody else makes, not internal ports.
    pub ovs_use_veth: bool,
    /// `unix:PATH`, `tcp:HOST:PORT` or `ssl:HOST:PORT`.
    pub ovsdb: String,
    /// For `ssl:`: this side's key, its certificate, and the authority that signed the server's.
    pub ssl_key_file: Option<PathBuf>,
    pub ssl_cert_file: Option<PathBuf>,
    pub ssl_ca_cert_file: Option<PathBuf>,
    /// Where vswitchd puts its `<bridge>.mgmt` sockets.
    pub rundir: PathBuf,
    pub ovsdb_timeout: Duration,
    pub openflow_timeout: Duration,
    /// The flows of other programs are read, too: dear where there are many, and of use only to those who want
    /// to know what a step replaces.
    pub foreign_flows: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: HostName(String::new()),
            integration_bridge: "br-int".to_owned(),
            tunnel_bridge: "br-tun".to_owned(),
            int_peer_patch_port: "patch-tun".to_owned(),
            tun_peer_patch_port: "patch-int".to_owned(),
            bridge_mappings: BTreeMap::new(),
            datapath_type: DatapathType::System,
            local_ip: None,
            tunnel_types: Vec::new(),
            vxlan_udp_port: VXLAN_PORT,
            tunnel_csum: false,
            dont_fragment: true,
            dscp: None,
            dscp_inherit: false,
            arp_responder: false,
            l2_population: false,
            bridge_mac_table_size: 50_000,
            ports_only: false,
            dhcp_ports: true,
            router_ports: true,
            ovs_use_veth: false,
            ovsdb: "unix:/run/openvswitch/db.sock".to_owned(),
            ssl_key_file: None,
            ssl_cert_file: None,
            ssl_ca_cert_file: None,
            rundir: PathBuf::from("/run/openvswitch"),
            ovsdb_timeout: Duration::from_secs(10),
            openflow_timeout: Duration::from_secs(10),
            foreign_flows: false,
        }
    }
}

/// The port of RFC 7348, which needs no mention in a tunnel's options.
pub const VXLAN_PORT: u16 = 4789;

/// Longest name of a device that the kernel takes.
const LONGEST_NAME: usize = 15;

/// Why a configuration cannot be worked with.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "{option} is {name:?}, which is not the name of a device: 1 to {LONGEST_NAME} characters, no space or slash"
    )]
    Name { option: &'static str, name: String },
    #[error("the bridge {bridge} has two parts to play: {first} and {second}")]
    SameBridge { bridge: String, first: String, second: String },
    #[error("tunnel_types is set and local_ip is not: tunnels need an address to end at")]
    NoLocalAddress,
    #[error("local_ip is {0}, which no tunnel can end at")]
    LocalAddress(IpAddr),
    #[error("dscp is {0}, and the largest there is is 63")]
    Dscp(u8),
    #[error("arp_responder needs l2_population: without it no address behind a tunnel is known")]
    ResponderWithoutPopulation,
}

impl Config {
    /// Refuses what could only fail later.
    pub fn check(&self) -> Result<(), ConfigError> {
        check_name("integration_bridge", &self.integration_bridge)?;
        check_name("tunnel_bridge", &self.tunnel_bridge)?;
        check_name("int_peer_patch_port", &self.int_peer_patch_port)?;
        check_name("tun_peer_patch_port", &self.tun_peer_patch_port)?;
        self.bridge_mappings.values().try_for_each(|bridge| check_name("bridge_mappings", bridge))?;
        self.check_bridges_differ()?;
        if self.dscp.is_some_and(|dscp| dscp > 63) {
            return Err(ConfigError::Dscp(self.dscp.unwrap_or_default()));
        }
        if self.arp_responder && !self.l2_population {
            return Err(ConfigError::ResponderWithoutPopulation);
        }
        match self.local_ip {
            Some(address) if address.is_unspecified() || address.is_multicast() => {
                Err(ConfigError::LocalAddress(address))
            }
            None if self.has_tunnels() && !self.ports_only => Err(ConfigError::NoLocalAddress),
            _ => Ok(()),
        }
    }

    /// Whether there is a tunnel bridge at all.
    pub fn has_tunnels(&self) -> bool {
        !self.tunnel_types.is_empty()
    }

    /// The address that tunnels end at. Only asked when there are tunnels; [`Config::check`] saw to it.
    pub(crate) fn tunnel_address(&self) -> IpAddr {
        self.local_ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    fn check_bridges_differ(&self) -> Result<(), ConfigError> {
        let tunnel = self.has_tunnels().then(|| (&self.tunnel_bridge, "tunnel_bridge".to_owned()));
        let physical = self
            .bridge_mappings
            .iter()
            .map(|(network, bridge)| (bridge, format!("bridge_mappings {network}")));
        let mut seen = BTreeMap::from([(&self.integration_bridge, "integration_bridge".to_owned())]);
        for (bridge, part) in tunnel.into_iter().chain(physical) {
            if let Some(first) = seen.insert(bridge, part.clone()) {
                return Err(ConfigError::SameBridge { bridge: bridge.clone(), first, second: part });
            }
        }
        Ok(())
    }
}

fn check_name(option: &'static str, name: &str) -> Result<(), ConfigError> {
    let odd = |character: char| character.is_whitespace() || character == '/' || character.is_control();
    if name.is_empty() || name.len() > LONGEST_NAME || name.contains(odd) {
        return Err(ConfigError::Name { option, name: name.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_sound() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn a_bridge_has_one_part_to_play() {
        let mappings = [("a", "br-a"), ("b", "br-a")];
        let bridge_mappings =
            mappings.map(|(network, bridge)| (network.to_owned(), bridge.to_owned())).into();
        let config = Config { bridge_mappings, ..Config::default() };
        assert!(matches!(config.check(), Err(ConfigError::SameBridge { .. })));
    }

    #[test]
    fn tunnels_need_an_address() {
        let config = Config { tunnel_types: vec![TunnelKind::Vxlan], ..Config::default() };
        assert_eq!(config.check(), Err(ConfigError::NoLocalAddress));
        assert_eq!(Config { local_ip: Some("2001:db8::1".parse().unwrap()), ..config }.check(), Ok(()));
    }

    #[test]
    fn names_must_be_names() {
        for name in ["", "br int", "a/b", "sixteen-letters-"] {
            let config = Config { integration_bridge: name.to_owned(), ..Config::default() };
            assert!(matches!(config.check(), Err(ConfigError::Name { .. })), "{name}");
        }
    }
}
