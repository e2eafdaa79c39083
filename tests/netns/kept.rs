//! What is kept: the stored state over a crash, and everything that is not Baryon's.

use tests::{Baryon, DhcpClient, Node, ONE_NODE, Plug, Settings, Underlay, wait};

/// The names of all networks.
fn networks(baryon: &Baryon<'_>) -> String {
    let listed = baryon.api("GET", "/v2.0/networks", "");
    let all = listed["networks"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<&str> = all.iter().filter_map(|network| network["name"].as_str()).collect();
    names.sort_unstable();
    names.join(" ")
}

#[test]
fn a_topology_is_applied_once_and_wrong_ones_not_at_all() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let mut baryon = Baryon::start(&node, &Settings::default());
    node.write("/run/topology.yaml", ONE_NODE);
    let promised = baryon.cli("apply -f /run/topology.yaml --dry-run");
    assert!(promised.contains("red"), "{promised}");
    assert_eq!(networks(&baryon), "");
    baryon.apply(ONE_NODE);
    assert_eq!(networks(&baryon), "blue public red");
    let again = baryon.cli("apply -f /run/topology.yaml");
    assert!(again.contains("0 to create, 0 to change, 0 to remove"), "{again}");

    let before = baryon.api("GET", "/v2.0/ports", "");
    for (wrong, named) in [
        ("10.1.0.0/33", "10.1.0.0/33"),
        ("no yaml: [", "line"),
        ("10.1.0.0/24\n        colour: red", "colour"),
    ] {
        node.write("/run/wrong.yaml", &ONE_NODE.replacen("10.1.0.0/24", wrong, 1));
        let said = baryon.try_cli("apply -f /run/wrong.yaml").expect_err("this is wrong");
        assert!(said.contains(named), "{named}: {said}");
    }
    assert_eq!(baryon.api("GET", "/v2.0/ports", ""), before);

    // What was acknowledged is there after the worst end.
    baryon.api("POST", "/v2.0/networks", r#"{"network": {"name": "acknowledged"}}"#);
    baryon.kill();
    baryon.start_again();
    assert_eq!(networks(&baryon), "acknowledged blue public red");
}

/// Killed in the middle of its first work, again and again, it ends where it would have ended.
#[test]
fn killed_at_any_moment_it_converges() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let mut baryon = Baryon::start(&node, &Settings::default());
    node.write("/run/topology.yaml", ONE_NODE);
    baryon.cli("apply -f /run/topology.yaml");
    for _ in 0..6 {
        baryon.kill();
        baryon.start_again();
    }
    baryon.await_converged(30);
    let guests = ["a1", "b1"].map(|port| baryon.plug(port, Plug::Veth));
    for guest in &guests {
        let _ = DhcpClient::Udhcpc.lease(guest);
    }
    guests[0].await_ping("10.2.0.11");
}

/// An OpenStack node has more tenants than Baryon: its bridges, namespaces and rules stay as they are.
#[test]
fn other_peoples_things_are_not_touched() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let datapath = node.datapath().name();
    node.sh(&format!(
        "ovs-vsctl add-br br-other -- set Bridge br-other datapath_type={datapath}
         ovs-ofctl add-flow br-other cookie=0x1,priority=7,ip,actions=drop
         ip netns add other; ip -n other link set lo up; ip -n other address add 10.1.0.1/32 dev lo
         ip netns add qdhcp-notes
         nft add table inet other; nft add chain inet other input '{{ type filter hook input priority 0; }}'
         nft add rule inet other input tcp dport 22 accept
         ip route add 192.0.2.0/24 dev mgmt0; ip rule add from 192.0.2.9 lookup 99"
    ));
    let picture = || {
        node.sh(
            "ovs-vsctl list-ports br-other; ovs-ofctl --no-stats dump-flows br-other; ip -n other address show dev lo
             ip netns | grep -E 'other|notes' | cut -d ' ' -f 1 | sort; nft list ruleset
             ip route show to 192.0.2.0/24; ip rule; ip address show dev mgmt0 | grep inet",
        )
    };
    let before = picture();
    let mut baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    assert_eq!(picture(), before);
    baryon.apply("version: 1\n");
    baryon.kill();
    baryon.start_again();
    baryon.await_converged(30);
    assert_eq!(picture(), before);
}

/// Neutron's API, as curl sees it.
#[test]
fn the_api_speaks_neutron() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let settings = Settings { more: "[local]\nlisten = 127.0.0.1:9696\n".to_owned(), ..Settings::default() };
    let baryon = Baryon::start(&node, &settings);
    let call = |arguments: &str| {
        let text = wait::until(5, "an answer", || {
            node.try_sh(&format!("curl -s --max-time 5 -H 'Content-Type: application/json' {arguments}"))
        });
        serde_json::from_str::<serde_json::Value>(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    let made = call(r#"-X POST http://127.0.0.1:9696/v2.0/networks -d '{"network": {"name": "n1"}}'"#);
    let id = made["network"]["id"].as_str().expect("an id").to_owned();
    let subnet = format!(r#"{{"subnet": {{"network_id": "{id}", "cidr": "10.5.0.0/24", "ip_version": 4}}}}"#);
    let subnet = call(&format!("-X POST http://127.0.0.1:9696/v2.0/subnets -d '{subnet}'"));
    assert_eq!(subnet["subnet"]["gateway_ip"], "10.5.0.1");
    let listed = call("--unix-socket /run/baryon/baryon.sock http://localhost/v2.0/networks?name=n1");
    assert_eq!(listed["networks"][0]["id"], id.as_str());
    let wrong = call(r#"-X POST http://127.0.0.1:9696/v2.0/networks -d '{"network": {"colour": 1}}'"#);
    assert!(wrong["NeutronError"]["message"].as_str().is_some_and(|text| text.contains("colour")), "{wrong}");
    assert_eq!(networks(&baryon), "n1");
}
