//! Listeners that come and go with what they are for.

use std::time::Duration;

use metadata::{Client, Place};
use model::{Mac, NetworkId, ObjectRef, Port, PortOwner, Role, Router, Scope, names};

use crate::lab::{
    DHCP_PORT, Guest, NETWORK, Node, Process, ROUTER, SUBNET, config, describe_network, network, nova,
    router, sh, turn, until,
};

const GUEST: Client = Client::Address(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 5)));

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_waits_for_its_namespace_and_goes_with_its_router() {
    let _turn = turn().await;
    let _nova = nova(&[]).await;
    let mut node = Node::new(config()).await;
    let guest = router(&mut node.desired);
    node.book.write(Place::Router(ROUTER), GUEST, "i-1");
    let namespace = names::router_namespace(ROUTER);
    sh(&format!("ip netns del guest; ip netns del {namespace}"));
    assert_eq!(node.waits(ObjectRef::Router(ROUTER)).await, format!("namespace {namespace}"));
    drop(guest);
    let guest = router(&mut node.desired);
    node.settle().await;
    assert_eq!(guest.ask("/").await.code, 200);

    let mut down = Router::clone(&node.desired.routers()[&ROUTER]);
    down.admin_up = false;
    node.desired.set_router(down);
    node.desired.complete.remove(&Role::Metadata);
    node.pass(&Scope::All).await;
    assert_eq!(node.listeners().len(), 1, "an incomplete picture takes nothing away");
    node.desired.complete.insert(Role::Metadata);
    node.settle().await;
    assert_eq!(node.listeners(), [""; 0]);
    assert_eq!(guest.ask("/").await.code, 0);
    // Nothing of ours keeps the namespace alive.
    sh(&format!("ip netns del {namespace}"));
    node.pass(&Scope::All).await;
    until("the guest's device dies with the other end", async || {
        let links = guest.sh("ip -br link");
        if links.contains("eth0") { Err(links) } else { Ok(()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_made_anew_gets_a_new_listener() {
    let _turn = turn().await;
    let _nova = nova(&[]).await;
    let mut node = Node::new(config()).await;
    drop(network(&mut node.desired, &["10.0.0.0/24", "2001:db8::/64"]));
    node.settle().await;
    assert_eq!(node.listeners().len(), 2);
    sh(&format!("ip netns del {}; ip netns del guest", names::dhcp_namespace(NETWORK)));
    let guest = network(&mut node.desired, &["10.0.0.0/24", "2001:db8::/64"]);
    node.book.write(Place::Network(NETWORK), GUEST, "i-1");
    let changed = Scope::Objects([ObjectRef::Network(NETWORK)].into());
    node.pass(&changed).await;
    assert_eq!(node.plan(&changed).await, "");
    assert_eq!(guest.ask("/").await.code, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_made_anew_gets_a_new_listener() {
    let _turn = turn().await;
    let _nova = nova(&[]).await;
    let mut node = Node::new(config()).await;
    drop(network(&mut node.desired, &["10.0.0.0/24", "2001:db8::/64"]));
    node.settle().await;
    let (namespace, device) = (names::dhcp_namespace(NETWORK), names::tap(DHCP_PORT));
    sh(&format!("ip -n {namespace} link del {device}; ip netns del guest"));
    let gone = node.waits(ObjectRef::Network(NETWORK)).await;
    assert_eq!(gone, format!("device {device}"));
    let guest = Guest::new("guest", &namespace, &device, Mac([0xfa, 0x16, 0x3e, 0, 0, 5]));
    sh(&format!("ip -n {namespace} address add fe80::a9fe:a9fe/128 dev {device}"));
    node.settle().await;
    node.book.write(Place::Network(NETWORK), Client::Mac(guest.mac), "i-6");
    until("the new device answers", async || {
        let answer = guest.curl("http://[fe80::a9fe:a9fe%25eth0]/").await;
        if answer.code == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_the_switch_made_anew_is_known_before_it_is_moved() {
    let _turn = turn().await;
    let mut node = Node::new(config()).await;
    drop(network(&mut node.desired, &["10.0.0.0/24", "2001:db8::/64"]));
    node.settle().await;
    let device = names::tap(DHCP_PORT);
    sh(&format!("ip link add {device} type veth peer name other"));
    let plan = node.plan(&Scope::Objects([ObjectRef::Network(NETWORK)].into())).await;
    let namespace = names::dhcp_namespace(NETWORK);
    assert_eq!(plan, format!("metadata listen on [fe80::a9fe:a9fe%{device}]:80 in {namespace}\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_another_program_has_is_taken_when_it_is_free() {
    let _turn = turn().await;
    let _nova = nova(&[]).await;
    let mut node = Node::new(config()).await;
    let guest = router(&mut node.desired);
    node.book.write(Place::Router(ROUTER), GUEST, "i-1");
    let namespace = names::router_namespace(ROUTER);
    let other = std::process::Command::new("ip")
        .args(["netns", "exec", &namespace, "python3", "-m", "http.server", "9697"])
        .stdout(std::process::Stdio::null())
        .spawn();
    let other = Process(other.unwrap());
    until("the other program listens", async || {
        if guest.ask("/").await.code == 0 { Err("it does not".to_owned()) } else { Ok(()) }
    })
    .await;
    let waits = node.waits(ObjectRef::Router(ROUTER)).await;
    assert_eq!(waits, "another program to stop listening on [::]:9697");
    drop(other);
    let woken = tokio::time::timeout(Duration::from_secs(10), node.wakes.recv()).await;
    assert_eq!(woken.unwrap(), Some(Scope::Objects([ObjectRef::Router(ROUTER)].into())));
    assert_eq!(node.plan(&Scope::All).await, "");
    assert_eq!(guest.ask("/").await.heard().headers["x-instance-id"], "i-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_gets_a_router_and_loses_it() {
    let _turn = turn().await;
    let mut node = Node::new(config()).await;
    drop(network(&mut node.desired, &["10.0.0.0/24"]));
    let mut subnet = model::Subnet::clone(&node.desired.subnets()[&SUBNET]);
    subnet.gateway = Some("10.0.0.1".parse().unwrap());
    node.desired.set_subnet(subnet);
    node.settle().await;
    assert_eq!(node.listeners().len(), 1);
    let mut port = Port::clone(&node.desired.ports()[&DHCP_PORT]);
    port.id = model::PortId(uuid::Uuid::from_u128(0x55 << 96));
    port.owner = PortOwner::RouterInterface;
    port.device = ROUTER.to_string();
    port.fixed_ips[0].address = "10.0.0.1".parse().unwrap();
    let id = port.id;
    node.desired.set_port(port);
    node.settle().await;
    assert_eq!(node.listeners(), [""; 0]);
    node.desired.drop_port(id);
    node.settle().await;
    assert_eq!(node.listeners().len(), 1);
}

/// Opens and closes a thousand networks' listeners, and nothing stays behind.
#[tokio::test(flavor = "multi_thread")]
async fn many_listeners_cost_a_socket_each_and_leave_none() {
    const MANY: u128 = 200;
    let _turn = turn().await;
    let mut node = Node::new(config()).await;
    describe_network(&mut node.desired, &["10.0.0.0/24"]);
    let template = node.desired.clone();
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    node.desired.drop_network(NETWORK);
    node.desired.drop_subnet(SUBNET);
    node.desired.drop_port(DHCP_PORT);
    let before = files();
    for number in 0..MANY {
        let id = NetworkId(uuid::Uuid::from_u128(number + 1));
        let mut network = model::Network::clone(&template.networks()[&NETWORK]);
        network.id = id;
        node.desired.set_network(network);
        let mut subnet = model::Subnet::clone(&template.subnets()[&SUBNET]);
        (subnet.network, subnet.id) = (id, model::SubnetId(uuid::Uuid::from_u128(number + 1)));
        let mut port = Port::clone(&template.ports()[&DHCP_PORT]);
        (port.network, port.id) = (id, model::PortId(uuid::Uuid::from_u128(number + 1)));
        node.desired.set_subnet(subnet);
        node.desired.set_port(port);
    }
    let names: Vec<String> = node.desired.networks().keys().map(|id| names::dhcp_namespace(*id)).collect();
    for result in host::netns::create_all(names).await {
        result.unwrap();
    }
    node.settle().await;
    assert_eq!(node.listeners().len(), MANY as usize);
    for id in node.desired.networks().keys().copied().collect::<Vec<_>>() {
        node.desired.drop_network(id);
    }
    node.settle().await;
    // Sockets close when their tasks are gone; handles of namespaces are kept, so many and no more.
    until("sockets are closed", async || {
        let now = files();
        if now <= before + 100 { Ok(()) } else { Err(format!("{now} files, {before} before")) }
    })
    .await;
}
