//! What the machines find out, as small as it changes: the picture is put together of these.

use std::net::IpAddr;
use std::sync::Arc;

use imbl::OrdSet;
use model::{
    HostName, Mac, Network, NetworkId, ObjectRef, Port, PortId, RemotePort, Role, Router, RouterId, Subnet,
    SubnetId,
};

/// One thing that is known now, or (`None`) is not there any more. Finding the same again changes nothing.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Finding {
    /// A port as its bound form says: with its binding to this node, or without any.
    BoundPort(PortId, Option<Sighting>),
    /// A network as its object says, with its segments.
    WiredNetwork(NetworkId, Option<Arc<Network>>),
    /// A network that this node serves with DHCP. Its segments are not said here.
    ServedNetwork(NetworkId, Option<Arc<Network>>),
    ServedSubnet(SubnetId, Option<Arc<Subnet>>),
    /// A port on a network that this node serves with DHCP, wherever it is bound.
    ServedPort(PortId, Option<Sighting>),
    /// A router that this node runs.
    Router(RouterId, Option<Arc<Router>>),
    /// Whether a router or a network of this node is of a kind that cannot be made here, or was never understood, and so
    /// not to be touched.
    LeftAlone(ObjectRef, bool),
    /// A port that a service of this node lives on (DHCP, a router): the switch has to make it, so its bound
    /// form is needed although nothing is plugged in yet.
    OwnPort(PortId, Option<Sighting>),
    /// A MAC behind another node.
    Remote(NetworkId, Mac, Option<Arc<RemotePort>>),
    /// The tunnel ends that a network floods to.
    Flood(NetworkId, OrdSet<IpAddr>),
    /// Whether everything of a role has been heard, so that what is not known may be taken away.
    Complete(Role, bool),
}

/// A port as one source says.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Sighting {
    /// Only the bound form has a binding in here.
    pub(crate) port: Arc<Port>,
    /// Where the server has it, whatever the binding came to.
    pub(crate) host: Option<HostName>,
    /// Grows with every change of the port; absent on servers that do not count.
    pub(crate) revision: Option<i64>,
}
