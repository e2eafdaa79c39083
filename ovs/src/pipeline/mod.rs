//! The flows of the three kinds of bridges, as functions of what an object should be and of the port
//! numbers that the switch gave out. Pure: a feature is a file, and adds its flows to a [`FlowSet`].
//!
//! A guest's packet on its way out: br-int table 0 sorts it by port (`spoof_guard`, `dead_port`), 24 and
//! 25 check its addresses, 60 switches it by MAC within the local VLAN. Over the patch port it comes to
//! a physical bridge (`provider`: the provider's VLAN goes on) or to br-tun (`tunnel`, `l2population`:
//! into the tunnels that lead to the destination). On its way in it passes the same in reverse: a tunnel
//! key or provider VLAN becomes the local VLAN, br-tun table 10 remembers where the sender is.
//!
//! Not here: the firewall, DVR, QoS.

pub mod base;
pub mod cookies;
pub mod dead_port;
pub mod l2population;
pub mod provider;
pub mod registers;
pub mod spoof_guard;
pub mod tables;
pub mod tunnel;

use std::collections::{BTreeMap, BTreeSet};

use model::VlanTag;

use crate::openflow::{Action, Field, Flow, FlowKey};
use crate::spec::{EndpointSpec, NetworkSpec, NodeSpec, PortSpec, PortState, RemoteMacSpec};

/// The flows of one object, and the ports that they need and that have no number yet. What needs no
/// such port is there nevertheless.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FlowSet {
    /// By the name of their bridge.
    pub flows: BTreeMap<String, BTreeMap<FlowKey, Flow>>,
    pub missing: BTreeSet<String>,
}

/// Finds the OpenFlow number of a port by its name.
pub type Numbers<'a> = &'a dyn Fn(&str) -> Option<u32>;

impl FlowSet {
    fn add(&mut self, bridge: &str, flow: Flow) {
        if !self.flows.contains_key(bridge) {
            self.flows.insert(bridge.to_owned(), BTreeMap::new());
        }
        if let Some(flows) = self.flows.get_mut(bridge) {
            flows.insert(flow.key(), flow);
        }
    }

    fn number(&mut self, numbers: Numbers<'_>, port: &str) -> Option<u32> {
        let number = numbers(port);
        if number.is_none() {
            self.missing.insert(port.to_owned());
        }
        number
    }
}

/// The flows that every packet meets.
pub fn node(spec: &NodeSpec, numbers: Numbers<'_>) -> FlowSet {
    let mut set = FlowSet::default();
    base::integration(spec, &mut set);
    base::tunnel(spec, numbers, &mut set);
    provider::borders(spec, numbers, &mut set);
    set
}

/// The flows of a network that has ports here.
pub fn network(spec: &NetworkSpec, node: &NodeSpec, numbers: Numbers<'_>) -> FlowSet {
    let mut set = FlowSet::default();
    provider::network(spec, node, numbers, &mut set);
    tunnel::network(spec, node, numbers, &mut set);
    set
}

/// The flows of a port of this node that is plugged in as number `port`.
pub fn port(spec: &PortSpec, node: &NodeSpec, port: u32) -> FlowSet {
    match &spec.state {
        PortState::Dead => dead_port(spec.id, node, port),
        PortState::Live { guard, .. } => {
            let mut set = FlowSet::default();
            if let Some(guard) = guard {
                spoof_guard::port(spec.id, guard, node, port, &mut set);
            }
            set
        }
    }
}

/// The flows of a port that must not send, wanted by the controller or not.
pub fn dead_port(id: model::PortId, node: &NodeSpec, port: u32) -> FlowSet {
    let mut set = FlowSet::default();
    dead_port::port(id, node, port, &mut set);
    set
}

/// The flows of a far end of tunnels.
pub fn endpoint(spec: &EndpointSpec, node: &NodeSpec, numbers: Numbers<'_>) -> FlowSet {
    let mut set = FlowSet::default();
    tunnel::endpoint(spec, node, numbers, &mut set);
    set
}

/// The flows of a MAC that is behind a tunnel.
pub fn remote_mac(spec: &RemoteMacSpec, node: &NodeSpec, numbers: Numbers<'_>) -> FlowSet {
    let mut set = FlowSet::default();
    l2population::remote_mac(spec, node, numbers, &mut set);
    set
}

/// The VLAN that a flow gives to its packets.
pub fn vlan_set_by(flow: &Flow) -> Option<VlanTag> {
    flow.actions.iter().find_map(|action| match action {
        Action::SetField { field: Field::VlanVid, value } => u16::try_from(value & 0xfff).ok().map(VlanTag),
        _ => None,
    })
}
