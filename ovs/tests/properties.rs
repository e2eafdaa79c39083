//! What holds for every plan, whatever is wanted: it comes to rest, a second look finds nothing, a new
//! agent finds nothing, what is foreign stays, an incomplete picture takes nothing away, and looking only
//! at what changed leads to the same as looking at everything.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test ends where it goes wrong

mod foresight;
mod services;
#[allow(dead_code, unreachable_pub)]
mod simulate;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use model::{
    AddressPair, Binding, Desired, FixedIp, Mac, Network, NetworkId, Port, PortId, RemotePort, Role, Scope,
    Segment, SubnetId, TunnelKind, VlanTag,
};
use ovs::openflow::{Action, Flow, Match};
use ovs::rows::{InterfaceRow, PortRow};
use ovs::{Config, DatapathType};
use proptest::prelude::*;
use simulate::Simulated;
use uuid::Uuid;

const HOST: &str = "here";

fn config() -> Config {
    Config {
        host: HOST.into(),
        bridge_mappings: [
            ("public".to_owned(), "br-ex".to_owned()),
            ("other".to_owned(), "br-other".to_owned()),
        ]
        .into(),
        datapath_type: DatapathType::Netdev,
        local_ip: Some("192.0.2.1".parse().unwrap()),
        tunnel_types: vec![TunnelKind::Vxlan, TunnelKind::Gre],
        arp_responder: true,
        l2_population: true,
        ..Config::default()
    }
}

fn network_id(number: u8) -> NetworkId {
    NetworkId(Uuid::from_u128(u128::from(number)))
}

fn port_id(number: u8) -> PortId {
    PortId(Uuid::from_u128((0xb000_0000 + u128::from(number)) << 96))
}

/// One kind of segment per network, with all kinds among the first six, one of them unknown here.
fn segment(network: u8) -> Segment {
    let key = 1_000 + u32::from(network);
    let physical_network = || "public".to_owned();
    match network % 6 {
        0 => Segment::Tunnel { kind: TunnelKind::Vxlan, key },
        1 => Segment::Vlan { physical_network: physical_network(), vlan: VlanTag(100 + u16::from(network)) },
        2 => Segment::Local,
        3 => Segment::Tunnel { kind: TunnelKind::Gre, key },
        4 => Segment::Tunnel { kind: TunnelKind::Geneve, key },
        _ => Segment::Flat { physical_network: "other".to_owned() },
    }
}

#[derive(Clone, Debug)]
struct Guest {
    id: u8,
    network: u8,
    owner: &'static str,
    here: bool,
    failed: bool,
    admin_up: bool,
    port_security: bool,
    pair: Option<&'static str>,
    plugged: bool,
}

prop_compose! {
    fn guest()(
        id in 0_u8..12,
        network in 0_u8..6,
        owner in prop::sample::select(vec!["compute:nova", "", "network:dhcp", "network:router_interface", "network:router_gateway", "network:floatingip"]),
        here in prop::bool::weighted(0.8),
        failed in prop::bool::weighted(0.1),
        admin_up in prop::bool::weighted(0.9),
        port_security in prop::bool::weighted(0.8),
        pair in prop::option::of(prop::sample::select(vec!["0.0.0.0/0", "::/0", "10.9.0.0/16", "2001:db8::/32"])),
        plugged in prop::bool::weighted(0.8),
    ) -> Guest {
        Guest { id, network, owner, here, failed, admin_up, port_security, pair, plugged }
    }
}

#[derive(Clone, Debug)]
struct Will {
    guests: Vec<Guest>,
    /// Network, last byte of the MAC, last byte of the address, last byte of the endpoint.
    remote: Vec<(u8, u8, u8, u8)>,
    floods: Vec<(u8, Vec<u8>)>,
}

