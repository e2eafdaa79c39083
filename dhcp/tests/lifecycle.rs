//! What the domain makes on a node, and that it takes away no more than is its own.

mod lan;

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::Instant;

use lan::{Lan, Node, ip, sh, until};
use model::{Domain, Mac, NetworkId, ObjectRef, Outcome, PortId, Role, Scope, names};
use uuid::Uuid;

/// The inode of the server's UDP socket: the same as long as the socket lives.
fn socket_of(lan: &Lan) -> String {
    let text = sh(&format!("ip netns exec {} ss -Hulne sport = :67", lan.namespace()));
    assert_eq!(text.lines().count(), 1, "{text}");
    text.split_whitespace().find(|word| word.starts_with("ino:")).expect("an inode").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_is_as_neutron_leaves_it() {
    let _turn = lan::turn().await;
    let lan = Lan::new(1);
    lan.plug();
    let mut node = Node::new(|config| config.force_metadata = true).await;
    lan.usual(&mut node.desired);
    node.desired.set_subnet(lan.subnet(2, "2001:db8::/64", Some("fe80::1")));
    node.desired.set_port(lan.service_port(&[(1, "10.0.0.2"), (2, "2001:db8::2")]));
    node.settle_all().await;

    let inside = format!("ip netns exec {}", lan.namespace());
    let device = lan.device();
    let link = sh(&format!("{inside} ip -o link show {device}"));
    assert!(link.contains("mtu 1450") && link.contains("fa:16:3e:01:ff:01") && link.contains("UP"), "{link}");
    let addresses = sh(&format!("{inside} ip -br address show {device}"));
    for address in ["10.0.0.2/24", "169.254.169.254/32", "2001:db8::2/64", "fe80::a9fe:a9fe/128"] {
        assert!(addresses.contains(address), "{address} in {addresses}");
    }
    let routes = sh(&format!("{inside} ip route; {inside} ip -6 route"));
    assert!(routes.contains(&format!("default via 10.0.0.1 dev {device} proto static")), "{routes}");
    assert!(routes.contains(&format!("default via fe80::1 dev {device} proto static")), "{routes}");
    let sysctls = sh(&format!(
        "{inside} sysctl -n net.ipv4.ip_nonlocal_bind net.ipv4.conf.all.promote_secondaries \
         net.ipv6.conf.default.accept_ra"
    ));
    assert_eq!(sysctls, "1\n1\n0\n");
    assert!(sh(&format!("{inside} ip -br link show lo")).contains("LOOPBACK,UP"));

    // Drift is put right, and what others put there stays.
    sh(&format!(
        "{inside} ip addr del 10.0.0.2/24 dev {device}
         {inside} ip addr add 10.0.0.99/24 dev {device}
         {inside} ip link set {device} mtu 1300 address 02:00:00:00:00:01
         {inside} ip link add foreign type bridge
         {inside} ip route add 192.0.2.0/24 dev {device}"
    ));
    node.settle_network(&lan).await;
    let addresses = sh(&format!("{inside} ip -br address show {device}"));
    assert!(addresses.contains("10.0.0.2/24") && !addresses.contains("10.0.0.99"), "{addresses}");
    let state = sh(&format!("{inside} ip -o link; {inside} ip route"));
    for kept in ["foreign", "192.0.2.0/24", "mtu 1450", "fa:16:3e:01:ff:01", "default via 10.0.0.1"] {
        assert!(state.contains(kept), "{kept} in {state}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_do_not_touch_the_socket() {
    let _turn = lan::turn().await;
    let lan = Lan::new(1);
    lan.plug();
    let mut node = Node::new(|_| {}).await;
    lan.usual(&mut node.desired);
    node.settle_all().await;
    let before = socket_of(&lan);
    let guest = lan.guest(3);

    // A port is served at once.
    let port = lan.guest_port(3, &[(1, "10.0.0.3")]);
    node.desired.set_port(port.clone());
    node.settle_port(&port).await;
    guest.udhcpc("");
    assert_eq!(guest.seen("mtu").as_deref(), Some("1450"));

    // So are another MTU, another subnet and another gateway.
    let mut network = lan.model();
    network.mtu = 1300;
    node.desired.set_network(network);
    node.desired.set_subnet(lan.subnet(1, "10.0.0.0/24", Some("10.0.0.254")));
    node.desired.set_subnet(lan.subnet(2, "10.7.0.0/24", None));
    node.desired.set_port(lan.service_port(&[(1, "10.0.0.2"), (2, "10.7.0.2")]));
    node.settle_network(&lan).await;
    guest.udhcpc("");
    assert_eq!(guest.seen("mtu").as_deref(), Some("1300"));
    assert_eq!(guest.seen("router").as_deref(), Some("10.0.0.254"));

    // A MAC address that changes takes its address along.
    let mut changed = port.clone();
    changed.mac = Mac([0xfa, 0x16, 0x3e, 1, 9, 9]);
    node.desired.set_port(changed.clone());
    node.settle_port(&changed).await;
    let hosts = node.dhcp.service().hosts(lan.network);
    assert_eq!(hosts.iter().map(|host| host.mac).collect::<Vec<_>>(), [changed.mac]);
    assert_eq!(socket_of(&lan), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_moves_between_networks() {
    let _turn = lan::turn().await;
    let lans = [Lan::new(1), Lan::new(2)];
    let mut node = Node::new(|_| {}).await;
    for lan in &lans {
        lan.plug();
        lan.usual(&mut node.desired);
    }
    let port = lans[0].guest_port(3, &[(1, "10.0.0.3")]);
    node.desired.set_port(port.clone());
    node.settle_all().await;
    let mut moved = lans[1].guest_port(3, &[(1, "10.0.0.3")]);
    moved.id = port.id;
    node.desired.set_port(moved.clone());
    node.settle_port(&moved).await;
    let service = node.dhcp.service();
    assert_eq!(service.hosts(lans[0].network), []);
    assert_eq!(service.hosts(lans[1].network).len(), 1);
    node.settle_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_wanted_goes_and_what_is_foreign_stays() {
    let _turn = lan::turn().await;
    let lan = Lan::new(1);
    lan.plug();
    let mut node = Node::new(|_| {}).await;
    lan.usual(&mut node.desired);
    node.settle_all().await;
    let stale = names::dhcp_namespace(NetworkId(Uuid::from_u128(77)));
    sh(&format!(
        "ip netns add {stale}; ip netns add qdhcp-mine; ip netns add qrouter-{}; ip netns add other
         ip -n {} link add tapdeadbeef-00 type bridge",
        Uuid::from_u128(5),
        lan.namespace()
    ));

    // Nothing goes while the picture is not whole.
    node.desired.complete.remove(&Role::Dhcp);
    node.pass(&Scope::All).await;
    assert!(sh("ip netns").contains(&stale));
    node.desired.complete.insert(Role::Dhcp);

    node.settle_all().await;
    let left = sh("ip netns");
    assert!(!left.contains(&stale), "{left}");
    for kept in ["qdhcp-mine", "qrouter-", "other", &lan.namespace()] {
        assert!(left.contains(kept), "{kept} in {left}");
    }
    assert!(!sh(&format!("ip -n {} -br link", lan.namespace())).contains("tapdeadbeef"));

    // A network that is down, without DHCP, or served elsewhere has no namespace.
    let mut down = lan.model();
    down.admin_up = false;
    node.desired.set_network(down);
    node.settle_network(&lan).await;
    assert!(!sh("ip netns").contains(&lan.namespace()));
    assert_eq!(node.dhcp.hosts(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_was_made_anew_replaces_the_dead_one() {
    let _turn = lan::turn().await;
    let lan = Lan::new(1);
    lan.plug();
    let mut node = Node::new(|_| {}).await;
    lan.usual(&mut node.desired);
    node.desired.set_port(lan.guest_port(3, &[(1, "10.0.0.3")]));
    node.settle_all().await;
    assert_eq!(node.dhcp.owner_of_device(&lan.device()), Some(ObjectRef::Network(lan.network)));

    // The device in the namespace has lost its switch, and the switch has made another one.
    sh(&format!("ip link set sw{0} name lost{0}", lan.number));
    lan.plug();
    node.settle_network(&lan).await;
    let guest = lan.guest(3);
    guest.udhcpc("");

    // The device is gone for good, then comes back.
    sh(&format!("ip -n {} link del {}", lan.namespace(), lan.device()));
    let network = ObjectRef::Network(lan.network);
    let report = node.pass(&lan::scope([network])).await;
    assert!(matches!(report.0[&network], Outcome::Waiting { .. }), "{report:?}");
    lan.plug();
    node.settle_network(&lan).await;
    guest.udhcpc("");

    // So is the whole namespace.
    sh(&format!("ip netns del {}", lan.namespace()));
    let report = node.pass(&lan::scope([network])).await;
    assert!(matches!(report.0[&network], Outcome::Waiting { .. }), "{report:?}");
    until("the device is gone", || match sh("ip -br link") {
        links if links.contains("sw1") => Err(links),
        _ => Ok(()),
    });
    lan.plug();
    node.settle_network(&lan).await;
    guest.udhcpc("");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_packets_are_counted_while_others_are_served() {
    let _turn = lan::turn().await;
    let lan = Lan::new(1);
    lan.plug();
    let mut node = Node::new(|_| {}).await;
    lan.usual(&mut node.desired);
    node.desired.set_port(lan.guest_port(3, &[(1, "10.0.0.3")]));
    node.settle_all().await;
    let attacker = lan.guest(66);
    attacker.sh("ip addr add 10.0.0.66/24 dev eth0; ip link set eth0 mtu 1450");
    let socket = attacker
        .open()
        .run(|| {
            let socket = UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68))?;
            socket.set_broadcast(true)?;
            Ok::<_, std::io::Error>(socket)
        })
        .await
        .unwrap()
        .unwrap();
    let to = SocketAddrV4::new(ip("10.0.0.255"), 67);
    let mut packet = vec![0; 244];
    packet[..3].copy_from_slice(&[1, 1, 6]);
    packet[28] = 2;
    packet[236..240].copy_from_slice(&[99, 130, 83, 99]);
    packet[240..].copy_from_slice(&[53, 200, 1, 255]);
    let huge = [&packet[..240], &[0; 9000]].concat();
    let service = node.dhcp.service();
    let count = |name: &str| service.counters(lan.network).get(name).copied().unwrap_or(0);
    for round in 1..=50 {
        for bytes in [&packet[..], &packet[..100], &[], &huge] {
            socket.send_to(bytes, to).unwrap();
        }
        // Not to fill the socket: this is about what they are, not how many.
        until("all are counted", || {
            let counts = service.counters(lan.network);
            if count("dropped: longer than 4096 bytes") == round {
                Ok(())
            } else {
                Err(format!("{counts:?}"))
            }
        });
    }
    let guest = lan.guest(3);
    guest.udhcpc("");
    assert_eq!(guest.seen("ip").as_deref(), Some("10.0.0.3"));
    assert_eq!(count("dropped: an option runs past the end"), 50);
    assert_eq!(count("dropped: shorter than a DHCP message"), 100);
    assert_eq!(count("sent ack"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_host_among_many_is_changed_at_once() {
    let _turn = lan::turn().await;
    let lan = Lan::new(1);
    lan.plug();
    let mut node = Node::new(|_| {}).await;
    lan.usual(&mut node.desired);
    node.desired.set_subnet(lan.subnet(1, "10.0.0.0/8", None));
    let port = |index: u32| {
        let address = Ipv4Addr::from_bits(0x0a01_0000 + index);
        let mut port = lan.guest_port(0, &[(1, &address.to_string())]);
        port.id = PortId(Uuid::from_u128(0x1_0000_0000 + u128::from(index)));
        let [_, _, a, b] = address.octets();
        port.mac = Mac([0xfa, 0x16, 0x3f, 1, a, b]);
        port
    };
    (0..20_000).for_each(|index| node.desired.set_port(port(index)));
    node.settle_all().await;
    assert_eq!(node.dhcp.service().hosts(lan.network).len(), 20_000);

    let mut spent = Vec::new();
    for index in 20_000..20_050 {
        let port = port(index);
        node.desired.set_port(port.clone());
        let begin = Instant::now();
        node.pass(&lan::scope([ObjectRef::Port(port.id)])).await;
        spent.push(begin.elapsed());
    }
    spent.sort();
    assert!(spent[25].as_micros() < 1000, "half of the passes took longer than {:?}", spent[25]);
    let mut last = port(20_049);
    last.mac = lan.mac(3);
    node.desired.set_port(last.clone());
    node.settle_port(&last).await;
    let guest = lan.guest(3);
    guest.udhcpc("");
    assert_eq!(guest.seen("ip").map(|text| ip(&text)), Some(Ipv4Addr::from_bits(0x0a01_0000 + 20_049)));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_carry_the_mac_address_that_the_device_has() {
    let _turn = lan::turn().await;
    let lan = Lan::new(1);
    lan.plug();
    let mut node = Node::new(|_| {}).await;
    lan.usual(&mut node.desired);
    node.desired.set_port(lan.guest_port(3, &[(1, "10.0.0.3")]));
    node.settle_all().await;
    let mut port = lan.service_port(&[(1, "10.0.0.2")]);
    port.mac = Mac([0xfa, 0x16, 0x3e, 7, 7, 7]);
    node.desired.set_port(port.clone());
    node.settle_network(&lan).await;
    let guest = lan.guest(3);
    let capture = guest.capture();
    guest.udhcpc("");
    let sources = capture.fields(&["eth.src", "dhcp.option.dhcp"]);
    assert!(sources.contains(&format!("{} 5", port.mac)), "{sources:?}");
}

/// A dnsmasq as Neutron's DHCP agent starts it, in the namespace of a network.
fn dnsmasq(lan: &Lan, state_path: &std::path::Path) -> u32 {
    let folder = state_path.join("dhcp").join(lan.network.to_string());
    std::fs::create_dir_all(&folder).expect("a folder");
    let (folder, device) = (folder.display(), lan.device());
    sh(&format!(
        "ip netns exec {} dnsmasq --no-hosts --no-resolv --pid-file={folder}/pid --except-interface=lo \
         --bind-dynamic --interface={device} --user=root --dhcp-range=10.0.0.0,static,60s \
         --dhcp-leasefile={folder}/leases --conf-file=/dev/null --port=0",
        lan.namespace()
    ));
    let text = std::fs::read_to_string(format!("{folder}/pid")).expect("dnsmasq writes its number");
    text.trim().parse().expect("a number")
}

fn lives(process: u32) -> bool {
    std::fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| !line.is_empty())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dnsmasq_of_neutrons_agent_is_replaced() {
    let _turn = lan::turn().await;
    let lan = Lan::new(1);
    lan.plug();
    let state_path = std::env::temp_dir().join(format!("dnsmasq-{}", Uuid::new_v4()));
    let mut before = Node::new(|_| {}).await;
    lan.usual(&mut before.desired);
    before.settle_all().await;
    drop(before);
    let old = dnsmasq(&lan, &state_path);
    // A process that only has the number of one is not ours to end.
    let folder = state_path.join("dhcp").join(Uuid::from_u128(9).to_string());
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("pid"), std::process::id().to_string()).expect("a file");

    let mut node = Node::new(move |config| config.state_path = Some(state_path)).await;
    lan.usual(&mut node.desired);
    node.desired.complete.remove(&Role::Dhcp);
    node.settle_all().await;
    until("the dnsmasq of the network ends", || if lives(old) { Err("it lives".to_owned()) } else { Ok(()) });
    let guest = lan.guest(3);
    let port = lan.guest_port(3, &[(1, "10.0.0.3")]);
    node.desired.set_port(port.clone());
    node.settle_port(&port).await;
    guest.udhcpc("");
}
