//! Every option that is known: its place, its name, its default and what it is for. Names, places and
//! defaults are Neutron's where Neutron has the option; `[local]` is ours.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use controller::local;
use controller::local::record::NetworkType;
use model::{HostName, TunnelKind};
use ovs::DatapathType;

use super::values::{Name, Values};
use crate::cli::SOCKET;

/// The checked configuration of a node.
#[derive(Debug, Clone)]
pub(crate) struct NodeConfig {
    pub(crate) host: HostName,
    pub(crate) log: LogConfig,
    pub(crate) api: ApiConfig,
    /// Where the embedded controller keeps its state.
    pub(crate) store: PathBuf,
    /// How often everything is looked at although nothing seems to have changed.
    pub(crate) audit_every: Duration,
    pub(crate) local: local::Config,
    pub(crate) switch: ovs::Config,
    pub(crate) dhcp: dhcp::Config,
    pub(crate) router: router::Config,
}

/// Where the agent can be asked.
#[derive(Debug, Clone)]
pub(crate) struct ApiConfig {
    pub(crate) socket: PathBuf,
    /// A loopback address for tools that cannot speak to a unix socket.
    pub(crate) listen: Option<SocketAddr>,
}

#[derive(Debug, Clone)]
pub(crate) struct LogConfig {
    pub(crate) debug: bool,
    pub(crate) format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
    Journald,
}

macro_rules! option {
    ($section:literal, $option:literal, $help:literal) => {
        Name { section: $section, option: $option, help: $help }
    };
}

/// Takes every option out of what was written. Wrong values are collected there, not returned.
pub(crate) fn node(values: &mut Values) -> NodeConfig {
    let host = HostName(values.get(
        option!("DEFAULT", "host", "name of this node, as ports are bound to it"),
        nix::unistd::gethostname().map_or_else(|_| "localhost".into(), |name| name.to_string_lossy().into()),
    ));
    let state = values.get(
        option!("DEFAULT", "state_path", "folder of everything that is kept"),
        "/var/lib/baryon".to_owned(),
    );
    let switch = switch(values, &host);
    NodeConfig {
        log: log(values),
        api: api(values),
        store: PathBuf::from(state).join("controller.redb"),
        audit_every: Duration::from_secs(
            values.get(option!("local", "audit_interval", "seconds between two looks at everything"), 300),
        ),
        local: local(values, &host, &switch),
        dhcp: dhcp(values, &host, &switch),
        router: router(values, &host),
        switch,
        host,
    }
}

fn log(values: &mut Values) -> LogConfig {
    let debug = values.flag(option!("DEFAULT", "debug", "log why, not only what"), false);
    let json = values.flag(option!("DEFAULT", "use_json", "log JSON, one object a line"), false);
    let journald = values.flag(option!("DEFAULT", "use_journal", "log to journald, with fields"), false);
    let format = match (json, journald) {
        (_, true) => LogFormat::Journald,
        (true, false) => LogFormat::Json,
        (false, false) => LogFormat::Text,
    };
    LogConfig { debug, format }
}

fn api(values: &mut Values) -> ApiConfig {
    let listen = option!("local", "listen", "loopback address and port of the HTTP API, if any");
    let address: Option<SocketAddr> = values.optional(listen);
    if let Some(address) = address.filter(|address| !address.ip().is_loopback()) {
        values.refuse(listen, &address.to_string(), "there is no authentication: only loopback is served");
    }
    ApiConfig {
        socket: values
            .get(
                option!("local", "api_socket", "unix socket of the HTTP API and of the commands"),
                SOCKET.to_owned(),
            )
            .into(),
        listen: address,
    }
}

