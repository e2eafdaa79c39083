//! Feature: what the controller knows of addresses on other nodes (Neutron's l2population): the tunnel
//! that a MAC is behind, and the answer to ARP for its IPv4 addresses.

use std::net::Ipv4Addr;

use model::{Mac, ObjectRef, VlanTag};

use super::cookies::{Feature, cookie};
use super::registers::ARP_REPLY;
use super::tables::{priority, tunnel as tun};
use super::{FlowSet, Numbers};
use crate::openflow::{Action, Field, Flow, Match};
use crate::spec::{NodeSpec, Path, RemoteMacSpec};

pub fn remote_mac(spec: &RemoteMacSpec, node: &NodeSpec, numbers: Numbers<'_>, set: &mut FlowSet) {
    let Some(bridge) = &node.tunnel else { return };
    let object = ObjectRef::RemoteMac(spec.network, spec.mac);
    for path in &spec.paths {
        if let Some(port) = set.number(numbers, &path.port) {
            let flow = unicast(spec.mac, path, port);
            set.add(&bridge.name, flow.cookie(cookie(Feature::Population, object)));
        }
        for address in &spec.addresses {
            let flow = answer(*address, spec.mac, path.vlan);
            set.add(&bridge.name, flow.cookie(cookie(Feature::Responder, object)));
        }
    }
}

fn unicast(mac: Mac, path: &Path, port: u32) -> Flow {
    let matches = Match::new().dl_vlan(path.vlan.0).dl_dst(mac);
    let actions =
        [Action::strip_vlan(), Action::set_field(Field::TunId, u64::from(path.key)), Action::output(port)];
    Flow::new(tun::UCAST_TO_TUN, priority::KNOWN_MAC, matches).actions(actions)
}

/// Turns the request round into its reply and sends it back where it came from. (Requests and replies are
/// not told apart: only broadcast ARP comes here.)
fn answer(address: Ipv4Addr, mac: Mac, vlan: VlanTag) -> Flow {
    let matches = Match::new().arp().dl_vlan(vlan.0).arp_tpa(address);
    let actions = [
        Action::set_field(Field::ArpOp, ARP_REPLY),
        Action::move_field(Field::ArpSha, Field::ArpTha),
        Action::move_field(Field::ArpSpa, Field::ArpTpa),
        Action::set_field(Field::ArpSha, mac),
        Action::set_field(Field::ArpSpa, address),
        Action::move_field(Field::EthSrc, Field::EthDst),
        Action::set_field(Field::EthSrc, mac),
        Action::InPort,
    ];
    Flow::new(tun::ARP_RESPONDER, priority::KNOWN_ADDRESS, matches).actions(actions)
}
