//! Single cases that are worth a name.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use model::{HostName, ObjectRef, Outcome, Report, Retry, RouterId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::server::{Change, Server, floating_id, router_id};
use super::{Found, machine, settings, takes_away};
use crate::neutron::fault::Fault;
use crate::neutron::l3::asks::Reason;
use crate::neutron::l3::{Ask, L3};
use crate::neutron::role::{Event, Machine, Message};
use crate::neutron::wire::l3_calls::Status;

struct Table {
    l3: L3,
    server: Server,
    now: Instant,
    asks: Vec<Ask>,
    found: Found,
}

impl Table {
    fn new(l3: L3, changes: &[Change]) -> Self {
        let mut server = Server::default();
        changes.iter().for_each(|change| server.change(*change));
        server.said.clear();
        let mut table = Self { l3, server, now: Instant::now(), asks: Vec::new(), found: Found::default() };
        table.hear(Event::Gap);
        table.hear(Event::Open);
        table
    }

    /// Routers that the node runs.
    fn running(changes: &[Change]) -> Self {
        let mut table = Self::new(machine(), changes);
        table.answer_all();
        for router in table.found.routers.keys().copied().collect::<Vec<_>>() {
            table.report(router, Outcome::Done);
        }
        table.answer_all();
        table
    }

    fn hear(&mut self, event: Event<'_, Ask>) {
        self.l3.hear(event, self.now);
        self.found.take_in(self.l3.findings());
        self.asks.extend(self.l3.asks(self.now));
    }

    fn answer_all(&mut self) {
        while !self.asks.is_empty() {
            self.answer_one();
        }
    }

    fn answer_one(&mut self) {
        let ask = self.asks.remove(0);
        let answer = self.server.answer(&self.l3.request(&ask));
        self.hear(Event::Answer(ask, answer));
    }

    fn change(&mut self, change: Change) {
        self.server.change(change);
        for message in std::mem::take(&mut self.server.said) {
            self.hear(Event::Message(&message));
        }
    }

    fn report(&mut self, router: RouterId, outcome: Outcome) {
        self.hear(Event::Report(&Report([(ObjectRef::Router(router), outcome)].into())));
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.hear(Event::Tick);
    }
}

fn message(method: &str, args: &Value) -> Message {
    Message {
        topic: "l3_agent".to_owned(),
        method: method.to_owned(),
        args: args.as_object().unwrap().clone(),
    }
}

fn updated(routers: &[RouterId]) -> Message {
    message("routers_updated", &json!({"routers": routers}))
}

fn failed() -> Outcome {
    Outcome::Failed { chain: vec!["no device".to_owned()], retry: Retry::Soon }
}

const FLOATING: [Change; 3] = [Change::Router(0), Change::Leg(0, 0), Change::Floating(0, 1, 5)];

#[test]
fn repeated_updates_are_one_question() {
    let mut table = Table::running(&[Change::Router(0)]);
    for _ in 0..10 {
        table.hear(Event::Message(&updated(&[router_id(0)])));
    }
    assert_eq!(table.asks, [Ask::Routers(vec![router_id(0)], Reason::Event)]);
    // What came while it was asked is asked once more, however often it came.
    table.answer_one();
    assert_eq!(table.asks, [Ask::Routers(vec![router_id(0)], Reason::Event)]);
    table.answer_one();
    assert_eq!(table.asks, []);
}

#[test]
fn an_event_does_not_wait_behind_a_reading_of_everything() {
    let mut table = Table::running(&[Change::Router(0), Change::Router(1)]);
    table.hear(Event::Gap);
    assert_eq!(table.asks, [Ask::Ids]);
    table.change(Change::Leg(1, 0));
    assert_eq!(table.asks[1..], [Ask::Routers(vec![router_id(1)], Reason::Event)]);
}

