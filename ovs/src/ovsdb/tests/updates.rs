//! Both forms of table updates against the replica.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::ovsdb::monitor::{Monitor, Shapes};
use crate::ovsdb::update::{Form, apply};
use crate::ovsdb::{Map, Replica, Schema, Set, Value};

const A: Uuid = Uuid::from_u128(0xa);

fn schema() -> Schema {
    let texts = json!({ "type": { "key": "string", "min": 0, "max": "unlimited" } });
    let pairs = json!({ "type": { "key": "string", "value": "integer", "min": 0, "max": "unlimited" } });
    let maybe = json!({ "type": { "key": "integer", "min": 0, "max": 1 } });
    let columns = json!({ "name": { "type": "string" }, "texts": texts, "pairs": pairs, "maybe": maybe });
    Schema::from_json(&json!({ "name": "D", "version": "1", "tables": { "T": { "columns": columns } } }))
        .expect("a good schema")
}

fn shapes() -> Shapes {
    Monitor::new("D").table("T", ["name", "texts", "pairs", "maybe"]).shapes(&schema()).expect("all there")
}

/// The row as it would be written down.
#[derive(Debug, Clone, Default, PartialEq)]
struct Content {
    name: String,
    texts: Vec<String>,
    pairs: Vec<(String, i64)>,
    maybe: Option<i64>,
}

