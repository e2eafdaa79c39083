//! Recorded messages between a server of 2026.2 and Neutron's own agent: what is sent is sent alike, what
//! comes in is understood.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Instant;

use model::{ObjectRef, Outcome, PortRange, Report, Router, RouterId, TransportProtocol};
use serde_json::{Value, json};

use super::{Found, machine};
use crate::neutron::l3::asks::Reason;
use crate::neutron::l3::{Ask, L3};
use crate::neutron::role::{Event, Machine, Message};
use crate::neutron::wire::l3_calls::Status;
use crate::neutron::wire::l3_casts::{self, Cast};
use crate::neutron::wire::router;

fn recorded(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

macro_rules! wire {
    ($name:literal) => {
        recorded(include_str!(concat!("../../../../tests/wire/", $name, ".json")))
    };
}

fn id<T: std::str::FromStr<Err = uuid::Error>>(text: &str) -> T {
    text.parse().unwrap()
}

const ROUTER: &str = "3abfdba3-f043-4560-9ed0-b031f5dda644";

fn sent_as(ask: &Ask, topic: &str, recorded: &Value, method: &str) {
    let request = machine().request(ask);
    let version = format!("{}.{}", request.version.0, request.version.1);
    assert_eq!((request.topic, request.method, request.is_cast), (topic, method, false));
    assert_eq!(version, recorded["version"].as_str().unwrap());
    assert_eq!(Value::Object(request.args), recorded["args"]);
}

#[test]
fn sends_what_neutrons_agent_sends() {
    let l3 = "q-l3-plugin";
    sent_as(&Ask::Ids, l3, &wire!("get_router_ids/none"), "get_router_ids");
    let ask = Ask::Routers(vec![id(ROUTER)], Reason::Event);
    sent_as(&ask, l3, &wire!("sync_routers/new"), "sync_routers");
    let floating_ip = "8e0e203f-bcfa-4ba1-bb1c-02e52ba21c0c";
    let ask = Ask::Statuses(id(ROUTER), BTreeMap::from([(id(floating_ip), Status::Down)]));
    sent_as(&ask, l3, &wire!("update_floatingip_statuses/down"), "update_floatingip_statuses");
    let active = "dbd07bed-d442-49a6-b6b5-a4139e5488eb";
    let ask = Ask::Statuses(id(ROUTER), BTreeMap::from([(id(active), Status::Active)]));
    sent_as(&ask, l3, &wire!("update_floatingip_statuses/active"), "update_floatingip_statuses");
    let ask = Ask::Forwardings(vec![id(floating_ip)]);
    sent_as(&ask, "q-plugin", &wire!("bulk_pull/port_forwardings"), "bulk_pull");
}

fn cast(method: &str, recorded: &Value) -> Message {
    let args = recorded["args"].as_object().unwrap().clone();
    Message { topic: "l3_agent".to_owned(), method: method.to_owned(), args }
}

#[test]
fn understands_every_cast() {
    let read = |method, recorded: &Value| l3_casts::read(&cast(method, recorded)).unwrap();
    let router: RouterId = id(ROUTER);
    let changed = Cast::Changed(vec![router]);
    assert_eq!(read("routers_updated", &wire!("routers_updated/one")), changed);
    assert_eq!(read("router_added_to_agent", &wire!("router_added_to_agent/one")), changed);
    assert_eq!(read("router_deleted", &wire!("router_deleted/one")), Cast::Gone(router));
    assert_eq!(
        read("router_removed_from_agent", &wire!("router_removed_from_agent/one")),
        Cast::Gone(router)
    );
    let network = id("902efc6f-d3e8-4219-a9e1-a973bcfa1650");
    assert_eq!(read("network_update", &wire!("network_update/mtu")), Cast::Network(network, Some(1400)));
    assert_eq!(read("agent_updated", &wire!("agent_updated/up")), Cast::AgentUpdated);
    let ancient = json!({"args": {"routers": [{"id": ROUTER, "name": "r1"}]}});
    assert_eq!(read("routers_updated", &ancient), changed);
    for (case, gone, port) in [
        (wire!("push/port_forwarding_created"), false, 8080),
        (wire!("push/port_forwarding_updated"), false, 8081),
        (wire!("push/port_forwarding_deleted"), true, 8081),
    ] {
        let Cast::Forwardings(push) = read("push", &case) else { panic!() };
        let rule = &push.forwardings[0].rule;
        assert_eq!(
            (push.gone, rule.external, rule.internal),
            (gone, PortRange::from(port), PortRange::from(80))
        );
        assert_eq!(rule.protocol, TransportProtocol::Tcp);
    }
}

fn only(answer: &Value) -> router::RouterDict {
    let mut all = router::all(answer, &model::HostName::from("n1")).unwrap();
    assert_eq!((all.routers.len(), all.unread.len()), (1, 0), "{all:?}");
    all.routers.remove(0)
}

#[test]
fn a_router_with_floating_ips_is_understood() {
    let dict = only(&wire!("sync_routers/floating_ips")["result"]);
    let Router { interfaces, gateway, routes, floating_ips, .. } = dict.router;
    let addresses: Vec<_> = interfaces.iter().map(|leg| (leg.addresses[0].to_string(), leg.mtu)).collect();
    let expected = [
        ("10.10.2.1/24", 1450),
        ("10.10.1.1/24", 1400),
        ("2001:db8:2::/64", 1450),
        ("2001:db8:1::/64", 1400),
    ];
    assert_eq!(addresses, expected.map(|(address, mtu)| (address.to_owned(), mtu)));
    let gateway = gateway.unwrap();
    assert_eq!(gateway.interface.addresses[0].to_string(), "203.0.113.115/24");
    assert_eq!((gateway.next_hops, gateway.on_link), (vec!["203.0.113.1".parse().unwrap()], Vec::new()));
    assert!(gateway.enable_snat);
    assert_eq!(routes[0].destination.to_string(), "198.18.5.0/24");
    assert_eq!(floating_ips[0].floating, Ipv4Addr::new(203, 0, 113, 116));
    assert_eq!(floating_ips[0].fixed, Ipv4Addr::new(10, 10, 1, 115));
    assert_eq!(dict.statuses[&floating_ips[0].id], "ACTIVE");
    assert_eq!((dict.ports.len(), dict.beyond), (5, None));
    assert!(dict.ports.iter().all(|port| port.host == Some(model::HostName::from("n1"))));
}

#[test]
fn what_this_node_cannot_do_is_said() {
    let mut answer = wire!("sync_routers/floating_ips")["result"].clone();
    answer[0]["ha"] = json!(true);
    assert!(only(&answer).beyond.unwrap().contains("highly available"));
    answer[0]["ha"] = json!(false);
    answer[0]["distributed"] = json!(true);
    assert!(only(&answer).beyond.unwrap().contains("distributed"));
}

/// Lets the machine ask until there is nothing more to ask.
fn play(l3: &mut L3, found: &mut Found, now: Instant, answers: impl Fn(&Ask) -> Value) -> Vec<Ask> {
    let mut asked = Vec::new();
    loop {
        let asks = l3.asks(now);
        found.take_in(l3.findings());
        if asks.is_empty() {
            assert_eq!(l3.complaints(), [""; 0]);
            return asked;
        }
        for ask in asks {
            asked.push(ask.clone());
            let answer = answers(&ask);
            l3.hear(Event::Answer(ask, Ok(answer)), now);
        }
    }
}

#[test]
fn a_router_with_port_forwardings_is_found_when_they_are_known() {
    let (mut l3, mut found, now) = (machine(), Found::default(), Instant::now());
    l3.hear(Event::Gap, now);
    l3.hear(Event::Open, now);
    let routers = wire!("sync_routers/port_forwarding")["result"].clone();
    let router: RouterId = id("5183f672-db4c-4573-9aab-1f2ccdc2e5db");
    let floating_ip = id("41328c2f-9c26-48bf-9864-892545b17946");
    let rules = json!([{"versioned_object.name": "PortForwarding", "versioned_object.version": "1.3",
        "versioned_object.data": {"id": "078c9173-f8c3-49c8-b6bf-03fa7ba59a39", "floatingip_id": floating_ip,
            "external_port": null, "external_port_range": "2222:2223", "protocol": "udp", "internal_port_range": "22:23",
            "internal_ip_address": "10.10.0.157", "floating_ip_address": "203.0.113.80", "revision_number": 0}}]);
    let answers = |ask: &Ask| match ask {
        Ask::Ids => json!([router]),
        Ask::Routers(..) => routers.clone(),
        Ask::Forwardings(_) => rules.clone(),
        Ask::Statuses(..) => Value::Null,
    };
    let asked = play(&mut l3, &mut found, now, answers);
    assert_eq!(asked[1..], [Ask::Routers(vec![router], Reason::Part), Ask::Forwardings(vec![floating_ip])]);
    assert!(found.complete);
    let rule = &found.routers[&router].port_forwardings[0];
    assert_eq!(
        (rule.external, rule.internal),
        (PortRange { first: 2222, last: 2223 }, PortRange { first: 22, last: 23 })
    );
    assert_eq!(rule.protocol, TransportProtocol::Udp);

    l3.hear(Event::Report(&Report([(ObjectRef::Router(router), Outcome::Done)].into())), now);
    let asked = play(&mut l3, &mut found, now, answers);
    let [Ask::Statuses(_, statuses)] = &asked[..] else { panic!("{asked:?}") };
    let single = id("66b4d534-4edd-4724-89c4-e470009c89de");
    assert_eq!(*statuses, BTreeMap::from([(floating_ip, Status::Active), (single, Status::Active)]));
}
