//! The commands `baryon network|subnet|port|router|floatingip …` against a running agent: every verb of every
//! kind, for people and for programs, what they say of a mistake, and how they end.

use serde_json::Value;
use tests::{Baryon, DhcpClient, Guest, Node, Plug, Settings, Underlay};

/// What an operator types for one network behind a router, and a floating IP.
const BUILD: [&str; 9] = [
    "network create red --mtu 1400",
    "network create outside --external --provider-network-type flat --provider-physical-network public",
    "subnet create red4 --network red --subnet-range 10.1.0.0/24 --dns-nameserver 9.9.9.9",
    "subnet create outside4 --network outside --subnet-range 203.0.113.0/24 --gateway 203.0.113.1 --no-dhcp \
     --allocation-pool start=203.0.113.50,end=203.0.113.99",
    "router create edge --external-gateway outside --fixed-ip ip-address=203.0.113.60",
    "router add-subnet edge red4",
    "port create a1 --network red --fixed-ip subnet=red4,ip-address=10.1.0.11",
    "port create a2 --network red",
    "floatingip create outside --port a1 --floating-ip-address 203.0.113.70",
];

fn json(baryon: &Baryon<'_>, command: &str) -> Value {
    let out = baryon.cli(&format!("{command} --json"));
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("baryon {command} --json: {error}: {out}"))
}

/// A command that fails with this exit status and says this, on standard error only.
#[track_caller]
fn refused(baryon: &Baryon<'_>, command: &str, status: u8, words: &[&str]) {
    let said = baryon.try_cli(&format!("{command} 2>&1 >/run/printed")).expect_err(command);
    assert!(said.starts_with(&format!("exit status: {status}\n")), "baryon {command}: {said}");
    for word in words {
        assert!(said.contains(word), "baryon {command}: no {word:?} in {said}");
    }
    assert_eq!(
        baryon.try_cli("--version >/dev/null; cat /run/printed"),
        Ok(String::new()),
        "baryon {command}"
    );
}

#[test]
fn what_is_typed_is_served() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    BUILD.iter().for_each(|command| drop(baryon.cli(command)));
    let guest = plug(&node, &baryon, "a1");
    let lease = DhcpClient::Udhcpc.lease(&guest);
    assert_eq!((lease.address.to_string(), lease.mtu), ("10.1.0.11".to_owned(), Some(1400)));
    guest.await_ping("203.0.113.1");
    underlay.sh("ping -n -c 1 -w 20 203.0.113.70");
    shown_and_listed(&baryon);
    set(&baryon);
    baryon.cli("port set a1 --fixed-ip ip-address=10.1.0.111");
    assert_eq!(DhcpClient::Udhcpc.lease(&guest).address.to_string(), "10.1.0.111");
    take_away(&baryon);
    baryon.await_converged(30);
    assert_eq!(node.sh("ip netns list | grep ^q || true"), "");
}

fn plug<'n>(node: &'n Node, baryon: &Baryon<'_>, port: &str) -> Guest<'n> {
    let shown = json(baryon, &format!("port show {port}"));
    let field = |name: &str| shown[name].as_str().unwrap_or_else(|| panic!("no {name}: {shown}")).to_owned();
    Guest::plug(node, &field("id"), &field("mac_address"), Plug::Veth)
}

