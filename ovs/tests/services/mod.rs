//! Ports that we make come and go with the service that they are for.

use model::{Desired, HostName, Mac, Role, Router, RouterId, RouterInterface, Scope, Subnet, SubnetId};
use uuid::Uuid;

use super::{Guest, HOST, Simulated, network_id, node, port_id};

const ROUTER: RouterId = RouterId(Uuid::from_u128(0xe0));
const SUBNET: SubnetId = SubnetId(Uuid::from_u128(0xf0));

fn service(id: u8, owner: &'static str, device: &str) -> model::Port {
    let guest = Guest {
        id,
        network: 2,
        owner,
        here: true,
        failed: false,
        admin_up: true,
        port_security: true,
        pair: None,
        plugged: false,
    };
    model::Port { device: device.to_owned(), ..guest.port() }
}

fn router(host: &str, admin_up: bool, port_up: bool) -> Router {
    let interface = RouterInterface {
        port: port_id(2),
        network: network_id(2),
        mac: Mac::ZERO,
        mtu: 1_500,
        admin_up: port_up,
        addresses: Vec::new(),
    };
    Router {
        id: ROUTER,
        name: String::new(),
        admin_up,
        host: Some(HostName::from(host)),
        interfaces: vec![interface],
        gateway: None,
        routes: Vec::new(),
        floating_ips: Vec::new(),
        port_forwardings: Vec::new(),
    }
}

fn subnet(dhcp: bool) -> Subnet {
    Subnet {
        id: SUBNET,
        network: network_id(2),
        name: String::new(),
        cidr: "10.0.2.0/24".parse().unwrap(),
        gateway: None,
        dhcp,
        dns_servers: Vec::new(),
        host_routes: Vec::new(),
    }
}

/// A network with a DHCP port (1) and a router's (2), both in service.
fn in_service() -> Desired {
    let mut desired = super::Will { guests: Vec::new(), remote: Vec::new(), floods: Vec::new() }.desired();
    desired.complete.extend([Role::Dhcp, Role::L3]);
    desired.set_subnet(subnet(true));
    desired.set_router(router(HOST, true, true));
    desired.set_port(service(1, "network:dhcp", ""));
    desired.set_port(service(2, "network:router_interface", &ROUTER.to_string()));
    desired
}

fn has(switch: &Simulated, device: &str) -> bool {
    switch.actual.rows.port(device).is_some()
}

fn devices() -> [String; 2] {
    [model::names::tap(port_id(1)), model::names::router_interface(port_id(2))]
}

/// Passes over what changed alone, as often as a change of rows wakes.
fn follow(switch: &mut Simulated, before: &Desired, after: &Desired) {
    let changed = Scope::Objects(model::changes(before, after));
    for _ in 0..2 {
        let plan = switch.plan(after, &changed);
        plan.steps.iter().for_each(|planned| switch.carry_out(&planned.step));
    }
}

type Change<'a> = &'a dyn Fn(&mut Desired);

#[test]
fn a_port_goes_and_comes_with_its_service() {
    let up = in_service();
    let mut switch = node();
    switch.converge(&up, &Scope::All);
    assert_eq!(devices().map(|device| has(&switch, &device)), [true, true]);
    let network = |admin_up| {
        let network = up.networks().get(&network_id(2)).unwrap();
        model::Network { admin_up, ..model::Network::clone(network) }
    };
    let cases: [(&str, [bool; 2], Change<'_>); 6] = [
        ("the router is down", [true, false], &|want| want.set_router(router(HOST, false, true))),
        ("the router is elsewhere", [true, false], &|want| want.set_router(router("there", true, true))),
        ("the router is gone", [true, false], &|want| want.drop_router(ROUTER)),
        ("the router's port is down", [true, false], &|want| want.set_router(router(HOST, true, false))),
        ("the network is down", [false, true], &|want| want.set_network(network(false))),
        ("no subnet has DHCP", [false, true], &|want| want.set_subnet(subnet(false))),
    ];
    for (what, left, change) in cases {
        let mut down = up.clone();
        change(&mut down);
        follow(&mut switch, &up, &down);
        assert_eq!(devices().map(|device| has(&switch, &device)), left, "{what}");
        follow(&mut switch, &down, &up);
        assert_eq!(devices().map(|device| has(&switch, &device)), [true, true], "{what} no more");
        assert_eq!(switch.plan(&up, &Scope::All).steps, [], "{what}");
    }
}

#[test]
fn nothing_is_taken_for_stopped_before_its_role_is_complete() {
    let up = in_service();
    let mut switch = node();
    switch.converge(&up, &Scope::All);
    let mut down = up.clone();
    down.drop_router(ROUTER);
    down.drop_subnet(SUBNET);
    down.complete.remove(&Role::Dhcp);
    down.complete.remove(&Role::L3);
    switch.converge(&down, &Scope::All);
    assert_eq!(devices().map(|device| has(&switch, &device)), [true, true]);
    down.complete = up.complete.clone();
    follow(&mut switch, &down, &down);
    switch.converge(&down, &Scope::All);
    assert_eq!(devices().map(|device| has(&switch, &device)), [false, false]);
}
