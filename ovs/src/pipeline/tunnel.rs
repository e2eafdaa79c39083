//! Feature: tunnel networks. A tunnel key becomes the network's local VLAN, and broadcast and unknown
//! frames go into every tunnel that the network leads to.
//!
//! Which tunnel a known MAC is behind is `l2population`; what is learnt is in `base`.

use std::collections::BTreeSet;

use model::{ObjectRef, Segment, TunnelKind, VlanTag};

use super::cookies::{Feature, cookie};
use super::tables::{priority, tunnel as tun};
use super::{FlowSet, Numbers, vlan_set_by};
use crate::names;
use crate::openflow::{Action, Field, Flow, Match};
use crate::spec::{EndpointSpec, LocalSegment, NetworkSpec, NodeSpec};

/// The key of a network's segments, and where they flood to.
pub fn network(spec: &NetworkSpec, node: &NodeSpec, numbers: Numbers<'_>, set: &mut FlowSet) {
    let Some(bridge) = &node.tunnel else { return };
    let owner = cookie(Feature::Tunnel, ObjectRef::Network(spec.id));
    for local in &spec.segments {
        let Segment::Tunnel { kind, key } = local.segment else { continue };
        set.add(&bridge.name, inward(kind, key, local).cookie(owner));
        let ports = flood_ports(kind, local, numbers, set);
        if !ports.is_empty() {
            set.add(&bridge.name, flood(key, local, &ports).cookie(owner));
        }
    }
}

/// Packets that come out of a tunnel go to the table of its kind.
pub fn endpoint(spec: &EndpointSpec, node: &NodeSpec, numbers: Numbers<'_>, set: &mut FlowSet) {
    let Some(bridge) = &node.tunnel else { return };
    for tunnel in &spec.tunnels {
        if let Some(port) = set.number(numbers, &tunnel.name) {
            let flow = Flow::new(tun::BY_PORT, priority::KNOWN_PORT, Match::new().in_port(port));
            let flow = flow.cookie(cookie(Feature::Tunnel, ObjectRef::Endpoint(spec.address)));
            set.add(&bridge.name, flow.action(Action::GotoTable(table_of(tunnel.kind))));
        }
    }
}

/// What a flow of ours says of the local VLAN of a tunnel segment.
pub fn remembers(flow: &Flow) -> Option<(Segment, VlanTag)> {
    let kinds = [TunnelKind::Gre, TunnelKind::Vxlan, TunnelKind::Geneve];
    let kind = kinds.into_iter().find(|kind| table_of(*kind) == flow.table)?;
    let key = u32::try_from(flow.matches.exact(Field::TunId)?).ok()?;
    Some((Segment::Tunnel { kind, key }, vlan_set_by(flow)?))
}

fn table_of(kind: TunnelKind) -> u8 {
    match kind {
        TunnelKind::Gre => tun::GRE_TUN_TO_LV,
        TunnelKind::Vxlan => tun::VXLAN_TUN_TO_LV,
        TunnelKind::Geneve => tun::GENEVE_TUN_TO_LV,
    }
}

fn inward(kind: TunnelKind, key: u32, local: &LocalSegment) -> Flow {
    let matches = Match::new().tun_id(u64::from(key));
    let actions =
        [Action::push_vlan(), Action::set_vlan_vid(local.vlan.0), Action::GotoTable(tun::LEARN_FROM_TUN)];
    Flow::new(table_of(kind), priority::TUNNEL_TO_LOCAL, matches).actions(actions)
}

fn flood(key: u32, local: &LocalSegment, ports: &BTreeSet<u32>) -> Flow {
    let head = [Action::strip_vlan(), Action::set_field(Field::TunId, u64::from(key))];
    Flow::new(tun::FLOOD_TO_TUN, priority::FLOOD, Match::new().dl_vlan(local.vlan.0))
        .actions(head)
        .actions(ports.iter().map(|port| Action::output(*port)))
}

fn flood_ports(
    kind: TunnelKind,
    local: &LocalSegment,
    numbers: Numbers<'_>,
    set: &mut FlowSet,
) -> BTreeSet<u32> {
    local.flood.iter().filter_map(|endpoint| set.number(numbers, &names::tunnel(kind, *endpoint))).collect()
}
