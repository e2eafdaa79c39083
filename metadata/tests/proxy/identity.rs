//! Who a guest is, and what of its request reaches Nova.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use metadata::{Client, Place};

use crate::lab::{NETWORK, Node, ROUTER, config, network, nova, router, turn, until};

const GUEST: Client = Client::Address(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 5)));

/// `printf i-1 | openssl dgst -sha256 -hmac s3cret`
fn signature(instance: &str) -> String {
    let script = format!("printf %s {instance} | openssl dgst -sha256 -hmac s3cret | sed 's/.*= //'");
    crate::lab::sh(&script).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_behind_a_router_is_told_apart() {
    let _turn = turn().await;
    let _nova = nova(&[]).await;
    let mut node = Node::new(config()).await;
    let guest = router(&mut node.desired);
    node.settle().await;
    node.book.write(Place::Router(ROUTER), GUEST, "i-1");

    let claims = "-H 'X-Instance-ID: i-2' -H 'X-Tenant-ID: p' -H 'X-Instance-ID-Signature: f' \
                  -H 'X-Neutron-Network-ID: n' -H 'X-Neutron-Router-ID: r' -H 'Cookie: c'";
    let heard = guest.curl(&format!("{claims} 'http://169.254.169.254/latest/meta-data?a=b'")).await.heard();
    assert_eq!((heard.method.as_str(), heard.path.as_str()), ("GET", "/latest/meta-data?a=b"));
    let header = |name: &str| heard.headers.get(name).map(String::as_str);
    assert_eq!(header("x-instance-id"), Some("i-1"));
    assert_eq!(header("x-tenant-id"), Some("project of i-1"));
    assert_eq!(header("x-forwarded-for"), Some("10.0.0.5"));
    assert_eq!(header("x-instance-id-signature"), Some(signature("i-1").as_str()));
    assert_eq!(header("host"), Some("127.0.0.1:8775"));
    for name in ["x-neutron-network-id", "x-neutron-router-id", "cookie"] {
        assert_eq!(header(name), None, "{name}");
    }

    let answer = guest.curl("-H 'X-Forwarded-For: 10.0.0.9' http://169.254.169.254/").await;
    assert_eq!(answer.code, 404, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_without_a_router_is_told_apart() {
    let _turn = turn().await;
    let _nova = nova(&[]).await;
    let mut node = Node::new(config()).await;
    let guest = network(&mut node.desired, &["10.0.0.0/24", "2001:db8::/64"]);
    node.settle().await;
    node.book.write(Place::Network(NETWORK), GUEST, "i-1");
    let heard = guest.ask("/").await.heard();
    assert_eq!(heard.headers["x-instance-id"], "i-1");

    node.book.write(Place::Network(NETWORK), Client::Mac(guest.mac), "i-6");
    let url = "http://[fe80::a9fe:a9fe%25eth0]/openstack";
    let heard = until("the link-local address is ready", async || {
        let answer = guest.curl(url).await;
        if answer.code == 200 { Ok(answer.heard()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    assert_eq!(heard.headers["x-instance-id"], "i-6");
    assert_eq!(heard.headers["x-forwarded-for"], guest.mac.link_local().to_string());
    assert_eq!(heard.path, "/openstack");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_and_several_are_not_found() {
    let _turn = turn().await;
    let _nova = nova(&[]).await;
    let mut node = Node::new(config()).await;
    let guest = router(&mut node.desired);
    node.settle().await;
    let nobody = guest.ask("/").await;
    assert_eq!(nobody.code, 404);
    assert!(nobody.body.contains(&format!("Instance was not found on router {ROUTER}.")), "{}", nobody.body);
    node.book.write(Place::Network(NETWORK), GUEST, "elsewhere");
    assert_eq!(guest.ask("/").await.code, 404);
    node.book.write(Place::Router(ROUTER), GUEST, "i-1");
    assert_eq!(guest.ask("/").await.code, 200);
    node.book.write(Place::Router(ROUTER), GUEST, "i-2");
    assert_eq!(guest.ask("/").await.code, 404);
    node.book.shut.store(true, Relaxed);
    let unasked = guest.ask("/").await;
    assert_eq!(unasked.code, 500);
    assert!(unasked.body.contains("An unknown error has occurred."), "{}", unasked.body);
    let counts = node.metadata.service().counts();
    assert_eq!((counts.answered, counts.unknown, counts.no_lookup), (1, 3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_answer_is_remembered_for_a_moment() {
    let _turn = turn().await;
    let _nova = nova(&[]).await;
    let mut settings = config();
    settings.remember = Duration::from_secs(3600);
    let mut node = Node::new(settings).await;
    let guest = router(&mut node.desired);
    node.settle().await;
    assert_eq!(guest.ask("/").await.code, 404);
    node.book.write(Place::Router(ROUTER), GUEST, "i-1");
    for _ in 0..3 {
        assert_eq!(guest.ask("/").await.code, 200);
    }
    // Once for nobody, which is not remembered, and once for the instance.
    assert_eq!(node.book.asked.load(Relaxed), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_of_nova_reach_the_guest_as_neutron_passes_them() {
    let _turn = turn().await;
    let server = nova(&[]).await;
    let mut settings = config();
    settings.times.server = Duration::from_secs(1);
    settings.times.connect = Duration::from_secs(1);
    let mut node = Node::new(settings).await;
    let guest = router(&mut node.desired);
    node.settle().await;
    node.book.write(Place::Router(ROUTER), GUEST, "i-1");
    for code in [200, 400, 403, 404, 409, 500, 502, 503, 504] {
        let answer = guest.ask(&format!("/status/{code}")).await;
        assert_eq!((answer.code, answer.body.as_str()), (code, "said Nova"));
    }
    for code in [302, 401, 405, 418] {
        let answer = guest.ask(&format!("/status/{code}")).await;
        assert_eq!(answer.code, 500, "{code}");
        assert!(!answer.body.contains("said Nova"));
    }
    let head = guest.curl("-I http://169.254.169.254/status/200").await;
    assert_eq!(head.code, 200);
    assert!(!head.body.to_lowercase().contains("x-internal"), "{}", head.body);
    assert_eq!(guest.ask("/slow/5").await.code, 504);
    let stalled = guest.ask("/stall/5").await;
    assert!(stalled.body.contains("first") && !stalled.body.contains("last"), "{stalled:?}");
    drop(server);
    let answer = guest.ask("/").await;
    assert_eq!(answer.code, 503);
    assert!(answer.body.contains("temporarily unavailable"), "{}", answer.body);
    let _nova = nova(&[]).await;
    assert_eq!(guest.ask("/").await.code, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_any_form_pass_both_ways() {
    let _turn = turn().await;
    let _nova = nova(&[]).await;
    let mut node = Node::new(config()).await;
    let guest = router(&mut node.desired);
    node.settle().await;
    node.book.write(Place::Router(ROUTER), GUEST, "i-1");
    crate::lab::sh("head -c 200000 /dev/urandom > /run/body; head -c 1100000 /dev/zero > /run/huge");
    let digest = crate::lab::sh("sha256sum < /run/body").split(' ').next().unwrap().to_owned();
    for form in ["", "-H 'Transfer-Encoding: chunked'"] {
        let url = "http://169.254.169.254/openstack/2013-04-04/password";
        let heard = guest.curl(&format!("{form} --data-binary @/run/body {url}")).await.heard();
        assert_eq!((heard.method.as_str(), heard.length), ("POST", 200_000));
        assert_eq!(heard.digest, digest);
        let huge = guest.curl(&format!("{form} -H Expect: --data-binary @/run/huge {url}")).await;
        assert_eq!(huge.code, 413, "{form}: {huge:?}");
    }
    for method in ["PUT", "DELETE", "OPTIONS"] {
        let heard = guest.curl(&format!("-X {method} http://169.254.169.254/x")).await.heard();
        assert_eq!(heard.method, method);
    }
    let big = guest.ask("/big/3000000").await;
    assert_eq!((big.code, big.body.len()), (200, 3_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_kept_on_both_sides() {
    let _turn = turn().await;
    let _nova = nova(&[]).await;
    let mut node = Node::new(config()).await;
    let guest = router(&mut node.desired);
    node.settle().await;
    node.book.write(Place::Router(ROUTER), GUEST, "i-1");
    let first = guest.ask("/").await.heard();
    let urls: String =
        ["a", "b", "c"].map(|path| format!("-o /dev/null http://169.254.169.254/{path} ")).concat();
    let connects = guest.run(&format!("curl -sS -w '%{{num_connects}} ' {urls}")).await;
    assert_eq!(connects, "1 0 0 ");
    assert_eq!(guest.ask("/").await.heard().peer, first.peer);
    let old = guest.curl("--http1.0 http://169.254.169.254/old").await;
    assert_eq!(old.heard().path, "/old");
}
