//! Feature: provider networks. A provider VLAN (or the untagged frames) of a physical bridge becomes the
//! network's local VLAN on the integration bridge, and back.
//!
//! The borders are closed first: on both ends of a patch pair a flow drops what no network asked for,
//! and the pair is not joined before those flows are in. Else a broadcast could go round between two
//! physical networks.

use model::{ObjectRef, Segment, VlanTag};

use super::cookies::{Feature, cookie};
use super::tables::{integration as int, physical as phys, priority};
use super::{FlowSet, Numbers, vlan_set_by};
use crate::openflow::{Action, Field, Flow, Match};
use crate::spec::{NetworkSpec, NodeSpec};

/// What is on every physical bridge, and on the integration bridge's side of it.
pub fn borders(node: &NodeSpec, numbers: Numbers<'_>, set: &mut FlowSet) {
    let closed = |table, priority, port| {
        let matches = Match::new().in_port(port);
        Flow::new(table, priority, matches).cookie(cookie(Feature::Provider, ObjectRef::Node))
    };
    for bridge in &node.physical {
        let switched = Flow::new(phys::BY_PORT, priority::MISS, Match::new());
        let switched = switched.cookie(cookie(Feature::Base, ObjectRef::Node)).action(Action::Normal);
        set.add(&bridge.name, switched);
        if let Some(port) = set.number(numbers, &bridge.int_patch) {
            let flow = closed(int::LOCAL_SWITCHING, priority::UNKNOWN_PROVIDER_VLAN, port);
            set.add(&node.integration, flow);
        }
        if let Some(port) = set.number(numbers, &bridge.phy_patch) {
            let flow = closed(phys::BY_PORT, priority::UNKNOWN_LOCAL_VLAN, port);
            set.add(&bridge.name, flow);
        }
    }
}

/// Both directions of a network's flat and VLAN segments.
pub fn network(spec: &NetworkSpec, node: &NodeSpec, numbers: Numbers<'_>, set: &mut FlowSet) {
    let owner = cookie(Feature::Provider, ObjectRef::Network(spec.id));
    for local in &spec.segments {
        let (network, provider) = match &local.segment {
            Segment::Flat { physical_network } => (physical_network, None),
            Segment::Vlan { physical_network, vlan } => (physical_network, Some(*vlan)),
            Segment::Local | Segment::Tunnel { .. } => continue,
        };
        let Some(bridge) = node.physical(network) else { continue };
        if let Some(port) = set.number(numbers, &bridge.int_patch) {
            set.add(&node.integration, inward(port, provider, local.vlan).cookie(owner));
        }
        if let Some(port) = set.number(numbers, &bridge.phy_patch) {
            set.add(&bridge.name, outward(port, provider, local.vlan).cookie(owner));
        }
    }
}

/// What a flow of ours on the integration bridge says of the local VLAN of a provider segment.
pub fn remembers(flow: &Flow, node: &NodeSpec, numbers: Numbers<'_>) -> Option<(Segment, VlanTag)> {
    if (flow.table, flow.priority) != (int::LOCAL_SWITCHING, priority::PROVIDER_TO_LOCAL) {
        return None;
    }
    let port = u32::try_from(flow.matches.exact(Field::InPort)?).ok()?;
    let bridge = node.physical.iter().find(|bridge| numbers(&bridge.int_patch) == Some(port))?;
    let physical_network = bridge.network.clone();
    let segment = match flow.matches.exact(Field::VlanVid)? {
        0 => Segment::Flat { physical_network },
        tag => Segment::Vlan { physical_network, vlan: VlanTag(u16::try_from(tag & 0xfff).ok()?) },
    };
    Some((segment, vlan_set_by(flow)?))
}

fn inward(port: u32, provider: Option<VlanTag>, local: VlanTag) -> Flow {
    let from = Match::new().in_port(port);
    let matches = match provider {
        Some(vlan) => from.dl_vlan(vlan.0),
        None => from.no_vlan(),
    };
    let tag = provider.is_none().then(Action::push_vlan);
    let rest = [Action::set_vlan_vid(local.0), Action::GotoTable(int::PACKET_RATE_LIMIT)];
    Flow::new(int::LOCAL_SWITCHING, priority::PROVIDER_TO_LOCAL, matches).actions(tag).actions(rest)
}

fn outward(port: u32, provider: Option<VlanTag>, local: VlanTag) -> Flow {
    let matches = Match::new().in_port(port).dl_vlan(local.0);
    let tag = provider.map_or_else(Action::strip_vlan, |vlan| Action::set_vlan_vid(vlan.0));
    Flow::new(phys::BY_PORT, priority::LOCAL_TO_PROVIDER, matches).actions([tag, Action::Normal])
}
