//! Port forwardings with real packets.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use model::{
    PortForwardingId, PortRange, Router, RouterPortForwarding, TransportProtocol, TransportProtocol::Tcp,
    TransportProtocol::Udp,
};

use crate::lab::{self, Lab, PATIENCE, floating, gateway, guest, interface, ip, qg, qr, router, run};

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

fn forwarding(
    protocol: TransportProtocol,
    external: (u16, u16),
    fixed: &str,
    internal: (u16, u16),
) -> RouterPortForwarding {
    let range = |(first, last)| PortRange { first, last };
    RouterPortForwarding {
        id: PortForwardingId(lab::uuid(u32::from(external.0))),
        protocol,
        floating: "203.0.113.101".parse().unwrap(),
        external: range(external),
        fixed: fixed.parse().unwrap(),
        internal: range(internal),
    }
}

fn outside(port: u16) -> SocketAddr {
    SocketAddr::new(ip("203.0.113.101"), port)
}

/// A server that listens inside, and a client outside.
struct Connection {
    client: TcpStream,
    server: TcpStream,
}

impl Connection {
    async fn open(lab: &Lab, from: &str, to: SocketAddr, at: &str, listens: &str) -> Self {
        let address: SocketAddr = listens.parse().unwrap();
        let listener = lab.within(at, move || TcpListener::bind(address).unwrap()).await;
        let client = lab.within(from, move || TcpStream::connect_timeout(&to, PATIENCE)).await;
        let client = client.unwrap_or_else(|error| panic!("{from} to {to}: {error}"));
        let server = listener.accept().unwrap().0;
        server.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        Self { client, server }
    }

    fn works(&self) -> bool {
        let mut buffer = [0; 1];
        (&self.client).write_all(b"x").is_ok()
            && (&self.server).read(&mut buffer).is_ok_and(|count| count == 1)
    }
}

