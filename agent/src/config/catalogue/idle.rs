//! Options that nobody misses: what they pace, name or repair does not exist here.

/// Why the option has no effect.
pub(super) fn reason(section: &str, option: &str) -> Option<&'static str> {
    let whole = SECTIONS.iter().find(|(name, _)| *name == section).map(|(_, reason)| *reason);
    let named = || OPTIONS.iter().find(|(of, _, names)| *of == section && names.contains(&option));
    let begun = || BEGINNINGS.iter().find(|(of, _, begin)| *of == section && option.starts_with(begin));
    whole.or_else(|| named().map(|found| found.1)).or_else(|| begun().map(|found| found.1))
}

const SECTIONS: &[(&str, &str)] = &[
    ("privsep", PRIVILEGES),
    ("privsep_dhcp_release", PRIVILEGES),
    ("privsep_ovs_vsctl", PRIVILEGES),
    ("privsep_namespace", PRIVILEGES),
    ("privsep_conntrack", PRIVILEGES),
    ("privsep_link", PRIVILEGES),
    ("oslo_concurrency", "there are no lock files"),
    ("oslo_reports", "baryon show and baryon why report on the agent"),
    ("oslo_versionedobjects", "there is no such check"),
    ("oslo_messaging_metrics", "there are no such metrics"),
    ("network_log", "logs of security groups and SNAT are not built in"),
    ("dhcp", "of the DHCP extension, which is not built in"),
    ("metadata", "of the metadata_path extension, which is not built in"),
    ("local_ip", "of the local IP extension, which is not built in"),
];

const PRIVILEGES: &str = "the program has the rights that it needs; nothing is run as another user";
const PROCESSES: &str = "no processes are run beside this one";
const EVENTS: &str = "changes are heard of as they happen";
const OPENFLOW: &str = "flows go over the switch's own management socket";
const METADATA: &str = "metadata is served by the agent itself, not by workers";
const PACE: &str = "one task decides and does not wait";
const CONNECTIONS: &str = "one connection to the broker does for everything";
const LOG: &str = "a log line has a form of its own";
const HA: &str = "no keepalived is run";

const OPTIONS: &[(&str, &str, &[&str])] = &[
    ("agent", PRIVILEGES, &["root_helper", "root_helper_daemon", "use_helper_for_ns_read"]),
    ("DEFAULT", PRIVILEGES, &["root_helper", "rootwrap_config"]),
    (
        "agent",
        PROCESSES,
        &[
            "check_child_processes_action",
            "check_child_processes_interval",
            "check_child_processes",
            "kill_scripts_path",
        ],
    ),
    (
        "DEFAULT",
        PROCESSES,
        &["external_pids", "dhcp_confs", "ra_confs", "radvd_user", "dnsmasq_lease_max", "setproctitle"],
    ),
    ("agent", "iptables is not used", &["comment_iptables_rules", "debug_iptables_rules"]),
    ("securitygroup", "ipset is not used", &["enable_ipset"]),
    ("agent", EVENTS, &["polling_interval", "minimize_polling", "ovsdb_monitor_respawn_interval"]),
    (
        "ovs",
        OPENFLOW,
        &[
            "of_listen_address",
            "of_listen_port",
            "of_connect_timeout",
            "of_inactivity_probe",
            "of_interface",
            "openflow_processed_per_port",
            "disable_packet_marking",
        ],
    ),
    (
        "ovs",
        "there is one way to the switch's database",
        &["ovsdb_interface", "ovsdb_debug", "ovsdb_probe_interval"],
    ),
    (
        "ovs",
        "IGMP snooping is not set up",
        &["igmp_snooping_enable", "igmp_flood", "igmp_flood_reports", "igmp_flood_unregistered"],
    ),
    (
        "ovs",
        "tunnels are on when tunnel_types names some",
        &["enable_tunneling", "tunnel_type", "tunnel_id_ranges", "use_veth_interconnection"],
    ),
    ("agent", "patch ports join bridges", &["veth_mtu"]),
    ("agent", "the end of the agent waits for no call", &["quitting_rpc_timeout"]),
    ("DEFAULT", METADATA, &["metadata_workers", "metadata_backlog", "metadata_proxy_watch_log", "cache_url"]),
    ("DEFAULT", "one line of the log for each event says more", &["dnsmasq_base_log_dir"]),
    (
        "DEFAULT",
        PACE,
        &[
            "bulk_reload_interval",
            "periodic_fuzzy_delay",
            "run_external_periodic_tasks",
            "executor_thread_pool_size",
            "rpc_thread_pool_size",
            "graceful_shutdown_timeout",
            "enable_signals",
        ],
    ),
    ("DEFAULT", "no radvd is run", &["min_rtr_adv_interval", "max_rtr_adv_interval"]),
    (
        "DEFAULT",
        "namespaces go when nothing is left to serve",
        &["dhcp_delete_namespaces", "router_delete_namespaces", "use_namespaces"],
    ),
    ("DEFAULT", "the MTU of every network is told", &["advertise_mtu", "network_device_mtu"]),
    (
        "DEFAULT",
        "prefix delegation is not built in",
        &["prefix_delegation_driver", "pd_confs", "pd_dhcp_driver", "vendor_pen"],
    ),
    ("DEFAULT", "gratuitous ARP is always sent", &["send_arp_for_ha"]),
    (
        "DEFAULT",
        "there is no Python inside",
        &[
            "backdoor_port",
            "backdoor_socket",
            "log_options",
            "fatal_deprecations",
            "fatal_exception_format_errors",
        ],
    ),
    ("DEFAULT", "baryon show says whether the agent is alive", &["rpc_ping_enabled"]),
    ("DEFAULT", "standard error is the log where there is no other", &["use_stderr"]),
    (
        "DEFAULT",
        LOG,
        &[
            "log_date_format",
            "log_format",
            "log_color",
            "default_log_levels",
            "publish_errors",
            "instance_format",
            "instance_uuid_format",
            "use_syslog_rfc_format",
            "use_eventlog",
            "verbose",
        ],
    ),
    (
        "DEFAULT",
        "let logrotate do it",
        &[
            "log_rotation_type",
            "log_rotate_interval",
            "log_rotate_interval_type",
            "max_logfile_count",
            "max_logfile_size_mb",
        ],
    ),
    (
        "DEFAULT",
        "there are few lines to limit",
        &["rate_limit_interval", "rate_limit_burst", "rate_limit_except_level"],
    ),
    (
        "oslo_messaging_rabbit",
        CONNECTIONS,
        &[
            "rpc_conn_pool_size",
            "conn_pool_min_size",
            "conn_pool_ttl",
            "heartbeat_rate",
            "heartbeat_in_pthread",
            "kombu_reconnect_delay",
            "kombu_reconnect_splay",
            "kombu_failover_strategy",
            "kombu_missing_consumer_retry_timeout",
            "direct_mandatory_flag",
            "rabbit_max_retries",
            "rabbit_port",
            "rabbit_password",
        ],
    ),
    ("DEFAULT", "read from transport_url", &["rabbit_port", "rabbit_password"]),
];

/// Options by how their names begin.
const BEGINNINGS: &[(&str, &str, &str)] = &[
    ("DEFAULT", HA, "ha_vrrp_"),
    ("DEFAULT", HA, "ha_conntrackd_"),
    ("DEFAULT", HA, "ha_keepalived_"),
    ("DEFAULT", HA, "ha_confs_path"),
    ("DEFAULT", HA, "keepalived_"),
    ("DEFAULT", LOG, "logging_"),
];