/// The same thing by name and by id, for people and for programs.
fn shown_and_listed(baryon: &Baryon<'_>) {
    for (kind, name, field, value) in [
        ("network", "red", "mtu", "1400"),
        ("subnet", "red4", "cidr", "10.1.0.0/24"),
        ("port", "a1", "fixed_ips", "10.1.0.11"),
        ("router", "edge", "external_gateway_info", "203.0.113.60"),
        ("floatingip", "203.0.113.70", "fixed_ip_address", "10.1.0.11"),
    ] {
        let shown = json(baryon, &format!("{kind} show {name}"));
        assert!(shown[field].to_string().contains(value), "{kind} {name}: {shown}");
        let id = shown["id"].as_str().unwrap_or_default();
        let lines = baryon.cli(&format!("{kind} show {id}"));
        let line = lines.lines().find(|line| line.starts_with(field)).unwrap_or_default();
        assert!(line.contains(value), "{kind} {id}: {lines}");
        let listed = json(baryon, &format!("{kind} list"));
        let ids: Vec<_> = listed.as_array().into_iter().flatten().map(|one| one["id"].as_str()).collect();
        let table = baryon.cli(&format!("{kind} list"));
        assert!(ids.contains(&Some(id)) && table.contains(id), "{kind}: {listed}\n{table}");
        assert_eq!(table.lines().count(), ids.len() + 1, "{table}");
    }
    for (command, count) in [
        ("network list --external", 1),
        ("network list --name red", 1),
        ("subnet list --network red", 1),
        ("port list --network red --device-owner network:dhcp", 1),
        ("port list --router edge", 2),
        ("router list --name edge", 1),
        ("floatingip list --router edge --port a1", 1),
    ] {
        let listed = json(baryon, command);
        assert_eq!(listed.as_array().map(Vec::len), Some(count), "{command}: {listed}");
    }
}

