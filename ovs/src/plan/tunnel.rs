//! Tunnel ports.

use std::net::IpAddr;

use model::{ObjectRef, Stage};

use super::Planner;
use crate::pipeline::{self, FlowSet};
use crate::rows::Texts;
use crate::spec::{Owner, TunnelPort};
use crate::step::{InterfaceChange, NewPort, Step};

pub(super) fn endpoint(planner: &mut Planner<'_>, address: IpAddr) {
    let object = ObjectRef::Endpoint(address);
    let want = planner.want;
    let spec = want.endpoints.get(&address);
    let tunnels = spec.map_or(&[][..], |spec| &spec.tunnels);
    let have = planner.have;
    for plug in have.rows.tunnels(address) {
        let wanted = tunnels.iter().any(|tunnel| tunnel.name == plug.port.name);
        if !wanted && plug.port.owner == Some(Owner::Tunnel) {
            planner.remove_port(object, plug.port);
        }
    }
    for tunnel in tunnels {
        planner.tunnel_port(object, tunnel);
    }
    let set = spec.map_or_else(FlowSet::default, |spec| {
        pipeline::endpoint(spec, &want.node, &|port| have.rows.number(port))
    });
    planner.flows(object, set);
}

impl Planner<'_> {
    fn tunnel_port(&mut self, object: ObjectRef, tunnel: &TunnelPort) {
        let Some(bridge) = self.want.node.tunnel.as_ref().map(|bridge| &bridge.name) else { return };
        let options = self.tunnel_options(tunnel);
        let Some(row) = self.have.rows.interface(&tunnel.name) else {
            let port = NewPort {
                bridge: bridge.clone(),
                name: tunnel.name.clone(),
                owner: Owner::Tunnel,
                tag: None,
                other_config: Texts::new(),
                kind: tunnel.interface_type.to_owned(),
                options,
                mtu: None,
                plugged: None,
            };
            return self.plan.push(Stage::AddPorts, object, Step::MakePort(port));
        };
        let elsewhere = self.have.rows.plug(row.uuid).filter(|plug| plug.bridge.name != *bridge);
        if let Some(plug) = elsewhere {
            let reason = format!("port {} is on bridge {}, not on {bridge}", tunnel.name, plug.bridge.name);
            return self.plan.refuse(object, reason);
        }
        let change = InterfaceChange {
            interface: row.uuid,
            name: row.name.clone(),
            kind: (row.kind != tunnel.interface_type).then(|| tunnel.interface_type.to_owned()),
            options: (row.options != options).then_some(options),
            mtu: None,
            number: None,
            mac: None,
        };
        if change.kind.is_some() || change.options.is_some() {
            self.plan.push(Stage::AddPorts, object, Step::SetInterface(change));
        }
    }

    /// A packet mark keeps a flow from being offloaded to the network card.
    fn tunnel_options(&self, tunnel: &TunnelPort) -> Texts {
        let mut options = tunnel.options.clone();
        if self.have.rows.hw_offload {
            options.remove("egress_pkt_mark");
        }
        options
    }
}