#[test]
fn parts_shrink_when_the_server_is_slow_and_grow_again() {
    let mut table = Table::new(machine(), &[]);
    let ids: Vec<RouterId> = (0..1000).map(|number| RouterId(Uuid::from_u128(number))).collect();
    table.asks.clear();
    table.hear(Event::Answer(Ask::Ids, Ok(json!(ids))));
    for size in [256, 128, 64, 32, 32] {
        let Some(Ask::Routers(routers, Reason::Part)) = table.asks.pop() else { panic!() };
        assert_eq!(routers.len(), size);
        let slow = Err(Fault::Timeout(Duration::from_secs(60)));
        table.hear(Event::Answer(Ask::Routers(routers, Reason::Part), slow));
        assert!(!table.found.complete);
    }
    for size in [32, 64, 96] {
        let Some(Ask::Routers(routers, Reason::Part)) = table.asks.pop() else { panic!() };
        assert_eq!(routers.len(), size);
        table.hear(Event::Answer(Ask::Routers(routers, Reason::Part), Ok(json!([]))));
    }
}

#[test]
fn a_router_that_is_not_given_is_not_ours() {
    let mut table = Table::running(&[Change::Router(0), Change::Leg(0, 0)]);
    assert_eq!((table.found.routers.len(), table.found.ports.len()), (1, 1));
    table.change(Change::Up(0, false));
    table.answer_all();
    assert!(table.found.routers.is_empty() && table.found.ports.is_empty());
    table.change(Change::Up(0, true));
    table.answer_all();
    assert_eq!(table.found.routers.len(), 1);
}

#[test]
fn a_removal_that_comes_late_takes_nothing_away() {
    let mut table = Table::running(&[Change::Router(0)]);
    let late = message("router_removed_from_agent", &json!({"payload": {"router_id": router_id(0)}}));
    table.hear(Event::Message(&late));
    table.answer_all();
    assert_eq!(table.found.routers.len(), 1);
    table.change(Change::Ours(0, false));
    table.answer_all();
    assert!(table.found.routers.is_empty());
}

#[test]
fn deletions_in_the_whole_cloud_cost_nothing() {
    let mut table = Table::running(&[Change::Router(0)]);
    for number in 0..1000 {
        let router = RouterId(Uuid::from_u128(0xffff_0000 + number));
        table.hear(Event::Message(&message("router_deleted", &json!({"router_id": router}))));
        let network = json!({"network": {"id": Uuid::from_u128(number), "mtu": 9000}});
        table.hear(Event::Message(&message("network_update", &network)));
    }
    assert_eq!(table.asks, []);
}

#[test]
fn a_networks_new_mtu_is_read() {
    let mut table = Table::running(&[Change::Router(0), Change::Leg(0, 1)]);
    table.change(Change::Mtu(1));
    assert_eq!(table.asks, [Ask::Routers(vec![router_id(0)], Reason::Event)]);
    table.answer_all();
    assert_eq!(table.found.routers[&router_id(0)].interfaces[0].mtu, 1451);
}

#[test]
fn floating_ips_are_told_of_when_something_became_of_them() {
    let mut table = Table::new(machine(), &FLOATING);
    table.answer_all();
    table.report(router_id(0), Outcome::Waiting { on: "a device".to_owned() });
    assert_eq!(table.asks, []);
    let said = |status| Ask::Statuses(router_id(0), BTreeMap::from([(floating_id(1), status)]));
    table.report(router_id(0), failed());
    assert_eq!(table.asks, [said(Status::Error)]);
    table.answer_all();
    table.report(router_id(0), failed());
    assert_eq!(table.asks, []);
    table.report(router_id(0), Outcome::Done);
    assert_eq!(table.asks, [said(Status::Active)]);
    table.answer_all();
    assert_eq!(table.server.statuses[&1], "ACTIVE");
    table.change(Change::DropFloating(1));
    table.answer_all();
    table.report(router_id(0), Outcome::Done);
    assert_eq!(table.asks, [said(Status::Down)]);
}

#[test]
fn a_floating_ip_that_moved_is_not_called_down() {
    let mut table =
        Table::running(&[FLOATING[0], FLOATING[1], FLOATING[2], Change::Router(1), Change::Leg(1, 1)]);
    table.change(Change::Floating(1, 1, 7));
    table.answer_all();
    table.report(router_id(1), Outcome::Done);
    table.report(router_id(0), Outcome::Done);
    table.answer_all();
    assert_eq!(table.server.statuses[&1], "ACTIVE");
}

