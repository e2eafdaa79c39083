//! The effects that the DHCP service has on a node. Each prints as what an operator would type; what has no
//! command, because it happens inside this process, prints as `dhcp …`.

use std::fmt;
use std::sync::Arc;

use host::Route;
use ipnet::IpNet;
use model::{Mac, NetworkId, PortId, names};

use crate::server::table::{Host, ServedSubnet, Times};

/// One effect on the service of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub network: NetworkId,
    pub action: Action,
}

/// See [`Step`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Stops the server and forgets its hosts and leases.
    StopServer,
    /// Stops listening; hosts and leases stay.
    CloseSockets,
    DropHost {
        port: PortId,
    },
    DeleteRoute {
        route: Route,
    },
    DeleteAddress {
        device: String,
        address: IpNet,
    },
    DeleteDevice {
        device: String,
    },
    /// A device of a pair, by its end in the root namespace.
    DeletePair {
        device: String,
    },
    DeleteNamespace,
    /// With its sysctls, which must be set before the device comes, and its loopback device up.
    MakeNamespace,
    MakePair {
        device: String,
        peer: String,
    },
    /// Sets the root namespace's end of a pair up.
    RaisePeer {
        device: String,
        mtu: Option<u32>,
    },
    /// Moves a device from the root namespace.
    TakeDevice {
        device: String,
    },
    SetMac {
        device: String,
        mac: Mac,
    },
    SetMtu {
        device: String,
        mtu: u32,
    },
    WholeChecksums {
        device: String,
    },
    SetUp {
        device: String,
    },
    AddAddress {
        device: String,
        address: IpNet,
    },
    AddRoute {
        route: Route,
    },
    Configure {
        times: Times,
        subnets: Vec<ServedSubnet>,
    },
    /// The hosts of a server that is not listening yet.
    LoadHosts {
        hosts: Vec<Arc<Host>>,
    },
    SetHost {
        host: Arc<Host>,
    },
    Listen {
        device: String,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = names::dhcp_namespace(self.network);
        match &self.action {
            Action::StopServer => write!(f, "dhcp stop {namespace}"),
            Action::CloseSockets => write!(f, "dhcp close {namespace}"),
            Action::DropHost { port } => write!(f, "dhcp host del {port} in {namespace}"),
            Action::DeleteRoute { route } => write!(f, "ip -n {namespace} route del {route}"),
            Action::DeleteAddress { device, address } => {
                write!(f, "ip -n {namespace} addr del {address} dev {device}")
            }
            Action::DeleteDevice { device } => write!(f, "ip -n {namespace} link del {device}"),
            Action::DeletePair { device } => write!(f, "ip link del {device}"),
            Action::DeleteNamespace => write!(f, "ip netns del {namespace}"),
            Action::MakeNamespace => write!(f, "ip netns add {namespace}"),
            Action::MakePair { device, peer } => {
                write!(f, "ip link add {peer} type veth peer name {device} netns {namespace}")
            }
            Action::RaisePeer { device, mtu: Some(mtu) } => write!(f, "ip link set {device} mtu {mtu} up"),
            Action::RaisePeer { device, mtu: None } => write!(f, "ip link set {device} up"),
            Action::TakeDevice { device } => write!(f, "ip link set {device} netns {namespace}"),
            Action::SetMac { device, mac } => write!(f, "ip -n {namespace} link set {device} address {mac}"),
            Action::SetMtu { device, mtu } => write!(f, "ip -n {namespace} link set {device} mtu {mtu}"),
            Action::WholeChecksums { device } => {
                write!(f, "ip netns exec {namespace} ethtool -K {device} rx off tx off")
            }
            Action::SetUp { device } => write!(f, "ip -n {namespace} link set {device} up"),
            Action::AddAddress { device, address } => {
                write!(f, "ip -n {namespace} addr replace {address} dev {device}")
            }
            Action::AddRoute { route } => write!(f, "ip -n {namespace} route replace {route}"),
            Action::Configure { subnets, .. } => {
                write!(f, "dhcp configure {namespace}")?;
                subnets.iter().try_for_each(|subnet| write!(f, " {} as {}", subnet.cidr, subnet.server))
            }
            Action::LoadHosts { hosts } => write!(f, "dhcp load {} hosts into {namespace}", hosts.len()),
            Action::SetHost { host } => {
                write!(f, "dhcp host set {}", host.mac)?;
                host.addresses.iter().try_for_each(|address| write!(f, " {address}"))?;
                write!(f, " in {namespace}")
            }
            Action::Listen { device } => write!(f, "dhcp listen on {device} in {namespace}"),
        }
    }
}
