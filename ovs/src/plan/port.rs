//! Ports of this node: their tag, what their row remembers, their flows; and ports that are to be cut
//! off.

use model::{ObjectRef, PortId, Stage, VlanTag};

use super::Planner;
use crate::pipeline::registers::DEAD_VLAN;
use crate::pipeline::{self, FlowSet};
use crate::rows::{Plug, PortRow, Texts};
use crate::spec::{Owner, PortKind, PortSpec, PortState, Wire};
use crate::step::{PortChange, REMEMBERED, Step};

impl Planner<'_> {
    pub(super) fn port(&mut self, id: PortId) {
        match self.want.ports.get(&id) {
            None => self.unwanted_port(id),
            Some(spec) => match &spec.kind {
                PortKind::Vif => self.vif(spec),
                PortKind::Own { .. } => self.own_port(spec),
            },
        }
    }

    /// A port that the controller does not know, or has elsewhere: a plug of ours goes, a plug of
    /// somebody else's is cut off. Until the picture is complete it may be one that is yet to be heard of.
    fn unwanted_port(&mut self, id: PortId) {
        let have = self.have;
        let mut flows = FlowSet::default();
        for plug in have.rows.plugs(id, &self.want.node.integration) {
            if self.is_ours(plug.port) {
                self.remove_port(ObjectRef::Port(id), plug.port);
            } else if self.want.node.ports_only {
                continue;
            } else if self.want.complete {
                self.cut_off(id, plug, &mut flows);
            } else {
                return;
            }
        }
        self.flows(ObjectRef::Port(id), flows);
    }

    fn vif(&mut self, spec: &PortSpec) {
        let (object, have) = (ObjectRef::Port(spec.id), self.have);
        let mut flows = FlowSet::default();
        let mut plugs = 0;
        for plug in have.rows.plugs(spec.id, &self.want.node.integration) {
            if self.is_ours(plug.port) {
                self.remove_port(object, plug.port);
                continue;
            }
            plugs += 1;
            self.plug(spec, plug, &mut flows);
        }
        if plugs == 0 {
            self.plan.expect(object, "its interface to be plugged in (external_ids:iface-id)");
        }
        self.flows(object, flows);
    }

    /// One plug of a port that is wanted here.
    pub(super) fn plug(&mut self, spec: &PortSpec, plug: Plug<'_>, flows: &mut FlowSet) {
        match &spec.state {
            PortState::Dead => self.cut_off(spec.id, plug, flows),
            PortState::Live { wire, .. } => {
                let Some(number) = plug.interface.ofport.number() else {
                    flows.missing.insert(plug.interface.name.clone());
                    return;
                };
                merge(flows, pipeline::port(spec, &self.want.node, number));
                if let Some(reason) = self.missing_bridge(&wire.segment) {
                    self.plan.wait(ObjectRef::Port(spec.id), reason);
                }
                // The tag opens the port, and nothing is opened before its guard can be put up.
                if self.have.flows.contains_key(&self.want.node.integration) {
                    self.open(spec, wire, plug);
                } else if flows.flows.is_empty() {
                    let on = format!("the OpenFlow connection of bridge {}", self.want.node.integration);
                    self.plan.wait(ObjectRef::Port(spec.id), on);
                }
            }
        }
    }

    fn open(&mut self, spec: &PortSpec, wire: &Wire, plug: Plug<'_>) {
        let owner = match spec.kind {
            PortKind::Own { owner, .. } => Some(owner),
            PortKind::Vif => None,
        };
        let row = plug.port;
        let texts = remember(wire);
        let remembers = REMEMBERED.iter().all(|key| row.other_config.get(*key) == texts.get(*key));
        let access = row.vlan_mode.is_some() || row.has_trunks;
        let adopt = owner.filter(|owner| row.owner != Some(*owner));
        if row.tag == Some(wire.vlan) && remembers && !access && adopt.is_none() {
            return;
        }
        let change = PortChange {
            port: row.uuid,
            name: row.name.clone(),
            tag: wire.vlan,
            access,
            remember: (!remembers).then_some(texts),
            owner: adopt,
        };
        self.plan.push(Stage::OpenPorts, ObjectRef::Port(spec.id), Step::SetPort(change));
    }

    /// Whether a row is one of the ports that we make for services.
    pub(super) fn is_ours(&self, row: &PortRow) -> bool {
        let service = |owner: &Owner| matches!(owner, Owner::Dhcp | Owner::Router);
        row.owner.is_some_and(|owner| service(&owner) && self.want.node.owners.contains(&owner))
    }

    /// Dead: the tag and the flow that drops everything from the port. What the row remembers of its
    /// network stays, so that the local VLAN is the same when it comes to life again.
    pub(super) fn cut_off(&mut self, id: PortId, plug: Plug<'_>, flows: &mut FlowSet) {
        match plug.interface.ofport.number() {
            Some(number) => merge(flows, pipeline::dead_port(id, &self.want.node, number)),
            None => _ = flows.missing.insert(plug.interface.name.clone()),
        }
        if plug.port.tag != Some(VlanTag(DEAD_VLAN)) {
            let change = PortChange {
                port: plug.port.uuid,
                name: plug.port.name.clone(),
                tag: VlanTag(DEAD_VLAN),
                access: plug.port.vlan_mode.is_some() || plug.port.has_trunks,
                remember: None,
                owner: None,
            };
            self.plan.push(Stage::OpenPorts, ObjectRef::Port(id), Step::SetPort(change));
        }
    }
}

/// What a port's row remembers of its network, with Neutron's keys.
pub(super) fn remember(wire: &Wire) -> Texts {
    let segment = &wire.segment;
    let mut texts = Texts::from([
        ("net_uuid".to_owned(), wire.network.to_string()),
        ("network_type".to_owned(), segment.network_type().to_owned()),
        ("physical_network".to_owned(), segment.physical_network().unwrap_or("None").to_owned()),
        ("tag".to_owned(), wire.vlan.to_string()),
    ]);
    texts.extend(segment.segmentation_id().map(|id| ("segmentation_id".to_owned(), id.to_string())));
    texts
}

fn merge(into: &mut FlowSet, from: FlowSet) {
    for (bridge, flows) in from.flows {
        into.flows.entry(bridge).or_default().extend(flows);
    }
    into.missing.extend(from.missing);
}