#[test]
fn a_status_that_the_server_lost_is_told_again() {
    let mut table = Table::running(&FLOATING);
    table.server.statuses.insert(1, "DOWN".to_owned());
    table.hear(Event::Message(&updated(&[router_id(0)])));
    table.answer_all();
    assert_eq!(table.server.statuses[&1], "ACTIVE");
}

#[test]
fn a_status_that_did_not_arrive_is_sent_again() {
    let mut table = Table::new(machine(), &FLOATING);
    table.answer_all();
    table.report(router_id(0), Outcome::Done);
    let ask = table.asks.remove(0);
    table.hear(Event::Answer(ask, Err(Fault::Timeout(Duration::from_secs(60)))));
    assert_eq!(table.asks, []);
    // What is decided meanwhile is newer.
    table.report(router_id(0), failed());
    table.wait(Duration::from_secs(1));
    table.answer_all();
    assert_eq!(table.server.statuses[&1], "ERROR");
}

#[test]
fn forwardings_follow_pushes() {
    let mut table = Table::running(&[Change::Router(0), Change::Forwarding(0, 1, 80)]);
    let ports = |table: &Table| -> Vec<u16> {
        let router = &table.found.routers[&router_id(0)];
        router.port_forwardings.iter().map(|rule| rule.external.first).collect()
    };
    assert_eq!(ports(&table), [80]);
    table.server.change(Change::Reforward(0, 81));
    let pushed = table.server.said.remove(0);
    table.hear(Event::Message(&pushed));
    assert_eq!((ports(&table), table.asks.len()), (vec![81], 0));
    table.change(Change::Forwarding(0, 1, 90));
    table.answer_all();
    assert_eq!(ports(&table), [81, 90]);
    // The first one of another floating IP is news of the router; so is the last one.
    table.change(Change::Forwarding(0, 2, 99));
    table.answer_all();
    assert_eq!(ports(&table), [81, 90, 99]);
    table.change(Change::DropForwarding(2));
    table.answer_all();
    assert_eq!(ports(&table), [81, 90]);
    table.report(router_id(0), Outcome::Done);
    let down = BTreeMap::from([(floating_id(2), Status::Down)]);
    assert_eq!(table.asks, [Ask::Statuses(router_id(0), down)]);
    table.answer_all();
    // The older one again.
    table.server.change(Change::Reforward(0, 82));
    let newer = table.server.said.remove(0);
    table.hear(Event::Message(&newer));
    table.hear(Event::Message(&pushed));
    assert_eq!(ports(&table), [82, 90]);
}

#[test]
fn without_the_extension_nobody_asks_for_forwardings() {
    let l3 = L3::new(HostName::from("n1"), &settings(&[]));
    let mut table = Table::new(l3, &[Change::Router(0), Change::Forwarding(0, 1, 80)]);
    table.answer_all();
    assert!(table.found.routers[&router_id(0)].port_forwardings.is_empty());
    table.report(router_id(0), Outcome::Done);
    assert_eq!(table.asks, []);
}

#[test]
fn a_router_without_gateway_may_be_unwanted() {
    let mut settings = settings(&[]);
    settings.handle_internal_only_routers = false;
    let l3 = L3::new(HostName::from("n1"), &settings);
    let mut table =
        Table::new(l3, &[Change::Router(0), FLOATING[0], Change::Router(1), Change::Floating(1, 1, 5)]);
    table.answer_all();
    assert_eq!(table.found.routers.keys().copied().collect::<Vec<_>>(), [router_id(1)]);
}