async fn refused(lab: &Lab, from: &str, to: SocketAddr) {
    let connect = move || TcpStream::connect_timeout(&to, Duration::from_millis(500));
    assert!(lab.within(from, connect).await.is_err(), "{from} reaches {to}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_lead_inside_one_by_one_and_in_ranges() {
    let mut lab = Lab::new().await;
    let mut wanted = topology();
    wanted.port_forwardings = vec![
        forwarding(Tcp, (2222, 2222), "10.0.1.5", (22, 22)),
        forwarding(Tcp, (8000, 8003), "10.0.2.5", (9000, 9003)),
        forwarding(Tcp, (7000, 7100), "10.0.1.6", (7000, 7100)),
        forwarding(Tcp, (6000, 6100), "10.0.1.5", (25, 25)),
        forwarding(Udp, (53, 53), "10.0.2.5", (5353, 5353)),
    ];
    lab.desired.set_router(wanted);
    lab.converge().await;
    for (port, at, listens) in [
        (2222, "one", "10.0.1.5:22"),
        (8000, "two", "10.0.2.5:9000"),
        (8003, "two", "10.0.2.5:9003"),
        (7042, "one", "10.0.1.6:7042"),
        (6099, "one", "10.0.1.5:25"),
    ] {
        let connection = Connection::open(&lab, "outside", outside(port), at, listens).await;
        assert!(connection.works());
        assert_eq!(connection.server.peer_addr().unwrap().ip(), ip("203.0.113.1"), "the source is kept");
    }
    // From inside, by the router, as to a floating IP.
    let around = Connection::open(&lab, "two", outside(2222), "one", "10.0.1.5:22").await;
    assert!(around.works());
    assert_eq!(around.server.peer_addr().unwrap().ip(), ip("203.0.113.10"));
    // What has no forwarding leads nowhere, and neither does another protocol.
    refused(&lab, "outside", outside(8004)).await;
    refused(&lab, "outside", outside(53)).await;
    run("ip netns exec outside ping -n -c 1 -W 2 203.0.113.101");
    // What the guest itself begins leaves by the gateway's address.
    assert_eq!(lab.source_seen("one", "outside", ip("203.0.113.1")).await, ip("203.0.113.10"));
    udp(&lab).await;
}

async fn udp(lab: &Lab) {
    let server = lab.within("two", || UdpSocket::bind("10.0.2.5:5353").unwrap()).await;
    let client = lab.within("outside", || UdpSocket::bind("0.0.0.0:0").unwrap()).await;
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    let mut buffer = [0; 8];
    client.send_to(b"who", outside(53)).unwrap();
    let (_, from) = server.recv_from(&mut buffer).unwrap();
    server.send_to(b"me", from).unwrap();
    assert_eq!(client.recv_from(&mut buffer).unwrap().1, outside(53));
}

#[tokio::test(flavor = "multi_thread")]
async fn forwardings_that_change_cut_their_connections_and_no_others() {
    let mut lab = Lab::new().await;
    let mut wanted = topology();
    let stays = forwarding(Tcp, (1000, 1009), "10.0.2.5", (1000, 1009));
    wanted.port_forwardings = vec![forwarding(Tcp, (2222, 2222), "10.0.1.5", (22, 22)), stays.clone()];
    lab.desired.set_router(wanted.clone());
    lab.converge().await;
    let other = Connection::open(&lab, "outside", outside(1005), "two", "10.0.2.5:1005").await;
    let moving = Connection::open(&lab, "outside", outside(2222), "one", "10.0.1.5:22").await;
    assert!(other.works() && moving.works());

    // To another address, by the process that knows what was before.
    wanted.port_forwardings[0] = forwarding(Tcp, (2222, 2222), "10.0.1.6", (22, 22));
    lab.desired.set_router(wanted.clone());
    lab.converge().await;
    assert!(!moving.works() && other.works());
    let moved = Connection::open(&lab, "outside", outside(2222), "one", "10.0.1.6:22").await;
    assert!(moved.works());

    // To another port, by a process that does not know.
    lab.restart();
    lab.converge().await;
    assert!(moved.works() && other.works());
    lab.restart();
    wanted.port_forwardings[0] = forwarding(Tcp, (2222, 2222), "10.0.1.6", (23, 23));
    lab.desired.set_router(wanted.clone());
    lab.converge().await;
    assert!(!moved.works() && other.works());
    let moved = Connection::open(&lab, "outside", outside(2222), "one", "10.0.1.6:23").await;
    assert!(moved.works());

    // One goes, its address stays.
    wanted.port_forwardings = vec![stays];
    lab.desired.set_router(wanted.clone());
    lab.converge().await;
    assert!(!moved.works() && other.works());
    refused(&lab, "outside", outside(2222)).await;

    // The address becomes a floating IP of another guest, and then goes.
    wanted.port_forwardings.clear();
    wanted.floating_ips = vec![floating("203.0.113.101", "10.0.1.5")];
    lab.desired.set_router(wanted.clone());
    lab.converge().await;
    assert!(!other.works());
    let whole = Connection::open(&lab, "outside", outside(2222), "one", "10.0.1.5:2222").await;
    assert!(whole.works());
    wanted.floating_ips.clear();
    wanted.port_forwardings = vec![forwarding(Tcp, (2222, 2222), "10.0.1.6", (22, 22))];
    lab.desired.set_router(wanted.clone());
    lab.converge().await;
    assert!(!whole.works());
    let last = Connection::open(&lab, "outside", outside(2222), "one", "10.0.1.6:22").await;
    assert!(last.works());
    wanted.port_forwardings.clear();
    lab.desired.set_router(wanted);
    lab.converge().await;
    assert!(!last.works());
    let addresses = run(&format!("ip -n {} -4 -o address", lab::namespace(1)));
    assert!(!addresses.contains("203.0.113.101"), "{addresses}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_widest_range_is_loaded_in_time() {
    let mut lab = Lab::new().await;
    let mut wanted = topology();
    // Shifted by one: every port is an element of its own.
    wanted.port_forwardings = vec![forwarding(Tcp, (1024, 65_534), "10.0.1.5", (1025, 65_535))];
    lab.desired.set_router(wanted);
    lab.converge().await;
    let connection = Connection::open(&lab, "outside", outside(40_000), "one", "10.0.1.5:40001").await;
    assert!(connection.works());
}
