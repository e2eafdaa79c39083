//! Bridges, patch pairs and the flows that every packet meets.

use std::collections::BTreeSet;

use model::{ObjectRef, Stage};

use super::Planner;
use crate::config::DatapathType;
use crate::openflow::Flow;
use crate::pipeline;
use crate::pipeline::tables::priority;
use crate::rows::{BridgeRow, InterfaceRow, Texts};
use crate::spec::{NodeSpec, Owner, PhysicalBridge};
use crate::step::{BridgeChange, InterfaceChange, NewBridge, NewPort, Step};

/// Versions that must be spoken on every bridge: those that Neutron asks for; ours is among them.
const PROTOCOLS: [&str; 3] = ["OpenFlow10", "OpenFlow13", "OpenFlow14"];
/// The peer of a patch port whose pair must not be joined yet.
const NOBODY: &str = "nonexistent-peer";
const OBJECT: ObjectRef = ObjectRef::Node;

/// The names of all patch ports.
pub(crate) fn patches(node: &NodeSpec) -> impl Iterator<Item = &str> {
    let tunnel = node.tunnel.iter().flat_map(|bridge| [&bridge.int_patch, &bridge.tun_patch]);
    let physical = node.physical.iter().flat_map(|bridge| [&bridge.int_patch, &bridge.phy_patch]);
    tunnel.chain(physical).map(String::as_str)
}

impl Planner<'_> {
    pub(super) fn node(&mut self) {
        let node = self.want.node.clone();
        self.own_bridge(&node.integration);
        if let Some(tunnel) = &node.tunnel {
            self.own_bridge(&tunnel.name);
            self.patch(&node.integration, &tunnel.int_patch, &tunnel.tun_patch);
            self.patch(&tunnel.name, &tunnel.tun_patch, &tunnel.int_patch);
        }
        let mut ids = BTreeSet::new();
        for physical in &node.physical {
            match self.have.rows.bridge(&physical.name) {
                None => {
                    let PhysicalBridge { name, network, .. } = physical;
                    self.plan.wait(
                        OBJECT,
                        format!("bridge {name} of physical network {network}, which does not exist"),
                    );
                }
                Some(row) => {
                    let datapath_id = unique(row.datapath_id.as_deref(), &mut ids);
                    self.change_bridge(row, datapath_id);
                    self.half_patch(&node.integration, &physical.int_patch);
                    self.half_patch(&physical.name, &physical.phy_patch);
                }
            }
        }
        let set = pipeline::node(&node, &|port| self.have.rows.number(port));
        for physical in &node.physical {
            self.join(physical, &set);
        }
        self.remember_predecessors(&set);
        self.flows(OBJECT, set);
    }

    fn own_bridge(&mut self, name: &str) {
        match self.have.rows.bridge(name) {
            Some(row) => self.change_bridge(row, None),
            None => {
                let bridge = NewBridge {
                    name: name.to_owned(),
                    datapath_type: self.want.node.datapath_type,
                    protocols: PROTOCOLS.to_vec(),
                    other_config: bridge_config(&self.want.node),
                };
                self.plan.push(Stage::AddPorts, OBJECT, Step::MakeBridge(bridge));
            }
        }
    }

    fn change_bridge(&mut self, row: &BridgeRow, datapath_id: Option<String>) {
        let mut other_config = bridge_config(&self.want.node);
        other_config.extend(datapath_id.map(|id| ("datapath-id".to_owned(), id)));
        other_config.retain(|key, value| row.other_config.get(key) != Some(value));
        let datapath_type = self.want.node.datapath_type;
        let other_type = row.datapath_type != datapath_type.as_str()
            && !(datapath_type == DatapathType::System && row.datapath_type.is_empty());
        let change = BridgeChange {
            bridge: row.uuid,
            name: row.name.clone(),
            datapath_type: other_type.then_some(datapath_type),
            protocols: PROTOCOLS.into_iter().filter(|version| !row.protocols.contains(*version)).collect(),
            secure: row.fail_mode.as_deref() != Some("secure"),
            other_config,
        };
        let nothing = BridgeChange { bridge: row.uuid, name: row.name.clone(), ..BridgeChange::default() };
        if change != nothing {
            self.plan.push(Stage::AddPorts, OBJECT, Step::SetBridge(change));
        }
    }

    /// A patch port whose pair may be joined from the start.
    fn patch(&mut self, bridge: &str, name: &str, peer: &str) {
        match self.have.rows.interface(name) {
            None => self.make_patch(bridge, name, peer),
            Some(row) if is_patch_to(row, peer) => {}
            Some(row) => {
                let step = join(row, peer);
                self.plan.push(Stage::AddPorts, OBJECT, step);
            }
        }
    }

    /// A patch port that is left alone until the flows are in that keep unknown VLANs out.
    fn half_patch(&mut self, bridge: &str, name: &str) {
        if self.have.rows.interface(name).is_none() {
            self.make_patch(bridge, name, NOBODY);
        }
    }

    fn make_patch(&mut self, bridge: &str, name: &str, peer: &str) {
        let port = NewPort {
            bridge: bridge.to_owned(),
            name: name.to_owned(),
            owner: Owner::Patch,
            tag: None,
            other_config: Texts::new(),
            kind: "patch".to_owned(),
            options: [("peer".to_owned(), peer.to_owned())].into(),
            mtu: None,
            plugged: None,
        };
        self.plan.push(Stage::AddPorts, OBJECT, Step::MakePort(port));
    }

    /// Joins the pair of a physical bridge, once both ends are closed by flows (in this pass or before).
    fn join(&mut self, physical: &PhysicalBridge, set: &pipeline::FlowSet) {
        let rows = &self.have.rows;
        let (Some(near), Some(far)) =
            (rows.interface(&physical.int_patch), rows.interface(&physical.phy_patch))
        else {
            return;
        };
        let ends = [(near, &physical.phy_patch), (far, &physical.int_patch)];
        if ends.iter().all(|(row, peer)| is_patch_to(row, peer)) {
            return;
        }
        let bridges = [&self.want.node.integration, &physical.name];
        let closed = bridges.into_iter().zip([near, far]).all(|(bridge, row)| {
            let number = row.ofport.number();
            self.have.flows.contains_key(bridge) && number.is_some_and(|number| drops(set, bridge, number))
        });
        if closed {
            for (row, peer) in ends {
                if !is_patch_to(row, peer) {
                    self.plan.push(Stage::OpenPorts, OBJECT, join(row, peer));
                }
            }
        }
    }
}

