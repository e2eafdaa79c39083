//! Listeners in one process and the metadata agent in another: both of them ours, and ours behind Neutron's haproxy.

use std::os::unix::net::UnixListener;
use std::sync::Arc;

use metadata::config::Way;
use metadata::{AgentSocket, Client, Metadata, Place};
use model::names;

use crate::lab::{Book, Node, ROUTER, config, nova, router, sh, turn, until};

const SOCKET: &str = "/run/state/metadata_proxy";

/// A process that is only the metadata agent.
async fn agent(book: &Book) -> Metadata {
    let mut settings = config();
    settings.routers = false;
    let handles = host::Handles::open().await.unwrap();
    let agent = Metadata::new(settings, handles, Arc::new(book.clone()), |_| {});
    agent.serve_agents(AgentSocket { path: SOCKET.into(), mode: 0o644 });
    agent
}

fn guest_is(book: &Book, id: &str) {
    book.write(Place::Router(ROUTER), Client::Address("10.0.0.5".parse().unwrap()), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_asks_the_agent_of_another_process() {
    let _turn = turn().await;
    let _nova = nova(&[]).await;
    let mut settings = config();
    settings.way = Way::Agent(SOCKET.into());
    let mut node = Node::new(settings).await;
    let guest = router(&mut node.desired);
    node.settle().await;
    assert_eq!(guest.ask("/").await.code, 503);

    let book = Book::default();
    let agent = agent(&book).await;
    until("the agent serves", async || {
        let answer = guest.ask("/").await;
        if answer.code == 404 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    let unknown = guest.ask("/").await;
    assert!(unknown.body.contains(&format!("not found on router {ROUTER}")), "{unknown:?}");
    guest_is(&book, "i-1");
    let heard =
        guest.curl("-H 'X-Neutron-Router-ID: r' --data-binary abc http://169.254.169.254/a?b").await.heard();
    assert_eq!((heard.path.as_str(), heard.length), ("/a?b", 3));
    assert_eq!(heard.headers["x-instance-id"], "i-1");
    assert_eq!(heard.headers["x-forwarded-for"], "10.0.0.5");
    assert_eq!(guest.curl("-H 'X-Forwarded-For: 10.0.0.5' http://169.254.169.254/").await.code, 404);
    assert_eq!(guest.ask("/status/409").await.code, 409);
    assert_eq!(guest.ask("/big/2000000").await.body.len(), 2_000_000);
    assert_eq!(agent.service().counts().answered, 3);
    // Nobody asked here.
    assert_eq!(node.book.asked.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn neutrons_haproxy_asks_this_agent() {
    let _turn = turn().await;
    let _nova = nova(&[]).await;
    let mut desired = model::Desired::default();
    let guest = router(&mut desired);
    let book = Book::default();
    guest_is(&book, "i-1");
    let _agent = agent(&book).await;
    until("the agent listens", async || {
        std::os::unix::net::UnixStream::connect(SOCKET).map(drop).map_err(|error| error.to_string())
    })
    .await;
    sh(&format!(
        "cat > /run/state/haproxy.conf <<'END'
global
    maxconn 1024
    pidfile /run/state/haproxy.pid
    daemon
defaults
    mode http
    option http-server-close
    option forwardfor
    timeout http-request 30s
    timeout connect 30s
    timeout client 32s
    timeout server 32s
    timeout http-keep-alive 30s
listen listener
    bind :::9697 v4v6
    server metadata {SOCKET}
    http-request del-header X-Neutron-Network-ID
    http-request set-header X-Neutron-Router-ID {ROUTER}
END
         ip netns exec {} haproxy -f /run/state/haproxy.conf",
        names::router_namespace(ROUTER)
    ));
    until("haproxy listens", async || {
        let answer = guest.ask("/").await;
        if answer.code == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    let heard = guest.ask("/openstack").await.heard();
    assert_eq!((heard.path.as_str(), heard.headers["x-instance-id"].as_str()), ("/openstack", "i-1"));
    assert_eq!(heard.headers["x-forwarded-for"], "10.0.0.5");
    // What the guest claims comes before what haproxy says, and makes two.
    assert_eq!(guest.curl("-H 'X-Forwarded-For: 10.0.0.9' http://169.254.169.254/").await.code, 404);
    sh("kill $(cat /run/state/haproxy.pid)");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_taken_when_nobody_answers_on_it() {
    let _turn = turn().await;
    sh("mkdir -p /run/state; chown 64:65 /run/state");
    let other = UnixListener::bind(SOCKET).unwrap();
    let _agent = agent(&Book::default()).await;
    let owner = || sh(&format!("stat -c '%u %g %a' {SOCKET}"));
    let ask = "curl -sS -o /dev/null -w '%{http_code}' --max-time 1 --unix-socket /run/state/metadata_proxy http://x/";
    // It is looked at once a second.
    let before = std::fs::metadata(SOCKET).unwrap();
    until("the other agent is asked whether it is there", async || match other.accept() {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    })
    .await;
    let now = std::fs::metadata(SOCKET).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::ino(&before), std::os::unix::fs::MetadataExt::ino(&now));
    // What it leaves behind is no agent.
    drop(other);
    until("the socket is ours", async || {
        let code = crate::lab::shell(ask).await;
        if code == "404" { Ok(()) } else { Err(code) }
    })
    .await;
    assert_eq!(owner(), "64 65 644\n");
}