impl Content {
    fn values(&self) -> [(&'static str, Value); 4] {
        [
            ("name", Value::from(&self.name)),
            ("texts", self.texts.iter().collect::<Set>().into()),
            ("pairs", self.pairs.iter().map(|(key, value)| (key, *value)).collect::<Map>().into()),
            ("maybe", self.maybe.into()),
        ]
    }

    fn whole(&self) -> Json {
        self.values().into_iter().map(|(column, value)| (column.to_owned(), value.to_json())).collect()
    }

    fn without_defaults(&self) -> Json {
        let default = Self::default().values();
        let told = self.values().into_iter().zip(default).filter(|(have, default)| have != default);
        told.map(|((column, value), _)| (column.to_owned(), value.to_json())).collect()
    }

    /// As ovsdb-server(7), 4.1.14 words it.
    fn difference_to(&self, new: &Self) -> Json {
        let mut row = serde_json::Map::new();
        let only = |one: &[String], other: &[String]| -> Vec<String> {
            one.iter().filter(|text| !other.contains(text)).cloned().collect()
        };
        if self.name != new.name {
            row.insert("name".into(), new.name.clone().into());
        }
        if self.maybe != new.maybe {
            row.insert("maybe".into(), Value::from(new.maybe).to_json());
        }
        let texts = [only(&self.texts, &new.texts), only(&new.texts, &self.texts)].concat();
        if !texts.is_empty() {
            row.insert("texts".into(), json!(["set", texts]));
        }
        let gone = self.pairs.iter().filter(|(key, _)| !new.pairs.iter().any(|(k, _)| k == key));
        let told = new.pairs.iter().filter(|pair| !self.pairs.contains(pair));
        let pairs: Vec<_> = gone.chain(told).collect();
        if !pairs.is_empty() {
            row.insert("pairs".into(), json!(["map", pairs]));
        }
        Json::Object(row)
    }
}

fn content() -> impl Strategy<Value = Content> {
    (
        "[ab]{0,2}",
        prop::collection::btree_set("[a-f]", 0..5),
        prop::collection::btree_map("[a-f]", 0_i64..3, 0..5),
        prop::option::of(0_i64..3),
    )
        .prop_map(|(name, texts, pairs, maybe)| Content {
            name,
            texts: texts.into_iter().collect(),
            pairs: pairs.into_iter().collect(),
            maybe,
        })
}

fn update(replica: &mut Replica, form: Form, row: &Json) -> usize {
    let updates = json!({ "T": { A.to_string(): row } });
    apply(replica, &shapes(), form, &updates).expect("a good update").len()
}

fn shows(replica: &Replica, content: &Content) -> bool {
    let row = replica.row("T", A).expect("the row");
    content.values().iter().all(|(column, value)| row.get(column) == Some(value))
}

proptest! {
    #[test]
    fn both_forms_lead_to_the_same_row(history in prop::collection::vec(content(), 1..8)) {
        let (mut first, mut second) = (Replica::default(), Replica::default());
        let mut before: Option<Content> = None;
        for now in history {
            let (one, two) = match &before {
                None => (json!({ "new": now.whole() }), json!({ "insert": now.without_defaults() })),
                Some(old) => (
                    json!({ "old": old.whole(), "new": now.whole() }),
                    json!({ "modify": old.difference_to(&now) }),
                ),
            };
            let changed = usize::from(before.as_ref() != Some(&now));
            prop_assert_eq!(update(&mut first, Form::Whole, &one), changed);
            prop_assert_eq!(update(&mut second, Form::Difference, &two), changed);
            prop_assert!(shows(&first, &now) && shows(&second, &now));
            before = Some(now);
        }
        let old = json!({ "old": before.expect("one at least").whole() });
        prop_assert_eq!(update(&mut first, Form::Whole, &old), 1);
        prop_assert_eq!(update(&mut second, Form::Difference, &json!({ "delete": null })), 1);
        prop_assert!(first.is_empty() && second.is_empty());
    }

    #[test]
    fn the_changes_between_two_replicas_lead_from_one_to_the_other(
        old in prop::collection::btree_map(0_u128..6, content(), 0..6),
        new in prop::collection::btree_map(0_u128..6, content(), 0..6),
    ) {
        let replica = |rows: &std::collections::BTreeMap<u128, Content>| {
            let rows: serde_json::Map<_, _> = rows
                .iter()
                .map(|(id, row)| (Uuid::from_u128(*id).to_string(), json!({ "initial": row.without_defaults() })))
                .collect();
            let mut replica = Replica::default();
            apply(&mut replica, &shapes(), Form::Difference, &json!({ "T": rows })).expect("good rows");
            replica
        };
        let (mut from, to) = (replica(&old), replica(&new));
        let changes = from.changes_to(&to);
        prop_assert!(changes.iter().all(|change| change.old != change.new));
        for change in &changes {
            prop_assert_eq!(from.row("T", change.uuid), change.old.as_ref());
            from.set(&change.table, change.uuid, change.new.clone());
        }
        prop_assert_eq!(from.changes_to(&to), vec![]);
        prop_assert_eq!(from.len(), new.len());
    }
}

#[test]
fn a_change_says_what_was_and_what_is() {
    let mut replica = Replica::default();
    let row = json!({ "insert": { "name": "a", "texts": "x" } });
    assert_eq!(update(&mut replica, Form::Difference, &row), 1);
    let before = replica.clone();
    let updates = json!({ "T": { A.to_string(): { "modify": { "texts": ["set", ["x", "y"]] } } } });
    let changes = apply(&mut replica, &shapes(), Form::Difference, &updates).expect("a good update");
    let [change] = changes.as_slice() else { panic!("one change: {changes:?}") };
    let texts = |row: &Option<Arc<crate::ovsdb::Row>>| -> Vec<String> {
        row.iter().flat_map(|row| row.strings("texts")).map(str::to_owned).collect()
    };
    assert_eq!((texts(&change.old), texts(&change.new)), (vec!["x".to_owned()], vec!["y".to_owned()]));
    // The copy taken before still shows what was.
    assert_eq!(before.row("T", A).map(|row| row.strings("texts").collect()), Some(vec!["x"]));
}

#[test]
fn columns_that_were_not_asked_for_are_left_out() {
    let mut replica = Replica::default();
    update(
        &mut replica,
        Form::Difference,
        &json!({ "initial": { "name": "a", "novelty": { "strange": 1 } } }),
    );
    assert_eq!(replica.row("T", A).map(|row| row.string("name")), Some("a"));
    assert_eq!(replica.row("T", A).and_then(|row| row.get("novelty")), None);
}

#[test]
fn readers_give_the_empty_value_for_another_type() {
    let mut replica = Replica::default();
    update(&mut replica, Form::Difference, &json!({ "initial": { "name": "a", "maybe": 3 } }));
    let row = replica.row("T", A).expect("the row");
    assert_eq!((row.integer("name"), row.string("maybe"), row.boolean("name")), (0, "", false));
    assert_eq!((row.optional_integer("maybe"), row.integers("maybe").sum::<i64>()), (Some(3), 3));
    assert_eq!((row.map("name").len(), row.key("pairs", "x"), row.uuids("name").count()), (0, None, 0));
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let row = |row: Json| json!({ "T": { A.to_string(): row } });
    for (updates, complaint) in [
        (json!([]), "malformed table updates: []"),
        (json!({ "T": 1 }), "malformed table update: 1"),
        (json!({ "X": {} }), "an update of table X, which was not asked for"),
        (json!({ "T": { "zz": {} } }), "malformed row identity: \"zz\""),
        (row(json!({})), "malformed row update: {}"),
        (row(json!({ "insert": 5 })), "malformed row: 5"),
        (row(json!({ "insert": { "maybe": "x" } })), &format!("column T.maybe of row {A}")),
        (row(json!({ "modify": {} })), &format!("a change of row {A} of table T, which was never announced")),
    ] {
        let outcome = apply(&mut Replica::default(), &shapes(), Form::Difference, &updates);
        assert_eq!(outcome.expect_err("makes no sense").to_string(), complaint);
    }
}
