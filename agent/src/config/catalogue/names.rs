//! Older names of options, under which operators' files may still have them.

/// The names that an option had before, by its section and name today.
pub(crate) fn old_names(section: &str, option: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    RENAMED.iter().filter(move |(new, _)| *new == (section, option)).map(|(_, old)| *old)
}

/// The name today of an option, if this is an old one.
pub(super) fn new_name(section: &str, option: &str) -> Option<(&'static str, &'static str)> {
    RENAMED.iter().find(|(_, old)| *old == (section, option)).map(|(new, _)| *new)
}

type Named = (&'static str, &'static str);

const RENAMED: &[(Named, Named)] = &[
    (("DEFAULT", "log_file"), ("DEFAULT", "logfile")),
    (("DEFAULT", "log_dir"), ("DEFAULT", "logdir")),
    (("DEFAULT", "nova_metadata_host"), ("DEFAULT", "nova_metadata_ip")),
    (("DEFAULT", "dns_domain"), ("DEFAULT", "dhcp_domain")),
    (("DEFAULT", "dnsmasq_dns_servers"), ("DEFAULT", "dnsmasq_dns_server")),
    (("agent", "availability_zone"), ("DEFAULT", "availability_zone")),
    (("agent", "tunnel_types"), ("ovs", "tunnel_types")),
    (("agent", "vxlan_udp_port"), ("ovs", "vxlan_udp_port")),
    (("ovs", "integration_bridge"), ("DEFAULT", "ovs_integration_bridge")),
    (("ovs", "ovsdb_timeout"), ("DEFAULT", "ovs_vsctl_timeout")),
    (("oslo_messaging_rabbit", "ssl"), ("oslo_messaging_rabbit", "rabbit_use_ssl")),
    (("oslo_messaging_rabbit", "ssl"), ("DEFAULT", "rabbit_use_ssl")),
    (("oslo_messaging_rabbit", "ssl_version"), ("oslo_messaging_rabbit", "kombu_ssl_version")),
    (("oslo_messaging_rabbit", "ssl_key_file"), ("oslo_messaging_rabbit", "kombu_ssl_keyfile")),
    (("oslo_messaging_rabbit", "ssl_cert_file"), ("oslo_messaging_rabbit", "kombu_ssl_certfile")),
    (("oslo_messaging_rabbit", "ssl_ca_file"), ("oslo_messaging_rabbit", "kombu_ssl_ca_certs")),
    (("oslo_messaging_rabbit", "amqp_durable_queues"), ("oslo_messaging_rabbit", "rabbit_durable_queues")),
    (("oslo_messaging_rabbit", "amqp_durable_queues"), ("DEFAULT", "amqp_durable_queues")),
    (("oslo_messaging_rabbit", "amqp_durable_queues"), ("DEFAULT", "rabbit_durable_queues")),
    (("oslo_messaging_rabbit", "amqp_auto_delete"), ("DEFAULT", "amqp_auto_delete")),
    (("oslo_messaging_rabbit", "rabbit_ha_queues"), ("DEFAULT", "rabbit_ha_queues")),
    (("oslo_messaging_rabbit", "heartbeat_timeout_threshold"), ("DEFAULT", "heartbeat_timeout_threshold")),
    (("oslo_messaging_rabbit", "rabbit_login_method"), ("DEFAULT", "rabbit_login_method")),
    (("oslo_messaging_rabbit", "rabbit_retry_interval"), ("DEFAULT", "rabbit_retry_interval")),
    (("oslo_messaging_rabbit", "rabbit_retry_backoff"), ("DEFAULT", "rabbit_retry_backoff")),
    (
        ("oslo_messaging_rabbit", "kombu_missing_consumer_retry_timeout"),
        ("oslo_messaging_rabbit", "kombu_reconnect_timeout"),
    ),
];
