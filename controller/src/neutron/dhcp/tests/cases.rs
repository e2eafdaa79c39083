//! Single cases that are worth a name.

use std::time::{Duration, Instant};

use model::{ObjectRef, Outcome, PortId, Report};
use serde_json::{Map, Value, json};

use super::server::{Change, Server, network_id, port_id};
use super::{Found, machine, takes_away};
use crate::neutron::dhcp::asks::OwnStep;
use crate::neutron::dhcp::{Ask, Dhcp};
use crate::neutron::fault::Fault;
use crate::neutron::role::{Event, Machine, Message};

struct Table {
    dhcp: Dhcp,
    server: Server,
    now: Instant,
    asks: Vec<Ask>,
    found: Found,
}

impl Table {
    fn new(changes: &[Change]) -> Self {
        let mut server = Server::default();
        changes.iter().for_each(|change| server.change(*change));
        server.said.clear();
        let now = Instant::now();
        let mut table = Self { dhcp: machine(), server, now, asks: Vec::new(), found: Found::default() };
        table.hear(Event::Gap);
        table.hear(Event::Open);
        table
    }

    /// One served network with our port and some guests, of which everything was told.
    fn served(guests: u8) -> Self {
        let mut changes = vec![Change::Network(0), Change::Subnet(0, 0, true)];
        changes.extend((0..guests).map(|_| Change::Port(0)));
        let mut table = Self::new(&changes);
        table.answer_all();
        table.server.said.clear();
        table.report(ObjectRef::Network(network_id(0)), Outcome::Done);
        table.answer_all();
        table.wait(Duration::from_secs(1));
        table
    }

    fn hear(&mut self, event: Event<'_, Ask>) {
        self.dhcp.hear(event, self.now);
        self.found.take_in(self.dhcp.findings());
        self.asks.extend(self.dhcp.asks(self.now));
    }

    fn answer_all(&mut self) {
        while !self.asks.is_empty() {
            let ask = self.asks.remove(0);
            let answer = self.server.answer(&self.dhcp.request(&ask));
            self.hear(Event::Answer(ask, answer));
        }
    }

    /// The server changes something, and everything that it says arrives.
    fn change(&mut self, change: Change) {
        self.server.change(change);
        for message in std::mem::take(&mut self.server.said) {
            self.hear(Event::Message(&message));
        }
    }

    fn report(&mut self, object: ObjectRef, outcome: Outcome) {
        self.hear(Event::Report(&Report([(object, outcome)].into())));
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.hear(Event::Tick);
    }

    fn told(&mut self) -> Vec<PortId> {
        let asks = std::mem::take(&mut self.asks);
        let told = asks.iter().flat_map(|ask| match ask {
            Ask::Ready(ports) => ports.clone(),
            other => panic!("{other:?}"),
        });
        let told: Vec<PortId> = told.collect();
        self.asks = asks;
        told
    }
}

fn message(method: &str, payload: Value) -> Message {
    let args = Map::from_iter([("payload".to_owned(), payload)]);
    Message { topic: "dhcp_agent".to_owned(), method: method.to_owned(), args }
}

/// Number 0 is the only guest, 1 our own port.
#[test]
fn a_new_port_is_served_without_asking_and_told_when_the_engine_is_done() {
    let mut table = Table::served(1);
    table.change(Change::Port(0));
    assert!(table.found.ports.contains_key(&port_id(2)));
    assert_eq!(table.asks, []);
    table.wait(Duration::from_millis(500));
    assert_eq!(table.asks, []);
    table.report(ObjectRef::Port(port_id(2)), Outcome::Expecting { what: "its guest".to_owned() });
    assert_eq!(table.told(), [port_id(2)]);
}

#[test]
fn a_port_that_changed_nothing_for_the_engine_is_told_all_the_same() {
    let mut table = Table::served(1);
    table.change(Change::Port(0));
    table.wait(Duration::from_secs(1));
    assert_eq!(table.told(), [port_id(2)]);
}

