//! What is true of every plan, whatever is wanted and whatever is there. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dhcp::actual::{Actual, Content, Found, Link, Namespace};
use dhcp::plan::plan;
use dhcp::server::option::SubnetOptions;
use dhcp::server::table::{Host, ServedSubnet, Table, Times};
use dhcp::spec::{Device, HostSpec, NetworkSpec, Spec};
use dhcp::step::{Action, Step};
use host::Route;
use model::{Mac, NetworkId, ObjectRef, Plan, PortId, Stage, SubnetId, names};
use proptest::prelude::*;
use uuid::Uuid;

fn network_id(number: u8) -> NetworkId {
    NetworkId(Uuid::from_u128(number.into()))
}

fn port_id(number: u8) -> PortId {
    PortId(Uuid::from_u128(u128::from(number) << 96))
}

fn host(port: u8, address: u8) -> Arc<Host> {
    let mac = Mac([2, 0, 0, 0, 0, port]);
    let addresses = vec![[10, 0, 0, address].into()];
    Arc::new(Host { port: port_id(port), mac, addresses, name: None, extra: None })
}

fn served_subnet(gateway: u8) -> ServedSubnet {
    ServedSubnet {
        id: SubnetId(Uuid::nil()),
        cidr: "10.0.0.0/24".parse().expect("a prefix"),
        server: [10, 0, 0, 2].into(),
        options: SubnetOptions { router: Some([10, 0, 0, gateway].into()), ..SubnetOptions::default() },
    }
}

fn device(number: u8, pair: bool) -> Device {
    let port = port_id(number);
    let (name, peer) =
        if pair { (names::dhcp_veth(port), Some(names::tap(port))) } else { (names::tap(port), None) };
    let mac = Mac([2, 1, 0, 0, 0, number]);
    Device { name, mac, mtu: (!number.is_multiple_of(3)).then_some(1400), peer, whole_checksums: pair }
}

prop_compose! {
    fn network_spec()(
        number in 0_u8..4,
        pair: bool,
        gateway in 0_u8..3,
        addresses in prop::collection::btree_set(2_u8..6, 0..3),
        hosts in prop::collection::btree_map(10_u8..16, 3_u8..9, 0..5),
    ) -> NetworkSpec {
        // A port is plugged one way or the other.
        let device = device(if pair { number + 100 } else { number }, pair);
        let gateway_address: std::net::IpAddr = [10, 0, 0, gateway].into();
        let route = Route::via("0.0.0.0/0".parse().expect("a prefix"), gateway_address, device.name.clone());
        NetworkSpec {
            addresses: addresses.iter().map(|last| format!("10.0.0.{last}/24").parse().expect("a prefix")).collect(),
            routes: if gateway > 0 { vec![route] } else { Vec::new() },
            times: Times::default(),
            subnets: vec![served_subnet(gateway)],
            hosts: Some(hosts.iter().map(|(port, address)| host(*port, *address)).collect()),
            device,
        }
    }
}

prop_compose! {
    /// Networks 1 to 3; each may be wanted or not. A port is on one network only.
    fn spec()(networks in prop::collection::btree_map(1_u8..4, prop::option::of(network_spec()), 0..4)) -> Spec {
        let mut seen = BTreeSet::new();
        let networks = networks.into_iter().map(|(id, mut network)| {
            if let Some(hosts) = network.as_mut().and_then(|network| network.hosts.as_mut()) {
                hosts.retain(|host| seen.insert(host.port));
            }
            (network_id(id), network)
        });
        Spec { everything: true, networks: networks.collect(), ..Spec::default() }
    }
}

/// A node on which a plan is carried out, as the kernel and our servers would.
#[derive(Default)]
struct Node {
    actual: Actual,
}

impl Node {
    fn carry_out(&mut self, mut plan: Plan<Step>) {
        for stage in Stage::ALL {
            plan.take(stage).into_iter().for_each(|planned| self.act(planned.step));
        }
    }

