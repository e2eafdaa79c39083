//! The sysctls that make a namespace a router. Those of Neutron, and one more; see
//! [`NAMESPACE_SYSCTLS`].

use std::net::IpAddr;

use model::{Router, names};

use super::gateway;
use crate::config::Config;
use crate::spec::RouterSpec;

/// Keys of a namespace and the values that a router needs.
///
/// * An address is answered only by the device that has it (`arp_ignore`), and ARP requests carry an
///   address of their own subnet (`arp_announce`): devices of one router may share a broadcast domain.
/// * A connection whose packets conntrack finds out of window is not cut (`be_liberal`), because a
///   router sees only one side of some connections.
/// * `promote_secondaries` is ours: without it the kernel takes all addresses of a subnet from
///   a device when the first of them is deleted.
pub const NAMESPACE_SYSCTLS: [(&str, &str); 6] = [
    ("net.ipv4.ip_forward", "1"),
    ("net.ipv4.conf.all.arp_ignore", "1"),
    ("net.ipv4.conf.all.arp_announce", "2"),
    ("net.ipv4.conf.all.promote_secondaries", "1"),
    ("net.ipv6.conf.all.forwarding", "1"),
    ("net.netfilter.nf_conntrack_tcp_be_liberal", "1"),
];

/// Last words of the keys that the gateway device has of its own.
pub const DEVICE_SYSCTLS: [&str; 2] = [FORWARDING, ACCEPT_RA];
const FORWARDING: &str = "forwarding";
const ACCEPT_RA: &str = "accept_ra";

/// The key of a device's own IPv6 setting.
pub fn device_key(device: &str, last: &str) -> String {
    format!("net.ipv6.conf.{device}.{last}")
}

pub(super) fn add(router: &Router, config: &Config, spec: &mut RouterSpec) {
    spec.sysctls = NAMESPACE_SYSCTLS.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let Some(gateway) = gateway(router) else { return };
    let device = names::router_gateway(gateway.interface.port);
    let Some(interface) = spec.interfaces.get_mut(&device) else { return };
    let known = config.ipv6_gateway.is_some() || gateway.next_hops.iter().any(IpAddr::is_ipv6);
    // 2: listen to advertisements although the device forwards.
    let accept = if known { "0" } else { "2" };
    interface.sysctls.insert(device_key(&device, FORWARDING), "1".to_owned());
    interface.sysctls.insert(device_key(&device, ACCEPT_RA), accept.to_owned());
}
