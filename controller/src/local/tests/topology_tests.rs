//! Topology files.

use super::super::topology::{self, Action, Difference};
use super::*;

pub(super) fn example() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/topology.yaml");
    std::fs::read_to_string(path).unwrap()
}

impl Bench {
    fn apply(&mut self, file: &str) -> Result<Difference, Fault> {
        let topology = topology::parse(file)?;
        let difference = self.change(|draft| topology::apply(draft, &topology));
        self.check();
        difference
    }

    #[track_caller]
    fn refuses(&mut self, file: &str, expected: &str) {
        let before = self.kinds();
        let said = self.apply(file).unwrap_err().to_string();
        assert!(said.contains(expected), "{said}\ndoes not say\n{expected}");
        assert_eq!(self.kinds(), before);
    }
}

/// The file of the first run.
#[test]
fn the_example_is_applied_once() {
    let mut bench = Bench::new();
    let difference = bench.apply(&example()).unwrap();
    assert_eq!(difference.summary(), "17 to create, 0 to change, 0 to remove");
    assert!(
        difference.to_string().contains("+ floating IP blue-1-public: 203.0.113.100 leads to 10.0.1.11\n")
    );
    assert!(bench.apply(&example()).unwrap().is_empty());
    let gone = bench.apply("version: 1").unwrap();
    assert_eq!(gone.summary(), "0 to create, 0 to change, 17 to remove");
    assert!(bench.kinds().is_empty());
}

/// What the document shows is a file that can be applied.
#[test]
fn the_document_is_right() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/topology-file.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (_, rest) = document.split_once("```yaml\n").unwrap();
    let (file, _) = rest.split_once("```").unwrap();
    let mut bench = Bench::new();
    bench.apply(file).unwrap();
    assert!(bench.apply(file).unwrap().is_empty());
    assert_eq!(bench.desired.remote_ports().len(), 1);
}

#[test]
fn two_nodes_agree_without_speaking() {
    let mut one = Bench::new();
    let mut other = Bench { chance: Chance::new(2), ..Bench::new() };
    one.apply(&example()).unwrap();
    other.apply(&example()).unwrap();
    assert_eq!(one.desired, other.desired);
}

#[test]
fn what_is_named_keeps_what_was_chosen_for_it() {
    let mut bench = Bench::new();
    let file = |more: &str, name: &str| {
        format!(
            "version: 1\nnetworks:\n- name: n\n  subnets:\n  - {{name: s, cidr: 10.0.0.0/24}}\nports:\n{more}- {{name: {name}, network: n}}\n"
        )
    };
    bench.apply(&file("", "kept")).unwrap();
    let before = bench.state.ports().values().find(|port| port.name == "kept").cloned().unwrap();
    assert_eq!(before.host.as_ref().unwrap().0, "node1");
    let difference = bench.apply(&file("- {name: new, network: n}\n", "kept")).unwrap();
    assert_eq!(difference.changes.len(), 1);
    assert_eq!(difference.changes[0].action, Action::Create);
    assert_eq!(bench.state.ports()[&before.id], before);
    let renamed = bench.apply(&file("", "other")).unwrap();
    assert_eq!(renamed.summary(), "1 to create, 0 to change, 2 to remove");
}

#[test]
fn ports_can_exchange_their_addresses() {
    let mut bench = Bench::new();
    let file = |a: &str, b: &str| {
        format!(
            "version: 1\nnetworks:\n- name: n\n  subnets:\n  - {{name: s, cidr: 10.0.0.0/24}}\nports:\n\
             - {{name: a, network: n, fixed_ips: [{{ip_address: {a}}}]}}\n\
             - {{name: b, network: n, fixed_ips: [{{ip_address: {b}}}]}}\n"
        )
    };
    bench.apply(&file("10.0.0.2", "10.0.0.3")).unwrap();
    let difference = bench.apply(&file("10.0.0.3", "10.0.0.2")).unwrap();
    assert_eq!(difference.summary(), "0 to create, 2 to change, 0 to remove");
}