fn switch(values: &mut Values, host: &HostName) -> ovs::Config {
    let usual = ovs::Config::default();
    let tunnel_types = option!("agent", "tunnel_types", "vxlan, geneve, gre; none: no tunnel bridge");
    let types: Vec<TunnelType> = values.list(tunnel_types);
    let mappings = option!("ovs", "bridge_mappings", "physical network to bridge, as network:bridge,…");
    let pairs: Vec<Pair<String>> = values.list(mappings);
    let config = ovs::Config {
        host: host.clone(),
        integration_bridge: values
            .get(option!("ovs", "integration_bridge", "where every port is"), usual.integration_bridge),
        tunnel_bridge: values.get(option!("ovs", "tunnel_bridge", "where tunnels end"), usual.tunnel_bridge),
        int_peer_patch_port: values.get(
            option!(
                "ovs",
                "int_peer_patch_port",
                "patch port on the integration bridge to the tunnel bridge"
            ),
            usual.int_peer_patch_port,
        ),
        tun_peer_patch_port: values
            .get(option!("ovs", "tun_peer_patch_port", "its other end"), usual.tun_peer_patch_port),
        bridge_mappings: pairs.into_iter().map(|pair| (pair.key, pair.value)).collect(),
        datapath_type: values
            .get(
                option!("ovs", "datapath_type", "system (kernel) or netdev (userspace)"),
                Datapath::default(),
            )
            .0,
        local_ip: values.optional::<IpAddr>(option!("ovs", "local_ip", "this node's end of its tunnels")),
        tunnel_types: types.into_iter().map(|kind| kind.0).collect(),
        vxlan_udp_port: values
            .get(option!("agent", "vxlan_udp_port", "UDP port of VXLAN"), usual.vxlan_udp_port),
        tunnel_csum: values
            .flag(option!("agent", "tunnel_csum", "UDP checksums on tunnels"), usual.tunnel_csum),
        dont_fragment: values.flag(
            option!("agent", "dont_fragment", "forbid fragments of tunnel packets"),
            usual.dont_fragment,
        ),
        dscp: values.optional(option!("agent", "dscp", "DSCP of the outer header, 0 to 63")),
        dscp_inherit: values
            .flag(option!("agent", "dscp_inherit", "copy the inner DSCP outwards"), usual.dscp_inherit),
        arp_responder: values
            .flag(option!("agent", "arp_responder", "answer ARP for remote ports here"), usual.arp_responder),
        l2_population: values
            .flag(option!("agent", "l2_population", "unicast entries for remote ports"), usual.l2_population),
        bridge_mac_table_size: values.get(
            option!("ovs", "bridge_mac_table_size", "addresses that a bridge learns"),
            usual.bridge_mac_table_size,
        ),
        ovs_use_veth: values
            .flag(option!("DEFAULT", "ovs_use_veth", "veth pairs for DHCP ports"), usual.ovs_use_veth),
        ovsdb: values.get(
            option!("ovs", "ovsdb_connection", "unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT"),
            usual.ovsdb,
        ),
        ssl_key_file: values.optional(option!(
            "ovs",
            "ssl_key_file",
            "this node's key, for an ssl: database"
        )),
        ssl_cert_file: values.optional(option!("ovs", "ssl_cert_file", "this node's certificate")),
        ssl_ca_cert_file: values.optional(option!("ovs", "ssl_ca_cert_file", "who may be the database")),
        rundir: PathBuf::from(values.get(
            option!("ovs", "ovs_rundir", "folder of vswitchd's management sockets"),
            usual.rundir.display().to_string(),
        )),
        ovsdb_timeout: seconds(
            values,
            option!("ovs", "ovsdb_timeout", "seconds until a database request failed"),
            usual.ovsdb_timeout,
        ),
        openflow_timeout: seconds(
            values,
            option!("ovs", "of_request_timeout", "seconds until an OpenFlow request failed"),
            usual.openflow_timeout,
        ),
    };
    if let Err(error) = config.check() {
        values.refuse(option!("ovs", "(together)", ""), "these options", &error.to_string());
    }
    config
}