prop_compose! {
    fn will()(
        guests in prop::collection::vec(guest(), 0..10),
        remote in prop::collection::vec((0_u8..6, 0_u8..5, 0_u8..3, 1_u8..5), 0..10),
        floods in prop::collection::vec((0_u8..6, prop::collection::vec(1_u8..6, 0..4)), 0..6),
    ) -> Will {
        Will { guests, remote, floods }
    }
}

fn endpoint(last: u8) -> IpAddr {
    // 1 is this node itself, 5 is of the wrong IP version.
    if last == 5 { "2001:db8::5".parse().unwrap() } else { IpAddr::from([192, 0, 2, last]) }
}

impl Will {
    fn desired(&self) -> Desired {
        let mut desired = Desired::default();
        desired.complete.insert(Role::L2);
        for number in 0..6 {
            desired.set_network(Network {
                id: network_id(number),
                name: String::new(),
                admin_up: true,
                mtu: 1_400 + u32::from(number),
                external: false,
                segments: vec![segment(number)],
            });
        }
        for guest in &self.guests {
            desired.set_port(guest.port());
        }
        for (network, mac, address, last) in &self.remote {
            desired.set_remote_port(RemotePort {
                network: network_id(*network),
                mac: Mac([2, 0, 0, 0, 0, *mac]),
                addresses: vec![IpAddr::from([10, 0, *network, *address])],
                endpoint: endpoint(*last),
            });
        }
        for (network, endpoints) in &self.floods {
            desired.set_flood(network_id(*network), endpoints.iter().map(|last| endpoint(*last)).collect());
        }
        desired
    }

    fn plug(&self, switch: &mut Simulated) {
        for guest in &self.guests {
            let name = model::names::tap(port_id(guest.id));
            let service = guest.owner.starts_with("network:");
            if guest.plugged && !service && switch.actual.rows.port(&name).is_none() {
                let port = PortRow { name: name.clone(), ..PortRow::default() };
                let interface = InterfaceRow {
                    name,
                    port: Some(port_id(guest.id)),
                    mac: Some("02:00:00:00:00:01".to_owned()),
                    ..InterfaceRow::default()
                };
                switch.add_port("br-int", port, interface);
            }
        }
    }
}

impl Guest {
    fn port(&self) -> Port {
        let pair = |net: &str| AddressPair { address: net.parse().unwrap(), mac: None };
        let address =
            |text: String| FixedIp { subnet: SubnetId(Uuid::nil()), address: text.parse().unwrap() };
        Port {
            id: port_id(self.id),
            network: network_id(self.network),
            name: String::new(),
            mac: Mac([2, 1, 0, 0, 0, self.id]),
            fixed_ips: vec![address(format!("10.0.{}.{}", self.network, self.id))],
            owner: self.owner.into(),
            device: String::new(),
            admin_up: self.admin_up,
            port_security: self.port_security,
            allowed_pairs: self.pair.iter().copied().map(pair).collect(),
            dhcp_options: Vec::new(),
            host_name: None,
            binding: Some(Binding {
                host: if self.here { HOST } else { "there" }.into(),
                segment: (!self.failed).then(|| segment(self.network)),
            }),
        }
    }
}

/// A node with its bridges, something foreign, and nothing of a network.
fn node() -> Simulated {
    let mut switch = Simulated::new(&config());
    switch.add_bridge("br-ex", "0000aaaaaaaaaaaa");
    switch.add_bridge("br-other", "0000aaaaaaaaaaaa");
    let mut nothing = Desired::default();
    nothing.complete.insert(Role::L2);
    switch.converge(&nothing, &Scope::All);
    let port = PortRow { name: "foreign".to_owned(), tag: Some(VlanTag(2)), ..PortRow::default() };
    let interface =
        InterfaceRow { name: "foreign".to_owned(), kind: "internal".to_owned(), ..InterfaceRow::default() };
    switch.add_port("br-int", port, interface);
    switch
}

