//! Other people's clients of the API: `openstack` and openstacksdk make what a node then serves.

use tests::openstack::{run_openstack, run_sdk};
use tests::{Baryon, DhcpClient, Guest, Node, OpenStack, Plug, Settings, Underlay, WORLD};

fn listening() -> Settings {
    Settings { more: OpenStack::LISTEN.to_owned(), ..Settings::default() }
}

/// One network behind a router, as a newcomer types it; the port `a1` is on node1.
const BUILD: [&str; 8] = [
    "network create red --mtu 1400",
    "subnet create red4 --network red --subnet-range 10.1.0.0/24 --dns-nameserver 9.9.9.9 \
     --host-route destination=192.0.2.0/24,gateway=10.1.0.77",
    "network create outside --external --provider-network-type flat --provider-physical-network public",
    "subnet create outside4 --network outside --subnet-range 203.0.113.0/24 --gateway 203.0.113.1 --no-dhcp \
     --allocation-pool start=203.0.113.50,end=203.0.113.99",
    "router create edge --tag lab",
    "router set edge --external-gateway outside --fixed-ip subnet=outside4,ip-address=203.0.113.60",
    "router add subnet edge red4",
    "port create a1 --network red --fixed-ip subnet=red4,ip-address=10.1.0.11 --host node1",
];

fn build(client: &OpenStack<'_>) {
    BUILD.iter().for_each(|command| drop(client.run(command)));
}

fn plug<'n>(node: &'n Node, client: &OpenStack<'_>, port: &str) -> Guest<'n> {
    let port = client.json(&format!("port show {port}"));
    let field = |name: &str| port[name].as_str().unwrap_or_else(|| panic!("no {name} in {port}")).to_owned();
    Guest::plug(node, &field("id"), &field("mac_address"), Plug::Veth)
}

#[test]
fn what_the_openstack_client_makes_is_served() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &listening());
    let client = OpenStack::start(&node);
    build(&client);
    let guest = plug(&node, &client, "a1");
    let lease = DhcpClient::Udhcpc.lease(&guest);
    assert_eq!((lease.address.to_string(), lease.mtu), ("10.1.0.11".to_owned(), Some(1400)));
    assert_eq!(lease.dns.iter().map(ToString::to_string).collect::<Vec<_>>(), ["9.9.9.9"]);
    guest.await_ping(WORLD);
    baryon.await_converged(30);
    assert_eq!(client.json("port show a1")["status"], "ACTIVE");

    let floating = client.json("floating ip create outside --floating-ip-address 203.0.113.70");
    assert_eq!(floating["status"], "DOWN");
    client.run("floating ip set 203.0.113.70 --port a1");
    underlay.sh("ping -n -c 1 -w 20 203.0.113.70");
    client.run("floating ip unset 203.0.113.70 --port");
    baryon.await_converged(30);
    assert!(underlay.try_sh("ping -n -c 2 -i 0.2 -W 1 203.0.113.70").is_err());

    client.run("port set a1 --no-fixed-ip --fixed-ip subnet=red4,ip-address=10.1.0.111");
    assert_eq!(DhcpClient::Udhcpc.lease(&guest).address.to_string(), "10.1.0.111");
    client.run("port set a1 --disable");
    baryon.await_converged(30);
    assert!(guest.is_silent("10.1.0.1"));
}

#[test]
fn the_openstack_client_changes_and_takes_away() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &listening());
    let client = OpenStack::start(&node);
    build(&client);
    set_and_unset(&client);
    lists(&client);
    refusals(&client);
    for command in [
        "floating ip delete 203.0.113.70",
        "router unset edge --external-gateway",
        "router remove subnet edge red4",
        "router add port edge a1",
        "router remove port edge a1",
        "router delete edge",
        "subnet delete red4 outside4",
        "network delete red outside",
    ] {
        client.run(command);
    }
    assert_eq!(client.json("port list"), serde_json::json!([]));
    // The namespaces go with what they were for.
    baryon.await_converged(30);
    assert_eq!(node.sh("ip netns list"), "");
    let listed = run_openstack(
        &node,
        "--os-auth-type none --os-endpoint http://127.0.0.1:9696 network list -f value -c Name",
    );
    assert_eq!(listed, "");
}

