//! Feature: what every packet meets. The chain of tables of the integration bridge, and the skeleton of
//! the tunnel bridge with its learning.
//!
//! Tables that hold nothing yet are there all the same: an operator finds the chain that he knows from
//! Neutron, and the features that use them later need not change what is before them.

use model::{Mac, ObjectRef};

use super::cookies::{Feature, cookie};
use super::registers::{DEAD_VLAN, LEARNT_SECONDS, NEIGHBOUR_ADVERTISEMENT, ROUTER_ADVERTISEMENT};
use super::tables::{integration as int, priority, tunnel as tun};
use super::{FlowSet, Numbers};
use crate::openflow::{Action, Field, Flow, Learn, Match, Subfield};
use crate::spec::{NodeSpec, TunnelBridge};

/// The chain from the entry to the switching.
pub fn integration(node: &NodeSpec, set: &mut FlowSet) {
    let mut add = |table, priority, matches, action: Option<Action>| {
        set.add(&node.integration, base(Flow::new(table, priority, matches).actions(action)));
    };
    add(int::LOCAL_SWITCHING, priority::DEAD_VLAN, Match::new().dl_vlan(DEAD_VLAN), None);
    for (table, next) in [
        (int::LOCAL_SWITCHING, int::PACKET_RATE_LIMIT),
        (int::LOCAL_EGRESS, int::PACKET_RATE_LIMIT),
        (int::LOCAL_IP, int::PACKET_RATE_LIMIT),
        (int::PACKET_RATE_LIMIT, int::BANDWIDTH_RATE_LIMIT),
        (int::BANDWIDTH_RATE_LIMIT, int::TRANSIENT),
    ] {
        add(table, priority::MISS, Match::new(), Some(Action::GotoTable(next)));
    }
    add(int::CANARY, priority::MISS, Match::new(), None);
    add(int::ARP_SPOOF, priority::MISS, Match::new(), None);
    add(int::TRANSIENT, priority::SWITCH, Match::new(), Some(Action::Normal));
    add(int::TRANSIENT_EGRESS, priority::SWITCH_EGRESS, Match::new(), Some(Action::Normal));
}

/// The skeleton of the tunnel bridge, when there is one.
pub fn tunnel(node: &NodeSpec, numbers: Numbers<'_>, set: &mut FlowSet) {
    let Some(bridge) = &node.tunnel else { return };
    for flow in misses(bridge) {
        set.add(&bridge.name, base(flow));
    }
    if let Some(patch) = set.number(numbers, &bridge.tun_patch) {
        let entry = Flow::new(tun::BY_PORT, priority::KNOWN_PORT, Match::new().in_port(patch));
        set.add(&bridge.name, base(entry.action(Action::GotoTable(tun::PATCH_LV_TO_TUN))));
        for flow in learning(patch) {
            set.add(&bridge.name, base(flow));
        }
    }
}

fn misses(bridge: &TunnelBridge) -> Vec<Flow> {
    let drop = |table| Flow::new(table, priority::MISS, Match::new());
    let goto = |table, next| drop(table).action(Action::GotoTable(next));
    let sort = |matches, next| {
        Flow::new(tun::PATCH_LV_TO_TUN, priority::MISS, matches).action(Action::GotoTable(next))
    };
    let mut flows = vec![
        drop(tun::BY_PORT),
        sort(Match::new().dl_dst_unicast(), tun::UCAST_TO_TUN),
        sort(Match::new().dl_dst_multicast(), tun::FLOOD_TO_TUN),
        drop(tun::GRE_TUN_TO_LV),
        drop(tun::VXLAN_TUN_TO_LV),
        drop(tun::GENEVE_TUN_TO_LV),
        goto(tun::UCAST_TO_TUN, tun::FLOOD_TO_TUN),
        drop(tun::FLOOD_TO_TUN),
    ];
    if bridge.arp_responder {
        let arp = Match::new().arp().dl_dst(Mac::BROADCAST);
        let to_responder = Flow::new(tun::PATCH_LV_TO_TUN, priority::ARP_TO_RESPONDER, arp);
        flows.push(to_responder.action(Action::GotoTable(tun::ARP_RESPONDER)));
        flows.push(goto(tun::ARP_RESPONDER, tun::FLOOD_TO_TUN));
    }
    flows
}

/// Every packet out of a tunnel teaches where its sender is. ARP replies, router and neighbour
/// advertisements have flows of their own, so that each is a datapath flow of its own and an
/// announcement of a move does not go by an entry that was cached before the move.
fn learning(patch: u32) -> Vec<Flow> {
    let announcements = [
        Match::new().arp().arp_tha(Mac::BROADCAST),
        Match::new().icmp6().icmpv6_type(ROUTER_ADVERTISEMENT),
        Match::new().icmp6().icmpv6_type(NEIGHBOUR_ADVERTISEMENT),
    ];
    let announcements = announcements.map(|matches| (priority::LEARN_ANNOUNCEMENT, matches));
    let matches = announcements.into_iter().chain([(priority::LEARN, Match::new())]);
    let flow = |(priority, matches)| {
        let actions = [Action::learn(template()), Action::output(patch)];
        Flow::new(tun::LEARN_FROM_TUN, priority, matches).actions(actions)
    };
    matches.map(flow).collect()
}

/// "To this MAC in this VLAN, by the tunnel and with the key that it came with."
fn template() -> Learn {
    Learn::new(tun::UCAST_TO_TUN)
        .hard_timeout(LEARNT_SECONDS)
        .priority(priority::LEARNT_MAC)
        .cookie(cookie(Feature::Learnt, ObjectRef::Node))
        .match_same(Subfield::bits(Field::VlanTci, 0, 11))
        .match_field(Field::EthDst, Field::EthSrc)
        .load_value(0_u16, Field::VlanTci)
        .load_field(Field::TunId, Field::TunId)
        .output_in_port()
}

fn base(flow: Flow) -> Flow {
    flow.cookie(cookie(Feature::Base, ObjectRef::Node))
}