fn local(values: &mut Values, host: &HostName, switch: &ovs::Config) -> local::Config {
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

fn dhcp(values: &mut Values, host: &HostName, switch: &ovs::Config) -> dhcp::Config {
    let usual = dhcp::Config::new(host.clone());
    dhcp::Config {
        lease_seconds: values
            .get(
                option!("DEFAULT", "dhcp_lease_duration", "seconds of a lease; -1: for ever"),
                LeaseTime::default(),
            )
            .0,
        renewal_seconds: zero_is_none(values.get(
            option!("DEFAULT", "dhcp_renewal_time", "seconds until a lease is renewed; 0: half of it"),
            0,
        )),
        rebinding_seconds: zero_is_none(values.get(
            option!(
                "DEFAULT",
                "dhcp_rebinding_time",
                "seconds until any server is asked; 0: 7/8 of the lease"
            ),
            0,
        )),
        dns_domain: values
            .get(option!("DEFAULT", "dns_domain", "domain of guests"), usual.dns_domain.clone()),
        isolated_metadata: values.flag(
            option!("DEFAULT", "enable_isolated_metadata", "a way to the metadata service without a router"),
            usual.isolated_metadata,
        ),
        force_metadata: values
            .flag(option!("DEFAULT", "force_metadata", "the same on every network"), usual.force_metadata),
        broadcast_reply: values
            .flag(option!("DEFAULT", "dhcp_broadcast_reply", "answer to everybody"), usual.broadcast_reply),
        use_veth: switch.ovs_use_veth,
        userspace_datapath: switch.datapath_type == DatapathType::Netdev,
        ..usual
    }
}

fn router(values: &mut Values, host: &HostName) -> router::Config {
    let usual = router::Config::new(host.clone());
    router::Config {
        use_random_fully: values.flag(
            option!("agent", "use_random_fully", "random source ports of translated connections"),
            usual.use_random_fully,
        ),
        external_ingress_mark: values
            .get(option!("DEFAULT", "external_ingress_mark", "mark of packets from outside"), Mark::default())
            .0,
        ipv6_gateway: values.optional::<Ipv6Addr>(option!(
            "DEFAULT",
            "ipv6_gateway",
            "link-local address of the IPv6 router outside"
        )),
        ..usual
    }
}

fn seconds(values: &mut Values, name: Name, usual: Duration) -> Duration {
    Duration::from_secs(values.get(name, usual.as_secs()))
}

fn zero_is_none(seconds: u32) -> Option<u32> {
    (seconds > 0).then_some(seconds)
}

/// `key:value`, one entry of an oslo.config dictionary.
struct Pair<V> {
    key: String,
    value: V,
}

impl FromStr for Pair<String> {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((key, value)) if !key.trim().is_empty() && !value.trim().is_empty() => {
                Ok(Self { key: key.trim().to_owned(), value: value.trim().to_owned() })
            }
            _ => Err("not of the form network:bridge"),
        }
    }
}

struct TunnelType(TunnelKind);

impl FromStr for TunnelType {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kinds = [TunnelKind::Vxlan, TunnelKind::Geneve, TunnelKind::Gre];
        let kind = kinds.into_iter().find(|kind| kind.to_string() == text);
        kind.map(Self).ok_or("not a type of tunnel: vxlan, geneve or gre")
    }
}

#[derive(Default)]
struct Datapath(DatapathType);

impl FromStr for Datapath {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let types = [DatapathType::System, DatapathType::Netdev];
        types.into_iter().find(|kind| kind.as_str() == text).map(Self).ok_or("neither system nor netdev")
    }
}

impl std::fmt::Display for Datapath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str())
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

/// Seconds, or -1 for a lease without an end (RFC 2131 section 3.3: all ones).
struct LeaseTime(u32);

impl Default for LeaseTime {
    fn default() -> Self {
        Self(86_400)
    }
}

impl FromStr for LeaseTime {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "-1" => Ok(Self(u32::MAX)),
            _ => text.parse().map(Self).map_err(|_| "neither seconds nor -1"),
        }
    }
}

impl std::fmt::Display for LeaseTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == u32::MAX { f.write_str("-1") } else { self.0.fmt(f) }
    }
}

/// The low 16 bits of a packet mark, as decimal or hexadecimal.
struct Mark(u16);

impl Default for Mark {
    fn default() -> Self {
        Self(0x2)
    }
}

impl FromStr for Mark {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = match text.strip_prefix("0x") {
            Some(digits) => u16::from_str_radix(digits, 16),
            None => text.parse(),
        };
        number.map(Self).map_err(|_| "not a mark of 16 bits")
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
