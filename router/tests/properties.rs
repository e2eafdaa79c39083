//! What holds for every plan, whatever the routers: equal states need nothing, one plan is enough, a plan
//! that was cut off anywhere is made good by the next, an incomplete picture takes nothing away.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod kernel_model;

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use model::{
    Desired, FloatingIpId, Gateway, Mac, NetworkId, Plan, PortForwardingId, PortId, PortRange, Route, Router,
    RouterFloatingIp, RouterId, RouterInterface, RouterPortForwarding, Scope, Stage, TransportProtocol,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use router::compile::compile;
use router::plan::plan;
use router::step::Change;
use router::{Actual, Config, Spec, Step};

const ROUTERS: u128 = 3;

fn uuid(number: u128) -> uuid::Uuid {
    // The first characters make device names.
    uuid::Uuid::from_u128(number << 64 | number << 84 | number << 96)
}

fn interface(number: u8, hosts: Vec<u8>, mtu: u32, mac: u8) -> RouterInterface {
    let addresses = hosts.into_iter().map(|host| {
        let address = Ipv4Addr::new(10, 0, number, host);
        IpNet::V4(Ipv4Net::new(address, 24).unwrap())
    });
    RouterInterface {
        port: PortId(uuid(u128::from(number))),
        network: NetworkId(uuid(u128::from(number))),
        mac: Mac([2, 0, 0, 0, number, mac]),
        mtu,
        admin_up: mac != 0,
        addresses: addresses.collect(),
    }
}

fn any_interface(number: u8) -> impl Strategy<Value = RouterInterface> {
    (vec(1..4u8, 1..3), prop_oneof![Just(0), Just(1450), Just(9000)], 0..4u8)
        .prop_map(move |(hosts, mtu, mac)| interface(number, hosts, mtu, mac))
}

fn any_gateway(number: u8) -> impl Strategy<Value = Gateway> {
    (any_interface(number), any::<bool>(), any::<bool>(), vec(5..8u8, 0..2)).prop_map(
        move |(interface, enable_snat, near, on_link)| Gateway {
            interface,
            enable_snat,
            next_hops: vec![IpAddr::V4(Ipv4Addr::new(10, if near { 0 } else { 99 }, number, 254))],
            on_link: on_link
                .into_iter()
                .map(|net| Ipv4Net::new(Ipv4Addr::new(10, 50, net, 0), 24).unwrap().into())
                .collect(),
        },
    )
}

/// Few addresses and ports, so that some overlap and some are those of floating IPs.
fn any_forwarding() -> impl Strategy<Value = RouterPortForwarding> {
    let range = || (0..6u16, 0..4u16).prop_map(|(first, more)| PortRange { first, last: first + more });
    let protocol = prop_oneof![Just(TransportProtocol::Tcp), Just(TransportProtocol::Udp)];
    (protocol, 100..107u8, range(), 10..12u8, range()).prop_map(
        |(protocol, floating, external, host, internal)| RouterPortForwarding {
            id: PortForwardingId(uuid(u128::from(floating))),
            protocol,
            floating: Ipv4Addr::new(203, 0, 113, floating),
            external,
            fixed: Ipv4Addr::new(10, 0, 1, host),
            internal,
        },
    )
}

/// Interfaces have numbers of their own within a router and among routers, as ports have ids.
fn any_router(id: u128) -> impl Strategy<Value = Router> {
    let first = u8::try_from(id * 8).unwrap();
    let interfaces = btree_set(first..first + 4, 0..4)
        .prop_flat_map(|numbers| numbers.into_iter().map(any_interface).collect::<Vec<_>>());
    let gateway = proptest::option::of(any_gateway(first + 5));
    let routes = vec((0..3u8, first..first + 6, 250..253u8), 0..4);
    let floating = btree_map(100..104u8, (first..first + 4, 10..12u8), 0..3);
    let forwarded = vec(any_forwarding(), 0..5);
    (interfaces, gateway, routes, floating, forwarded, any::<bool>()).prop_map(
        move |(interfaces, gateway, routes, floating, port_forwardings, admin_up)| Router {
            id: RouterId(uuid(id)),
            name: String::new(),
            admin_up,
            host: Some("node1".into()),
            interfaces,
            gateway,
            routes: routes
                .into_iter()
                .map(|(to, via, host)| Route {
                    destination: Ipv4Net::new(Ipv4Addr::new(192, 168, to, 0), 24).unwrap().into(),
                    nexthop: IpAddr::V4(Ipv4Addr::new(10, 0, via, host)),
                })
                .collect(),
            floating_ips: floating
                .into_iter()
                .map(|(floating, (network, host))| RouterFloatingIp {
                    id: FloatingIpId(uuid(u128::from(floating))),
                    floating: Ipv4Addr::new(203, 0, 113, floating),
                    fixed: Ipv4Addr::new(10, 0, network, host),
                })
                .collect(),
            port_forwardings,
        },
    )
}

fn any_net() -> impl Strategy<Value = IpNet> {
    (any::<IpAddr>(), 0..=128u8).prop_map(|(address, length)| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        IpNet::new(address, length.min(most)).unwrap()
    })
}

