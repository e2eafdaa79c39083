//! Feature: a guest sends only from its own addresses. ARP (table 24) and neighbour advertisements
//! (24 too) are checked by the address that they announce, everything by its source MAC (25).
//!
//! A neighbour advertisement whose address is right goes on without the check of its MAC, as in
//! Neutron. Unlike Neutron's its flow names the ICMPv6 code, which is always 0 (RFC 4861, 4.4): without it Open vSwitch
//! 3.1 gives the kernel a flow that has lost the address, and one right advertisement opens the way for any. IP source addresses are the firewall's business. Table 25 has no default flow: a miss drops.

use ipnet::IpNet;
use model::{ObjectRef, PortId};

use super::FlowSet;
use super::cookies::{Feature, cookie};
use super::registers::NEIGHBOUR_ADVERTISEMENT;
use super::tables::{integration as int, priority};
use crate::openflow::{Action, Field, Flow, Match};
use crate::spec::{NodeSpec, SpoofGuard};

pub fn port(id: PortId, guard: &SpoofGuard, node: &NodeSpec, port: u32, set: &mut FlowSet) {
    let from = || Match::new().in_port(port);
    let advertisement = || from().icmp6().icmpv6_type(NEIGHBOUR_ADVERTISEMENT);
    let mut add = |table, priority, matches, next| {
        let flow = Flow::new(table, priority, matches).action(Action::GotoTable(next));
        set.add(&node.integration, flow.cookie(cookie(Feature::SpoofGuard, ObjectRef::Port(id))));
    };
    if let Some(addresses) = &guard.arp {
        add(int::LOCAL_SWITCHING, priority::GUARD_ADDRESSES, from().arp(), int::ARP_SPOOF);
        for address in addresses {
            if let IpNet::V4(address) = address {
                add(int::ARP_SPOOF, priority::ALLOWED, from().arp_spa(*address), int::MAC_SPOOF);
            }
        }
    }
    if let Some(addresses) = &guard.nd {
        add(int::LOCAL_SWITCHING, priority::GUARD_ADDRESSES, advertisement(), int::ARP_SPOOF);
        for address in addresses {
            if let IpNet::V6(address) = address {
                let matches = advertisement().icmpv6_code(0).nd_target(*address);
                add(int::ARP_SPOOF, priority::ALLOWED, matches, int::PACKET_RATE_LIMIT);
            }
        }
    }
    add(int::LOCAL_SWITCHING, priority::GUARD_MAC, from(), int::MAC_SPOOF);
    for mac in &guard.macs {
        add(int::MAC_SPOOF, priority::ALLOWED, from().dl_src(*mac), int::LOCAL_EGRESS);
    }
}

/// The flow that Neutron's agent has for the same purpose, where it is not the same.
pub fn of_neutron(flow: &Flow) -> Option<Flow> {
    let is_checked = flow.table == int::ARP_SPOOF && flow.matches.get(Field::NdTarget).is_some();
    let matches = flow.matches.clone().masked(Field::Icmpv6Code, 0_u8, 0_u8);
    is_checked.then(|| Flow { matches, ..flow.clone() })
}