/// Every change shows, and what is taken back is as it was.
fn set_and_unset(client: &OpenStack<'_>) {
    let steps = [
        ("network", "red", "--name red --disable --description x --share", "description", r#""x""#),
        ("network", "red", "--enable --no-share --disable-port-security", "port_security_enabled", "false"),
        ("network", "red", "--tag a --tag b", "tags", r#"["a","b"]"#),
        ("subnet", "red4", "--no-dhcp", "enable_dhcp", "false"),
        ("subnet", "red4", "--dhcp --gateway 10.1.0.1 --tag s", "enable_dhcp", "true"),
        ("subnet", "red4", "--dns-nameserver 9.9.9.10", "dns_nameservers", r#"["9.9.9.10","9.9.9.9"]"#),
        (
            "port",
            "a1",
            "--extra-dhcp-option name=tftp-server,value=10.1.0.5",
            "extra_dhcp_opts",
            "tftp-server",
        ),
        ("port", "a1", "--mac-address fa:16:3e:00:00:23", "mac_address", "fa:16:3e:00:00:23"),
        (
            "port",
            "a1",
            "--enable-port-security --allowed-address ip-address=10.1.0.99",
            "allowed_address_pairs",
            "10.1.0.99",
        ),
        ("port", "a1", "--no-allowed-address --no-security-group", "allowed_address_pairs", "[]"),
        ("port", "a1", "--device server-1 --device-owner compute:nova", "device_id", "server-1"),
        ("router", "edge", "--route destination=10.9.0.0/16,gateway=10.1.0.99", "routes", "10.9.0.0/16"),
        ("router", "edge", "--no-route", "routes", "[]"),
        ("router", "edge", "--tag t", "tags", r#"["lab","t"]"#),
        ("router", "edge", "--disable --description d", "admin_state_up", "false"),
        (
            "router",
            "edge",
            "--enable --external-gateway outside --disable-snat",
            "external_gateway_info",
            r#""enable_snat":false"#,
        ),
    ];
    for (kind, name, options, field, value) in steps {
        client.run(&format!("{kind} set {name} {options}"));
        let shown = client.json(&format!("{kind} show {name}"))[field].to_string();
        assert!(shown.contains(value), "{kind} {name} {options}: {field} is {shown}");
    }
    for (command, kind, name, field, value) in [
        ("network unset red --all-tag", "network", "red", "tags", "[]"),
        (
            "subnet unset red4 --dns-nameserver 9.9.9.10",
            "subnet",
            "red4",
            "dns_nameservers",
            r#"["9.9.9.9"]"#,
        ),
        ("port unset a1 --device", "port", "a1", "device_id", "\"\""),
        (
            "router add route edge --route destination=10.8.0.0/16,gateway=10.1.0.98",
            "router",
            "edge",
            "routes",
            "10.8.0.0/16",
        ),
        (
            "router remove route edge --route destination=10.8.0.0/16,gateway=10.1.0.98",
            "router",
            "edge",
            "routes",
            "[]",
        ),
    ] {
        client.run(command);
        let shown = client.json(&format!("{kind} show {name}"))[field].to_string();
        assert!(shown.contains(value), "{command}: {field} is {shown}");
    }
}

fn lists(client: &OpenStack<'_>) {
    client.run("floating ip create outside --port a1 --floating-ip-address 203.0.113.70");
    for (command, count) in [
        ("network list --long", 2),
        ("network list --external", 1),
        ("network list --name red", 1),
        // The limit is that of a page; the client asks for the next one.
        ("network list --limit 1", 2),
        ("network list --tags nothing", 0),
        ("subnet list --network red --dhcp --ip-version 4", 1),
        ("subnet list --gateway 10.1.0.1", 1),
        ("port list --device-owner network:dhcp", 1),
        ("port list --router edge", 2),
        ("port list --fixed-ip ip-address=10.1.0.11", 1),
        ("port list --host node1 --network red --long", 3),
        ("port list --mac-address fa:16:3e:00:00:23", 1),
        ("router list --long --tags lab", 1),
        ("floating ip list --long --port a1 --network outside", 1),
        ("floating ip list --router edge", 1),
        ("extension list --network", 21),
        ("network agent list", 0),
        ("security group list", 0),
        ("subnet pool list", 0),
        ("network qos policy list", 0),
    ] {
        let listed = client.json(command);
        assert_eq!(listed.as_array().map(Vec::len), Some(count), "{command}: {listed}");
    }
}

/// Refused in words that name the thing and the reason.
fn refusals(client: &OpenStack<'_>) {
    client.run("network create twin");
    client.run("network create twin");
    for (command, words) in [
        ("network show nothing", "No Network found for nothing"),
        ("network show twin", "More than one Network exists with the name 'twin'"),
        ("network delete red", "There are one or more ports still in use on the network"),
        ("subnet delete red4", "One or more ports have an IP allocation from this subnet"),
        ("subnet create s --network red --subnet-range 10.1.0.0/25", "overlaps"),
        ("router delete edge", "still has ports"),
        ("router remove subnet edge red4", "required by one or more floating IPs"),
        ("router create ha --ha", "Invalid input for ha"),
        (
            "port create p --network red --fixed-ip ip-address=10.1.0.11",
            "The IP address 10.1.0.11 is in use by port",
        ),
        (
            "port create p --network red --fixed-ip ip-address=10.7.0.1",
            "Invalid input for fixed_ips[0].ip_address",
        ),
        ("port create p --network red --mac-address 01:00:5e:00:00:01", "Invalid input for mac_address"),
        ("security group create web", "Security group: this controller has none"),
        ("subnet pool create p --pool-prefix 10.0.0.0/8", "Subnet pool: this controller has none"),
        ("network set red --qos-policy gold", "gold"),
        ("network agent show nothing", "No Agent found for nothing"),
    ] {
        let said = client.refused(command);
        assert!(said.contains(words), "openstack {command}: {said}");
    }
    for twin in client.json("network list --name twin").as_array().into_iter().flatten() {
        client.run(&format!("network delete {}", twin["ID"].as_str().unwrap_or_default()));
    }
}

#[test]
fn openstacksdk_finds_what_it_expects() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &listening());
    let said = run_sdk(&node, "sdk.py");
    assert_eq!(said.lines().count(), 5, "{said}");
    baryon.await_converged(30);
    assert_eq!(node.sh("ip netns list"), "");
}