    fn act(&mut self, step: Step) {
        let actual = &mut self.actual;
        let network = step.network;
        let found = actual.networks.entry(network).or_default();
        let content = match &mut found.namespace {
            Namespace::Present(content) => Some(content),
            _ => None,
        };
        match step.action {
            Action::StopServer => {
                found.listens_on = None;
                for port in actual.tables.remove(&network).expect("a server").ports() {
                    actual.homes.remove(&port);
                }
            }
            Action::CloseSockets => found.listens_on = None,
            Action::DropHost { port } => {
                actual.homes.remove(&port);
                actual.tables.get_mut(&network).expect("a server").drop_host(port);
            }
            Action::DeleteRoute { route } => {
                content.expect("a namespace").routes.retain(|other| *other != route);
            }
            Action::DeleteAddress { device, address } => {
                let addresses = content.expect("a namespace").addresses.get_mut(&device).expect("a device");
                addresses.retain(|other| *other != address);
            }
            Action::DeleteDevice { device } => {
                let content = content.expect("a namespace");
                content.devices.remove(&device).expect("a device");
                content.addresses.remove(&device);
                content.routes.retain(|route| route.hops.iter().all(|hop| hop.device != device));
                if let Some(rest) = device.strip_prefix("ns-") {
                    actual.root.remove(&format!("tap{rest}"));
                }
            }
            Action::DeletePair { device } => {
                actual.root.remove(&device).expect("a device");
            }
            Action::DeleteNamespace => found.namespace = Namespace::Absent,
            Action::MakeNamespace => {
                let content = content.cloned().unwrap_or_default();
                found.namespace = Namespace::Present(Content { complete: true, ..content });
            }
            Action::MakePair { device, peer } => {
                assert!(content.expect("a namespace").devices.insert(device, new_link(9)).is_none());
                assert!(actual.root.insert(peer, new_link(9)).is_none());
            }
            Action::RaisePeer { device, mtu } => {
                let link = actual.root.get_mut(&device).expect("a device");
                link.up = true;
                link.mtu = mtu.unwrap_or(link.mtu);
            }
            Action::TakeDevice { device } => {
                let link = Link { up: false, ..actual.root.remove(&device).expect("a device") };
                assert!(content.expect("a namespace").devices.insert(device, link).is_none());
            }
            Action::SetMac { device, mac } => link(content, &device).mac = Some(mac),
            Action::SetMtu { device, mtu } => link(content, &device).mtu = mtu,
            Action::WholeChecksums { device } => assert!(!link(content, &device).up),
            Action::SetUp { device } => link(content, &device).up = true,
            Action::AddAddress { device, address } => {
                content.expect("a namespace").addresses.entry(device).or_default().push(address);
            }
            Action::AddRoute { route } => {
                let routes = &mut content.expect("a namespace").routes;
                routes.retain(|other| other.destination != route.destination);
                routes.push(route);
            }
            Action::Configure { times, subnets } => {
                actual.tables.entry(network).or_default().set_subnets(times, &subnets);
            }
            Action::LoadHosts { hosts } => hosts.into_iter().for_each(|host| set_host(actual, network, host)),
            Action::SetHost { host } => set_host(actual, network, host),
            Action::Listen { device } => {
                // Nothing is answered from half a table.
                assert!(actual.tables.contains_key(&network));
                found.listens_on = Some(link(content, &device).index);
            }
        }
    }
}

fn set_host(actual: &mut Actual, network: NetworkId, host: Arc<Host>) {
    actual.homes.insert(host.port, network);
    actual.tables.get_mut(&network).expect("a server").set_host(host);
}

fn link<'a>(content: Option<&'a mut Content>, device: &str) -> &'a mut Link {
    content.expect("a namespace").devices.get_mut(device).expect("a device")
}

fn new_link(index: u32) -> Link {
    Link { index, mac: None, mtu: 1500, up: false }
}

/// The switch makes the devices that are wanted and not there.
fn plug(node: &mut Node, want: &Spec) {
    for (index, network) in want.networks.values().flatten().enumerate() {
        let name = &network.device.name;
        let there = node.actual.networks.values().any(|found| match &found.namespace {
            Namespace::Present(content) => content.devices.contains_key(name),
            _ => false,
        });
        if network.device.peer.is_none() && !there {
            node.actual.root.entry(name.clone()).or_insert(new_link(index as u32 + 2));
        }
    }
}