/// A router of which nothing fits together: addresses of any kind, names that collide.
fn any_nonsense() -> impl Strategy<Value = Router> {
    let port = |number: u8, addresses: Vec<IpNet>| RouterInterface {
        addresses,
        ..interface(number, Vec::new(), u32::from(number) * 700, number)
    };
    let interfaces =
        vec((0..3u8, vec(any_net(), 0..3)).prop_map(move |(number, nets)| port(number, nets)), 0..4);
    let hops = (vec(any_net(), 0..2), vec(any::<IpAddr>(), 0..3), vec(any_net(), 0..3));
    let gateway = hops.prop_map(move |(addresses, next_hops, on_link)| Gateway {
        interface: port(9, addresses),
        enable_snat: true,
        next_hops,
        on_link,
    });
    let routes = vec(
        (any_net(), any::<IpAddr>()).prop_map(|(destination, nexthop)| Route { destination, nexthop }),
        0..5,
    );
    let floating = vec((any::<[u8; 4]>(), any::<Ipv4Addr>()), 0..4);
    let forwarded = vec(any_forwarding(), 0..5);
    (interfaces, proptest::option::of(gateway), routes, floating, forwarded).prop_map(
        |(interfaces, gateway, routes, floating, port_forwardings)| Router {
            id: RouterId(uuid(1)),
            name: "\"; flush ruleset".to_owned(),
            admin_up: true,
            host: Some("node1".into()),
            interfaces,
            gateway,
            routes,
            floating_ips: floating
                .into_iter()
                .map(|([a, b, ..], fixed)| RouterFloatingIp {
                    id: FloatingIpId(uuid(u128::from(a))),
                    // Few, so that some are there twice.
                    floating: Ipv4Addr::new(203, 0, 113, (a ^ b) % 4),
                    fixed,
                })
                .collect(),
            port_forwardings,
        },
    )
}

fn any_routers() -> impl Strategy<Value = Desired> {
    let router = |id| proptest::option::of(any_router(id));
    (1..=ROUTERS).map(router).collect::<Vec<_>>().prop_map(|routers| {
        let mut desired = Desired::default();
        routers.into_iter().flatten().for_each(|router| desired.set_router(router));
        desired
    })
}

fn spec(desired: &Desired) -> Spec {
    compile(desired, &Config::new("node1".into()), &Scope::All)
}

/// The switch makes the devices that are wanted and are nowhere.
fn arrive(spec: &Spec, actual: &mut Actual) {
    for router in spec.routers.values().flatten() {
        for device in kernel_model::devices(router) {
            if !kernel_model::has_device(actual, &device) {
                actual.arrived.insert(device);
            }
        }
    }
}

fn made(spec: &Spec) -> Actual {
    let mut actual = Actual::default();
    arrive(spec, &mut actual);
    let steps = plan(spec, &actual);
    kernel_model::run(&mut actual, &steps);
    actual
}