/// What `set` prints is what is then shown.
fn set(baryon: &Baryon<'_>) {
    for (kind, name, options, field, value) in [
        ("network", "red", "--description x --share", "shared", "true"),
        ("network", "red", "--no-share --mtu 1300", "mtu", "1300"),
        ("subnet", "red4", "--dns-nameserver 9.9.9.10", "dns_nameservers", "9.9.9.10"),
        ("subnet", "red4", "--no-dhcp", "enable_dhcp", "false"),
        ("subnet", "red4", "--dhcp", "enable_dhcp", "true"),
        ("port", "a2", "--disable --device server-2", "device_id", "server-2"),
        (
            "port",
            "a2",
            "--enable --allowed-address ip-address=10.1.0.99",
            "allowed_address_pairs",
            "10.1.0.99",
        ),
        (
            "port",
            "a2",
            "--extra-dhcp-option name=tftp-server,value=10.1.0.5",
            "extra_dhcp_opts",
            "tftp-server",
        ),
        ("router", "edge", "--route destination=10.9.0.0/16,gateway=10.1.0.99", "routes", "10.9.0.0/16"),
        (
            "router",
            "edge",
            "--no-route --external-gateway outside --disable-snat",
            "external_gateway_info",
            "203.0.113.60",
        ),
        ("floatingip", "203.0.113.70", "--no-port --name www", "port_id", "null"),
        ("floatingip", "www", "--port a2", "port_details", r#""name":"a2""#),
        ("floatingip", "www", "--port a1", "fixed_ip_address", "10.1.0.11"),
    ] {
        let printed = json(baryon, &format!("{kind} set {name} {options}"));
        assert!(printed[field].to_string().contains(value), "{kind} {name} {options}: {printed}");
        let id = printed["id"].as_str().unwrap_or_default();
        assert_eq!(
            json(baryon, &format!("{kind} show {id}"))[field],
            printed[field],
            "{kind} {name} {options}"
        );
    }
}

/// In an order in which nothing is in use any more.
fn take_away(baryon: &Baryon<'_>) {
    for command in [
        "floatingip delete www",
        "router set edge --no-external-gateway",
        "router remove-subnet edge red4",
        "port set a2 --device ''",
        "router add-port edge a2",
        "router remove-port edge a2",
        "router delete edge",
        "port delete a1",
        "subnet delete red4 outside4",
        "network delete red outside",
    ] {
        baryon.cli(command);
    }
    for kind in ["network", "subnet", "port", "router", "floatingip"] {
        assert_eq!(json(baryon, &format!("{kind} list")), serde_json::json!([]), "{kind}");
    }
}

/// Each names the object and the field or what stands against it, and changes nothing.
#[test]
fn what_is_refused_is_said_why() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    BUILD.iter().chain(&["network create twin"; 2]).for_each(|command| drop(baryon.cli(command)));
    let before = baryon.cli("export");
    for (command, words) in [
        ("network show nothing", ["there is no network nothing", ""]),
        ("network set twin --mtu 1400", ["there are 2 networks called twin; give the id", ""]),
        ("network set red --mtu 99999", ["cannot change network red", "Invalid input for mtu"]),
        ("network create w --provider-network-type wlan", ["cannot make network w", "provider:network_type"]),
        (
            "network create v --provider-network-type vlan",
            ["cannot make network v", "provider:physical_network"],
        ),
        ("network delete red", ["cannot remove network red", "ports still in use"]),
        ("subnet create s --network red --subnet-range 10.1.0.0/33", ["cannot make subnet s", "cidr"]),
        ("subnet create s --network red --subnet-range 10.1.0.0/25", ["cannot make subnet s", "overlaps"]),
        ("subnet create s --network nothing --subnet-range 10.2.0.0/24", ["there is no network nothing", ""]),
        ("subnet set red4 --dns-nameserver nine", ["cannot change subnet red4", "dns_nameservers[0]"]),
        ("subnet delete red4", ["cannot remove subnet red4", "IP allocation"]),
        (
            "port create p --network red --fixed-ip ip-address=10.1.0.11",
            ["cannot make port p", "10.1.0.11 is in use"],
        ),
        (
            "port create p --network red --fixed-ip ip-address=10.7.0.1",
            ["cannot make port p", "fixed_ips[0].ip_address"],
        ),
        (
            "port create p --network red --fixed-ip 10.1.0.12",
            ["\"10.1.0.12\"", "subnet=NAME,ip-address=ADDRESS"],
        ),
        ("port set a1 --mac-address 01:00:5e:00:00:01", ["cannot change port a1", "mac_address"]),
        ("port delete a2 a9", ["there is no port a9", ""]),
        (
            "router set edge --external-gateway red",
            ["cannot change router edge", "external_gateway_info.network_id"],
        ),
        (
            "router set edge --route destination=10.9.0.0/16,gateway=10.77.0.1",
            ["cannot change router edge", "routes[0].nexthop"],
        ),
        (
            "router add-subnet edge red4",
            ["cannot connect router edge with subnet red4", "already has a port on subnet"],
        ),
        (
            "router remove-subnet edge red4",
            ["cannot disconnect router edge from subnet red4", "floating IPs"],
        ),
        ("router remove-port edge a1", ["cannot disconnect router edge from port a1", "could not be found"]),
        ("router delete edge", ["cannot remove router edge", "still has ports"]),
        ("floatingip create red", ["cannot make floatingip", "not a valid external network"]),
        (
            "floatingip set 203.0.113.70 --port a2 --fixed-ip-address 10.1.0.77",
            ["cannot change floatingip 203.0.113.70", "fixed_ip_address"],
        ),
        (
            "floatingip create outside --floating-ip-address 203.0.113.70",
            ["cannot make floatingip", "203.0.113.70 is in use"],
        ),
    ] {
        refused(&baryon, command, 1, &words);
        // Mistakes look the same to programs, which go by the exit status.
        refused(&baryon, &format!("{command} --json"), 1, &words);
    }
    assert_eq!(baryon.cli("export"), before);
    for (command, words) in [
        ("network create", ["<NAME>", " network create <NAME>"]),
        ("port set a1 --bogus", ["--bogus", " port set <PORT>"]),
        ("router erase edge", ["unrecognized subcommand 'erase'", "<COMMAND>"]),
    ] {
        refused(&baryon, command, 2, &words);
    }
    refused(
        &baryon,
        "--socket /run/nobody.sock network list",
        1,
        &["/run/nobody.sock", "is `baryon run` running"],
    );
}
