//! Recorded messages between a server of 2026.2 and Neutron's own agent: what is sent is sent alike, what
//! comes in is understood.

use std::net::IpAddr;
use std::time::Instant;

use model::{NetworkId, ObjectRef, Outcome, Report};
use serde_json::Value;

use super::{Found, machine};
use crate::neutron::dhcp::asks::OwnStep;
use crate::neutron::dhcp::{Ask, Dhcp};
use crate::neutron::role::{Event, Machine, Message};
use crate::neutron::wire::dhcp_casts::{self, Cast};

fn recorded(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

macro_rules! wire {
    ($name:literal) => {
        recorded(include_str!(concat!("../../../../tests/wire/", $name, ".json")))
    };
}

fn sent_as(ask: &Ask, recorded: &Value, method: &str) {
    let request = machine().request(ask);
    let version = format!("{}.{}", request.version.0, request.version.1);
    assert_eq!((request.topic, request.method, request.is_cast), ("q-plugin", method, false));
    assert_eq!(version, recorded["version"].as_str().unwrap());
    assert_eq!(Value::Object(request.args), recorded["args"]);
}

fn id<T: std::str::FromStr<Err = uuid::Error>>(text: &str) -> T {
    text.parse().unwrap()
}

const RED: &str = "902efc6f-d3e8-4219-a9e1-a973bcfa1650";
const BLUE: &str = "23a6bc88-9263-4317-a13f-0b59394c2efd";

#[test]
fn sends_what_neutrons_agent_sends() {
    // So that the L2 part says nothing of them meanwhile.
    assert_eq!(machine().request(&Ask::Ready(vec![id(RED)])).ports_told, [id(RED)]);
    sent_as(&Ask::Everything, &wire!("get_active_networks_info/none"), "get_active_networks_info");
    let ask = Ask::Network(id("53b92f12-72ba-4f44-b40b-d596b80e1591"));
    sent_as(&ask, &wire!("get_network_info/new"), "get_network_info");
    let project = "fake_project_id".to_owned();
    let subnets = ["0a227220-9f14-4d2f-add7-121493893220", "b9ca2517-34e1-4e8d-b682-173b859a6ab8"];
    let create = |count: usize| OwnStep::Create {
        project: project.clone(),
        subnets: subnets[..count].iter().map(|subnet| id(subnet)).collect(),
    };
    sent_as(&Ask::Own(id(RED), create(1)), &wire!("create_dhcp_port/one_subnet"), "create_dhcp_port");
    sent_as(&Ask::Own(id(RED), create(2)), &wire!("create_dhcp_port/two_subnets"), "create_dhcp_port");
    let port = id("2fa559fb-838a-49d0-bceb-24edc08cf378");
    let ask = Ask::Own(id(BLUE), OwnStep::Adopt { port });
    sent_as(&ask, &wire!("update_dhcp_port/taken_over"), "update_dhcp_port");
    let addresses = vec![
        (id("b37eddaf-9a74-4c55-b124-3dcac0ab63ae"), Some(IpAddr::from([10, 10, 2, 2]))),
        (id("896abed1-8dae-4597-9566-6b4d5d90356e"), None),
    ];
    let ask = Ask::Own(id(BLUE), OwnStep::SetAddresses { port, addresses });
    sent_as(&ask, &wire!("update_dhcp_port/subnet_added"), "update_dhcp_port");
    sent_as(&Ask::Release(id(BLUE)), &wire!("release_dhcp_port/network"), "release_dhcp_port");
    let ports = ["084f275b-84fa-40d8-8198-7edc91f082e2", "c090863f-3836-418e-baa9-b2839cc22323"];
    let ask = Ask::Ready(ports.map(id).into());
    sent_as(&ask, &wire!("dhcp_ready_on_ports/two"), "dhcp_ready_on_ports");
}

fn cast(method: &str, recorded: &Value) -> Message {
    let args = recorded["args"].as_object().unwrap().clone();
    Message { topic: "dhcp_agent".to_owned(), method: method.to_owned(), args }
}

#[test]
fn understands_every_cast() {
    let read = |method, recorded: &Value| dhcp_casts::read(&cast(method, recorded)).unwrap();
    let red: NetworkId = id(RED);
    assert_eq!(read("network_create_end", &wire!("network_create_end/given")), Cast::Given(red));
    assert_eq!(read("network_update_end", &wire!("network_update_end/mtu")), Cast::Changed(red));
    assert_eq!(read("network_delete_end", &wire!("network_delete_end/taken")), Cast::Taken(id(BLUE)));
    assert_eq!(read("network_delete_end", &wire!("network_delete_end/deleted")), Cast::Taken(id(BLUE)));
    let network = id("53b92f12-72ba-4f44-b40b-d596b80e1591");
    assert_eq!(read("subnet_create_end", &wire!("subnet_create_end/made")), Cast::Changed(network));
    assert_eq!(read("subnet_update_end", &wire!("subnet_update_end/routes")), Cast::Changed(red));
    assert_eq!(read("subnet_delete_end", &wire!("subnet_delete_end/deleted")), Cast::Changed(id(BLUE)));
    assert_eq!(read("port_create_end", &wire!("port_create_end/floating_ip")), Cast::Nothing);
    let Cast::Port(gateway) = read("port_create_end", &wire!("port_create_end/router_gateway")) else {
        panic!()
    };
    assert_eq!(gateway.port.owner, model::PortOwner::RouterGateway);
    let Cast::Port(port) = read("port_update_end", &wire!("port_update_end/options")) else { panic!() };
    assert_eq!(port.port.host_name.as_deref(), Some("alpha"));
    assert_eq!(port.port.dhcp_options[0].name, "bootfile-name");
    let gone = Cast::PortGone(id("02a0c6ff-bd9d-4294-8781-dccfa543d29b"), Some(id(BLUE)));
    assert_eq!(read("port_delete_end", &wire!("port_delete_end/deleted")), gone);
    assert_eq!(read("agent_updated", &wire!("agent_updated/up")), Cast::AgentUpdated);
}

/// Lets the machine ask until it wants something that was not recorded.
fn play(answers: impl Fn(&Ask) -> Option<Value>) -> (Dhcp, Found, Vec<Ask>, Instant) {
    let (mut dhcp, mut found, now) = (machine(), Found::default(), Instant::now());
    dhcp.hear(Event::Gap, now);
    dhcp.hear(Event::Open, now);
    let mut open = Vec::new();
    let mut asks = dhcp.asks(now);
    while let Some(ask) = asks.pop() {
        match answers(&ask) {
            Some(answer) => dhcp.hear(Event::Answer(ask, Ok(answer)), now),
            None => open.push(ask),
        }
        found.take_in(dhcp.findings());
        asks.extend(dhcp.asks(now));
    }
    assert_eq!(dhcp.complaints(), [""; 0]);
    (dhcp, found, open, now)
}

#[test]
fn a_start_on_a_cloud_with_three_networks() {
    let networks = wire!("get_active_networks_info/networks")["result"].clone();
    let created = wire!("create_dhcp_port/two_subnets")["result"].clone();
    let (mut dhcp, mut found, open, now) = play(|ask| match ask {
        Ask::Everything => Some(networks.clone()),
        Ask::Own(network, OwnStep::Create { .. }) if *network == id(RED) => Some(created.clone()),
        _ => None,
    });
    // The fourth is an external one, without DHCP.
    assert_eq!((found.networks.len(), found.subnets.len()), (3, 5));
    assert_eq!(found.networks[&id(RED)].mtu, 1400);
    assert_eq!(found.ports.len(), 4 + 5 + 1 + 1);
    let own: Vec<_> = found.own.values().map(|own| own.port.network.to_string()).collect();
    assert_eq!(own, [RED]);
    assert_eq!(open.len(), 2, "{open:?}");
    assert!(!found.complete, "two networks were not asked about to the end");

    let report =
        |objects: &[ObjectRef]| Report(objects.iter().map(|object| (*object, Outcome::Done)).collect());
    dhcp.hear(Event::Report(&report(&[ObjectRef::Network(id(RED)), ObjectRef::Network(id(BLUE))])), now);
    let [Ask::Ready(ports)] = &dhcp.asks(now)[..] else { panic!() };
    assert_eq!(ports.len(), 6, "{ports:?}");

    // Names and options of a port change: the server waits for it again.
    dhcp.hear(Event::Message(&cast("port_update_end", &wire!("port_update_end/options"))), now);
    found.take_in(dhcp.findings());
    let port = id("c4e51b13-15c3-4b7e-b41b-deddf256ba6b");
    // That one is older than what the list said.
    assert_eq!(dhcp.asks(now), []);
    assert_eq!(found.ports[&port].port.fixed_ips.len(), 3);
}

#[test]
fn a_network_that_is_gone_is_nothing() {
    let (mut dhcp, found, open, now) = play(|ask| match ask {
        Ask::Everything => Some(wire!("get_active_networks_info/none")["result"].clone()),
        _ => None,
    });
    assert!(found.complete && found.networks.is_empty() && open.is_empty());
    dhcp.hear(Event::Message(&cast("network_create_end", &wire!("network_create_end/given"))), now);
    let asks = dhcp.asks(now);
    assert_eq!(asks, [Ask::Network(id(RED))]);
    let gone = wire!("get_network_info/gone")["result"].clone();
    dhcp.hear(Event::Answer(asks[0].clone(), Ok(gone)), now);
    assert_eq!((dhcp.asks(now), dhcp.findings()), (Vec::new(), Vec::new()));
}