#[test]
fn a_router_beyond_this_node_is_left_alone_and_said_once() {
    let mut table = Table::new(machine(), &[Change::Router(0), Change::Ha(0, true), Change::Router(1)]);
    table.answer_all();
    table.hear(Event::Message(&updated(&[router_id(0)])));
    table.answer_all();
    let complaints = table.l3.complaints();
    assert_eq!(complaints.len(), 1);
    assert!(complaints[0].contains("highly available"), "{complaints:?}");
    assert!(table.found.complete && !table.found.routers.contains_key(&router_id(0)));
    assert_eq!(table.l3.left_alone().collect::<Vec<_>>(), [router_id(0)]);
    table.change(Change::Delete(0));
    table.answer_all();
    assert_eq!(table.l3.left_alone().count(), 0);
}

#[test]
fn hostile_messages_are_complained_of_and_change_nothing() {
    let mut table = Table::running(&FLOATING);
    let before = table.found.clone();
    for (method, args) in [
        ("routers_updated", json!({"routers": [1]})),
        ("routers_updated", json!({"routers": vec![router_id(7); 100_000]})),
        ("router_deleted", json!({})),
        ("router_removed_from_agent", json!({"payload": []})),
        ("network_update", json!({"network": {"id": 5}})),
        ("push", json!({"resource_list": {}})),
        ("push", json!({"resource_list": [7, {"versioned_object.name": "Port"}]})),
        ("whatever", json!({})),
    ] {
        table.hear(Event::Message(&message(method, &args)));
    }
    assert_eq!(table.l3.complaints().len(), 9);
    // So many routers that nobody knows are read as a whole.
    for part in 0..10 {
        let ids: Vec<_> =
            (0..4000).map(|number| RouterId(Uuid::from_u128(0xffff_0000 + part * 4000 + number))).collect();
        table.hear(Event::Message(&updated(&ids)));
    }
    assert!(table.asks.contains(&Ask::Ids));
    table.answer_all();
    assert_eq!(table.found, before);
}

#[test]
fn what_is_not_understood_stays_as_it_was() {
    let mut table = Table::running(&FLOATING);
    let before = table.found.clone();
    let ask = Ask::Routers(vec![router_id(0)], Reason::Part);
    let good = table.server.answer(&table.l3.request(&ask)).unwrap();
    for (pointer, value) in [
        ("/0/_interfaces/0/mac_address", json!("x")),
        ("/0/_interfaces/0/fixed_ips/0/prefixlen", json!(99)),
        ("/0/_floatingips/0/fixed_ip_address", json!("2001:db8::1")),
        ("/0/routes", json!({"a": 1})),
        ("/0/id", json!(null)),
        ("/0", json!("router")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        table.hear(Event::Message(&updated(&[router_id(0)])));
        let ask = table.asks.remove(0);
        table.l3.hear(Event::Answer(ask, Ok(bad)), table.now);
        assert_eq!(table.l3.findings(), []);
        assert_eq!(table.l3.complaints().len(), 1, "{pointer}");
    }
    for answer in [json!(null), json!("x"), json!([null]), json!([7, "x"])] {
        table.hear(Event::Gap);
        table.asks.clear();
        table.l3.hear(Event::Answer(Ask::Ids, Ok(answer)), table.now);
        assert!(!table.l3.findings().iter().any(takes_away));
        table.wait(Duration::from_secs(60));
        table.asks.clear();
    }
    assert_eq!(table.found, before);
}

/// What exists of it may be from a process before this one.
#[test]
fn a_router_that_was_never_understood_is_left_alone_until_it_is() {
    let mut table = Table::new(machine(), &[Change::Router(0)]);
    table.answer_one();
    let ask = table.asks.remove(0);
    let good = table.server.answer(&table.l3.request(&ask)).unwrap();
    let mut bad = good.clone();
    bad[0]["routes"] = json!({"a": 1});
    table.hear(Event::Answer(ask, Ok(bad)));
    assert!(table.found.complete && table.found.routers.is_empty());
    assert_eq!(table.found.left_alone, [ObjectRef::Router(router_id(0))].into());
    table.hear(Event::Message(&updated(&[router_id(0)])));
    table.answer_all();
    assert!(table.found.left_alone.is_empty() && table.found.routers.contains_key(&router_id(0)));
}
