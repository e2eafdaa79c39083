//! What the kernel does with steps, as far as plans rely on it, on values. Harsher than the real one where
//! that one is lenient: a step that could not be done is a panic.

use std::collections::BTreeSet;

use ipnet::IpNet;
use model::{Mac, Plan};
use router::actual::{Actual, Found, Link, Snapshot};
use router::step::Change;
use router::{RouterSpec, Step};

/// A device as the switch makes it.
fn raw_link() -> Link {
    Link { mac: Mac([2, 0, 0, 0, 0, 9]), mtu: 1500, up: false, addresses: BTreeSet::new() }
}

/// A namespace as the kernel makes it.
fn raw_namespace() -> Snapshot {
    let keys = router::parts::NAMESPACE_SYSCTLS.iter().map(|(key, _)| *key);
    Snapshot {
        links: [("lo".to_owned(), Link { mac: Mac::ZERO, mtu: 65536, ..raw_link() })].into(),
        sysctls: keys
            .filter(|key| !key.starts_with("net.netfilter."))
            .map(|key| (key.to_owned(), "0".to_owned()))
            .collect(),
        ..Snapshot::default()
    }
}

/// Does all steps of a plan in their order.
pub(crate) fn run(actual: &mut Actual, plan: &Plan<Step>) {
    for planned in &plan.steps {
        step(actual, &planned.step);
    }
}

fn step(actual: &mut Actual, step: &Step) {
    match &step.change {
        Change::CreateNamespace => {
            let before = actual.routers.insert(step.router, Found::Namespace(raw_namespace()));
            assert_eq!(before, None, "the namespace is there already");
            return;
        }
        Change::DeleteNamespace => {
            assert!(actual.routers.remove(&step.router).is_some(), "the namespace is not there");
            return;
        }
        Change::MoveLink { device } => assert!(actual.arrived.remove(device), "{device} has not arrived"),
        _ => {}
    }
    let Some(Found::Namespace(snapshot)) = actual.routers.get_mut(&step.router) else {
        panic!("{step}: no namespace");
    };
    inside(snapshot, &step.change, step);
}

fn inside(snapshot: &mut Snapshot, change: &Change, step: &Step) {
    match change {
        Change::CreateNamespace | Change::DeleteNamespace => {}
        Change::SetSysctl { key, value } => _ = snapshot.sysctls.insert(key.clone(), value.clone()),
        Change::MoveLink { device } => {
            let before = snapshot.links.insert(device.clone(), raw_link());
            assert_eq!(before, None, "{step}: exists");
            for last in router::parts::DEVICE_SYSCTLS {
                snapshot.sysctls.insert(router::parts::device_key(device, last), "1".to_owned());
            }
        }
        Change::SetLink { device, mac, mtu } => {
            let link = link(snapshot, device, step);
            link.up = true;
            link.mac = mac.unwrap_or(link.mac);
            link.mtu = mtu.unwrap_or(link.mtu);
        }
        Change::DeleteLink { device } => {
            assert!(snapshot.links.remove(device).is_some(), "{step}: no such device");
            for last in router::parts::DEVICE_SYSCTLS {
                snapshot.sysctls.remove(&router::parts::device_key(device, last));
            }
            drop_routes(snapshot, device, |_| true);
        }
        Change::AddAddress { device, address } => {
            link(snapshot, device, step).addresses.insert(*address);
        }
        Change::DeleteAddress { device, address } => {
            let link = link(snapshot, device, step);
            assert!(link.addresses.remove(address), "{step}: no such address");
            // As the kernel does it when the last IPv4 address goes.
            if !link.addresses.iter().any(|address| address.addr().is_ipv4()) {
                drop_routes(snapshot, device, |destination| destination.addr().is_ipv4());
            }
        }
        Change::ReplaceRoute { destination, hops } => {
            for hop in hops {
                assert!(link(snapshot, &hop.device, step).up, "{step}: the device is down");
            }
            snapshot.routes.insert(*destination, hops.iter().cloned().collect());
        }
        Change::DeleteRoute { destination } => _ = snapshot.routes.remove(destination),
        Change::LoadRules { ruleset, .. } => {
            snapshot.leftovers.clear();
            snapshot.tables.extend(ruleset.tables());
            snapshot.translations = None;
            snapshot.sysctls.entry("net.netfilter.nf_conntrack_tcp_be_liberal".to_owned()).or_default();
        }
        Change::DeleteRules { family } => {
            assert!(snapshot.tables.remove(family).is_some(), "{step}: no such table");
        }
        Change::Forget { .. } | Change::ForgetForwarded { .. } | Change::Announce { .. } => {}
    }
}

fn link<'a>(snapshot: &'a mut Snapshot, device: &str, step: &Step) -> &'a mut Link {
    snapshot.links.get_mut(device).unwrap_or_else(|| panic!("{step}: no device {device}"))
}

fn drop_routes(snapshot: &mut Snapshot, device: &str, which: impl Fn(&IpNet) -> bool) {
    snapshot.routes.retain(|destination, hops| {
        if which(destination) {
            hops.retain(|hop| hop.device != device);
        }
        !hops.is_empty()
    });
}

/// The devices that a router needs.
pub(crate) fn devices(spec: &RouterSpec) -> impl Iterator<Item = String> {
    spec.interfaces.keys().cloned()
}

/// Whether a device is in the namespace of some router.
pub(crate) fn has_device(actual: &Actual, device: &str) -> bool {
    actual.routers.values().any(|found| match found {
        Found::Namespace(snapshot) => snapshot.links.contains_key(device),
        Found::Unreadable(_) => false,
    })
}
