//! Values: the wire form and back, and the algebra of differences.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::ovsdb::{Atom, AtomType, ColumnType, Map, Set, Value, decode_untyped, decode_value};

pub(crate) fn atom_of(of: AtomType) -> BoxedStrategy<Atom> {
    match of {
        AtomType::Integer => any::<i64>().prop_map(Atom::from).boxed(),
        // At most 13 digits: neither the parser nor the server (15) promises more.
        AtomType::Real => any::<i32>().prop_map(|n| Atom::from(f64::from(n) / 8.0)).boxed(),
        AtomType::Boolean => any::<bool>().prop_map(Atom::from).boxed(),
        AtomType::String => any::<String>().prop_map(Atom::from).boxed(),
        AtomType::Uuid => any::<u128>().prop_map(|n| Atom::from(Uuid::from_u128(n))).boxed(),
    }
}

fn any_type() -> impl Strategy<Value = ColumnType> {
    let atom = prop::sample::select(vec![
        AtomType::Integer,
        AtomType::Real,
        AtomType::Boolean,
        AtomType::String,
        AtomType::Uuid,
    ]);
    (atom.clone(), atom, 0..4).prop_map(|(key, value, kind)| match kind {
        0 => ColumnType::scalar(key),
        1 => ColumnType::optional(key),
        2 => ColumnType::set(key),
        _ => ColumnType::map(key, value),
    })
}

fn value_of(of: ColumnType) -> BoxedStrategy<Value> {
    let most = usize::try_from(of.max.min(5)).expect("at most five");
    match of.value {
        Some(value) => prop::collection::vec((atom_of(of.key), atom_of(value)), 0..=most)
            .prop_map(|pairs| pairs.into_iter().collect::<Map>().into())
            .boxed(),
        None if of.is_scalar() => atom_of(of.key).prop_map(Value::Scalar).boxed(),
        None => prop::collection::vec(atom_of(of.key), 0..=most)
            .prop_map(|atoms| atoms.into_iter().collect::<Set>().into())
            .boxed(),
    }
}

proptest! {
    #[test]
    fn a_value_survives_the_wire(
        (of, value) in any_type().prop_flat_map(|of| (Just(of), value_of(of))),
    ) {
        let text = value.to_json().to_string();
        let json: Json = serde_json::from_str(&text).expect("JSON");
        prop_assert_eq!(decode_value(&json, &of), Ok(value));
    }

    #[test]
    fn a_set_of_one_may_travel_bare(atom in atom_of(AtomType::String)) {
        let of = ColumnType::set(AtomType::String);
        prop_assert_eq!(decode_value(&atom.to_json(), &of), Ok(Value::Set([atom].into_iter().collect())));
    }

    #[test]
    fn set_differences_follow_the_model(
        old in prop::collection::btree_set(0_i64..20, 0..15),
        new in prop::collection::btree_set(0_i64..20, 0..15),
    ) {
        let difference: Set = old.symmetric_difference(&new).copied().collect();
        let set = |numbers: BTreeSet<i64>| numbers.into_iter().collect::<Set>();
        prop_assert_eq!(set(old).symmetric_difference(&difference), set(new));
    }

    #[test]
    fn map_differences_follow_the_model(
        old in prop::collection::btree_map(0_i64..10, 0_i64..3, 0..10),
        new in prop::collection::btree_map(0_i64..10, 0_i64..3, 0..10),
    ) {
        // ovsdb-server(7), 4.1.14: pairs whose key is in one only, and the new pair of keys that are in both.
        let mut difference: BTreeMap<i64, i64> = BTreeMap::new();
        difference.extend(old.iter().filter(|(key, _)| !new.contains_key(key)));
        difference.extend(new.iter().filter(|(key, value)| old.get(key) != Some(value)));
        let map = |pairs: BTreeMap<i64, i64>| pairs.into_iter().collect::<Map>();
        let difference: Map = difference.into_iter().collect();
        prop_assert_eq!(map(old).apply_difference(&difference), map(new));
    }
}

#[test]
fn the_wire_form_is_that_of_the_rfc() {
    let uuid = Uuid::from_u128(7);
    for (value, json) in [
        (Value::from(5), json!(5)),
        (Value::from(true), json!(true)),
        (Value::from("a"), json!("a")),
        (Value::from(uuid), json!(["uuid", uuid.to_string()])),
        (Value::from(Atom::named("row1")), json!(["named-uuid", "row1"])),
        (Value::from(None::<i64>), json!(["set", []])),
        (Value::from(Some(5)), json!(["set", [5]])),
        (Value::from(["b", "a", "b"].into_iter().collect::<Set>()), json!(["set", ["a", "b"]])),
        (Value::from([("k", "v")].into_iter().collect::<Map>()), json!(["map", [["k", "v"]]])),
    ] {
        assert_eq!(value.to_json(), json);
    }
}

#[test]
fn a_map_gives_its_text_and_keeps_the_last_of_two_pairs() {
    let map: Map = [("b", "1"), ("a", "2"), ("b", "3")].into_iter().collect();
    assert_eq!(map.string("b"), Some("3"));
    assert_eq!(map.string("c"), None);
    assert_eq!(map.strings().collect::<Vec<_>>(), [("a", "2"), ("b", "3")]);
    let numbers: Map = [(1, 10), (2, 20)].into_iter().collect();
    assert_eq!(numbers.string("1"), None);
    assert_eq!(numbers.get(&Atom::from(2)), Some(&Atom::from(20)));
}

#[test]
fn a_real_may_travel_as_an_integer_and_zero_has_no_sign() {
    let of = ColumnType::scalar(AtomType::Real);
    assert_eq!(decode_value(&json!(5), &of), Ok(Value::from(5.0)));
    assert_eq!(decode_value(&json!(-0.0), &of), Ok(Value::from(0.0)));
}

#[test]
fn wrong_values_are_refused_with_what_was_found() {
    for (json, of, complaint) in [
        (json!("x"), ColumnType::scalar(AtomType::Integer), "expected integer, found \"x\""),
        (json!(1.5), ColumnType::scalar(AtomType::Integer), "expected integer, found 1.5"),
        (json!(["set", [1, "a"]]), ColumnType::set(AtomType::Integer), "expected integer, found \"a\""),
        (json!(["set", []]), ColumnType::scalar(AtomType::String), "expected string, found [\"set\",[]]"),
        (json!(["uuid", "zz"]), ColumnType::set(AtomType::Uuid), "expected uuid, found [\"uuid\",\"zz\"]"),
        (json!("a"), ColumnType::map(AtomType::String, AtomType::String), "expected a map, found \"a\""),
        (
            json!(["map", [["a"]]]),
            ColumnType::map(AtomType::String, AtomType::String),
            "expected a pair of key and value, found [\"a\"]",
        ),
    ] {
        assert_eq!(decode_value(&json, &of).expect_err("wrong").to_string(), complaint);
    }
}

#[test]
fn without_a_type_the_form_decides() {
    assert_eq!(decode_untyped(&json!(5)), Ok(Value::from(5)));
    assert_eq!(decode_untyped(&json!(5.5)), Ok(Value::from(5.5)));
    assert_eq!(decode_untyped(&json!(["set", ["a"]])), Ok(Value::from(Some("a"))));
    assert_eq!(decode_untyped(&json!(["map", [["a", 1]]])), Ok(Value::from(Map::from_iter([("a", 1)]))));
    assert!(decode_untyped(&json!({})).is_err());
    assert!(decode_untyped(&json!(null)).is_err());
}