/// What is on the switch, as text.
fn state(switch: &Simulated) -> BTreeSet<String> {
    let mut state = BTreeSet::new();
    for (bridge, mirror) in &switch.actual.flows {
        state.extend(mirror.flows().map(|flow| format!("{bridge} {flow}")));
        for port in switch.actual.rows.ports_of(bridge) {
            state.insert(format!("{bridge} {} {:?} {:?}", port.name, port.tag, port.other_config));
        }
    }
    state
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_comes_to_rest_and_a_new_agent_finds_nothing_to_do(will in will()) {
        let mut switch = node();
        will.plug(&mut switch);
        let desired = will.desired();
        switch.converge(&desired, &Scope::All);
        prop_assert_eq!(switch.plan(&desired, &Scope::All).steps, []);
        let before = state(&switch);
        switch.restart_agent();
        prop_assert_eq!(switch.plan(&desired, &Scope::All).steps, []);
        prop_assert_eq!(state(&switch), before);
    }

    #[test]
    fn looking_at_what_changed_is_enough(first in will(), second in will()) {
        let mut switch = node();
        first.plug(&mut switch);
        second.plug(&mut switch);
        switch.converge(&first.desired(), &Scope::All);
        let mut scope = Scope::Objects(model::changes(&first.desired(), &second.desired()));
        // Tunnel ports get their numbers at once here, and their endpoints are looked at first, but what
        // sends there was planned with them: one more look does the rest, at the same objects and at what
        // they drew in, which the switch wakes.
        for _ in 0..3 {
            let plan = switch.plan(&second.desired(), &scope);
            plan.steps.iter().for_each(|planned| switch.carry_out(&planned.step));
            if let Scope::Objects(objects) = &mut scope {
                objects.append(&mut switch.woken);
            }
        }
        let rest = switch.plan(&second.desired(), &Scope::All);
        prop_assert!(rest.is_empty(), "left over:\n{}", rest);
    }

    #[test]
    fn a_rehearsal_leaves_no_trace(
        wills in prop::collection::vec(will(), 2..5),
        asked in prop::collection::vec((will(), any::<bool>()), 1..4),
    ) {
        let [mut switch, mut undisturbed] = [node(), node()];
        let everybody = wills.iter().chain(asked.iter().map(|(will, _)| will));
        for will in everybody {
            will.plug(&mut switch);
            will.plug(&mut undisturbed);
        }
        let mut before = Desired::default();
        for will in &wills {
            let desired = will.desired();
            let mut scope = Scope::Objects(model::changes(&before, &desired));
            for _ in 0..3 {
                // Somebody asks what would be done about this wish and about others, of everything and of a part.
                for (other, everything) in &asked {
                    let other = other.desired();
                    let part = Scope::Objects(model::changes(&before, &other));
                    switch.rehearsed(&other, if *everything { &Scope::All } else { &part });
                }
                let foretold = switch.rehearsed(&desired, &scope);
                let plan = switch.plan(&desired, &scope);
                prop_assert_eq!(foretold.to_string(), plan.to_string());
                prop_assert_eq!(plan.to_string(), undisturbed.plan(&desired, &scope).to_string());
                prop_assert_eq!(&switch.woken, &undisturbed.woken);
                plan.steps.iter().for_each(|planned| switch.carry_out(&planned.step));
                plan.steps.iter().for_each(|planned| undisturbed.carry_out(&planned.step));
                if let Scope::Objects(objects) = &mut scope {
                    objects.append(&mut switch.woken);
                    undisturbed.woken.clear();
                }
            }
            prop_assert_eq!(state(&switch), state(&undisturbed));
            before = desired;
        }
    }

    #[test]
    fn an_incomplete_picture_takes_nothing_away(first in will(), second in will()) {
        let mut switch = node();
        first.plug(&mut switch);
        switch.converge(&first.desired(), &Scope::All);
        let mut incomplete = second.desired();
        incomplete.complete.clear();
        // What is known of a port is known whole, so its own flows do follow it.
        let of_a_port = |line: &String| line.starts_with("br-int") && line.contains("in_port");
        let before: BTreeSet<_> = keys(&switch).into_iter().filter(|line| !of_a_port(line)).collect();
        switch.restart_agent();
        switch.converge(&incomplete, &Scope::All);
        let after = keys(&switch);
        let lost: Vec<_> = before.difference(&after).collect();
        prop_assert!(lost.is_empty(), "lost {:?}", lost);
    }

    #[test]
    fn what_is_foreign_stays(first in will(), second in will()) {
        let mut switch = node();
        let foreign = Flow::new(60, 77, Match::new().udp()).cookie(0x1234).action(Action::Normal);
        first.plug(&mut switch);
        for will in [&first, &second] {
            for plan in switch.converge(&will.desired(), &Scope::All) {
                for planned in &plan.steps {
                    let text = planned.step.to_string();
                    prop_assert!(!text.contains("foreign"), "{}", text);
                    prop_assert!(!text.contains(&foreign.key().to_string()), "{}", text);
                }
            }
        }
        for guest in first.guests.iter().filter(|guest| guest.plugged && !guest.owner.starts_with("network:")) {
            let name = model::names::tap(port_id(guest.id));
            prop_assert!(switch.actual.rows.port(&name).is_some(), "the plug {} was taken away", name);
        }
    }
}

