//! The options of the DHCP service: those of `dhcp_agent.ini`.

use std::path::PathBuf;
use std::str::FromStr;

use model::HostName;
use ovs::DatapathType;

use crate::config::values::Values;

/// `state_path` is where an agent of Neutron's may have left processes; none where there was no such agent.
pub(super) fn dhcp(
    values: &mut Values,
    host: &HostName,
    switch: &ovs::Config,
    state_path: Option<PathBuf>,
) -> dhcp::Config {
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
        state_path,
        userspace_datapath: switch.datapath_type == DatapathType::Netdev,
        ..usual
    }
}

fn zero_is_none(seconds: u32) -> Option<u32> {
    (seconds > 0).then_some(seconds)
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
