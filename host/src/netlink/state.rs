//! All of a namespace that matters for reconciling, read in one go.

use std::collections::BTreeMap;

use super::address::Address;
use super::link::Link;
use super::route::Route;

/// What a namespace holds. The three tables are read one after the other, so a change between two reads can
/// show in one and not in the other; an address or route of a device that came meanwhile names it `if<index>`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamespaceState {
    /// By name, the loopback device among them.
    pub links: BTreeMap<String, Link>,
    /// In the kernel's order.
    pub addresses: Vec<Address>,
    /// Unicast routes of the main table, those made by the kernel among them.
    pub routes: Vec<Route>,
}

impl NamespaceState {
    /// The addresses of one device.
    pub fn addresses_of<'a>(&'a self, device: &'a str) -> impl Iterator<Item = &'a Address> + 'a {
        self.addresses.iter().filter(move |address| address.device == device)
    }
}
