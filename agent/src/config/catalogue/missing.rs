//! Options that ask for something that is not done here. They are harmless with the values that are named
//! first, and worth a sentence at every start with any other.

/// Whether the option is one of these, and what is missed with this value, if anything.
pub(super) fn missed(section: &str, option: &str, value: &str) -> Option<Option<&'static str>> {
    let (_, _, harmless, missed) = MISSING.iter().find(|(of, name, ..)| (*of, *name) == (section, option))?;
    let value = value.trim().to_lowercase();
    Some((!value.is_empty() && !harmless.contains(&value.as_str())).then_some(*missed))
}

const FALSE: &[&str] = &["false", "0", "off", "no"];
const TRUE: &[&str] = &["true", "1", "on", "yes"];
const NOTHING: &[&str] = &[];
const SERVER: &str = "the server is only found by transport_url; this is not read any more";

const MISSING: &[(&str, &str, &[&str], &str)] = &[
    ("DEFAULT", "rabbit_host", NOTHING, SERVER),
    ("DEFAULT", "rabbit_hosts", NOTHING, SERVER),
    ("DEFAULT", "rabbit_userid", NOTHING, SERVER),
    ("DEFAULT", "rabbit_virtual_host", NOTHING, SERVER),
    ("DEFAULT", "rpc_backend", &["rabbit", "neutron.openstack.common.rpc.impl_kombu"], SERVER),
    ("DEFAULT", "rpc_transport", NOTHING, SERVER),
    ("oslo_messaging_rabbit", "rabbit_host", NOTHING, SERVER),
    ("oslo_messaging_rabbit", "rabbit_hosts", NOTHING, SERVER),
    ("oslo_messaging_rabbit", "rabbit_userid", NOTHING, SERVER),
    ("oslo_messaging_rabbit", "rabbit_virtual_host", NOTHING, SERVER),
    (
        "oslo_messaging_rabbit",
        "ssl_enforce_fips_mode",
        FALSE,
        "the cryptography that is built in is not FIPS validated",
    ),
    ("oslo_messaging_rabbit", "ssl_version", NOTHING, "the newest TLS version that both sides know is used"),
    ("DEFAULT", "log_config_append", NOTHING, "logging is set up by the other options alone"),
    ("DEFAULT", "log_config", NOTHING, "logging is set up by the other options alone"),
    ("DEFAULT", "log_rotation_type", &["none"], "log files are not rotated; let logrotate do it"),
    ("DEFAULT", "dnsmasq_dns_servers", NOTHING, "there is no DNS forwarder; give subnets their DNS servers"),
    ("DEFAULT", "dnsmasq_local_resolv", FALSE, "there is no DNS forwarder; give subnets their DNS servers"),
    ("DEFAULT", "dnsmasq_txt_record", NOTHING, "there is no DNS server for guests"),
    ("DEFAULT", "dnsmasq_enable_addr6_list", FALSE, "a port has one lease for each of its addresses"),
    (
        "DEFAULT",
        "ha_conntrackd_enabled",
        FALSE,
        "conntrackd is not run: connections do not survive a failover",
    ),
    ("DEFAULT", "ipv6_pd_enabled", FALSE, "prefix delegation is not built in"),
    ("experimental", "ipv6_pd_enabled", FALSE, "prefix delegation is not built in"),
    ("DEFAULT", "external_network_bridge", &["\"\""], "routers are plugged into the integration bridge"),
    ("DEFAULT", "gateway_external_network_id", NOTHING, "any external network is served"),
    ("DEFAULT", "router_id", NOTHING, "all routers of this node are served"),
    ("DEFAULT", "use_namespaces", TRUE, "there are always namespaces"),
    ("DEFAULT", "network_link_prefix", NOTHING, "devices have Neutron's usual names"),
    ("ovs", "igmp_snooping_enable", FALSE, "IGMP snooping is not set up; multicast is flooded"),
    ("ovs", "qos_meter_bandwidth", FALSE, "bandwidth limits are not applied"),
    ("agent", "drop_flows_on_start", FALSE, "flows that are right are never removed"),
    ("agent", "baremetal_smartnic", FALSE, "smart NICs are not plugged"),
    (
        "agent",
        "explicitly_egress_direct",
        FALSE,
        "frames to unknown addresses are flooded on the integration bridge",
    ),
    ("agent", "prevent_arp_spoofing", TRUE, "spoofing is prevented on every port with port security"),
    (
        "securitygroup",
        "permitted_ethertypes",
        NOTHING,
        "no ethertypes are filtered, as there are no security groups",
    ),
    (
        "fdb",
        "shared_physical_device_mappings",
        NOTHING,
        "SR-IOV ports of the same network are not reached over their card",
    ),
];