/// Table, priority and match of every flow, and the names of all ports.
fn keys(switch: &Simulated) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for (bridge, mirror) in &switch.actual.flows {
        keys.extend(mirror.flows().map(|flow| format!("{bridge} {}", flow.key())));
        keys.extend(switch.actual.rows.ports_of(bridge).map(|port| format!("{bridge} {}", port.name)));
    }
    keys
}

/// The time of one pass over one port that changes, with that many ports on the node; the best of many.
fn time_of_one_port(ports: u16) -> Duration {
    let mut switch = node();
    let mut desired = Will { guests: Vec::new(), remote: Vec::new(), floods: Vec::new() }.desired();
    let id = |number: u16| PortId(Uuid::from_u128((0xb000_0000 + u128::from(number)) << 96));
    let guest = |number: u16, last: u8| {
        let guest = Guest {
            id: last,
            network: (number % 3) as u8,
            owner: "compute:nova",
            here: true,
            failed: false,
            admin_up: true,
            port_security: true,
            pair: None,
            plugged: true,
        };
        Port { id: id(number), ..guest.port() }
    };
    for number in 0..ports {
        desired.set_port(guest(number, 1));
        let name = model::names::tap(id(number));
        let port = PortRow { name: name.clone(), ..PortRow::default() };
        let mac = Some("02:00:00:00:00:01".to_owned());
        let interface = InterfaceRow { name, port: Some(id(number)), mac, ..InterfaceRow::default() };
        switch.add_port("br-int", port, interface);
    }
    switch.converge(&desired, &Scope::All);
    let one = Scope::Objects([model::ObjectRef::Port(id(ports / 2))].into());
    let run = |last: u8| {
        desired.set_port(guest(ports / 2, last));
        let wanted = desired.clone();
        let begun = Instant::now();
        let plan = switch.plan(&wanted, &one);
        plan.steps.iter().for_each(|planned| switch.carry_out(&planned.step));
        let took = begun.elapsed();
        assert!(!plan.is_empty());
        took
    };
    (2..=100).map(run).min().unwrap_or_default()
}

#[test]
fn a_change_of_one_port_costs_the_same_however_many_there_are() {
    let (few, many) = (time_of_one_port(10), time_of_one_port(3_000));
    println!("10 ports: {few:?}, 3000 ports: {many:?}");
    // A walk over all ports would make it hundreds of times as long.
    assert!(many < few * 4, "10 ports: {few:?}, 3000 ports: {many:?}");
}