/// Whether the flows drop what comes from a port unless a network asks for it.
fn drops(set: &pipeline::FlowSet, bridge: &str, port: u32) -> bool {
    let matches = crate::openflow::Match::new().in_port(port);
    let closed = |flow: &Flow| {
        flow.actions.is_empty() && flow.matches == matches && flow.priority == priority::UNKNOWN_LOCAL_VLAN
    };
    set.flows.get(bridge).is_some_and(|flows| flows.values().any(closed))
}

fn is_patch_to(row: &InterfaceRow, peer: &str) -> bool {
    row.kind == "patch" && row.options.get("peer").is_some_and(|have| have == peer)
}

fn join(row: &InterfaceRow, peer: &str) -> Step {
    Step::SetInterface(InterfaceChange {
        interface: row.uuid,
        name: row.name.clone(),
        kind: (row.kind != "patch").then(|| "patch".to_owned()),
        options: Some([("peer".to_owned(), peer.to_owned())].into()),
        mtu: None,
        number: None,
        mac: None,
    })
}

fn bridge_config(node: &NodeSpec) -> Texts {
    let pairs = [("mac-table-size", node.mac_table_size.to_string()), ("disable-in-band", "true".to_owned())];
    pairs.map(|(key, value)| (key.to_owned(), value)).into()
}

/// The datapath id that a bridge must be given because another one has the id that it has now: bridges
/// with the same first device get the same id, and are one switch to whoever tells them by it.
fn unique(id: Option<&str>, ids: &mut BTreeSet<u64>) -> Option<String> {
    let id = u64::from_str_radix(id?, 16).ok()?;
    if ids.insert(id) {
        return None;
    }
    let mut candidates = (1..=u64::from(u16::MAX)).map(|number| id.wrapping_add(number << 48));
    candidates.find(|candidate| ids.insert(*candidate)).map(|candidate| format!("{candidate:016x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datapath_id_that_is_taken_gets_other_high_bits() {
        let mut ids = BTreeSet::new();
        assert_eq!(unique(Some("00001a2b3c4d5e6f"), &mut ids), None);
        assert_eq!(unique(Some("00001a2b3c4d5e6f"), &mut ids).as_deref(), Some("00011a2b3c4d5e6f"));
        assert_eq!(unique(Some("00001a2b3c4d5e6f"), &mut ids).as_deref(), Some("00021a2b3c4d5e6f"));
        assert_eq!(unique(None, &mut ids), None);
        assert_eq!(unique(Some("what"), &mut ids), None);
    }
}
