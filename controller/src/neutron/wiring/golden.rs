//! Recorded messages between a server of 2026.2 and Neutron's own agents: what is sent is sent alike, what
//! comes in is understood.

use std::sync::Arc;

use model::{PortId, RemotePort};

use super::bench::*;
use super::*;
use crate::neutron::l2::TableAsked;

fn recorded(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

macro_rules! wire {
    ($name:literal) => {
        recorded(include_str!(concat!("../../../tests/wire/", $name, ".json")))
    };
}

fn wiring_of(host: &str, versions: (&str, &str)) -> Wiring {
    Wiring::new(WiringConfig {
        host: HostName::from(host),
        local_ip: Some(address_of(host)),
        port_version: versions.0.to_owned(),
        network_version: versions.1.to_owned(),
        ..config(true)
    })
}

/// Lists of ids, whose order means nothing here.
fn sent_as(wiring: &Wiring, ask: &Ask, recorded: &Value, method: &str) {
    let request = wiring.request(ask);
    let version = format!("{}.{}", request.version.0, request.version.1);
    assert_eq!((request.topic, request.method, request.is_cast), ("q-plugin", method, false));
    assert_eq!(version, recorded["version"].as_str().unwrap());
    assert_eq!(Value::Object(request.args), recorded["args"]);
}

#[test]
fn sends_what_neutrons_agent_sends() {
    let wiring = wiring_of("n2", ("1.11", "1.3"));
    let port = "8532cfaa-3dea-427e-a1ce-4244f281631f".parse().unwrap();
    let ask = Ask::L2(L2Ask::Ports(vec![port]));
    sent_as(&wiring, &ask, &wire!("bulk_pull/port"), "bulk_pull");
    let network = "53b92f12-72ba-4f44-b40b-d596b80e1591".parse().unwrap();
    let ask = Ask::L2(L2Ask::Networks(vec![network]));
    sent_as(&wiring, &ask, &wire!("bulk_pull/network_tunnel"), "bulk_pull");
    sent_as(&wiring, &Ask::Ends(TunnelKind::Vxlan), &wire!("tunnel_sync/vxlan"), "tunnel_sync");
    sent_as(&wiring, &Ask::Ends(TunnelKind::Gre), &wire!("tunnel_sync/gre"), "tunnel_sync");
    let port = "b804e1f6-bf5b-4120-9c81-cc80bca25fbb".parse().unwrap();
    let tables = vec![TableAsked { network, port, round: 1 }];
    let ask = Ask::L2(L2Ask::Up { ports: vec![port], tables });
    sent_as(&wiring, &ask, &wire!("update_device_list/refresh"), "update_device_list");
    let wiring = wiring_of("n1", ("1.7", "1.1"));
    let ports = ["8532cfaa-3dea-427e-a1ce-4244f281631f", "f029b89c-9d45-4a1d-a9bf-6c76a9907dcc"];
    let ports: Vec<PortId> = ports.iter().map(|id| id.parse().unwrap()).collect();
    let ask = Ask::L2(L2Ask::Up { ports, tables: Vec::new() });
    sent_as(&wiring, &ask, &wire!("update_device_list/plain"), "update_device_list");
}

fn cast(topic: &str, method: &str, recorded: &Value) -> crate::neutron::role::Message {
    message(topic, method, recorded["args"].clone())
}

/// A node with the recorded port plugged in, everything answered from recordings.
fn with_recorded_port() -> (Bench, PortId) {
    let mut bench = Bench::new(config(true));
    let id: PortId = "c4e51b13-15c3-4b7e-b41b-deddf256ba6b".parse().unwrap();
    bench.push(&cast("neutron-vo-Port-1.7", "push", &wire!("push/port_bound")));
    bench.begin();
    bench.plug(id);
    for _ in 0..8 {
        let Some((ask, request)) = bench.next() else { break };
        let kind = request.args.get("resource_type").and_then(Value::as_str);
        let answer = match (request.method, kind) {
            ("bulk_pull", Some("Port")) => wire!("push/port_bound")["args"]["resource_list"].clone(),
            ("bulk_pull", _) => json!([]),
            ("tunnel_sync", _) => wire!("tunnel_sync/vxlan")["result"].clone(),
            _ => wire!("update_device_list/plain")["result"].clone(),
        };
        bench.hear(Event::Answer(ask, Ok(answer)));
    }
    assert_eq!(bench.complaints, [""; 0]);
    assert!(bench.sum.ports.contains_key(&id), "{:#?}", bench.wiring);
    (bench, id)
}

#[test]
fn understands_what_the_server_casts() {
    let (mut bench, id) = with_recorded_port();
    let topic = "q-agent-notifier-l2population-update";
    // What is behind the node itself is nothing new to it.
    bench.push(&cast(topic, "add_fdb_entries", &wire!("add_fdb_entries/table")));
    bench.push(&cast(topic, "add_fdb_entries", &wire!("add_fdb_entries/nothing")));
    assert!(bench.sum.remotes.is_empty());
    // The same from another node.
    let elsewhere = |text: &Value| -> Value {
        serde_json::from_str(&text.to_string().replace("198.51.100.1\"", "198.51.100.7\"")).unwrap()
    };
    bench.push(&cast(topic, "add_fdb_entries", &elsewhere(&wire!("add_fdb_entries/table"))));
    let network = bench.sum.ports[&id].port.network;
    assert_eq!(
        bench.sum.floods[&network].iter().collect::<Vec<_>>(),
        [&"198.51.100.7".parse::<IpAddr>().unwrap()]
    );
    assert_eq!(bench.sum.remotes.len(), 3);
    let mac = "fa:16:3e:a8:f4:13".parse().unwrap();
    let remote = RemotePort {
        network,
        mac,
        addresses: ["10.10.1.77", "10.10.1.115", "2001:db8:1:0:f816:3eff:fea8:f413"]
            .map(|ip| ip.parse().unwrap())
            .into(),
        endpoint: "198.51.100.7".parse().unwrap(),
    };
    assert_eq!(bench.sum.remotes[&(network, mac)], Arc::new(remote));
    bench.push(&cast(topic, "update_fdb_entries", &elsewhere(&wire!("update_fdb_entries/address_added"))));
    assert_eq!(bench.sum.remotes[&(network, mac)].addresses.len(), 3);
    let before = bench.sum.clone();
    bench.push(&cast(topic, "remove_fdb_entries", &wire!("remove_fdb_entries/port")));
    assert_eq!(bench.sum, before);
    bench.push(&cast(topic, "remove_fdb_entries", &elsewhere(&wire!("add_fdb_entries/table"))));
    assert!(bench.sum.remotes.is_empty() && bench.sum.floods.is_empty());
    // Of other ports and networks nothing is taken in.
    let before = bench.sum.clone();
    for (topic, method, recorded) in [
        ("neutron-vo-Port-1.7", "push", wire!("push/port_elsewhere")),
        ("neutron-vo-Port-1.7", "push", wire!("push/port_unbound")),
        ("neutron-vo-Port-1.7", "push", wire!("push/port_deleted")),
        ("neutron-vo-Network-1.1", "push", wire!("push/network_updated")),
        ("neutron-vo-Network-1.1", "push", wire!("push/network_deleted")),
        ("q-agent-notifier-port-update", "port_update", wire!("port_update/port")),
        ("q-agent-notifier-port-delete", "port_delete", wire!("port_delete/port")),
        ("q-agent-notifier-network-update", "network_update", wire!("network_update/mtu")),
        ("q-agent-notifier-binding-activate", "binding_activate", wire!("binding_activate/port")),
        ("q-agent-notifier-binding-deactivate", "binding_deactivate", wire!("binding_deactivate/port")),
        ("q-agent-notifier-tunnel-update", "tunnel_update", wire!("tunnel_update/gre")),
    ] {
        bench.push(&cast(topic, method, &recorded));
        assert_eq!(bench.complaints, [""; 0], "{method}");
    }
    assert_eq!(bench.sum, before);
    // The notices speak of the port and its network, so both are read again.
    bench.open.clear();
    bench.now += Duration::from_secs(2);
    bench.hear(Event::Tick);
    let methods: Vec<_> = std::iter::from_fn(|| bench.next()).map(|(_, request)| request.method).collect();
    assert!(methods.contains(&"bulk_pull"), "{methods:?}");
}

#[test]
fn hears_the_topics_that_the_server_casts_to() {
    let all: Vec<String> = topics(&config(true)).into_iter().map(|topic| topic.topic).collect();
    for topic in [
        "neutron-vo-Port-1.7",
        "neutron-vo-Network-1.1",
        "q-agent-notifier-tunnel-update",
        "q-agent-notifier-tunnel-delete",
        "q-agent-notifier-l2population-update",
        "q-agent-notifier-port-update",
    ] {
        assert!(all.iter().any(|known| known == topic), "{topic}");
    }
    let host_queues: Vec<_> = topics(&config(true)).into_iter().filter(|topic| topic.host).collect();
    assert_eq!(host_queues.len(), 1);
    let quiet = topics(&WiringConfig { local_ip: None, notices: false, ..config(true) });
    assert_eq!(quiet.len(), 2);
}

#[test]
fn hostile_messages_are_complained_of() {
    let (mut bench, id) = with_recorded_port();
    let before = bench.sum.clone();
    let broken =
        json!({"versioned_object.name": "Port", "versioned_object.data": {"id": id, "mac_address": 7}});
    let cases = [
        ("push", json!({})),
        ("push", json!({"resource_list": 7})),
        ("push", json!({"event_type": 7})),
        ("push", json!({"resource_list": [7, null, {}, {"versioned_object.data": 3}]})),
        ("push", json!({"event_type": "updated", "resource_list": [broken]})),
        ("port_update", json!({"port": {"id": "x"}})),
        ("port_update", json!({"port": []})),
        ("port_delete", json!({})),
        ("network_update", json!({"network": 1})),
        ("binding_activate", json!({"port_id": {}})),
        ("tunnel_update", json!({"tunnel_ip": "nowhere"})),
        ("tunnel_delete", json!({"tunnel_ip": 4})),
        ("add_fdb_entries", json!({"fdb_entries": 4})),
        ("remove_fdb_entries", json!({"fdb_entries": {"x": 1}})),
        ("update_fdb_entries", json!({"fdb_entries": {"chg_ip": {"x": 1}}})),
        ("a method of the future", json!({"x": 1})),
    ];
    for (method, args) in cases {
        bench.push(&message("some topic", method, args));
        assert_eq!(bench.sum, before, "{method}");
    }
    assert!(bench.complaints.len() > 12, "{:#?}", bench.complaints);
    assert!(bench.complaints.iter().any(|text| text.contains(&format!("Port {id}.network_id"))));
}
