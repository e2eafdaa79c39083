//! The haproxy processes that Neutron's agents leave: named, left alone, or replaced without a moment's silence.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use metadata::{Client, Place};
use model::{ObjectRef, Scope, names};

use crate::lab::{Guest, Node, ROUTER, config, nova, router, sh, turn, until};

/// Starts a haproxy as the L3 agent does: configuration, pid file, a daemon. It answers everything with 418.
async fn haproxy(guest: &Guest) -> u32 {
    let namespace = names::router_namespace(ROUTER);
    sh(&format!(
        "mkdir -p /run/state/external/pids /run/state/ns-metadata-proxy
         cat > /run/state/ns-metadata-proxy/{ROUTER}.conf <<'END'
global
    maxconn 1024
    nbthread 2
    pidfile /run/state/external/pids/{ROUTER}.pid.haproxy
    daemon
defaults
    mode http
    option http-server-close
    timeout http-request 30s
    timeout connect 30s
    timeout client 32s
    timeout server 32s
    timeout http-keep-alive 30s
listen listener
    bind :::9697 v4v6
    http-request return status 200 content-type text/plain string haproxy
END
         ip netns exec {namespace} haproxy -f /run/state/ns-metadata-proxy/{ROUTER}.conf"
    ));
    until("haproxy answers", async || {
        let answer = guest.ask("/").await;
        if answer.body == "haproxy" { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    sh(&format!("cat /run/state/external/pids/{ROUTER}.pid.haproxy")).trim().parse().unwrap()
}

fn is_alive(process: u32) -> bool {
    // One that nobody waits for stays as a zombie.
    std::fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| !line.is_empty())
}

async fn node(take_over: bool) -> (Node, Guest) {
    let mut settings = config();
    settings.take_over = take_over;
    let mut node = Node::new(settings).await;
    let guest = router(&mut node.desired);
    node.book.write(Place::Router(ROUTER), Client::Address("10.0.0.5".parse().unwrap()), "i-1");
    (node, guest)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_haproxy_is_named_and_left_alone() {
    let _turn = turn().await;
    let _nova = nova(&[]).await;
    let (mut node, guest) = node(false).await;
    let process = haproxy(&guest).await;
    let waits = node.waits(ObjectRef::Router(ROUTER)).await;
    let expected =
        format!("the haproxy of Neutron's agents, process {process}, to end: it listens on [::]:9697");
    assert_eq!(waits, expected);
    assert!(is_alive(process));
    // When the agents' own clean-up ends it, its place is taken.
    sh(&format!("kill {process}"));
    tokio::time::timeout(std::time::Duration::from_secs(10), node.wakes.recv()).await.unwrap();
    assert_eq!(guest.ask("/").await.code, 200);
    assert_eq!(guest.ask("/").await.heard().headers["x-instance-id"], "i-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_haproxy_is_replaced_without_a_gap() {
    let _turn = turn().await;
    let _nova = nova(&[]).await;
    let (mut node, guest) = node(true).await;
    let process = haproxy(&guest).await;
    let guest = Arc::new(guest);
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let askers: Vec<_> = (0..3)
        .map(|_| {
            let (guest, stop, asked) = (guest.clone(), stop.clone(), asked.clone());
            tokio::spawn(async move {
                let mut wrong = Vec::new();
                while !stop.load(Relaxed) {
                    let answer = guest.ask("/").await;
                    asked.fetch_add(1, Relaxed);
                    if answer.code != 200 {
                        wrong.push(answer);
                    }
                }
                wrong
            })
        })
        .collect();
    let enough = async |more: usize| {
        let goal = asked.load(Relaxed) + more;
        until("guests ask", async || {
            let now = asked.load(Relaxed);
            if now >= goal { Ok(()) } else { Err(format!("{now} of {goal} requests")) }
        })
        .await;
    };
    enough(10).await;
    node.settle().await;
    until("haproxy ends", async || if is_alive(process) { Err(format!("{process} lives")) } else { Ok(()) })
        .await;
    enough(10).await;
    stop.store(true, Relaxed);
    for asker in askers {
        assert_eq!(asker.await.unwrap(), []);
    }
    assert_eq!(guest.ask("/").await.heard().headers["x-instance-id"], "i-1");
    until("its files are gone", async || {
        let left = sh("find /run/state -type f");
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_haproxy_of_a_router_that_is_not_here_ends() {
    let _turn = turn().await;
    let (mut node, guest) = node(true).await;
    let process = haproxy(&guest).await;
    node.desired.drop_router(ROUTER);
    assert!(node.plan(&Scope::All).await.starts_with(&format!("kill -USR1 {process} ")));
    node.pass(&Scope::All).await;
    until("haproxy ends", async || if is_alive(process) { Err(format!("{process} lives")) } else { Ok(()) })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_only_has_the_number_is_left_alone() {
    let _turn = turn().await;
    let (mut node, _guest) = node(true).await;
    let namespace = names::router_namespace(ROUTER);
    let holder = Command::new("ip")
        .args(["netns", "exec", &namespace, "python3", "-m", "http.server", "9697"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let holder = crate::lab::Process(holder.unwrap());
    sh("mkdir -p /run/state/external/pids");
    let file = format!("/run/state/external/pids/{ROUTER}.pid.haproxy");
    std::fs::write(Path::new(&file), holder.0.id().to_string()).unwrap();
    until("the other program listens", async || {
        let sockets = sh(&format!("ip netns exec {namespace} ss -Hltn"));
        if sockets.contains(":9697") { Ok(()) } else { Err(sockets) }
    })
    .await;
    let waits = node.waits(ObjectRef::Router(ROUTER)).await;
    assert_eq!(waits, "another program to stop listening on [::]:9697");
    assert!(is_alive(holder.0.id()));
}
