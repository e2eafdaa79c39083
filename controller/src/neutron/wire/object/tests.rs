//! Objects as servers sent them, and as no server should.

use serde_json::json;

use super::*;

fn recorded(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn pushed(text: &str) -> Value {
    recorded(text)["args"]["resource_list"][0].clone()
}

fn host(name: &str) -> HostName {
    HostName::from(name)
}

const BOUND: &str = include_str!("../../../../tests/wire/push/port_bound.json");
const UNBOUND: &str = include_str!("../../../../tests/wire/push/port_unbound.json");
const PULLED: &str = include_str!("../../../../tests/wire/bulk_pull/port.json");
const FLAT: &str = include_str!("../../../../tests/wire/bulk_pull/network_flat.json");
const TUNNEL: &str = include_str!("../../../../tests/wire/bulk_pull/network_tunnel.json");

#[test]
fn reads_a_bound_port() {
    let object = port(&pushed(BOUND), &host("n1")).unwrap();
    let vxlan = Segment::Tunnel { kind: TunnelKind::Vxlan, key: 54557 };
    let fixed = |subnet: &str, address: &str| FixedIp {
        subnet: subnet.parse().unwrap(),
        address: address.parse().unwrap(),
    };
    let expected = Port {
        id: "c4e51b13-15c3-4b7e-b41b-deddf256ba6b".parse().unwrap(),
        network: "902efc6f-d3e8-4219-a9e1-a973bcfa1650".parse().unwrap(),
        name: "p1".to_owned(),
        mac: "fa:16:3e:a8:f4:13".parse().unwrap(),
        fixed_ips: vec![
            fixed("0a227220-9f14-4d2f-add7-121493893220", "10.10.1.115"),
            fixed("0a227220-9f14-4d2f-add7-121493893220", "10.10.1.77"),
            fixed("b9ca2517-34e1-4e8d-b682-173b859a6ab8", "2001:db8:1:0:f816:3eff:fea8:f413"),
        ],
        owner: "compute:nova".into(),
        device: "vm1".to_owned(),
        admin_up: true,
        port_security: true,
        allowed_pairs: vec![AddressPair {
            address: "10.10.1.250/32".parse().unwrap(),
            mac: Some("fa:16:3e:a8:f4:13".parse().unwrap()),
        }],
        dhcp_options: vec![DhcpOption {
            name: "bootfile-name".to_owned(),
            value: "x".to_owned(),
            ip_version: 4,
        }],
        host_name: Some("alpha".to_owned()),
        binding: Some(Binding { host: host("n1"), segment: Some(vxlan) }),
    };
    assert_eq!(*object.sighting.port, expected);
    assert_eq!(object.sighting.host, Some(host("n1")));
    assert_eq!(object.sighting.revision, Some(13));
    assert_eq!((object.status, object.place), (PortStatus::Active, Place::Here));
    assert_eq!((object.vif_type.as_str(), object.vnic_type.as_str()), ("ovs", "normal"));
}

#[test]
fn elsewhere_a_port_has_no_binding() {
    let object = port(&pushed(BOUND), &host("n2")).unwrap();
    assert_eq!((object.place, object.sighting.port.binding.as_ref()), (Place::Elsewhere, None));
    assert_eq!(object.sighting.host, Some(host("n1")));
    let object = port(&pushed(UNBOUND), &host("n2")).unwrap();
    assert_eq!((object.place, object.sighting.host), (Place::Elsewhere, None));
    assert!(may_concern(&pushed(BOUND), &host("n1")));
    assert!(!may_concern(&pushed(BOUND), &host("n2")));
    assert!(!may_concern(&pushed(UNBOUND), &host("n2")));
}

#[test]
fn reads_what_a_pull_answers() {
    let object = port(&recorded(PULLED)["result"][0], &host("n1")).unwrap();
    assert_eq!(object.sighting.port.owner, model::PortOwner::RouterGateway);
    let flat = Segment::Flat { physical_network: "physnet1".to_owned() };
    assert_eq!(object.sighting.port.binding.as_ref().unwrap().segment, Some(flat.clone()));
    assert_eq!(object.status, PortStatus::Down);
    let (object, complaints) = network(&recorded(FLAT)["result"][0]).unwrap();
    assert_eq!(complaints, []);
    assert_eq!((object.network.segments.as_slice(), object.network.mtu), ([flat].as_slice(), 1500));
    let (object, _) = network(&recorded(TUNNEL)["result"][0]).unwrap();
    assert_eq!(object.network.segments, [Segment::Tunnel { kind: TunnelKind::Vxlan, key: 15625 }]);
    assert_eq!((object.network.name.as_str(), object.revision), ("t0", Some(2)));
}

/// The recorded port with fields of its data replaced.
fn with(fields: Value) -> Value {
    let mut object = pushed(BOUND);
    let (Value::Object(fields), Value::Object(data)) = (fields, &mut object[DATA]) else { unreachable!() };
    data.extend(fields);
    object
}

fn binding(host: &str, status: &str, vif_type: &str, profile: &Value) -> Value {
    json!({DATA: {"host": host, "status": status, "vif_type": vif_type, "profile": profile.to_string()}})
}

fn level(host: &str, level: i64, network_type: &str, id: i64) -> Value {
    let segment =
        json!({DATA: {"network_type": network_type, "segmentation_id": id, "physical_network": "p"}});
    json!({DATA: {"host": host, "level": level, "segment": segment}})
}

fn segment_at(object: &Value, at: &str) -> Option<Option<Segment>> {
    port(object, &host(at)).unwrap().sighting.port.binding.as_ref().map(|binding| binding.segment.clone())
}

#[test]
fn a_port_on_its_way_here_is_bound_here_too() {
    let moving = json!({"migrating_to": "n2"});
    let object = with(json!({"bindings": [
        binding("n1", "ACTIVE", "ovs", &moving),
        binding("n2", "INACTIVE", "ovs", &json!({})),
    ]}));
    let seen = port(&object, &host("n2")).unwrap();
    assert_eq!((seen.place, seen.sighting.host), (Place::Coming, Some(host("n1"))));
    let vxlan = Segment::Tunnel { kind: TunnelKind::Vxlan, key: 54557 };
    assert_eq!(segment_at(&object, "n2"), Some(Some(vxlan)));
    assert_eq!(segment_at(&object, "n3"), None);
    assert!(may_concern(&object, &host("n2")));
    // Activated there.
    let object = with(json!({"bindings": [
        binding("n1", "INACTIVE", "ovs", &json!({})),
        binding("n2", "ACTIVE", "ovs", &json!({})),
    ]}));
    assert_eq!(port(&object, &host("n1")).unwrap().place, Place::Elsewhere);
    assert_eq!(port(&object, &host("n2")).unwrap().place, Place::Here);
}

#[test]
fn the_last_binding_level_of_the_node_carries_it() {
    let vlan = |vlan| Segment::Vlan { physical_network: "p".to_owned(), vlan: VlanTag(vlan) };
    let levels = [level("n1", 1, "vlan", 7), level("n1", 0, "vxlan", 9), level("n2", 2, "vlan", 8)];
    let object = with(json!({"binding_levels": levels}));
    assert_eq!(segment_at(&object, "n1"), Some(Some(vlan(7))));
    let object = with(json!({"binding_levels": []}));
    assert_eq!(segment_at(&object, "n1"), Some(None));
    let failed = json!({"bindings": [binding("n1", "ACTIVE", "binding_failed", &json!({}))]});
    assert_eq!(segment_at(&with(failed), "n1"), Some(None));
}

#[test]
fn absent_and_null_are_the_usual() {
    let object =
        with(json!({"name": null, "security": null, "dns": null, "fixed_ips": null, "dhcp_options": null,
        "allowed_address_pairs": null, "device_id": null, "revision_number": null, "status": "BUILD",
        "a field of the future": {"x": [1]}}));
    let object = port(&object, &host("n1")).unwrap();
    assert!(object.sighting.port.port_security);
    assert_eq!((object.sighting.revision, object.status), (None, PortStatus::Other));
    assert_eq!(object.sighting.port.host_name, None);
}

#[test]
fn what_is_wrong_is_named_with_the_object() {
    let cases = [
        (json!({"mac_address": "x"}), "mac_address"),
        (json!({"mac_address": null}), "mac_address"),
        (json!({"network_id": 5}), "network_id"),
        (json!({"fixed_ips": {}}), "fixed_ips"),
        (json!({"fixed_ips": [{}]}), "fixed_ips[0]"),
        (json!({"fixed_ips": vec![1; LONGEST_LIST + 1]}), "more than"),
        (json!({"bindings": [binding("n1", "ACTIVE", "ovs", &json!(5))]}), "profile"),
        (json!({"bindings": [{DATA: {"profile": "{"}}]}), "profile"),
        (json!({"bindings": [{DATA: {"profile": "x".repeat(LONGEST_TEXT + 1)}}]}), "longer"),
        (json!({"binding_levels": [level("n1", 0, "pigeon", 1)]}), "pigeon"),
        (json!({"binding_levels": [level("n1", 0, "vlan", 4095)]}), "segmentation_id"),
        (json!({"binding_levels": [level("n1", 0, "vxlan", 1 << 24)]}), "segmentation_id"),
    ];
    for (fields, expected) in cases {
        let said = port(&with(fields.clone()), &host("n1")).unwrap_err().to_string();
        assert!(said.starts_with("Port c4e51b13") && said.contains(expected), "{fields}: {said}");
    }
    for object in
        [json!(null), json!(7), json!({}), json!({DATA: []}), json!({"versioned_object.name": "Port"})]
    {
        port(&object, &host("n1")).unwrap_err();
        network(&object).unwrap_err();
    }
    assert!(network(&pushed(BOUND)).unwrap_err().to_string().contains("instead of"));
}

#[test]
fn a_segment_of_an_unknown_kind_spoils_nothing() {
    let mut object = recorded(FLAT)["result"][0].clone();
    let segments = object[DATA]["segments"].as_array_mut().unwrap();
    segments.push(json!({DATA: {"network_type": "pigeon"}}));
    let (network, complaints) = network(&object).unwrap();
    assert_eq!((network.network.segments.len(), complaints.len()), (1, 1));
}