fn first(mut plan: Plan<Step>, steps: usize) -> Plan<Step> {
    plan.steps.truncate(steps);
    plan
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_made_needs_nothing(desired in any_routers()) {
        let spec = spec(&desired);
        let again = plan(&spec, &made(&spec));
        prop_assert!(again.is_empty(), "{again}");
    }

    #[test]
    fn one_plan_is_enough(old in any_routers(), new in any_routers()) {
        let mut actual = made(&spec(&old));
        let want = spec(&new);
        arrive(&want, &mut actual);
        let steps = plan(&want, &actual);
        prop_assert!(steps.steps.is_sorted_by_key(|planned| planned.stage));
        kernel_model::run(&mut actual, &steps);
        let again = plan(&want, &actual);
        prop_assert!(again.is_empty(), "after\n{steps}again\n{again}");
    }

    #[test]
    fn a_plan_that_was_cut_off_is_made_good(old in any_routers(), new in any_routers(), cut in 0..60usize) {
        let mut actual = made(&spec(&old));
        let want = spec(&new);
        arrive(&want, &mut actual);
        let steps = first(plan(&want, &actual), cut);
        kernel_model::run(&mut actual, &steps);
        let second = plan(&want, &actual);
        kernel_model::run(&mut actual, &second);
        let third = plan(&want, &actual);
        prop_assert!(third.is_empty(), "after\n{steps}and\n{second}again\n{third}");
    }

    #[test]
    fn devices_that_come_late_are_taken_up(new in any_routers()) {
        let want = spec(&new);
        let mut actual = Actual::default();
        let steps = plan(&want, &actual);
        kernel_model::run(&mut actual, &steps);
        prop_assert!(plan(&want, &actual).is_empty());
        arrive(&want, &mut actual);
        let steps = plan(&want, &actual);
        kernel_model::run(&mut actual, &steps);
        prop_assert_eq!(actual, made(&want));
    }

    #[test]
    fn an_incomplete_picture_takes_nothing_away(old in any_routers(), new in any_routers()) {
        let mut actual = made(&spec(&old));
        let want = spec(&new);
        arrive(&want, &mut actual);
        let mut steps = plan(&want, &actual);
        steps.keep_everything();
        let takes = |change: &Change| matches!(
            change,
            Change::DeleteNamespace | Change::DeleteLink { .. } | Change::DeleteAddress { .. }
                | Change::DeleteRoute { .. } | Change::DeleteRules { .. } | Change::Forget { keep: None, .. }
        );
        for planned in &steps.steps {
            prop_assert!(!takes(&planned.step.change), "{}", planned.step);
            prop_assert!(planned.stage >= Stage::AddNamespaces);
        }
    }

    /// Wherever the work ends, a floating IP whose connections may be left is still on its device; what the
    /// kernel drops of itself is its own.
    #[test]
    fn a_floating_ip_goes_after_its_rules_and_connections(old in any_routers(), new in any_routers()) {
        let mut actual = made(&spec(&old));
        let want = spec(&new);
        arrive(&want, &mut actual);
        let steps = plan(&want, &actual).steps;
        for (at, planned) in steps.iter().enumerate() {
            let Change::DeleteAddress { address: IpNet::V4(net), device } = &planned.step.change else { continue };
            let router = want.routers[&planned.step.router].as_ref().unwrap();
            if net.prefix_len() != 32 || !router.interfaces[device].addresses.iter().any(|a| a.addr().is_ipv4()) {
                continue;
            }
            let of_router = |planned: &&model::Planned<Step>| planned.step.router == steps[at].step.router;
            let later_rules = steps[at..].iter().filter(of_router).any(|later| matches!(
                later.step.change, Change::LoadRules { .. } | Change::DeleteRules { .. }
            ));
            let forgotten = steps[..at].iter().filter(of_router).any(|earlier| {
                earlier.step.change == Change::Forget { address: net.addr(), keep: None }
            });
            prop_assert!(!later_rules && forgotten, "{}", planned.step);
        }
    }

    #[test]
    fn routers_do_not_concern_each_other(old in any_routers(), new in any_routers()) {
        let mut actual = made(&spec(&old));
        let want = spec(&new);
        arrive(&want, &mut actual);
        let all = plan(&want, &actual);
        for (router, spec) in &want.routers {
            let alone = Spec { everything: false, routers: [(*router, spec.clone())].into(), ..Default::default() };
            let alone = plan(&alone, &actual);
            let of_all: Vec<_> = all.steps.iter().filter(|planned| planned.step.router == *router).collect();
            prop_assert_eq!(alone.steps.iter().collect::<Vec<_>>(), of_all);
        }
    }

    #[test]
    fn nonsense_is_taken_calmly(router in any_nonsense()) {
        let mut desired = Desired::default();
        desired.set_router(router);
        let want = spec(&desired);
        let mut actual = Actual::default();
        let early = plan(&want, &actual).to_string();
        arrive(&want, &mut actual);
        let late = plan(&want, &actual).to_string();
        prop_assert!(late.len() >= early.len());
        let rules = want.routers.values().flatten().map(|router| router.ruleset.to_string());
        prop_assert!(rules.into_iter().all(|rules| rules.starts_with("add table ip baryon")));
    }
}
