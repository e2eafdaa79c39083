//! The devices of a router: `qr-` on every internal network, `qg-` on the external one.
//!
//! A port that is down has no device, as in Neutron.

use std::collections::{BTreeMap, BTreeSet};

use model::{Router, RouterInterface, names};

use super::gateway;
use crate::spec::{InterfaceSpec, RouterSpec};

pub(super) fn add(router: &Router, spec: &mut RouterSpec) {
    for interface in router.interfaces.iter().filter(|interface| interface.admin_up) {
        insert(spec, names::router_interface(interface.port), interface, false);
    }
    if let Some(gateway) = gateway(router) {
        insert(spec, names::router_gateway(gateway.interface.port), &gateway.interface, true);
    }
}

fn insert(spec: &mut RouterSpec, device: String, interface: &RouterInterface, gateway: bool) {
    // Device names carry only the first characters of a port's id.
    if spec.interfaces.contains_key(&device) {
        spec.unmet
            .push(format!("the device name {device}, which another port has, for port {}", interface.port));
        return;
    }
    let mut addresses = Vec::with_capacity(interface.addresses.len());
    for address in &interface.addresses {
        if !addresses.contains(address) {
            addresses.push(*address);
        }
    }
    let interface = InterfaceSpec {
        mac: interface.mac,
        mtu: (interface.mtu != 0).then_some(interface.mtu),
        gateway,
        addresses,
        floating: BTreeSet::new(),
        sysctls: BTreeMap::new(),
    };
    spec.interfaces.insert(device, interface);
}