#[test]
fn a_port_is_not_told_while_the_network_is_not_served() {
    let mut table = Table::served(1);
    table.report(ObjectRef::Network(network_id(0)), Outcome::Waiting { on: "the device".to_owned() });
    table.change(Change::Port(0));
    table.report(ObjectRef::Port(port_id(2)), Outcome::Done);
    table.wait(Duration::from_secs(60));
    assert_eq!(table.asks, []);
    table.report(ObjectRef::Network(network_id(0)), Outcome::Done);
    assert_eq!(table.told(), [port_id(2)]);
}

#[test]
fn a_port_is_not_told_before_our_own_is_plugged() {
    let mut table = Table::served(1);
    let unplugged = model::SwitchFacts { alive: true, ..model::SwitchFacts::default() };
    table.hear(Event::Switch(&unplugged));
    table.change(Change::Port(0));
    table.report(ObjectRef::Network(network_id(0)), Outcome::Done);
    assert_eq!(table.asks, []);
    let mut plugged = unplugged;
    plugged.plugged.insert(port_id(1), imbl::OrdSet::new());
    table.hear(Event::Switch(&plugged));
    assert_eq!(table.told(), [port_id(2)]);
}

#[test]
fn a_new_port_does_not_wait_behind_a_reading_of_everything() {
    let mut table = Table::served(1);
    table.hear(Event::Gap);
    assert_eq!(table.asks, [Ask::Everything]);
    table.change(Change::Port(0));
    table.report(ObjectRef::Port(port_id(2)), Outcome::Done);
    assert_eq!(table.asks[1..], [Ask::Ready(vec![port_id(2)])]);
    // Nor on a network that nobody knows yet.
    table.server.change(Change::Network(1));
    table.server.change(Change::Subnet(1, 0, true));
    table.server.said.clear();
    table.change(Change::Port(1));
    assert_eq!(table.asks.last(), Some(&Ask::Network(network_id(1))));
}

#[test]
fn a_list_from_before_a_port_came_does_not_take_it_away() {
    let mut table = Table::served(1);
    table.hear(Event::Gap);
    let list = table.server.answer(&table.dhcp.request(&Ask::Everything));
    table.change(Change::Port(0));
    table.asks.retain(|ask| *ask != Ask::Everything);
    table.hear(Event::Answer(Ask::Everything, list));
    assert!(table.found.ports.contains_key(&port_id(2)));
    table.answer_all();
    assert!(table.found.ports.contains_key(&port_id(2)));
}

#[test]
fn a_port_that_is_left_behind_is_taken_over_with_its_addresses() {
    let mut table = Table::served(0);
    table.change(Change::Ours(0, false));
    table.answer_all();
    assert!(table.found.networks.is_empty() && table.found.own.is_empty());
    table.change(Change::Ours(0, true));
    table.answer_all();
    assert_eq!(table.found.own.keys().copied().collect::<Vec<_>>(), [port_id(0)]);
    assert_eq!(table.server.ports.len(), 1);
}

#[test]
fn another_subnet_gets_an_address_of_ours() {
    let mut table = Table::served(0);
    table.change(Change::Subnet(0, 1, true));
    table.answer_all();
    assert_eq!(table.found.own[&port_id(0)].port.fixed_ips.len(), 2);
    table.change(Change::Subnet(0, 0, false));
    table.answer_all();
    assert_eq!(table.found.own[&port_id(0)].port.fixed_ips.len(), 1);
    assert_eq!(table.found.subnets.len(), 1);
}

#[test]
fn a_network_that_goes_down_gives_its_port_back() {
    let mut table = Table::served(1);
    table.change(Change::Up(0, false));
    table.answer_all();
    assert!(table.found.networks.is_empty() && table.found.ports.is_empty() && table.found.own.is_empty());
    assert_eq!(table.server.ports.len(), 1);
    table.change(Change::Up(0, true));
    table.answer_all();
    assert_eq!(table.found.own.len(), 1);
}