/// No two networks can have one device.
fn devices_are_apart(spec: &Spec) -> bool {
    let mut seen = BTreeSet::new();
    spec.networks.values().flatten().all(|network| seen.insert(network.device.mac))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_pass_is_enough(first in spec(), second in spec()) {
        prop_assume!(devices_are_apart(&first) && devices_are_apart(&second));
        let mut node = Node::default();
        for want in [&first, &second] {
            // A device that moves to another network is taken from the namespace by the switch.
            node.actual.networks.values_mut().for_each(|found| forget_moved(found, want));
            plug(&mut node, want);
            let todo = plan(want, &node.actual);
            prop_assert!(todo.steps.is_sorted_by_key(|planned| planned.stage));
            prop_assert!(todo.waiting.is_empty(), "{}", todo);
            node.carry_out(todo);
            let left = plan(want, &node.actual).to_string();
            prop_assert_eq!(left, "");
        }
    }

    #[test]
    fn a_picture_that_is_not_whole_takes_nothing_away(first in spec(), second in spec()) {
        prop_assume!(devices_are_apart(&first) && devices_are_apart(&second));
        let mut node = Node::default();
        plug(&mut node, &first);
        node.carry_out(plan(&first, &node.actual));
        let mut todo = plan(&second, &node.actual);
        todo.keep_everything();
        for planned in &todo.steps {
            let takes = matches!(
                planned.step.action,
                Action::StopServer
                    | Action::DropHost { .. }
                    | Action::DeleteDevice { .. }
                    | Action::DeleteNamespace
                    | Action::DeleteAddress { .. }
                    | Action::DeleteRoute { .. }
            );
            prop_assert!(!takes, "{}", planned.step);
        }
    }
}

/// Devices that `want` has in another namespace are gone from this one.
fn forget_moved(found: &mut Found, want: &Spec) {
    let Namespace::Present(content) = &mut found.namespace else { return };
    let wanted: BTreeSet<&String> =
        want.networks.values().flatten().map(|network| &network.device.name).collect();
    let gone: Vec<String> = content.devices.keys().filter(|name| wanted.contains(name)).cloned().collect();
    for name in gone {
        content.devices.remove(&name);
        content.addresses.remove(&name);
        content.routes.retain(|route| route.hops.iter().all(|hop| hop.device != name));
        found.listens_on = None;
    }
}

#[test]
fn one_port_is_one_step() {
    let network = network_id(1);
    let mut table = Table::default();
    table.set_subnets(Times::default(), &[served_subnet(1)]);
    table.set_host(host(1, 3));
    let have = Actual {
        tables: [(network, table)].into_iter().collect(),
        homes: [(port_id(1), network)].into_iter().collect(),
        ..Actual::default()
    };
    let port = |host: Option<Arc<Host>>| {
        let host = host.map(|host| HostSpec { network, host });
        let ports = BTreeMap::from([(port_id(1), host)]);
        plan(&Spec { ports, ..Spec::default() }, &have).to_string()
    };
    let namespace = names::dhcp_namespace(network);
    assert_eq!(port(Some(host(1, 3))), "");
    assert_eq!(port(Some(host(1, 4))), format!("dhcp host set 02:00:00:00:00:01 10.0.0.4 in {namespace}\n"));
    assert_eq!(port(None), format!("dhcp host del {} in {namespace}\n", port_id(1)));
}

#[test]
fn a_namespace_that_cannot_be_read_is_left_alone() {
    let network = network_id(1);
    let found = Found { namespace: Namespace::Unreadable("no".to_owned()), listens_on: None };
    let have = Actual { networks: BTreeMap::from([(network, found)]), ..Actual::default() };
    let spec = NetworkSpec {
        device: device(1, false),
        addresses: Vec::new(),
        routes: Vec::new(),
        times: Times::default(),
        subnets: Vec::new(),
        hosts: Some(Vec::new()),
    };
    let want = Spec { networks: BTreeMap::from([(network, Some(spec))]), ..Spec::default() };
    let plan = plan(&want, &have);
    assert!(plan.is_empty() && plan.impossible.is_empty());
    assert_eq!(plan.unreadable, [(ObjectRef::Network(network), "no".to_owned())]);
}

#[test]
fn a_network_that_was_not_understood_is_left_alone() {
    let network = network_id(1);
    let found = Found { namespace: Namespace::Present(Content::default()), ..Found::default() };
    let have = Actual { networks: BTreeMap::from([(network, found)]), ..Actual::default() };
    let removes = |want: Spec| !plan(&want, &have).steps.is_empty();
    let unknown = Spec { everything: true, ..Spec::default() };
    let unwanted = Spec { networks: BTreeMap::from([(network, None)]), ..Spec::default() };
    for spec in [unknown, unwanted] {
        assert!(removes(spec.clone()));
        assert!(!removes(Spec { left_alone: BTreeSet::from([network]), ..spec }));
    }
}
