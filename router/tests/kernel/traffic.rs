//! What guests and the world outside see of a router on the real kernel.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::lab::{
    self, Lab, floating, gateway, guest, interface, ip, namespace, ping, qg, qr, route, router, run,
};
use model::{Role, Router, Scope, Stage};

/// Two guests on networks of their own, a world outside, and the router between them.
fn topology() -> Router {
    guest("one", &qr(1), &["10.0.1.5/24", "10.0.1.6/24"], "10.0.1.1");
    guest("two", &qr(2), &["10.0.2.5/24"], "10.0.2.1");
    guest("outside", &qg(9), &["203.0.113.1/24"], "");
    router(
        1,
        vec![interface(1, &["10.0.1.1/24"]), interface(2, &["10.0.2.1/24"])],
        Some(gateway(9, &["203.0.113.10/24"], &["203.0.113.1"])),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_reach_each_other_and_the_world_sees_the_gateway() {
    let mut lab = Lab::new().await;
    lab.desired.set_router(topology());
    lab.converge().await;
    ping("one", "10.0.2.5");
    ping("two", "10.0.1.5");
    ping("one", "203.0.113.1");
    assert_eq!(lab.source_seen("one", "two", ip("10.0.2.5")).await, ip("10.0.1.5"));
    assert_eq!(lab.source_seen("one", "outside", ip("203.0.113.1")).await, ip("203.0.113.10"));
    assert_eq!(lab.source_seen("two", "outside", ip("203.0.113.1")).await, ip("203.0.113.10"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_snat_the_world_sees_the_guest() {
    let mut lab = Lab::new().await;
    let mut wanted = topology();
    wanted.gateway.as_mut().unwrap().enable_snat = false;
    wanted.floating_ips = vec![floating("203.0.113.102", "10.0.2.5")];
    lab.desired.set_router(wanted);
    lab.converge().await;
    run("ip -n outside route add 10.0.0.0/16 via 203.0.113.10");
    assert_eq!(lab.source_seen("one", "outside", ip("203.0.113.1")).await, ip("10.0.1.5"));
    // From inside to a floating IP the answers must come through the router all the same.
    assert_eq!(lab.source_seen("one", "two", ip("203.0.113.102")).await, ip("203.0.113.10"));
}

#[tokio::test(flavor = "multi_thread")]
async fn floating_ips_lead_in_out_and_around() {
    let mut lab = Lab::new().await;
    let mut wanted = topology();
    wanted.floating_ips = vec![floating("203.0.113.101", "10.0.1.5")];
    lab.desired.set_router(wanted.clone());
    lab.converge().await;
    ping("outside", "203.0.113.101");
    assert_eq!(lab.source_seen("outside", "one", ip("203.0.113.101")).await, ip("203.0.113.1"));
    assert_eq!(lab.source_seen("one", "outside", ip("203.0.113.1")).await, ip("203.0.113.101"));
    assert_eq!(lab.source_seen("two", "outside", ip("203.0.113.1")).await, ip("203.0.113.10"));
    // Between internal networks the floating IP plays no part.
    assert_eq!(lab.source_seen("one", "two", ip("10.0.2.5")).await, ip("10.0.1.5"));
    // A guest without a floating IP calls one; a guest with one calls another and itself.
    assert_eq!(lab.source_seen("two", "one", ip("203.0.113.101")).await, ip("203.0.113.10"));
    wanted.floating_ips.push(floating("203.0.113.102", "10.0.2.5"));
    lab.desired.set_router(wanted);
    lab.converge().await;
    assert_eq!(lab.source_seen("one", "two", ip("203.0.113.102")).await, ip("203.0.113.101"));
    assert_eq!(lab.source_seen("one", "one", ip("203.0.113.101")).await, ip("203.0.113.101"));
    // The router itself chooses its source before the destination is translated.
    assert_eq!(lab.source_seen(&namespace(1), "two", ip("203.0.113.102")).await, ip("203.0.113.10"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_floating_ip_that_moves_cuts_its_connections_and_no_others() {
    let mut lab = Lab::new().await;
    let mut wanted = topology();
    wanted.floating_ips = vec![floating("203.0.113.101", "10.0.1.5"), floating("203.0.113.102", "10.0.2.5")];
    lab.desired.set_router(wanted.clone());
    lab.converge().await;
    let moving = Connection::open(&lab, "203.0.113.101", "one").await;
    let other = Connection::open(&lab, "203.0.113.102", "two").await;
    assert!(moving.works() && other.works());

    wanted.floating_ips[0] = floating("203.0.113.101", "10.0.1.6");
    lab.desired.set_router(wanted.clone());
    // What the addresses stand for now is not forgotten over a question about what they will.
    lab.rehearse().await;
    let pass = lab.converge().await;
    assert!(pass.plan.contains("conntrack -D -d 203.0.113.101"), "{}", pass.plan);
    assert!(!pass.plan.contains("203.0.113.102"), "{}", pass.plan);
    assert!(!moving.works(), "the connection still leads to the old address");
    assert!(other.works());
    let moved = Connection::open(&lab, "203.0.113.101", "one").await;
    assert!(moved.works() && moved.server.local_addr().unwrap().ip() == ip("10.0.1.6"));

    // A process that has just started cuts nothing that it knows nothing about, and then does again.
    lab.restart();
    lab.converge().await;
    assert!(moved.works() && other.works());
    wanted.floating_ips[0] = floating("203.0.113.101", "10.0.1.5");
    lab.desired.set_router(wanted.clone());
    lab.converge().await;
    assert!(!moved.works(), "the connection still leads to the old address");
    assert!(other.works());

    // One that moves while no process is here is found out, and what is right already goes on.
    let moved = Connection::open(&lab, "203.0.113.101", "one").await;
    lab.restart();
    wanted.floating_ips[0] = floating("203.0.113.101", "10.0.1.6");
    lab.desired.set_router(wanted.clone());
    lab.converge().await;
    assert!(!moved.works(), "the connection still leads to the old address");
    assert!(other.works());

    wanted.floating_ips.pop();
    lab.desired.set_router(wanted);
    lab.converge().await;
    assert!(!other.works(), "the connection outlives the floating IP");
    let (_, left) = lab::try_run(&format!("ip netns exec {} conntrack -L -d 203.0.113.102", namespace(1)));
    assert!(!left.contains("src=10.0.2.5"), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connections_of_a_floating_ip_that_goes_do_not_survive_a_pass_that_was_cut_off() {
    let mut lab = Lab::new().await;
    let mut wanted = topology();
    wanted.floating_ips = vec![floating("203.0.113.101", "10.0.1.5"), floating("203.0.113.102", "10.0.2.5")];
    lab.desired.set_router(wanted.clone());
    lab.converge().await;
    let going = Connection::open(&lab, "203.0.113.101", "one").await;
    let address = || run(&format!("ip -n {} -o address show dev {}", namespace(1), qg(9)));

    // While others may not have been heard of yet, nothing is cut.
    wanted.floating_ips.remove(0);
    lab.desired.set_router(wanted);
    lab.desired.complete.clear();
    lab.pass(&Scope::All).await;
    assert!(going.works() && address().contains("203.0.113.101/32"));

    lab.desired.complete.insert(Role::L3);
    lab.stop_after = Some(Stage::AddRules);
    lab.pass(&Scope::All).await;
    lab.restart();
    lab.stop_after = None;
    lab.converge().await;
    assert!(!going.works(), "the connection outlives the floating IP");
    assert!(!address().contains("203.0.113.101/32"));
}

/// A TCP connection from outside to a floating IP.
struct Connection {
    client: TcpStream,
    server: TcpStream,
}

impl Connection {
    async fn open(lab: &Lab, to: &str, namespace: &str) -> Self {
        let listener = lab.within(namespace, || TcpListener::bind("0.0.0.0:0").unwrap()).await;
        let target = format!("{to}:{}", listener.local_addr().unwrap().port());
        let client = lab.within("outside", || TcpStream::connect(target).unwrap()).await;
        let (server, _) = listener.accept().unwrap();
        for end in [&client, &server] {
            end.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
        }
        Self { client, server }
    }

    /// Whether what is said outside is heard inside.
    fn works(&self) -> bool {
        let mut buffer = [0; 1];
        if (&self.client).write_all(b"x").is_err() {
            return false;
        }
        match (&self.server).read(&mut buffer) {
            Ok(count) => count == 1,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
                false
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_live_through_a_restart_and_a_change_beside_them() {
    let mut lab = Lab::new().await;
    let mut wanted = topology();
    wanted.floating_ips = vec![floating("203.0.113.101", "10.0.1.5")];
    lab.desired.set_router(wanted.clone());
    lab.converge().await;
    let connection = Connection::open(&lab, "203.0.113.101", "one").await;
    assert!(connection.works());
    lab.restart();
    lab.converge().await;
    wanted.floating_ips.push(floating("203.0.113.102", "10.0.2.5"));
    wanted.routes = vec![route("192.168.0.0/16", "10.0.2.5")];
    lab.restart();
    lab.desired.set_router(wanted);
    lab.converge().await;
    assert!(connection.works());
}

#[tokio::test(flavor = "multi_thread")]
async fn extra_routes_and_several_ways_carry_packets() {
    let mut lab = Lab::new().await;
    let mut wanted = topology();
    run("ip -n one address add 192.168.7.1/32 dev lo; ip -n two address add 192.168.7.1/32 dev lo");
    run("ip -n one address add 192.168.8.1/32 dev lo");
    wanted.routes = vec![
        route("192.168.7.0/24", "10.0.1.5"),
        route("192.168.7.0/24", "10.0.2.5"),
        route("192.168.8.0/24", "10.0.1.5"),
    ];
    lab.desired.set_router(wanted.clone());
    lab.converge().await;
    ping("two", "192.168.8.1");
    ping(&namespace(1), "192.168.7.1");
    // Either way alone still leads there.
    wanted.routes.remove(0);
    lab.desired.set_router(wanted);
    lab.converge().await;
    ping("one", "10.0.2.5");
    ping(&namespace(1), "192.168.7.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn neighbours_are_told_of_new_addresses() {
    let mut lab = Lab::new().await;
    let mut wanted = topology();
    lab.desired.set_router(wanted.clone());
    lab.converge().await;
    // What was at the address before is remembered outside.
    run("ip -n outside neigh replace 203.0.113.101 lladdr 02:00:00:00:00:99 dev eth0 nud stale");
    wanted.floating_ips = vec![floating("203.0.113.101", "10.0.1.5")];
    lab.desired.set_router(wanted);
    let begin = Instant::now();
    lab.converge().await;
    assert!(begin.elapsed() < Duration::from_secs(2), "announcing does not hold up a pass");
    let neighbour = || run("ip -n outside neigh show 203.0.113.101");
    let told = || neighbour().contains("fa:16:3e:00:00:09");
    lab::eventually("the neighbour's table", told, neighbour);
}

#[tokio::test(flavor = "multi_thread")]
async fn ipv6_is_routed_and_never_translated() {
    let mut lab = Lab::new().await;
    guest("one", &qr(1), &["2001:db8:1::5/64"], "2001:db8:1::1");
    guest("two", &qr(2), &["2001:db8:2::5/64"], "2001:db8:2::1");
    guest("outside", &qg(9), &["2001:db8:9::1/64"], "2001:db8:9::10");
    lab.desired.set_router(router(
        1,
        vec![interface(1, &["2001:db8:1::1/64"]), interface(2, &["2001:db8:2::1/64"])],
        Some(gateway(9, &["2001:db8:9::10/64"], &["2001:db8:9::1"])),
    ));
    lab.converge().await;
    ping("one", "2001:db8:2::5");
    ping("one", "2001:db8:9::1");
    let (_, rules) = lab::try_run(&format!("ip netns exec {} nft list table ip6 baryon", namespace(1)));
    assert!(rules.contains("redirect") && !rules.contains("snat") && !rules.contains("dnat to"), "{rules}");
}
