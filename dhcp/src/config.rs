//! What the DHCP service has to know about its node; the agent fills it in from its configuration file.

use std::path::PathBuf;

use model::HostName;

use crate::server::table::Times;

/// See the head of this module. The names in brackets are those of `dhcp_agent.ini`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// DHCP ports bound to this name are served here.
    pub host: HostName,
    /// `dhcp_lease_duration` in seconds; `u32::MAX` is for ever.
    pub lease_seconds: u32,
    /// `dhcp_renewal_time` in seconds; half of the lease when absent.
    pub renewal_seconds: Option<u32>,
    /// `dhcp_rebinding_time` in seconds; seven eighths of the lease when absent.
    pub rebinding_seconds: Option<u32>,
    /// `dns_domain`: option 15, the same on every network, with or without its last dot. None is told when it is
    /// empty.
    pub dns_domain: String,
    /// `enable_isolated_metadata`
    pub isolated_metadata: bool,
    /// `force_metadata`
    pub force_metadata: bool,
    /// `dhcp_broadcast_reply`
    pub broadcast_reply: bool,
    /// `ovs_use_veth`: a veth pair instead of an internal port of the switch.
    pub use_veth: bool,
    /// Whether the switch forwards in userspace, where nobody completes the checksums that the kernel
    /// leaves to hardware.
    pub userspace_datapath: bool,
    /// `state_path`, where the processes that Neutron's own agent left are found and replaced; `None`:
    /// there was none.
    pub state_path: Option<PathBuf>,
}

impl Config {
    /// Neutron's defaults.
    pub fn new(host: HostName) -> Self {
        Self {
            host,
            lease_seconds: 86_400,
            renewal_seconds: None,
            rebinding_seconds: None,
            dns_domain: "openstacklocal".to_owned(),
            isolated_metadata: false,
            force_metadata: false,
            broadcast_reply: false,
            use_veth: false,
            userspace_datapath: false,
            state_path: None,
        }
    }

    pub(crate) fn times(&self) -> Times {
        Times {
            lease: self.lease_seconds,
            renewal: self.renewal_seconds,
            rebinding: self.rebinding_seconds,
            broadcast: self.broadcast_reply,
        }
    }
}
