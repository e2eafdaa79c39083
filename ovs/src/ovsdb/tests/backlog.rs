//! The event backlog: bounded, and right at the end however late its reader is.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use crate::ovsdb::events::channel;
use crate::ovsdb::monitor::Monitor;
use crate::ovsdb::update::{Form, apply};
use crate::ovsdb::{Error, Event, Replica, RowChange, Schema};

fn step(replica: &mut Replica, row: u128, number: Option<i64>) -> Vec<RowChange> {
    let schema = json!({ "name": "D", "tables": { "T": { "columns": { "n": { "type": "integer" } } } } });
    let schema = Schema::from_json(&schema).expect("good");
    let shapes = Monitor::new("D").table("T", ["n"]).shapes(&schema).expect("there");
    let update = match number {
        Some(number) => json!({ "insert": { "n": number } }),
        None => json!({ "delete": null }),
    };
    let updates = json!({ "T": { Uuid::from_u128(row).to_string(): update } });
    apply(replica, &shapes, Form::Difference, &updates).expect("good")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

proptest! {
    #[test]
    fn a_reader_that_is_late_ends_up_with_the_same_rows(
        steps in prop::collection::vec((0_u128..4, prop::option::of(0_i64..3), any::<bool>()), 1..60),
    ) {
        let (sink, mut events) = channel();
        let (mut replica, mut mirror) = (Replica::default(), Replica::default());
        let mut read = |mirror: &mut Replica| {
            let Some(Event::Changed(changes)) = block_on(events.next()) else { return false };
            assert!(!changes.is_empty() && changes.len() <= 4, "at most one change per row");
            for RowChange { table, uuid, old, new } in changes {
                assert_eq!(mirror.row("T", uuid), old.as_ref(), "a change starts from what was told");
                assert_ne!(old, new);
                mirror.set(&table, uuid, new);
            }
            true
        };
        for (row, number, reads) in steps {
            sink.changed(step(&mut replica, row, number));
            if reads && !mirror.changes_to(&replica).is_empty() {
                read(&mut mirror);
                prop_assert!(mirror.changes_to(&replica).is_empty());
            }
        }
        drop(sink);
        while read(&mut mirror) {}
        prop_assert!(mirror.changes_to(&replica).is_empty());
    }
}

#[test]
fn connection_events_come_in_an_order_that_makes_sense() {
    let (sink, mut events) = channel();
    let mut replica = Replica::default();
    for _ in 0..3 {
        sink.disconnected(Arc::new(Error::Closed));
        sink.connected(step(&mut replica, 1, Some(1)));
    }
    assert!(matches!(block_on(events.next()), Some(Event::Disconnected { .. })));
    assert!(matches!(block_on(events.next()), Some(Event::Connected)));
    assert!(matches!(block_on(events.next()), Some(Event::Changed(changes)) if changes.len() == 1));
    sink.connected(vec![]);
    sink.disconnected(Arc::new(Error::Closed));
    assert!(matches!(block_on(events.next()), Some(Event::Disconnected { .. })));
    drop(sink);
    assert!(block_on(events.next()).is_none());
}

#[test]
fn a_reader_that_waits_is_woken() {
    let (sink, mut events) = channel();
    block_on(async {
        let waiting = tokio::spawn(async move { events.next().await });
        tokio::task::yield_now().await;
        sink.connected(vec![]);
        assert!(matches!(waiting.await, Ok(Some(Event::Connected))));
    });
}