/// Addresses that were chosen give way to those that the file names.
#[test]
fn what_was_chosen_makes_way() {
    let mut bench = Bench::new();
    bench.apply(&example()).unwrap();
    // Of the DHCP server of green and of the gateway.
    let file = example().replace("10.0.2.11", "10.0.2.2").replace("203.0.113.100", "203.0.113.10");
    let file = file.replace("blue-1-public", "other-name");
    bench.apply(&file).unwrap();
    assert!(bench.apply(&file).unwrap().is_empty());
    let router = bench.desired.routers().values().next().unwrap();
    let gateway = &router.gateway.as_ref().unwrap().interface;
    assert_eq!(gateway.addresses, ["203.0.113.11/24".parse().unwrap()]);
    assert_eq!(router.floating_ips[0].floating.to_string(), "203.0.113.10");
}

#[test]
fn a_router_can_be_rebuilt_in_one_go() {
    let mut bench = Bench::new();
    bench.apply(&example()).unwrap();
    // The outside is another network, and the floating IP leads to a guest behind another interface.
    let file = example()
        .replace("outside", "world")
        .replace("port: blue-1", "port: green-1")
        .replace("      - subnet: blue-v4\n", "");
    bench.apply(&file).unwrap();
    assert!(bench.apply(&file).unwrap().is_empty());
    let floating = bench.state.floating_ips().values().next().unwrap();
    assert_eq!(floating.target.as_ref().unwrap().fixed.to_string(), "10.0.2.11");
    bench.apply(&example()).unwrap();
    assert!(bench.apply(&example()).unwrap().is_empty());
}

#[test]
fn what_the_api_made_is_removed() {
    let mut bench = Bench::new();
    bench.apply(&example()).unwrap();
    let network = bench.network(json!({"name": "by hand"})).unwrap();
    bench.subnet(json!({"network_id": network, "cidr": "10.7.0.0/24"})).unwrap();
    bench.port(json!({"network_id": network})).unwrap();
    let difference = bench.apply(&example()).unwrap();
    assert_eq!(difference.summary(), "0 to create, 0 to change, 4 to remove");
}

#[test]
fn a_subnet_can_be_replaced_under_a_port() {
    let mut bench = Bench::new();
    let file = |subnet: &str| {
        format!(
            "version: 1\nnetworks:\n- name: n\n  subnets:\n  - {subnet}\nports:\n- {{name: a, network: n}}\n"
        )
    };
    bench.apply(&file("{name: s, cidr: 10.0.0.0/24}")).unwrap();
    let id = bench.state.ports().values().find(|port| port.name == "a").unwrap().id;
    bench.apply(&file("{name: t, cidr: 10.0.0.0/16, gateway_ip: null}")).unwrap();
    assert_eq!(bench.state.ports()[&id].fixed_ips[0].ip_address.to_string(), "10.0.0.1");
    bench.refuses(&file("{name: t, cidr: 10.0.0.0/24}"), "subnets t (line 5).cidr");
}

#[test]
fn refusals_name_the_place() {
    let mut bench = Bench::new();
    bench.apply(&example()).unwrap();
    for (from, to, expected) in [
        (
            "enable_snat",
            "enable_snatt",
            "line 41 column 47. Reason: there is no field enable_snatt, perhaps enable_snat is meant",
        ),
        (
            "port: blue-1",
            "port: blue1",
            "floatingips blue-1-public (line 65).port. Reason: the file has no port \"blue1\", perhaps \"blue-1\" is meant",
        ),
        ("203.0.113.100", "203.0.114.100", "floatingips blue-1-public (line 65).floating_ip_address"),
        ("cidr: 10.0.2.0/24", "cidr: [1]", "line 36 column 15"),
        ("version: 1", "version: 2", "version"),
        ("name: green\n", "name: blue\n", "networks (line 32).name. Reason: \"blue\" is there twice"),
        ("10.0.1.12", "10.0.1.11", "ports blue-2 (line 53): "),
        ("10.0.1.12", "10.0.1.300", "ports blue-2 (line 53).fixed_ips[0].ip_address"),
        ("network: green", "network: grey", "ports green-1 (line 58).network"),
        (
            "network: outside, e",
            "network: blue, e",
            "routers edge (line 40).external_gateway_info.network_id",
        ),
        (
            "version: 1",
            "version: 1\ndefault_host: node2",
            "default_host. Reason: \"node2\" is not among the hosts",
        ),
        ("version: 1", "version: 1\nversion: 1", "duplicate"),
        ("version: 1", "{", "line "),
        ("subnet: green-v4\n", "subnet: blue-v4\n", "routers edge (line 40).interfaces[1]"),
    ] {
        let file = example();
        assert!(file.contains(from), "{from}");
        bench.refuses(&file.replace(from, to), expected);
    }
}

