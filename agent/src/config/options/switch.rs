//! The options of the switch: those of `openvswitch_agent.ini`.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use model::{HostName, Role, TunnelKind};
use ovs::DatapathType;

use super::{Pair, seconds};
use crate::config::values::Values;

/// Without the role of the switch, only ports of the other roles are made on it.
pub(super) fn switch(values: &mut Values, host: &HostName, roles: &BTreeSet<Role>) -> ovs::Config {
    let usual = ovs::Config::default();
    let tunnel_types = option!("agent", "tunnel_types", "vxlan, geneve, gre; none: no tunnel bridge");
    let types: Vec<TunnelType> = values.list(tunnel_types);
    let mappings = option!("ovs", "bridge_mappings", "physical network to bridge, as network:bridge,…");
    let pairs: Vec<Pair<String>> = values.list(mappings);
    let mut config = ovs::Config {
        host: host.clone(),
        ports_only: !roles.contains(&Role::L2),
        dhcp_ports: roles.contains(&Role::Dhcp),
        router_ports: roles.contains(&Role::L3),
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
        foreign_flows: usual.foreign_flows,
    };
    if config.ovsdb == NEUTRONS_DATABASE {
        config.ovsdb = format!("unix:{}", config.rundir.join("db.sock").display());
    }
    let responder = option!("agent", "arp_responder", "answer ARP for remote ports here");
    if config.arp_responder && !config.l2_population {
        values.warn(responder, "off, because l2_population is: addresses behind tunnels are not known");
        config.arp_responder = false;
    }
    if let Err(error) = config.check() {
        values.refuse(option!("ovs", "(together)", ""), "these options", &error.to_string());
    }
    config
}

/// Neutron's default. The Python agents make the database listen there before they connect; it is the one
/// that listens on the switch's own socket in any case.
const NEUTRONS_DATABASE: &str = "tcp:127.0.0.1:6640";

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
