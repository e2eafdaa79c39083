//! The names that Neutron's agents give to devices and namespaces, and nothing else builds them.
//! Operators, Nova and tools look for exactly these.
//!
//! A device name is a prefix and the first characters of a UUID, cut to 14 characters in all (one less
//! than the kernel allows), so it does not identify an object for certain: two ports whose ids begin
//! alike collide. Tunnel ports are named in `ovs`, from the address of the far end.

use crate::{NetworkId, ObjectRef, PortId, RouterId};

/// Neutron's `LINUX_DEV_LEN`.
const DEVICE_LENGTH: usize = 14;

fn device(prefix: &str, id: PortId) -> String {
    let mut name = format!("{prefix}{id}");
    name.truncate(DEVICE_LENGTH);
    name
}

/// `tap…`: a virtual machine's port, and the switch's end of a DHCP port.
pub fn tap(port: PortId) -> String {
    device("tap", port)
}

/// `ns-…`: the namespace's end of a DHCP port made as a veth pair.
pub fn dhcp_veth(port: PortId) -> String {
    device("ns-", port)
}

/// `qvo…`: the switch's end of a hybrid plug.
pub fn hybrid(port: PortId) -> String {
    device("qvo", port)
}

/// `vhu…`: a port that the switch shares with a virtual machine over a vhost-user socket. There is no device of
/// this name in the kernel.
pub fn vhost_user(port: PortId) -> String {
    device("vhu", port)
}

/// `qr-…`: a router's port on an internal network.
pub fn router_interface(port: PortId) -> String {
    device("qr-", port)
}

/// `qg-…`: a router's port on its external network.
pub fn router_gateway(port: PortId) -> String {
    device("qg-", port)
}

/// `qdhcp-<network id>`
pub fn dhcp_namespace(network: NetworkId) -> String {
    format!("{DHCP_NAMESPACE}{network}")
}

/// `qrouter-<router id>`
pub fn router_namespace(router: RouterId) -> String {
    format!("{ROUTER_NAMESPACE}{router}")
}

/// The object that a namespace belongs to; none when the name is not one of ours.
pub fn owner_of_namespace(name: &str) -> Option<ObjectRef> {
    if let Some(id) = name.strip_prefix(DHCP_NAMESPACE) {
        return id.parse().ok().map(ObjectRef::Network);
    }
    name.strip_prefix(ROUTER_NAMESPACE)?.parse().ok().map(ObjectRef::Router)
}

/// What the name of every DHCP namespace begins with.
pub const DHCP_NAMESPACE: &str = "qdhcp-";
/// What the name of every router namespace begins with.
pub const ROUTER_NAMESPACE: &str = "qrouter-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_neutron() {
        let id = "24d0a689-81b3-4c1e-9f10-3c2b5a4e6d7f";
        let port: PortId = id.parse().unwrap();
        assert_eq!(tap(port), "tap24d0a689-81");
        assert_eq!(router_interface(port), "qr-24d0a689-81");
        assert_eq!(router_gateway(port), "qg-24d0a689-81");
        assert_eq!(vhost_user(port), "vhu24d0a689-81");
        assert_eq!(dhcp_veth(port), "ns-24d0a689-81");
        assert_eq!(dhcp_namespace(id.parse().unwrap()), format!("qdhcp-{id}"));
        assert_eq!(router_namespace(id.parse().unwrap()), format!("qrouter-{id}"));
        assert_eq!(owner_of_namespace(&format!("qdhcp-{id}")), id.parse().ok().map(ObjectRef::Network));
        assert_eq!(owner_of_namespace(&format!("qrouter-{id}")), id.parse().ok().map(ObjectRef::Router));
        assert_eq!(owner_of_namespace("qrouter-mine"), None);
    }
}
