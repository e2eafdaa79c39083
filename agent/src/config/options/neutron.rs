//! What the driver of a neutron-server needs: the options by which the Python agents present themselves
//! to the server and talk to it. Options of what a node does are elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use controller::neutron::settings::{
    AgentRole, DhcpSettings, MetadataSettings, RouterSettings, Settings, SwitchSettings,
};
use model::{HostName, Role};

use super::messaging::messaging;
use super::resources::resources;
use super::{Pair, extensions, float_seconds, seconds, security};
use crate::config::values::Values;

/// Takes the options of all roles.
pub(super) fn neutron(
    values: &mut Values,
    host: &HostName,
    roles: &BTreeSet<Role>,
    switch: &ovs::Config,
    state_path: &Path,
) -> Settings {
    let pairs: Vec<Pair<String>> =
        values.list(option!("baryon", "object_versions", "versions of objects to ask for, as Port:1.7,…"));
    Settings {
        host: host.clone(),
        roles: roles.iter().map(|role| agent(*role)).collect(),
        bus: messaging(values),
        report_interval: float_seconds(
            values,
            option!("agent", "report_interval", "seconds between two signs of life"),
            30.0,
        ),
        availability_zone: zone(values, roles),
        log_agent_heartbeats: values
            .flag(option!("agent", "log_agent_heartbeats", "the server logs each of them"), false),
        switch: switch_settings(values, &host.0, switch),
        dhcp: dhcp(values),
        router: router(values),
        metadata: metadata(values, state_path),
        kept: Some(state_path.join("baryon/picture.redb")),
        object_versions: pairs.into_iter().map(|pair| (pair.key, pair.value)).collect::<BTreeMap<_, _>>(),
    }
}

fn agent(role: Role) -> AgentRole {
    match role {
        Role::L2 => AgentRole::OpenVSwitch,
        Role::Dhcp => AgentRole::Dhcp,
        Role::L3 => AgentRole::L3,
        Role::Metadata => AgentRole::Metadata,
    }
}

/// The DHCP and the L3 agent each read a file of their own; here both have one zone.
fn zone(values: &mut Values, roles: &BTreeSet<Role>) -> String {
    let name = option!("agent", "availability_zone", "zone by which the server places networks and routers");
    let zones = [Role::Dhcp, Role::L3]
        .into_iter()
        .filter(|role| roles.contains(role))
        .map(|role| values.get_for(role, name, "nova".to_owned()));
    let zones: BTreeSet<String> = zones.collect();
    if zones.len() > 1 {
        let zones: Vec<String> = zones.into_iter().collect();
        values.refuse(
            name,
            &zones.join(" and "),
            "the DHCP and the L3 agent of one process have one zone; run two",
        );
        return "nova".to_owned();
    }
    zones.into_iter().next().unwrap_or_else(|| "nova".to_owned())
}

fn switch_settings(values: &mut Values, host: &str, switch: &ovs::Config) -> SwitchSettings {
    SwitchSettings {
        bridge_mappings: switch.bridge_mappings.clone(),
        tunnel_types: switch.tunnel_types.clone(),
        local_ip: switch.local_ip,
        l2_population: switch.l2_population,
        arp_responder: switch.arp_responder,
        integration_bridge: switch.integration_bridge.clone(),
        datapath_type: switch.datapath_type.as_str().to_owned(),
        vhostuser_socket_dir: values.get(
            option!("ovs", "vhostuser_socket_dir", "folder of vhost-user sockets, as told to Nova"),
            "/var/run/openvswitch".to_owned(),
        ),
        ovs_hybrid_plug: security::hybrid_plug(values),
        extensions: extensions::of(values, Role::L2),
        resource_providers: resources(values, host, &switch.bridge_mappings),
    }
}

fn dhcp(values: &mut Values) -> DhcpSettings {
    DhcpSettings {
        driver: values.get(
            option!("DEFAULT", "dhcp_driver", "reported to the server; the DHCP server is built in"),
            "neutron.agent.linux.dhcp.Dnsmasq".to_owned(),
        ),
        lease_seconds: values
            .get(option!("DEFAULT", "dhcp_lease_duration", "seconds of a lease; -1: for ever"), 86_400),
        parallel: values
            .get(option!("DEFAULT", "num_sync_threads", "networks that are asked about at the same time"), 4),
        resync_throttle: seconds(
            values,
            option!(
                "DEFAULT",
                "resync_throttle",
                "fewest seconds until a failed network is asked about again"
            ),
            Duration::from_secs(1),
        ),
        resync_interval: seconds(
            values,
            option!("DEFAULT", "resync_interval", "the most seconds until then"),
            Duration::from_secs(5),
        ),
    }
}

fn router(values: &mut Values) -> RouterSettings {
    RouterSettings {
        agent_mode: values.get(option!("DEFAULT", "agent_mode", "only legacy is built"), "legacy".to_owned()),
        handle_internal_only_routers: values.flag(
            option!("DEFAULT", "handle_internal_only_routers", "take routers without a gateway too"),
            true,
        ),
        interface_driver: values.get(
            option!("DEFAULT", "interface_driver", "reported to the server; Open vSwitch is built in"),
            "openvswitch".to_owned(),
        ),
        extensions: extensions::of(values, Role::L3),
        periodic_interval: seconds(
            values,
            option!(
                "DEFAULT",
                "periodic_interval",
                "the most seconds until a failed router is asked about again"
            ),
            Duration::from_secs(40),
        ),
    }
}

fn metadata(values: &mut Values, state_path: &Path) -> MetadataSettings {
    MetadataSettings {
        proxy_socket: values.get(
            option!(
                "DEFAULT",
                "metadata_proxy_socket",
                "where the metadata agent is asked by other processes"
            ),
            state_path.join("metadata_proxy").display().to_string(),
        ),
        nova_host: values.get(
            option!("DEFAULT", "nova_metadata_host", "where Nova's metadata service is"),
            "127.0.0.1".to_owned(),
        ),
        nova_port: values.get(option!("DEFAULT", "nova_metadata_port", "its TCP port"), 8775),
    }
}
