//! What the machine asks the server. Pure.

use std::net::IpAddr;

use model::{HostName, NetworkId, PortId, SubnetId};

use crate::neutron::role::Request;
use crate::neutron::wire::dhcp_calls;

/// One call. The answer comes back with it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Ask {
    /// All networks that are ours.
    Everything,
    Network(NetworkId),
    /// Brings our port on a network to what it should be.
    Own(NetworkId, OwnStep),
    /// Gives our port on a network back.
    Release(NetworkId),
    /// Guests on these ports can get their addresses.
    Ready(Vec<PortId>),
}

/// The next thing to do for our port on a network.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum OwnStep {
    Create { project: String, subnets: Vec<SubnetId> },
    Adopt { port: PortId },
    SetAddresses { port: PortId, addresses: Vec<(SubnetId, Option<IpAddr>)> },
}

impl Ask {
    /// `device` names our port on a network.
    pub(super) fn request(&self, host: &HostName, device: impl Fn(NetworkId) -> String) -> Request {
        match self {
            Self::Everything => dhcp_calls::active_networks(host),
            Self::Network(id) => dhcp_calls::network(host, *id),
            Self::Own(id, step) => match step {
                OwnStep::Create { project, subnets } => {
                    dhcp_calls::create_port(host, *id, project, &device(*id), subnets)
                }
                OwnStep::Adopt { port } => dhcp_calls::adopt_port(host, *port, *id, &device(*id)),
                OwnStep::SetAddresses { port, addresses } => {
                    dhcp_calls::set_addresses(host, *port, *id, addresses)
                }
            },
            Self::Release(id) => dhcp_calls::release_port(host, *id, &device(*id)),
            Self::Ready(ports) => dhcp_calls::ready(ports),
        }
    }
}
