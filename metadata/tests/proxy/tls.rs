//! Nova over TLS.

use metadata::config::Identity;
use metadata::{Client, Place};

use crate::lab::{Guest, Node, ROUTER, config, nova, router, sh, turn};

const FOLDER: &str = "/run/tls";

/// An authority, Nova's certificate for 127.0.0.1, this node's certificate, and another authority.
fn certificates() {
    sh("mkdir -p /run/tls && cd /run/tls
        for ca in ca other; do
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=$ca \
                -keyout $ca.key -out $ca.pem 2>&1
        done
        for name in nova node; do
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$name \
                -keyout $name.key -out $name.csr 2>&1
            printf 'subjectAltName=IP:127.0.0.1\n' > $name.ext
            openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
                -extfile $name.ext -out $name.pem 2>&1
        done");
}

async fn node(change: impl FnOnce(&mut metadata::Config)) -> (Node, Guest) {
    let mut settings = config();
    settings.nova.tls = true;
    settings.nova.authority = Some(format!("{FOLDER}/ca.pem").into());
    change(&mut settings);
    let mut node = Node::new(settings).await;
    let guest = router(&mut node.desired);
    node.settle().await;
    node.book.write(Place::Router(ROUTER), Client::Address("10.0.0.5".parse().unwrap()), "i-1");
    (node, guest)
}

#[tokio::test(flavor = "multi_thread")]
async fn novas_certificate_must_be_signed_by_the_authority() {
    let _turn = turn().await;
    certificates();
    let _nova = nova(&[FOLDER]).await;
    let (node_, guest) = node(|_| {}).await;
    assert_eq!(guest.ask("/").await.heard().headers["x-instance-id"], "i-1");
    drop((node_, guest));
    sh("ip -all netns del");
    let (node_, guest) =
        node(|config| config.nova.authority = Some(format!("{FOLDER}/other.pem").into())).await;
    assert_eq!(guest.ask("/").await.code, 503);
    drop((node_, guest));
    sh("ip -all netns del");
    let (_node, guest) = node(|config| {
        config.nova.authority = None;
        config.nova.insecure = true;
    })
    .await;
    assert_eq!(guest.ask("/").await.code, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn this_node_shows_its_certificate() {
    let _turn = turn().await;
    certificates();
    let _nova = nova(&[FOLDER, "must show"]).await;
    let identity = Identity {
        certificate: format!("{FOLDER}/node.pem").into(),
        key: format!("{FOLDER}/node.key").into(),
    };
    let (node_, guest) = node(|config| config.nova.identity = Some(identity)).await;
    assert_eq!(guest.ask("/").await.code, 200);
    drop((node_, guest));
    sh("ip -all netns del");
    let (_node, guest) = node(|_| {}).await;
    assert!(matches!(guest.ask("/").await.code, 500 | 503));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_come_later_are_taken_up() {
    let _turn = turn().await;
    certificates();
    sh(&format!("mv {FOLDER}/ca.pem {FOLDER}/away.pem"));
    let _nova = nova(&[FOLDER]).await;
    let (_node, guest) = node(|_| {}).await;
    assert_eq!(guest.ask("/").await.code, 503);
    sh(&format!("mv {FOLDER}/away.pem {FOLDER}/ca.pem"));
    assert_eq!(guest.ask("/").await.code, 200);
}
