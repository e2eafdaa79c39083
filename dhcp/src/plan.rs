//! What has to be done: compares what must exist with what does. Pure.
//!
//! A server learns its subnets and hosts before it listens, so that it never answers from half a table.
//! A device that the switch has not made yet is waited for; the rest of the network is made meanwhile.

use std::collections::BTreeSet;

use model::{NetworkId, ObjectRef, Plan, PortId, Stage, names};

use crate::actual::{Actual, Content, Found, Link, Namespace};
use crate::server::table::{ServedSubnet, Table, Times};
use crate::spec::{Device, HostSpec, NetworkSpec, Spec};
use crate::step::{Action, Step};

/// The steps from what exists to what must.
pub fn plan(want: &Spec, have: &Actual) -> Plan<Step> {
    let mut plan = Plan::default();
    for (id, network) in &want.networks {
        let found = have.networks.get(id).cloned().unwrap_or_default();
        let mut planner = Planner { id: *id, have, found, plan: &mut plan };
        match network {
            Some(network) => planner.make(network),
            None if want.left_alone.contains(id) => {}
            None => planner.remove(),
        }
    }
    if want.everything {
        let is_stale = |id: &NetworkId| !want.networks.contains_key(id) && !want.left_alone.contains(id);
        for (id, found) in have.networks.iter().filter(|(id, _)| is_stale(id)) {
            Planner { id: *id, have, found: found.clone(), plan: &mut plan }.remove();
        }
    }
    for (id, host) in &want.ports {
        plan_port(*id, host.as_ref(), want, have, &mut plan);
    }
    plan.sort();
    plan
}

/// One port's host. A network that is loaded whole in this pass, or not at all, needs no word about it.
fn plan_port(port: PortId, host: Option<&HostSpec>, want: &Spec, have: &Actual, plan: &mut Plan<Step>) {
    let object = ObjectRef::Port(port);
    let home = have.homes.get(&port).copied();
    if let Some(network) = home.filter(|home| host.is_none_or(|host| host.network != *home)) {
        plan.push(Stage::StopServices, object, Step { network, action: Action::DropHost { port } });
    }
    let Some(HostSpec { network, host }) = host else { return };
    let whole =
        want.networks.get(network).is_some_and(|spec| spec.as_ref().is_none_or(|spec| spec.hosts.is_some()));
    let Some(table) = have.tables.get(network).filter(|_| !whole) else { return };
    if table.host(port) != Some(host) {
        let action = Action::SetHost { host: host.clone() };
        plan.push(Stage::StartServices, object, Step { network: *network, action });
    }
}

/// Plans one network.
struct Planner<'a> {
    id: NetworkId,
    have: &'a Actual,
    found: Found,
    plan: &'a mut Plan<Step>,
}

