//! Schemas: what is read from one, what is missing in one, what is asked of one.

use serde_json::{Value as Json, json};

use crate::ovsdb::{AtomType, ColumnType, Condition, Map, Monitor, Schema, Value};

fn with_types(types: &Json) -> Schema {
    let columns: serde_json::Map<String, Json> = types
        .as_object()
        .expect("columns")
        .iter()
        .map(|(name, of)| (name.clone(), json!({ "type": of, "ephemeral": true })))
        .collect();
    let table = json!({ "columns": columns, "isRoot": true, "indexes": [["a"]] });
    Schema::from_json(&json!({ "name": "D", "version": "7.1.2", "cksum": "1 2", "tables": { "T": table } }))
        .expect("good")
}

#[test]
fn types_are_read_and_give_their_defaults() {
    let enumeration = json!({ "type": "string", "enum": ["set", ["a", "b"]] });
    let schema = with_types(&json!({
        "plain": "integer",
        "object": { "key": "boolean" },
        "optional": { "key": enumeration, "min": 0 },
        "some": { "key": "string", "max": "unlimited" },
        "map": { "key": "string", "value": { "type": "uuid", "refTable": "T" }, "min": 0, "max": 4096 },
    }));
    for (column, of, default) in [
        ("plain", ColumnType::scalar(AtomType::Integer), Value::from(0)),
        ("object", ColumnType::scalar(AtomType::Boolean), Value::from(false)),
        ("optional", ColumnType::optional(AtomType::String), Value::from(None::<i64>)),
        ("some", ColumnType { min: 1, ..ColumnType::set(AtomType::String) }, Value::from(Some(""))),
        (
            "map",
            ColumnType { max: 4096, ..ColumnType::map(AtomType::String, AtomType::Uuid) },
            Value::from(Map::default()),
        ),
        ("_uuid", ColumnType::scalar(AtomType::Uuid), Value::from(uuid::Uuid::nil())),
    ] {
        assert_eq!(schema.column("T", column), Ok(of), "{column}");
        assert_eq!(of.default_value(), default, "{column}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let schema = with_types(&json!({ "a": "integer" }));
    let missing = |monitor: Monitor| monitor.shapes(&schema).expect_err("missing").to_string();
    assert_eq!(
        missing(Monitor::new("D").table("T", ["a", "b"])),
        "database D (schema 7.1.2) has no column T.b"
    );
    assert_eq!(missing(Monitor::new("D").optional("U", ["b"])), "database D (schema 7.1.2) has no table U");
}

#[test]
fn the_request_has_the_wanted_columns_and_conditions() {
    let schema = with_types(&json!({ "a": "integer", "b": "string", "c": "string" }));
    let monitor = Monitor::new("D")
        .table("T", ["b", "a"])
        .optional("T", ["novelty", "c"])
        .condition("T", Condition::equal("a", 5));
    let shapes = monitor.shapes(&schema).expect("all there");
    assert_eq!(
        monitor.request(&shapes, true),
        json!({ "T": [{ "columns": ["a", "b", "c"], "where": [["a", "==", 5]] }] })
    );
    assert_eq!(monitor.request(&shapes, false), json!({ "T": [{ "columns": ["a", "b", "c"] }] }));
}

#[test]
fn malformed_schemas_are_refused() {
    let column = |of: Json| json!({ "tables": { "T": { "columns": { "a": { "type": of } } } } });
    for (schema, complaint) in [
        (json!(5), "the schema is malformed: expected an object with tables, found 5"),
        (json!({ "tables": { "T": {} } }), "the schema is malformed: table T has no columns, found {}"),
        (column(json!("text")), "column T.a has no usable type"),
        (column(json!({ "key": "string", "min": 2 })), "column T.a has no usable type"),
        (column(json!({ "key": "string", "max": "many" })), "column T.a has no usable type"),
        (column(json!({ "key": "string", "value": 5 })), "column T.a has no usable type"),
    ] {
        let error = Schema::from_json(&schema).expect_err("malformed").to_string();
        assert!(error.contains(complaint), "{error}");
    }
}
