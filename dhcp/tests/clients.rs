//! Other people's clients get their addresses: udhcpc, dhclient and dhcpcd, over a veth into the namespace
//! that the domain made.

mod lan;

use lan::{Lan, Node, ip, until};
use model::{ObjectRef, Outcome, Route, Scope};

#[tokio::test(flavor = "multi_thread")]
async fn three_clients_get_what_the_controller_says() {
    let _turn = lan::turn().await;
    let lan = Lan::new(1);
    lan.plug();
    let mut node = Node::new(|_| {}).await;
    lan.usual(&mut node.desired);
    let mut subnet = lan.subnet(1, "10.0.0.0/24", Some("10.0.0.1"));
    subnet.dns_servers = vec!["192.0.2.53".parse().unwrap()];
    subnet.host_routes =
        vec![Route { destination: "10.9.0.0/16".parse().unwrap(), nexthop: ip("10.0.0.9").into() }];
    node.desired.set_subnet(subnet);
    for index in 3..=5 {
        node.desired.set_port(lan.guest_port(index, &[(1, &format!("10.0.0.{index}"))]));
    }
    node.settle_all().await;

    let guest = lan.guest(3);
    guest.udhcpc("");
    for (name, value) in [
        ("ip", "10.0.0.3"),
        ("subnet", "255.255.255.0"),
        ("router", "10.0.0.1"),
        ("dns", "192.0.2.53"),
        ("domain", "openstacklocal"),
        ("serverid", "10.0.0.2"),
        ("siaddr", "10.0.0.2"),
        ("lease", "86400"),
        ("mtu", "1450"),
        ("hostname", "host-10-0-0-3"),
        ("staticroutes", "10.9.0.0/16 10.0.0.9 0.0.0.0/0 10.0.0.1"),
    ] {
        assert_eq!(guest.seen(name).as_deref(), Some(value), "{name}");
    }

    let guest = lan.guest(4);
    guest.dhclient();
    for (name, value) in [
        ("new_ip_address", "10.0.0.4"),
        ("new_subnet_mask", "255.255.255.0"),
        ("new_interface_mtu", "1450"),
        ("new_classless", "16 10 9 10 0 0 9 0 10 0 0 1"),
        ("new_dhcp_renewal_time", "43200"),
        ("new_dhcp_rebinding_time", "75600"),
        ("new_host_name", "host-10-0-0-4"),
    ] {
        assert_eq!(guest.seen(name).as_deref(), Some(value), "{name}");
    }

    let guest = lan.guest(5);
    guest.dhcpcd();
    assert_eq!(guest.seen("new_ip_address").as_deref(), Some("10.0.0.5"));
    assert_eq!(guest.seen("new_dhcp_server_identifier").as_deref(), Some("10.0.0.2"));

    let service = node.dhcp.service();
    let leases: Vec<_> = service.leases(lan.network).iter().map(|lease| (lease.mac, lease.address)).collect();
    assert_eq!(leases, [3, 4, 5].map(|index| (lan.mac(index), ip(&format!("10.0.0.{index}")))));
    assert_eq!(service.hosts(lan.network).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_leave_whole_and_as_neutron_sends_them() {
    let _turn = lan::turn().await;
    let lan = Lan::new(2);
    lan.plug();
    let mut node = Node::new(|_| {}).await;
    lan.usual(&mut node.desired);
    node.desired.set_port(lan.guest_port(3, &[(1, "10.0.0.3")]));
    node.settle_all().await;

    let guest = lan.guest(3);
    let fields = [
        "eth.src",
        "eth.dst",
        "ip.src",
        "ip.dst",
        "ip.ttl",
        "ip.checksum.status",
        "udp.checksum.status",
        "dhcp.option.dhcp",
        "dhcp.ip.server",
    ];
    let capture = guest.capture();
    guest.udhcpc("");
    let seen = capture.fields(&fields);
    let server = "fa:16:3e:02:ff:01";
    let to_guest = |kind| format!("{server} {} 10.0.0.2 10.0.0.3 64 1 1 {kind} 10.0.0.2", lan.mac(3));
    assert!(seen.contains(&to_guest(2)), "offer in {seen:#?}");
    assert!(seen.contains(&to_guest(5)), "ack in {seen:#?}");

    // The same with the broadcast flag.
    let capture = guest.capture();
    guest.udhcpc("-B");
    let seen = capture.fields(&fields);
    let to_all = |kind| format!("{server} ff:ff:ff:ff:ff:ff 10.0.0.2 255.255.255.255 64 1 1 {kind} 10.0.0.2");
    assert!(seen.contains(&to_all(2)), "offer in {seen:#?}");
    assert!(seen.contains(&to_all(5)), "ack in {seen:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_renews_and_releases() {
    let _turn = lan::turn().await;
    let lan = Lan::new(3);
    lan.plug();
    let mut node = Node::new(|_| {}).await;
    lan.usual(&mut node.desired);
    let port = lan.guest_port(3, &[(1, "10.0.0.3")]);
    node.desired.set_port(port.clone());
    node.settle_all().await;

    let guest = lan.guest(3);
    let client = guest.udhcpc_stays("-R");
    until("a lease", || guest.seen("ip").ok_or_else(|| guest.log()));
    assert_eq!(node.dhcp.leases().len(), 1);

    // SIGUSR1 renews; the server is a new one, without any memory, and says yes.
    node.dhcp = dhcp::Dhcp::new(dhcp::Config::new(lan::HOST.into()), host::Handles::open().await.unwrap());
    node.settle_all().await;
    let service = node.dhcp.service();
    let count = |name: &str| service.counters(lan.network).get(name).copied().unwrap_or(0);
    lan::sh(&format!("kill -USR1 {}", client.0.id()));
    until("a renewal", || if count("sent ack") == 1 { Ok(()) } else { Err(guest.log()) });
    assert_eq!(service.leases(lan.network).len(), 1);
    // A signal before the client has its answer would send it back to its beginning.
    until("the client to hear of it", || {
        let log = guest.log();
        if log.matches("obtained").count() == 2 { Ok(()) } else { Err(log) }
    });

    // The address changes: the old one is refused, the next offer has the new one.
    let moved = lan.guest_port(3, &[(1, "10.0.0.33")]);
    node.desired.set_port(moved.clone());
    node.settle_port(&moved).await;
    lan::sh(&format!("kill -USR1 {}", client.0.id()));
    until("the new address", || match guest.seen("ip") {
        Some(address) if address == "10.0.0.33" => Ok(()),
        other => Err(format!("{other:?} {}", guest.log())),
    });
    assert_eq!(count("sent nak: address not available"), 1);

    // SIGUSR2 releases.
    lan::sh(&format!("kill -USR2 {}", client.0.id()));
    until("a release", || if count("received release") == 1 { Ok(()) } else { Err(guest.log()) });
    assert_eq!(service.leases(lan.network), []);

    // The port goes: a lease of it is not renewed.
    drop(client);
    let client = guest.udhcpc_stays("");
    until("a lease", || guest.seen("ip").ok_or_else(|| guest.log()));
    node.desired.drop_port(moved.id);
    node.settle_port(&moved).await;
    lan::sh(&format!("kill -USR1 {}", client.0.id()));
    until(
        "a refusal",
        || {
            if count("sent nak: address not available") == 2 { Ok(()) } else { Err(guest.log()) }
        },
    );
    assert_eq!(service.hosts(lan.network), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_serves_several_subnets_and_networks_overlap() {
    let _turn = lan::turn().await;
    let mut node = Node::new(|_| {}).await;
    let lans = [Lan::new(4), Lan::new(5)];
    for lan in &lans {
        lan.plug();
        lan.usual(&mut node.desired);
        node.desired.set_subnet(lan.subnet(2, "10.7.0.0/16", None));
        node.desired.set_port(lan.service_port(&[(1, "10.0.0.2"), (2, "10.7.0.2")]));
        node.desired.set_port(lan.guest_port(3, &[(1, "10.0.0.3")]));
        node.desired.set_port(lan.guest_port(4, &[(2, "10.7.0.4")]));
    }
    node.settle_all().await;
    for lan in &lans {
        let (one, two) = (lan.guest(3), lan.guest(4));
        one.udhcpc("");
        two.udhcpc("");
        assert_eq!(one.seen("serverid").as_deref(), Some("10.0.0.2"));
        assert_eq!(one.seen("staticroutes").as_deref(), Some("10.7.0.0/16 0.0.0.0 0.0.0.0/0 10.0.0.1"));
        assert_eq!(two.seen("ip").as_deref(), Some("10.7.0.4"));
        assert_eq!(two.seen("serverid").as_deref(), Some("10.7.0.2"));
        assert_eq!(two.seen("subnet").as_deref(), Some("255.255.0.0"));
        assert_eq!(two.seen("staticroutes").as_deref(), Some("10.0.0.0/24 0.0.0.0"));
        assert_eq!(two.seen("router"), None);
        assert_eq!(node.dhcp.service().leases(lan.network).len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_of_our_own_serves_as_well() {
    let _turn = lan::turn().await;
    let lan = Lan::new(6);
    let mut node = Node::new(|config| {
        config.use_veth = true;
        config.userspace_datapath = true;
    })
    .await;
    lan.usual(&mut node.desired);
    node.desired.set_port(lan.guest_port(3, &[(1, "10.0.0.3")]));
    node.settle_all().await;
    lan::sh(&format!("ip link set {} master {}", lan.device(), lan.bridge));
    let device = model::names::dhcp_veth(lan.dhcp_port);
    let features = lan::sh(&format!("ip netns exec {} ethtool -k {device}", lan.namespace()));
    assert!(features.contains("tx-checksumming: off"), "{features}");
    let guest = lan.guest(3);
    guest.udhcpc("");
    assert_eq!(guest.seen("ip").as_deref(), Some("10.0.0.3"));

    node.desired.drop_port(lan.dhcp_port);
    node.settle_network(&lan).await;
    let left = lan::sh("ip -br link; ip netns");
    assert!(!left.contains(&lan.device()) && !left.contains(&lan.namespace()), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_not_there_is_waited_for() {
    let _turn = lan::turn().await;
    let lan = Lan::new(7);
    let mut node = Node::new(|_| {}).await;
    lan.usual(&mut node.desired);
    node.desired.set_port(lan.guest_port(3, &[(1, "10.0.0.3")]));
    let network = ObjectRef::Network(lan.network);
    for scope in [lan::scope([network]), Scope::All, lan::scope([network])] {
        let report = node.pass(&scope).await;
        assert!(matches!(report.0.get(&network), Some(Outcome::Waiting { .. })), "{report:?}");
    }
    use model::Domain;
    assert_eq!(node.dhcp.owner_of_device(&lan.device()), Some(network));
    lan.plug();
    node.settle_network(&lan).await;
    let guest = lan.guest(3);
    guest.udhcpc("");
    assert_eq!(guest.seen("ip").as_deref(), Some("10.0.0.3"));
}