impl Planner<'_> {
    fn push(&mut self, stage: Stage, action: Action) {
        self.plan.push(stage, ObjectRef::Network(self.id), Step { network: self.id, action });
    }

    fn remove(&mut self) {
        if self.found.listens_on.is_some() || self.have.tables.contains_key(&self.id) {
            self.push(Stage::StopServices, Action::StopServer);
        }
        let devices: Vec<String> = match &self.found.namespace {
            Namespace::Absent => return,
            Namespace::Unreadable(_) => Vec::new(),
            Namespace::Present(content) => content.devices.keys().cloned().collect(),
        };
        // The switch's own devices go with their ports; a pair of ours would leave its other end behind.
        for device in devices.into_iter().filter(|device| is_pair(device)) {
            self.push(Stage::RemoveLinks, Action::DeleteDevice { device });
        }
        self.push(Stage::RemoveNamespaces, Action::DeleteNamespace);
    }

    fn make(&mut self, want: &NetworkSpec) {
        let content = match &self.found.namespace {
            Namespace::Unreadable(reason) => {
                return self.plan.give_up_reading(ObjectRef::Network(self.id), reason.clone());
            }
            Namespace::Absent => Content::default(),
            Namespace::Present(content) => content.clone(),
        };
        if self.found.namespace == Namespace::Absent && self.found.listens_on.is_some() {
            // Somebody deleted the name; the sockets would keep the namespace and its device for ever.
            self.push(Stage::AddNamespaces, Action::CloseSockets);
        }
        if !content.complete {
            self.push(Stage::AddNamespaces, Action::MakeNamespace);
        }
        self.remove_strangers(want, &content);
        let there = self.device(&want.device, &content);
        self.server(want);
        match there {
            Presence::Awaited => {
                let on = format!("device {}", want.device.name);
                self.plan.wait(ObjectRef::Network(self.id), on);
            }
            Presence::New => {
                self.properties(&want.device, None);
                self.addresses(want, &Content::default());
                self.push(Stage::StartServices, Action::Listen { device: want.device.name.clone() });
            }
            Presence::There(link) => {
                self.properties(&want.device, Some(&link));
                self.addresses(want, &content);
                // Its answers carry the MAC address that the device had when it began to listen.
                if self.found.listens_on != Some(link.index) || link.mac != Some(want.device.mac) {
                    self.push(Stage::StartServices, Action::Listen { device: want.device.name.clone() });
                }
            }
        }
    }

    /// Devices of earlier DHCP ports.
    fn remove_strangers(&mut self, want: &NetworkSpec, content: &Content) {
        for device in content.devices.keys().filter(|device| **device != want.device.name) {
            self.push(Stage::RemoveLinks, Action::DeleteDevice { device: device.clone() });
        }
    }

    /// Gets the device into the namespace.
    fn device(&mut self, want: &Device, content: &Content) -> Presence {
        let here = content.devices.get(&want.name);
        let Some(peer) = &want.peer else { return self.internal(&want.name, here) };
        let raise = Action::RaisePeer { device: peer.clone(), mtu: want.mtu };
        if let Some(link) = here {
            let other = self.have.root.get(peer);
            if other.is_some_and(|other| !other.up || want.mtu.is_some_and(|mtu| mtu != other.mtu)) {
                self.push(Stage::AddNamespaces, raise);
            }
            return Presence::There(link.clone());
        }
        if self.have.root.contains_key(peer) {
            // Not ours to keep: its other end is not where it should be.
            self.push(Stage::RemoveLinks, Action::DeletePair { device: peer.clone() });
        }
        self.push(Stage::AddNamespaces, Action::MakePair { device: want.name.clone(), peer: peer.clone() });
        self.push(Stage::AddNamespaces, raise);
        Presence::New
    }

    /// A port of the switch: its device is born in the root namespace.
    fn internal(&mut self, name: &str, here: Option<&Link>) -> Presence {
        let device = || name.to_owned();
        let arrived = self.have.root.contains_key(name);
        match here {
            Some(link) if !arrived => Presence::There(link.clone()),
            Some(_) => {
                // The switch made it anew; what is in the namespace is dead.
                self.push(Stage::RemoveLinks, Action::DeleteDevice { device: device() });
                self.push(Stage::AddLinks, Action::TakeDevice { device: device() });
                Presence::New
            }
            None if arrived || self.have.looked_for.as_ref().is_some_and(|names| !names.contains(name)) => {
                self.push(Stage::AddLinks, Action::TakeDevice { device: device() });
                Presence::New
            }
            None => Presence::Awaited,
        }
    }

    fn properties(&mut self, want: &Device, have: Option<&Link>) {
        let device = || want.name.clone();
        if have.is_none_or(|link| link.mac != Some(want.mac)) {
            self.push(Stage::AddLinks, Action::SetMac { device: device(), mac: want.mac });
        }
        if let Some(mtu) = want.mtu.filter(|mtu| have.is_none_or(|link| link.mtu != *mtu)) {
            self.push(Stage::AddLinks, Action::SetMtu { device: device(), mtu });
        }
        if have.is_none_or(|link| !link.up) {
            if want.whole_checksums {
                self.push(Stage::AddLinks, Action::WholeChecksums { device: device() });
            }
            self.push(Stage::AddLinks, Action::SetUp { device: device() });
        }
    }

    fn addresses(&mut self, want: &NetworkSpec, have: &Content) {
        let name = &want.device.name;
        let none = Vec::new();
        let present = have.addresses.get(name).unwrap_or(&none);
        for address in present.iter().filter(|address| !want.addresses.contains(address)) {
            let action = Action::DeleteAddress { device: name.clone(), address: *address };
            self.push(Stage::RemoveLinks, action);
        }
        for address in want.addresses.iter().filter(|address| !present.contains(address)) {
            self.push(Stage::AddLinks, Action::AddAddress { device: name.clone(), address: *address });
        }
        // A route that is replaced needs no removal of its own.
        let destinations: BTreeSet<_> = want.routes.iter().map(|route| route.destination).collect();
        let stale = have.routes.iter().filter(|route| !destinations.contains(&route.destination));
        for route in stale {
            self.push(Stage::RemoveRoutes, Action::DeleteRoute { route: route.clone() });
        }
        for route in want.routes.iter().filter(|route| !have.routes.contains(route)) {
            self.push(Stage::AddRoutes, Action::AddRoute { route: route.clone() });
        }
    }

    fn server(&mut self, want: &NetworkSpec) {
        let table = self.have.tables.get(&self.id);
        if table.is_none_or(|table| !is_configured(table, &want.times, &want.subnets)) {
            let action = Action::Configure { times: want.times.clone(), subnets: want.subnets.clone() };
            self.push(Stage::StartServices, action);
        }
        let Some(hosts) = &want.hosts else { return };
        let Some(table) = table else {
            return self.push(Stage::StartServices, Action::LoadHosts { hosts: hosts.clone() });
        };
        let wanted: BTreeSet<PortId> = hosts.iter().map(|host| host.port).collect();
        for port in table.ports().difference(&wanted) {
            let step = Step { network: self.id, action: Action::DropHost { port: *port } };
            self.plan.push(Stage::StopServices, ObjectRef::Port(*port), step);
        }
        for host in hosts.iter().filter(|host| table.host(host.port) != Some(*host)) {
            let step = Step { network: self.id, action: Action::SetHost { host: host.clone() } };
            self.plan.push(Stage::StartServices, ObjectRef::Port(host.port), step);
        }
    }
}

enum Presence {
    There(Link),
    /// It will be there when the steps planned so far are done.
    New,
    Awaited,
}

fn is_configured(table: &Table, times: &Times, subnets: &[ServedSubnet]) -> bool {
    *table.times == *times && table.subnets.iter().map(|known| &known.subnet).eq(subnets)
}

/// Devices of pairs that we make are named so; see [`names::dhcp_veth`].
fn is_pair(device: &str) -> bool {
    device.starts_with(&names::dhcp_veth(PortId(uuid::Uuid::nil()))[..3])
}
