//! Reports against what the stock agents of 29.0.0 send.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use model::{HostName, SwitchFacts, TunnelKind};
use serde_json::{Value, json};

use super::*;
use crate::neutron::settings::{DhcpSettings, MetadataSettings, RouterSettings, SwitchSettings};

fn settings() -> Settings {
    Settings {
        host: HostName("n1".to_owned()),
        roles: BTreeSet::from([AgentRole::OpenVSwitch]),
        bus: messaging::Settings::from_url("rabbit://guest:guest@127.0.0.1:5672/").unwrap(),
        report_interval: Duration::from_secs(30),
        availability_zone: "nova".to_owned(),
        log_agent_heartbeats: false,
        switch: SwitchSettings {
            bridge_mappings: BTreeMap::from([("physnet1".to_owned(), "br-ex".to_owned())]),
            tunnel_types: vec![TunnelKind::Vxlan, TunnelKind::Gre],
            local_ip: Some("198.51.100.1".parse().unwrap()),
            l2_population: true,
            arp_responder: false,
            integration_bridge: "br-int".to_owned(),
            datapath_type: "netdev".to_owned(),
            vhostuser_socket_dir: "/var/run/openvswitch".to_owned(),
            ovs_hybrid_plug: false,
            extensions: Vec::new(),
            resource_providers: Map::new(),
        },
        dhcp: DhcpSettings {
            driver: "neutron.agent.linux.dhcp.Dnsmasq".to_owned(),
            lease_seconds: 86_400,
            parallel: 4,
            resync_throttle: Duration::from_secs(1),
            resync_interval: Duration::from_secs(5),
        },
        router: RouterSettings {
            agent_mode: "legacy".to_owned(),
            handle_internal_only_routers: true,
            interface_driver: "openvswitch".to_owned(),
            extensions: vec!["port_forwarding".to_owned()],
            periodic_interval: Duration::from_secs(40),
        },
        metadata: MetadataSettings {
            proxy_socket: "/var/lib/neutron/metadata_proxy".to_owned(),
            nova_host: "127.0.0.1".to_owned(),
            nova_port: 8775,
        },
        kept: None,
        object_versions: BTreeMap::from([("Port".to_owned(), "1.7".to_owned())]),
    }
}

fn stamp() -> Stamp {
    Stamp { time: "2026-11-20T06:17:16.540403".to_owned(), id: "1".to_owned() }
}

fn report(role: AgentRole, settings: &Settings) -> (Heartbeat, Value) {
    let mut heart = Heartbeat::new(role, Duration::from_secs(30), Instant::now());
    let facts = SwitchFacts::default();
    let request = heart.report(settings, &facts, Load::default(), &stamp());
    (heart, Value::Object(request.args))
}

#[test]
fn a_router_agents_report_is_the_stock_agents() {
    let (_, args) = report(AgentRole::L3, &settings());
    let expected = json!({
        "agent_state": {"agent_state": {
            "binary": "neutron-l3-agent", "host": "n1", "availability_zone": "nova", "topic": "l3_agent",
            "configurations": {"agent_mode": "legacy", "handle_internal_only_routers": true,
                "interface_driver": "openvswitch", "log_agent_heartbeats": false,
                "extensions": ["port_forwarding"], "routers": 0, "ex_gw_ports": 0, "interfaces": 0,
                "floating_ips": 0},
            "agent_type": "L3 agent", "start_flag": true, "uuid": "1"}},
        "time": "2026-11-20T06:17:16.540403"});
    assert_eq!(args, expected);
}

#[test]
fn only_the_first_accepted_report_says_that_the_agent_started() {
    let settings = settings();
    let (mut heart, args) = report(AgentRole::OpenVSwitch, &settings);
    let state = |args: &Value| args["agent_state"]["agent_state"].clone();
    assert_eq!(state(&args)["start_flag"], json!(true));
    assert_eq!(state(&args)["resource_versions"], json!({"Port": "1.7"}));
    assert_eq!(heart.due(), None);
    let now = Instant::now();
    heart.answered(false, now);
    assert!(!heart.accepted());
    assert_eq!(heart.due(), Some(now + Duration::from_secs(1)));
    let again = heart.report(&settings, &SwitchFacts::default(), Load::default(), &stamp());
    assert_eq!(state(&Value::Object(again.args))["start_flag"], json!(true));
    heart.answered(true, now);
    assert_eq!(heart.due(), Some(now + Duration::from_secs(30)));
    let later = heart.report(&settings, &SwitchFacts::default(), Load::default(), &stamp());
    let later = state(&Value::Object(later.args));
    assert_eq!((later.get("start_flag"), later.get("resource_versions")), (None, None));
}

#[test]
fn configurations_fit_the_servers_column() {
    let mut settings = settings();
    settings.switch.bridge_mappings =
        (0..100).map(|index| (format!("physical-network-{index}"), format!("br-{index}"))).collect();
    settings.switch.extensions = (0..200).map(|index| format!("extension-{index}")).collect();
    let (_, args) = report(AgentRole::OpenVSwitch, &settings);
    let configurations = &args["agent_state"]["agent_state"]["configurations"];
    assert!(
        configurations.to_string().len() <= LONGEST_CONFIGURATIONS,
        "{}",
        configurations.to_string().len()
    );
    assert_eq!(configurations["bridge_mappings"].as_object().unwrap().len(), 100);
}

#[test]
fn a_revived_agent_has_missed_something() {
    assert_eq!(Welcome::read(&json!("revived")), Welcome::Revived);
    assert_eq!(Welcome::read(&json!("new")), Welcome::Revived);
    assert_eq!(Welcome::read(&json!("alive")), Welcome::Alive);
    assert_eq!(Welcome::read(&Value::Null), Welcome::Alive);
}
