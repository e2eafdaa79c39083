//! Ports that we make ourselves, for DHCP services and routers. The domain that owns the service takes
//! the device from there.

use std::collections::BTreeSet;

use model::{ObjectRef, Stage, VlanTag};

use super::Planner;
use super::port::remember;
use crate::pipeline::FlowSet;
use crate::pipeline::registers::DEAD_VLAN;
use crate::rows::{Plug, Texts};
use crate::spec::{Owner, PortKind, PortSpec, PortState, Spec};
use crate::step::{InterfaceChange, NewPort, PortChange, Step};

/// Higher numbers mean something to the switch.
const LAST_NUMBER: u32 = 0xff00;

/// The names of all devices that we make.
pub(super) fn devices(spec: &Spec) -> impl Iterator<Item = &str> {
    spec.ports.values().filter_map(|port| match &port.kind {
        PortKind::Own { device, .. } => Some(device.as_str()),
        PortKind::Vif => None,
    })
}

/// What is to be made.
struct Wanted<'a> {
    spec: &'a PortSpec,
    device: &'a str,
    owner: Owner,
    kind: &'static str,
    mtu: Option<u32>,
}

impl Planner<'_> {
    pub(super) fn own_port(&mut self, spec: &PortSpec) {
        let PortKind::Own { device, owner, internal, mtu } = &spec.kind else { return };
        let kind = if *internal { "internal" } else { "" };
        let mtu = Some(*mtu).filter(|mtu| *internal && *mtu > 0);
        let wanted = Wanted { spec, device, owner: *owner, kind, mtu };
        let (object, have) = (ObjectRef::Port(spec.id), self.have);
        if have.rows.bridge(&self.want.node.integration).is_none() && self.want.node.ports_only {
            let on = format!("bridge {} to be made", self.want.node.integration);
            return self.plan.wait(object, on);
        }
        let mut flows = FlowSet::default();
        for plug in have.rows.plugs(spec.id, &self.want.node.integration) {
            if plug.port.name == *device {
                continue;
            }
            if self.is_ours(plug.port) {
                self.remove_port(object, plug.port);
            } else if !self.want.node.ports_only {
                // Whoever says that he is this port is not. Untagged he would be in every local VLAN.
                self.cut_off(spec.id, plug, &mut flows);
            }
        }
        match have.rows.plug_named(device) {
            None => {
                self.make(&wanted);
                flows.missing.insert(device.clone());
            }
            Some(plug) => self.existing(&wanted, plug, &mut flows),
        }
        self.flows(object, flows);
    }

    /// A port of that name is there: ours as it should be, ours to be made again, or in the way.
    fn existing(&mut self, wanted: &Wanted<'_>, plug: Plug<'_>, flows: &mut FlowSet) {
        let object = ObjectRef::Port(wanted.spec.id);
        let same_port = plug.interface.port == Some(wanted.spec.id);
        let right =
            same_port && plug.interface.kind == wanted.kind && plug.bridge.name == self.want.node.integration;
        if right && self.is_ours(plug.port) && self.have.gone.contains(&wanted.spec.id) {
            self.make_again(wanted, plug);
        } else if right {
            self.change_interface(wanted, plug);
            if self.want.node.ports_only {
                self.adopt(wanted, plug, flows);
            } else {
                self.plug(wanted.spec, plug, flows);
            }
        } else if self.is_ours(plug.port) && (same_port || !self.is_wanted_elsewhere(plug)) {
            self.remove_port(object, plug.port);
            self.make(wanted);
        } else {
            let holder =
                plug.interface.port.map_or_else(|| "somebody else".to_owned(), |id| format!("port {id}"));
            let reason =
                format!("the name {} is taken by {holder} on bridge {}", wanted.device, plug.bridge.name);
            self.plan.refuse(object, reason);
        }
    }

    /// Puts our mark on a port that was made before us, and leaves all else to whoever sees to the switch.
    fn adopt(&mut self, wanted: &Wanted<'_>, plug: Plug<'_>, flows: &mut FlowSet) {
        if plug.interface.ofport.number().is_none() {
            flows.missing.insert(wanted.device.to_owned());
        }
        // Until it has a tag it is not his yet, and then this is a matter of a moment.
        if let Some(tag) = plug.port.tag.filter(|_| plug.port.owner != Some(wanted.owner)) {
            let change = PortChange {
                port: plug.port.uuid,
                name: plug.port.name.clone(),
                tag,
                access: false,
                remember: None,
                owner: Some(wanted.owner),
            };
            self.plan.push(Stage::OpenPorts, ObjectRef::Port(wanted.spec.id), Step::SetPort(change));
        }
    }

    /// Two ids that begin alike give the same name; the one that has it keeps it.
    fn is_wanted_elsewhere(&self, plug: Plug<'_>) -> bool {
        plug.interface.port.is_some_and(|port| match &self.want.scope {
            model::Scope::All => self.want.ports.contains_key(&port),
            model::Scope::Objects(_) => true, // not known here; the next look at everything tells
        })
    }

    fn change_interface(&mut self, wanted: &Wanted<'_>, plug: Plug<'_>) {
        let row = plug.interface;
        let mac = wanted.spec.mac;
        let change = InterfaceChange {
            interface: row.uuid,
            name: row.name.clone(),
            kind: None,
            options: None,
            mtu: wanted.mtu.filter(|mtu| row.mtu_request != Some(*mtu)),
            number: None,
            mac: (row.mac != Some(mac.to_string())).then_some(mac),
        };
        if change.mtu.is_some() || change.mac.is_some() {
            self.plan.push(Stage::AddPorts, ObjectRef::Port(wanted.spec.id), Step::SetInterface(change));
        }
    }

    /// The device is dead and vswitchd does not know it. Another number makes it take the port away and add
    /// it again; of a row that is replaced by one of the same name it would keep the port.
    fn make_again(&mut self, wanted: &Wanted<'_>, plug: Plug<'_>) {
        let have = self.have;
        let names = have.rows.ports_of(&plug.bridge.name).map(|port| port.name.as_str());
        let taken: BTreeSet<u32> = names.filter_map(|name| have.rows.number(name)).collect();
        let change = InterfaceChange {
            interface: plug.interface.uuid,
            name: plug.interface.name.clone(),
            number: (1..LAST_NUMBER).find(|number| !taken.contains(number)),
            ..InterfaceChange::default()
        };
        self.plan.push(Stage::AddPorts, ObjectRef::Port(wanted.spec.id), Step::SetInterface(change));
    }

    /// On its VLAN from the start: a service of ours sends nothing that would have to be guarded.
    fn make(&mut self, wanted: &Wanted<'_>) {
        let (tag, other_config) = match &wanted.spec.state {
            PortState::Live { wire, .. } => (wire.vlan, remember(wire)),
            PortState::Dead => (VlanTag(DEAD_VLAN), Texts::new()),
        };
        let port = NewPort {
            bridge: self.want.node.integration.clone(),
            name: wanted.device.to_owned(),
            owner: wanted.owner,
            tag: Some(tag),
            other_config,
            kind: wanted.kind.to_owned(),
            options: Texts::new(),
            mtu: wanted.mtu,
            plugged: Some((wanted.spec.id, wanted.spec.mac)),
        };
        self.plan.push(Stage::AddPorts, ObjectRef::Port(wanted.spec.id), Step::MakePort(port));
    }
}