#[test]
fn bombs_are_refused() {
    let mut bench = Bench::new();
    let mut bomb = "version: 1\na: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let alias = format!("*a{}, ", level - 1).repeat(9);
        bomb += &format!("a{level}: &a{level} [{alias}]\n");
    }
    assert!(bench.apply(&bomb).is_err());
    assert!(bench.apply(&"[".repeat(100_000)).is_err());
    assert!(bench.apply(&format!("version: 1\nnetworks: {}", "- ".repeat(10_000))).is_err());
}

#[test]
fn numbers_and_odd_texts_are_texts_where_texts_are_meant() {
    let mut bench = Bench::new();
    let file = "version: 1\nnetworks:\n- name: 007\n  subnets:\n  - {name: yes, cidr: '2001:db8::/64'}\nports:\n\
                - name: p\n  network: 007\n  mac_address: 02:00:00:00:00:01\n  dns_name: 12\n  extra_dhcp_opts:\n\
                \x20 - {opt_name: 26, opt_value: 1400}\n";
    bench.apply(file).unwrap();
    let port = bench.state.ports().values().find(|port| port.name == "p").unwrap();
    assert_eq!(port.extra_dhcp_opts[0].opt_value, "1400");
    assert_eq!(port.mac_address.to_string(), "02:00:00:00:00:01");
    assert!(bench.apply(file).unwrap().is_empty());
}

#[test]
fn a_long_comment_is_no_bomb() {
    let mut bench = Bench::new();
    bench
        .apply(&format!("version: 1\nnetworks:\n- name: n\n{}\n  subnets: []\n", "  # words\n".repeat(200)))
        .unwrap();
}

#[test]
fn a_router_can_have_a_named_port() {
    let mut bench = Bench::new();
    let file = "version: 1\nnetworks:\n- name: n\n  subnets:\n  - {name: s, cidr: 10.0.0.0/24}\nrouters:\n\
                - name: r\n  interfaces: [{port: leg}]\n  routes: [{destination: 10.9.0.0/16, nexthop: 10.0.0.9}]\n\
                ports:\n- {name: leg, network: n, fixed_ips: [{ip_address: 10.0.0.254}]}\n";
    bench.apply(file).unwrap();
    assert!(bench.apply(file).unwrap().is_empty());
    let router = bench.desired.routers().values().next().unwrap();
    assert_eq!(router.interfaces[0].addresses, ["10.0.0.254/24".parse().unwrap()]);
    assert_eq!(router.routes.len(), 1);
    bench.refuses(&file.replace("network: n,", "network: n, device_owner: x,"), "device_owner");
}