#[test]
fn our_port_is_made_again_but_not_at_once() {
    let mut table = Table::served(1);
    table.change(Change::DropOwn(0));
    assert!(table.found.own.is_empty());
    assert_eq!(table.asks, []);
    table.wait(Duration::from_secs(1));
    assert_eq!(table.asks, [Ask::Network(network_id(0))]);
    table.answer_all();
    assert_eq!(table.found.own.len(), 1);
}

#[test]
fn without_a_free_address_it_waits_for_something_to_happen() {
    let mut table = Table::new(&[Change::Network(0), Change::Subnet(0, 0, true), Change::Port(0)]);
    let ask = table.asks.remove(0);
    let list = table.server.answer(&table.dhcp.request(&ask));
    table.hear(Event::Answer(ask, list));
    let ask = table.asks.remove(0);
    assert!(matches!(ask, Ask::Own(_, OwnStep::Create { .. })));
    let fault = Fault::Refused { class: "IpAddressGenerationFailure".to_owned(), message: String::new() };
    table.hear(Event::Answer(ask, Err(fault)));
    table.wait(Duration::from_secs(600));
    assert_eq!(table.asks, []);
    assert!(table.found.complete);
    table.change(Change::Mtu(0));
    table.answer_all();
    assert_eq!(table.found.own.len(), 1);
}

#[test]
fn what_may_have_been_done_is_read_before_it_is_tried_again() {
    let mut table = Table::new(&[Change::Network(0), Change::Subnet(0, 0, true)]);
    let ask = table.asks.remove(0);
    let list = table.server.answer(&table.dhcp.request(&ask));
    table.hear(Event::Answer(ask, list));
    let ask = table.asks.remove(0);
    table.server.answer(&table.dhcp.request(&ask)).unwrap();
    table.hear(Event::Answer(ask, Err(Fault::Timeout(Duration::from_secs(60)))));
    table.wait(Duration::from_secs(1));
    table.answer_all();
    assert_eq!((table.server.ports.len(), table.found.own.len()), (1, 1));
}

#[test]
fn an_address_that_is_somebody_elses_is_read_again() {
    let mut table = Table::served(2);
    // The deletion of the first guest is lost, and a third gets its address.
    table.server.change(Change::DropPort(0));
    table.server.said.clear();
    table.change(Change::Port(0));
    assert!(!table.found.ports.contains_key(&port_id(3)));
    assert_eq!(table.asks, [Ask::Network(network_id(0))]);
    table.answer_all();
    assert!(table.found.ports.contains_key(&port_id(3)) && !table.found.ports.contains_key(&port_id(0)));
}

#[test]
fn deletions_in_the_whole_cloud_cost_nothing() {
    let mut table = Table::served(1);
    for number in 0..1000 {
        let network = uuid::Uuid::from_u128(0xffff_0000 + number);
        table.hear(Event::Message(&message("network_delete_end", json!({"network_id": network}))));
    }
    assert_eq!(table.asks, []);
}

#[test]
fn hostile_messages_are_complained_of_and_change_nothing() {
    let mut table = Table::served(1);
    let before = table.found.clone();
    let many: Vec<Value> = vec![json!({"subnet_id": 1}); 10_000];
    let network = network_id(0);
    for payload in [
        json!(null),
        json!([]),
        json!({"port": 7}),
        json!({"port": {"id": port_id(0), "network_id": "x"}}),
        json!({"port": {"id": port_id(0), "network_id": network, "mac_address": "x", "fixed_ips": many}}),
        json!({"port": {"id": port_id(0), "network_id": network, "mac_address": ["x"]}}),
    ] {
        table.hear(Event::Message(&message("port_update_end", payload)));
    }
    table.hear(Event::Message(&message("x".repeat(100_000).as_str(), json!({}))));
    let complaints = table.dhcp.complaints();
    assert_eq!(complaints.len(), 7);
    assert!(complaints.iter().all(|complaint| complaint.len() <= 400));
    assert!(complaints[3].contains("port_update_end.payload.port.network_id"), "{complaints:?}");
    // What could be told of the network of one is read again.
    table.answer_all();
    assert_eq!(table.found, before);
}

