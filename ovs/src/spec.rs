//! What must exist on the switch, in the switch's words: bridges, rows, VLANs, addresses to guard.
//! Nothing is left to choose here but the port numbers, which the switch gives out; flows are made
//! from these values and the numbers by `pipeline`.
//!
//! An object that is in the scope and in none of the maps must not exist.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::IpNet;
use model::{Mac, NetworkId, ObjectRef, PortId, Scope, Segment, TunnelKind, VlanTag};

use crate::config::DatapathType;

/// The objects of a pass.
#[derive(Clone, PartialEq, Debug)]
pub struct Spec {
    /// What was looked at: what the engine asked for, and what hangs on it.
    pub scope: Scope,
    /// Whether the controller's picture is whole. If not, what is absent here may still be wanted.
    pub complete: bool,
    pub node: Arc<NodeSpec>,
    pub networks: BTreeMap<NetworkId, NetworkSpec>,
    pub ports: BTreeMap<PortId, PortSpec>,
    pub endpoints: BTreeMap<IpAddr, EndpointSpec>,
    pub remote_macs: BTreeMap<(NetworkId, Mac), RemoteMacSpec>,
    /// Objects that cannot be brought about on this node, with the reason.
    pub refused: Vec<(ObjectRef, String)>,
    /// Objects that are cut off until something else about them changes.
    pub waiting: Vec<(ObjectRef, String)>,
}

/// What the node has once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeSpec {
    pub integration: String,
    /// Absent when no tunnels are configured.
    pub tunnel: Option<TunnelBridge>,
    /// Sorted by physical network.
    pub physical: Vec<PhysicalBridge>,
    pub datapath_type: DatapathType,
    pub mac_table_size: u32,
    /// Bridges, flows and everybody's tags are somebody else's.
    pub ports_only: bool,
    /// Whose rows are ours to make and to take away.
    pub owners: BTreeSet<Owner>,
}

/// The tunnel bridge and the patch pair that leads there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TunnelBridge {
    pub name: String,
    /// The patch port on the integration bridge.
    pub int_patch: String,
    /// The patch port on this bridge.
    pub tun_patch: String,
    pub arp_responder: bool,
}

/// A bridge of the operator and the patch pair that leads there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PhysicalBridge {
    pub network: String,
    pub name: String,
    /// The patch port on the integration bridge.
    pub int_patch: String,
    /// The patch port on this bridge.
    pub phy_patch: String,
}

impl NodeSpec {
    pub fn physical(&self, network: &str) -> Option<&PhysicalBridge> {
        self.physical.iter().find(|bridge| bridge.network == network)
    }

    /// Every bridge that flows of ours are on.
    pub fn bridges(&self) -> impl Iterator<Item = &str> {
        let tunnel = self.tunnel.iter().map(|bridge| bridge.name.as_str());
        let physical = self.physical.iter().map(|bridge| bridge.name.as_str());
        let all = std::iter::once(self.integration.as_str()).chain(tunnel).chain(physical);
        all.filter(|_| !self.ports_only)
    }
}

/// A network as far as ports of this node are on it: one local VLAN per segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetworkSpec {
    pub id: NetworkId,
    pub segments: Vec<LocalSegment>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalSegment {
    pub segment: Segment,
    pub vlan: VlanTag,
    /// Of a tunnel segment: where broadcast and unknown frames go.
    pub flood: BTreeSet<IpAddr>,
}

/// A port that is bound to this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortSpec {
    pub id: PortId,
    pub mac: Mac,
    pub kind: PortKind,
    pub state: PortState,
}

/// Who makes the port's row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PortKind {
    /// Nova or an operator: recognised by its `iface-id`, never made or taken away by us.
    Vif,
    /// Ourselves.
    Own { device: String, owner: Owner, internal: bool, mtu: u32 },
}

/// The mark on rows that we make: `external_ids:baryon-owner`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Owner {
    Dhcp,
    Router,
    Tunnel,
    Patch,
}

impl Owner {
    /// The key in `external_ids` of Port.
    pub const KEY: &'static str = "baryon-owner";

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dhcp => "dhcp",
            Self::Router => "router",
            Self::Tunnel => "tunnel",
            Self::Patch => "patch",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Dhcp, Self::Router, Self::Tunnel, Self::Patch].into_iter().find(|owner| owner.as_str() == text)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PortState {
    /// Forwarding, on a local VLAN, guarded or not.
    Live { wire: Wire, guard: Option<SpoofGuard> },
    /// Cut off: neither sends nor receives.
    Dead,
}

/// What carries a port's frames.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wire {
    pub network: NetworkId,
    pub segment: Segment,
    pub vlan: VlanTag,
}

/// The addresses that a port may use. `None`: any.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpoofGuard {
    pub macs: BTreeSet<Mac>,
    /// IPv4 addresses in ARP.
    pub arp: Option<BTreeSet<IpNet>>,
    /// IPv6 addresses in neighbour advertisements.
    pub nd: Option<BTreeSet<IpNet>>,
}

/// The far end of tunnels, one port per kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndpointSpec {
    pub address: IpAddr,
    pub tunnels: Vec<TunnelPort>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TunnelPort {
    pub kind: TunnelKind,
    pub name: String,
    /// `Interface.type`: the kind, or `ip6gre`.
    pub interface_type: &'static str,
    pub options: BTreeMap<String, String>,
}

/// A MAC that is behind an endpoint, on every tunnel segment of its network that is used here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemoteMacSpec {
    pub network: NetworkId,
    pub mac: Mac,
    pub endpoint: IpAddr,
    /// What ARP is answered for: IPv4 only, and only where no other MAC of the network has a better claim.
    pub addresses: BTreeSet<Ipv4Addr>,
    pub paths: Vec<Path>,
}

/// How to reach a remote MAC from one local VLAN.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path {
    pub vlan: VlanTag,
    pub key: u32,
    /// The name of the tunnel port.
    pub port: String,
}
