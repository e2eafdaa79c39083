//! The way of guests' requests for metadata, on the real kernel: to whoever listens on the proxy's port in the
//! router's namespace, and to nobody else.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, SocketAddrV6, TcpListener, TcpStream};
use std::time::Duration;

use model::Router;
use nix::net::if_::if_nametoindex;

use crate::lab::{self, Lab, gateway, guest, interface, namespace, qg, qr, router, run, try_run};

const PROXY: u16 = 9697;

fn topology() -> Router {
    guest("one", &qr(1), &["10.0.1.5/24", "2001:db8:1::5/64"], "10.0.1.1");
    guest("outside", &qg(9), &["203.0.113.1/24", "2001:db8:9::1/64"], "203.0.113.10");
    router(
        1,
        vec![interface(1, &["10.0.1.1/24", "2001:db8:1::1/64"])],
        Some(gateway(9, &["203.0.113.10/24", "2001:db8:9::10/64"], &["203.0.113.1"])),
    )
}

/// Listens as the proxy does.
async fn proxy(lab: &Lab) -> TcpListener {
    let listen = || {
        let listener = TcpListener::bind(("::", PROXY)).unwrap();
        listener.set_nonblocking(true).unwrap();
        listener
    };
    lab.within(&namespace(1), listen).await
}

/// Whether a connection from a namespace comes about.
async fn connects(lab: &Lab, from: &str, to: SocketAddr) -> Option<TcpStream> {
    let connect = move || TcpStream::connect_timeout(&to, Duration::from_millis(700)).ok();
    lab.within(from, connect).await
}

/// Who asked, and that the answer comes from where it was asked.
async fn asks(lab: &Lab, proxy: &TcpListener, from: &str, to: SocketAddr) -> IpAddr {
    let mut client = None;
    for _ in 0..20 {
        client = connects(lab, from, to).await;
        if client.is_some() {
            break;
        }
    }
    let mut client = client.unwrap_or_else(|| panic!("nobody answers {from} at {to}"));
    let mut accepted = None;
    lab::eventually(
        "the proxy hears of it",
        || {
            accepted = proxy.accept().ok();
            accepted.is_some()
        },
        String::new,
    );
    let (mut server, peer) = accepted.unwrap();
    server.set_nonblocking(false).unwrap();
    server.write_all(b"i-1").unwrap();
    let mut answer = [0; 3];
    client.read_exact(&mut answer).unwrap();
    assert_eq!((&answer, client.peer_addr().unwrap().ip()), (b"i-1", to.ip()));
    peer.ip().to_canonical()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_metadata_reach_the_proxy_and_nothing_else_does() {
    let mut lab = Lab::new().await;
    lab.desired.set_router(topology());
    lab.converge().await;
    let proxy = proxy(&lab).await;
    let metadata = SocketAddr::new("169.254.169.254".parse().unwrap(), 80);
    assert_eq!(asks(&lab, &proxy, "one", metadata).await, lab::ip("10.0.1.5"));

    let at = |address: &str| SocketAddr::new(lab::ip(address), PROXY);
    for (from, to) in [
        ("one", at("10.0.1.1")),
        ("one", at("203.0.113.10")),
        ("one", at("2001:db8:1::1")),
        ("outside", at("203.0.113.10")),
        ("outside", at("2001:db8:9::10")),
        ("outside", at("10.0.1.1")),
        ("outside", metadata),
    ] {
        assert!(connects(&lab, from, to).await.is_none(), "{from} reaches {to}");
    }
    // Nothing of it leaves by the gateway, proxy or not.
    drop(proxy);
    let rules = format!("ip netns exec {} nft list table ip baryon", namespace(1));
    assert!(run(&rules).contains("redirect to :9697"));
    run("ip -n outside address add 169.254.169.254/32 dev lo");
    run(&format!("ip -n {} route add 169.254.169.254 via 203.0.113.1", namespace(1)));
    assert!(connects(&lab, "one", metadata).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn link_local_requests_reach_the_proxy_by_the_router() {
    let mut lab = Lab::new().await;
    lab.desired.set_router(topology());
    lab.converge().await;
    let proxy = proxy(&lab).await;
    // As a router advertisement says it.
    let router = interface(1, &[]).mac.link_local();
    run(&format!("ip -n one -6 route add fe80::a9fe:a9fe/128 via {router} dev eth0"));
    // Until its link-local address is ready, the guest would ask from the other one.
    let tentative = || run("ip -n one -6 address show tentative");
    lab::eventually("the guest's address is ready", || tentative().trim().is_empty(), tentative);
    let own = run("cat /sys/class/net/lo/address; ip -n one -br -6 address show dev eth0 scope link");
    let index = lab.within("one", || if_nametoindex("eth0").unwrap()).await;
    let metadata = SocketAddrV6::new("fe80::a9fe:a9fe".parse().unwrap(), 80, 0, index);
    let peer = asks(&lab, &proxy, "one", metadata.into()).await;
    assert!(own.contains(&peer.to_string()), "{peer} is not among {own}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_proxy_there_are_no_rules_for_it() {
    let mut lab = Lab::new().await;
    lab.desired.set_router(topology());
    lab.converge().await;
    lab.configure(|config| config.metadata_port = None);
    let pass = lab.converge().await;
    assert!(pass.plan.contains("nft delete table ip6 baryon"), "{}", pass.plan);
    let (_, rules) = try_run(&format!("ip netns exec {} nft list ruleset", namespace(1)));
    assert!(!rules.contains("169.254.169.254") && !rules.contains("ip6 baryon"), "{rules}");
}