/// Two nodes with the same file: what is a port on one is behind the tunnel on the other.
#[test]
fn two_nodes_complete_each_other() {
    let file = example()
        .replace("version: 1\n", "version: 1\ndefault_host: node1\nhosts: [{name: node1, tunnel_ip: 192.0.2.1}, {name: node2, tunnel_ip: 192.0.2.2}]\n")
        .replace("device_id: guest-blue-2\n", "device_id: guest-blue-2\n    binding:host_id: node2\n");
    let mut one = Bench::new();
    let mut other = Bench::new();
    other.config.host = "node2".into();
    other.config.tunnel_ip = Some("192.0.2.2".parse().unwrap());
    one.apply(&file).unwrap();
    other.apply(&file).unwrap();
    assert_eq!(one.desired.ports(), other.desired.ports());
    assert_eq!(one.desired.routers(), other.desired.routers());
    let macs = |bench: &Bench| -> Vec<String> {
        let mut macs: Vec<_> = bench.desired.remote_ports().keys().map(|(_, mac)| mac.to_string()).collect();
        macs.sort();
        macs
    };
    assert_eq!(macs(&one).len(), 1);
    // On node1: two guests, two DHCP ports, two interfaces. Its gateway is on no tunnel network.
    assert_eq!(macs(&other).len(), 6);
    assert!(macs(&one).iter().all(|mac| !macs(&other).contains(mac)));
    let blue = |bench: &Bench| bench.desired.floods().len();
    assert_eq!((blue(&one), blue(&other)), (1, 2));
    let said = other.apply(&file.replace("192.0.2.2}", "192.0.2.9}")).unwrap_err().to_string();
    assert!(said.contains("hosts node2 (line 10).tunnel_ip"), "{said}");
}

#[test]
fn tunnels_are_of_one_family_however_written() {
    let mut bench = Bench::new();
    bench.config.tunnel_ip = Some("fd18::1".parse().unwrap());
    let file =
        "version: 1\nhosts: [{name: node1, tunnel_ip: 'FD18:0::0:1'}, {name: node2, tunnel_ip: 'fd18::2'}]\n";
    bench.apply(file).unwrap();
    for (from, to) in [("fd18::2", "192.0.2.2"), ("FD18:0::0:1", "fd18::3"), ("FD18:0::0:1", "192.0.2.1")] {
        bench.refuses(&file.replace(from, to), "tunnel_ip");
    }
    assert!(bench.host("node3", &json!("192.0.2.3")).is_err());
    bench.host("node3", &json!(null)).unwrap();
}

/// What can be done to a line of a file.
fn spoiled(text: &str, spoils: &[(usize, u8, usize)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let values = [
        "0.0.0.0/0",
        "::/0",
        "10.0.1.0/31",
        "10.0.1.255/32",
        "2001:db8::/64",
        "null",
        "[]",
        "{}",
        "-1",
        "4294967296",
        "\"\"",
        "&a [*a]",
        "!!binary x",
        "1e999",
        "255.255.255.255",
        "ff:ff:ff:ff:ff:ff",
        "slaac",
        "gre",
        "local",
        "~",
    ];
    for (at, what, with) in spoils {
        let count = lines.len().max(1);
        let at = at % count;
        let other = lines.get(with % count).cloned().unwrap_or_default();
        let Some(line) = lines.get_mut(at) else { continue };
        match what % 6 {
            0 => *line = other,
            1 => line.insert_str(0, "  "),
            2 => _ = lines.remove(at),
            3 => lines.insert(at, other),
            4 => {
                if let Some((key, _)) = line.clone().split_once(": ") {
                    *line = format!("{key}: {}", values[with % values.len()]);
                }
            }
            _ => *line = line.chars().rev().collect(),
        }
    }
    lines.join("\n")
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 512, ..Default::default() })]

    /// However a file is spoiled: it is refused and nothing has changed, or it is applied and then
    /// there is nothing left to do.
    #[test]
    fn spoiled_files_do_no_harm(
        spoils in proptest::collection::vec((0usize..80, proptest::num::u8::ANY, 0usize..80), 1..6),
    ) {
        let mut bench = Bench::new();
        bench.apply(&example()).unwrap();
        let file = spoiled(&example(), &spoils);
        let before = bench.desired.clone();
        match bench.apply(&file) {
            Ok(_) => assert!(bench.apply(&file).unwrap().is_empty(), "{file}"),
            Err(_) => assert!(bench.desired == before),
        }
    }
}
