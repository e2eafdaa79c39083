//! Devices: fetched from the root namespace, where the switch makes them; set; given their addresses;
//! deleted when they belong to no port.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::IpNet;
use model::{ObjectRef, Stage};

use super::Work;
use crate::actual::Link;
use crate::spec::InterfaceSpec;
use crate::step::Change;

/// IPv6 does not exist on a device with a smaller MTU (RFC 8200, section 5), nor do its sysctls.
const IPV6_MTU: u32 = 1280;

impl<'a> Work<'a> {
    /// Steps of one kind stand together, so that they can be done together.
    pub(super) fn links(&mut self, arrived: &BTreeSet<String>) {
        let (spec, have) = (self.spec, self.have);
        for (device, link) in &have.links {
            if device != "lo" && !spec.interfaces.contains_key(device) {
                self.stray(device, link);
            }
        }
        for device in spec.interfaces.keys().filter(|device| arrived.contains(*device)) {
            self.fetch(device, have.links.contains_key(device));
        }
        for device in self.fresh.clone() {
            self.push(Stage::AddLinks, Change::MoveLink { device: device.to_owned() });
        }
        for (device, interface) in &spec.interfaces {
            match have.links.get(device) {
                _ if self.fresh.contains(device.as_str()) => self.furnish(device, interface),
                Some(link) => self.adjust(device, interface, link),
                None => self.plan.wait(ObjectRef::Router(self.router), format!("device {device}")),
            }
        }
        for (device, interface) in &spec.interfaces {
            self.device_sysctls(device, interface);
        }
    }

    /// Whether the device is or will be in the namespace.
    pub(super) fn has_device(&self, device: &str) -> bool {
        self.have.links.contains_key(device) || self.fresh.contains(device)
    }

    /// A device of ours that belongs to no port. The switch's own removal of it comes first.
    fn stray(&mut self, device: &str, link: &Link) {
        self.push(Stage::RemoveNamespaces, Change::DeleteLink { device: device.to_owned() });
        if device.starts_with("qg-") {
            link.addresses.iter().for_each(|address| self.forget_translations(address));
        }
    }

    /// A device that is in the root namespace although one of its name is in here: the switch has made it
    /// anew, and the one in here is dead.
    fn fetch(&mut self, device: &'a str, dead: bool) {
        if dead {
            self.push(Stage::AddLinks, Change::DeleteLink { device: device.to_owned() });
        }
        self.fresh.insert(device);
        self.unsettled.insert(device);
    }

    fn furnish(&mut self, device: &str, interface: &InterfaceSpec) {
        let mac = Some(interface.mac);
        self.push(Stage::AddLinks, Change::SetLink { device: device.to_owned(), mac, mtu: interface.mtu });
        for address in &interface.addresses {
            self.add_address(device, *address);
        }
    }

    fn adjust(&mut self, device: &'a str, interface: &InterfaceSpec, link: &Link) {
        let mac = (link.mac != interface.mac).then_some(interface.mac);
        let mtu = interface.mtu.filter(|mtu| *mtu != link.mtu);
        if mac.is_some() || mtu.is_some() || !link.up {
            self.push(Stage::AddLinks, Change::SetLink { device: device.to_owned(), mac, mtu });
        }
        if !link.up {
            self.unsettled.insert(device);
        }
        let stays = |address: &&IpNet| interface.has(address) || is_automatic(address);
        for address in link.addresses.iter().filter(|address| !stays(address)) {
            if interface.gateway && is_floating(address) && keeps_ipv4(interface, link) {
                self.retire_address(device, *address);
                continue;
            }
            self.delete_address(device, *address, interface.gateway);
            // With the last address of a device go its routes.
            if !link.addresses.iter().filter(stays).any(|other| same_family(address, other)) {
                self.unsettled.insert(device);
            }
        }
        for address in interface.addresses.iter().filter(|address| !link.addresses.contains(address)) {
            self.add_address(device, *address);
        }
        if mac.is_some() {
            self.announce_again(device, interface, link);
        }
    }

    fn device_sysctls(&mut self, device: &str, interface: &InterfaceSpec) {
        if !self.has_device(device) || interface.mtu.is_some_and(|mtu| mtu < IPV6_MTU) {
            return;
        }
        // What a dead namesake has does not count.
        let fresh = self.fresh.contains(device);
        for (key, value) in &interface.sysctls {
            if fresh || self.have.sysctls.get(key).is_some_and(|old| old != value) {
                let change = Change::SetSysctl { key: key.clone(), value: value.clone() };
                self.push(Stage::AddLinks, change);
            }
        }
    }

    fn add_address(&mut self, device: &str, address: IpNet) {
        self.push(Stage::AddLinks, Change::AddAddress { device: device.to_owned(), address });
        if let IpNet::V4(net) = address {
            self.announce(device, net.addr());
        }
    }

    pub(super) fn announce(&mut self, device: &str, address: Ipv4Addr) {
        self.push(Stage::StartServices, Change::Announce { device: device.to_owned(), address });
    }

    /// Addresses that stay while the MAC behind them changes.
    fn announce_again(&mut self, device: &str, interface: &InterfaceSpec, link: &Link) {
        for address in link.addresses.iter().filter(|address| interface.has(address)) {
            if let IpNet::V4(net) = address {
                self.announce(device, net.addr());
            }
        }
    }

    fn delete_address(&mut self, device: &str, address: IpNet, gateway: bool) {
        self.push(Stage::RemoveLinks, Change::DeleteAddress { device: device.to_owned(), address });
        if gateway {
            self.forget_translations(&address);
        }
    }

    /// An address that rules translated: it goes when they and its connections are gone.
    fn retire_address(&mut self, device: &str, address: IpNet) {
        self.retire.push(Change::DeleteAddress { device: device.to_owned(), address });
        self.forget_translations(&address);
    }

    fn forget_translations(&mut self, address: &IpNet) {
        if let IpNet::V4(net) = address {
            self.forget.push(Change::Forget { address: net.addr(), keep: None });
        }
    }
}

/// Floating addresses, and nothing else of IPv4 on most gateways, have no subnet around them.
fn is_floating(address: &IpNet) -> bool {
    matches!(address, IpNet::V4(net) if net.prefix_len() == 32)
}

/// Whether the device has another address of IPv4 when all that are not wanted are gone: without one the
/// kernel drops the routes, and so late nobody would make them anew.
fn keeps_ipv4(interface: &InterfaceSpec, link: &Link) -> bool {
    let stays = link.addresses.iter().filter(|address| interface.has(address));
    stays.chain(&interface.addresses).any(|address| address.addr().is_ipv4())
}

fn same_family(one: &IpNet, other: &IpNet) -> bool {
    one.addr().is_ipv4() == other.addr().is_ipv4()
}

/// Link-local addresses are the kernel's, unless they are wanted.
fn is_automatic(address: &IpNet) -> bool {
    matches!(address, IpNet::V6(net) if net.addr().is_unicast_link_local())
}