#[test]
fn what_is_not_understood_stays_as_it_was() {
    let mut table = Table::served(2);
    let before = table.found.clone();
    let mut list = table.server.answer(&table.dhcp.request(&Ask::Everything)).unwrap();
    list[0]["ports"][0]["mac_address"] = json!("broken");
    list[0]["subnets"][0]["cidr"] = json!({});
    table.hear(Event::Gap);
    let ask = table.asks.remove(0);
    table.hear(Event::Answer(ask, Ok(list.clone())));
    assert_eq!(table.found, before);
    assert_eq!(table.dhcp.complaints().len(), 2);
    list[0]["mtu"] = json!("broken");
    table.hear(Event::Gap);
    table.asks.retain(|ask| !matches!(ask, Ask::Everything));
    table.hear(Event::Answer(Ask::Everything, Ok(list)));
    table.answer_all();
    assert_eq!(table.found, before);
    for answer in [json!(null), json!({"a": 1}), json!("x"), json!([7, null])] {
        table.hear(Event::Gap);
        table.asks.retain(|ask| !matches!(ask, Ask::Everything));
        table.dhcp.hear(Event::Answer(Ask::Everything, Ok(answer)), table.now);
        assert!(!table.dhcp.findings().iter().any(takes_away));
        table.wait(Duration::from_secs(10));
    }
}

/// What exists of it may be from a process before this one, or Neutron's agent's.
#[test]
fn a_network_that_was_never_understood_is_left_alone_until_it_is() {
    let spoil_network = |answer: &mut Value| answer["mtu"] = json!({"a": 1});
    let spoil_subnets = |answer: &mut Value| answer["subnets"][0]["cidr"] = json!("nowhere");
    let spoils: [&dyn Fn(&mut Value); 2] = [&spoil_network, &spoil_subnets];
    for spoil in spoils {
        let mut table = Table::new(&[Change::Network(0), Change::Subnet(0, 0, true)]);
        // The list, and then the network on its own: as bad.
        while !table.asks.is_empty() {
            let ask = table.asks.remove(0);
            let mut answer = table.server.answer(&table.dhcp.request(&ask)).unwrap();
            match &mut answer {
                Value::Array(networks) => networks.iter_mut().for_each(spoil),
                network => spoil(network),
            }
            table.hear(Event::Answer(ask, Ok(answer)));
        }
        let network = ObjectRef::Network(network_id(0));
        assert!(table.found.complete && table.found.networks.is_empty());
        assert_eq!(table.found.left_alone, [network].into());

        table.hear(Event::Gap);
        table.answer_all();
        assert!(table.found.left_alone.is_empty() && table.found.networks.contains_key(&network_id(0)));
        // Understood once, it goes on as it was.
        table.hear(Event::Gap);
        let ask = table.asks.remove(0);
        let mut answer = table.server.answer(&table.dhcp.request(&ask)).unwrap();
        spoil(&mut answer[0]);
        table.hear(Event::Answer(ask, Ok(answer)));
        assert!(table.found.left_alone.is_empty() && table.found.networks.contains_key(&network_id(0)));
    }
}

#[test]
fn a_network_that_is_taken_away_is_not_left_alone_any_more() {
    let mut table = Table::new(&[Change::Network(0), Change::Subnet(0, 0, true)]);
    let ask = table.asks.remove(0);
    let mut answer = table.server.answer(&table.dhcp.request(&ask)).unwrap();
    answer[0]["mtu"] = json!({"a": 1});
    table.hear(Event::Answer(ask, Ok(answer)));
    assert_eq!(table.found.left_alone.len(), 1);
    table.server.change(Change::Ours(0, false));
    table.server.said.clear();
    table.hear(Event::Gap);
    table.answer_all();
    assert!(table.found.left_alone.is_empty());
}
