//! What the switch has: rows and flows as they were at one moment. A copy that shares its memory with
//! what follows the switch, so taking it costs nothing, and looking one object up looks at no other.
//!
//! Foreign flows are not in here. Foreign rows are, because a name may be taken and a number may be in
//! use; plans name only those with a mark of ours, and the plugs of Neutron ports.

use std::collections::{BTreeMap, BTreeSet};

use model::{PortId, VlanTag};

use crate::local_vlan::{FlowKey, Key};
use crate::mirror::Mirror;
use crate::openflow::Field;
use crate::pipeline::registers::LOCAL_VLANS;
use crate::pipeline::{self, cookies, vlan_set_by};
use crate::rows::{PortRow, Rows};
use crate::spec::NodeSpec;

/// See the head of this module.
#[derive(Clone, Debug, Default)]
pub struct Actual {
    pub rows: Rows,
    /// By bridge. A bridge that is not in here may have any flows: nothing is known of it.
    pub flows: BTreeMap<String, Mirror>,
    /// Ports of ours whose device is dead although the switch does not know it.
    pub gone: BTreeSet<PortId>,
}

/// What the switch remembers of local VLANs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RememberedVlans {
    /// The number of each network and segment, as their ports' rows say; what a row's tag agrees with first.
    pub networks: Vec<(Key, VlanTag)>,
    /// Every tag of the integration bridge.
    pub tags: Vec<VlanTag>,
    /// The number of a network's segment as its flows say: for networks whose ports are not plugged in.
    pub segments: Vec<(FlowKey, VlanTag)>,
    /// Every local VLAN in flows of ours.
    pub in_flows: Vec<VlanTag>,
}

impl Actual {
    /// Costs as much as there are ports and flows; asked for only when everything is looked at.
    pub fn remembered_vlans(&self, node: &NodeSpec) -> RememberedVlans {
        let rows = || self.rows.ports_of(&node.integration);
        let remembered = |row: &PortRow| {
            let (network, segment, vlan) = row.remembers()?;
            Some((row.tag != Some(vlan), ((network, segment), vlan)))
        };
        let mut networks: Vec<_> = rows().filter_map(remembered).collect();
        networks.sort_by_key(|(disagrees, _)| *disagrees);
        RememberedVlans {
            networks: networks.into_iter().map(|(_, network)| network).collect(),
            tags: rows().filter_map(|row| row.tag).collect(),
            segments: self.segments_in_flows(node),
            in_flows: self.vlans_in_flows(node),
        }
    }

    fn segments_in_flows(&self, node: &NodeSpec) -> Vec<(FlowKey, VlanTag)> {
        let mut segments = Vec::new();
        let numbers = |port: &str| self.rows.number(port);
        for (bridge, mirror) in &self.flows {
            let is_tunnel = node.tunnel.as_ref().is_some_and(|tunnel| tunnel.name == *bridge);
            for flow in mirror.flows() {
                let known = match bridge {
                    _ if is_tunnel => pipeline::tunnel::remembers(flow),
                    _ if *bridge == node.integration => pipeline::provider::remembers(flow, node, &numbers),
                    _ => None,
                };
                if let (Some((segment, vlan)), Some(object)) = (known, cookies::owner(flow.cookie)) {
                    segments.push(((object, segment), vlan));
                }
            }
        }
        segments
    }

    /// Local VLANs are matched on the physical bridges, set on the integration bridge, and both on the
    /// tunnel bridge; the rest are provider VLANs.
    fn vlans_in_flows(&self, node: &NodeSpec) -> Vec<VlanTag> {
        let is_physical = |bridge: &str| node.physical.iter().any(|physical| physical.name == bridge);
        let mut vlans = BTreeSet::new();
        for (bridge, mirror) in &self.flows {
            for flow in mirror.flows() {
                if *bridge != node.integration {
                    vlans.extend(flow.matches.exact(Field::VlanVid));
                }
                if !is_physical(bridge) {
                    vlans.extend(vlan_set_by(flow).map(|vlan| u128::from(vlan.0)));
                }
            }
        }
        let number = |tag: u128| u16::try_from(tag & 0xfff).ok().filter(|vlan| LOCAL_VLANS.contains(vlan));
        vlans.into_iter().filter_map(number).map(VlanTag).collect()
    }
}
