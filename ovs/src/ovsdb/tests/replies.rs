//! The result array of a transaction, and the wire form of operations.

use std::time::Duration;

use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::ovsdb::outcome::results;
use crate::ovsdb::{
    Atom, Columns, Condition, Error, Function, Mutation, OpResult, Operation, Schema, Set, Until, Value,
};

fn schema() -> Schema {
    let tags = json!({ "type": { "key": "integer", "min": 0, "max": 8 } });
    let columns = json!({ "name": { "type": "string" }, "tags": tags });
    Schema::from_json(&json!({ "name": "D", "tables": { "T": { "columns": columns } } })).expect("good")
}

fn operations() -> Vec<Operation> {
    vec![
        Operation::insert("T", [("name", "a".into())]),
        Operation::update("T", Condition::equal("name", "a"), Columns::new().with("name", "b")),
        Operation::select("T", vec![], &[]),
        Operation::comment("why"),
    ]
}

fn answer(reply: &Json) -> Result<Vec<OpResult>, Error> {
    results(&operations(), &schema(), reply)
}

#[test]
fn every_operation_gets_its_result() {
    let uuid = Uuid::from_u128(1);
    let row = json!({ "_uuid": ["uuid", uuid], "name": "b", "tags": 5, "new_column": true });
    let all =
        answer(&json!([{ "uuid": ["uuid", uuid] }, { "count": 3 }, { "rows": [row] }, {}])).expect("good");
    assert_eq!((all[0].uuid(), all[1].count(), &all[3]), (Some(uuid), Some(3), &OpResult::Done));
    let [row] = all[2].rows() else { panic!("one row: {all:?}") };
    assert_eq!((row.optional_uuid("_uuid"), row.string("name")), (Some(uuid), "b"));
    assert_eq!(row.get("tags"), Some(&Value::from(Some(5))));
    assert!(row.boolean("new_column"));
}

#[test]
fn the_failing_operation_is_named() {
    let bad = json!({ "error": "constraint violation", "details": "no" });
    let error = answer(&json!([{ "uuid": ["uuid", Uuid::nil()] }, bad, null, null])).expect_err("refused");
    assert_eq!(error.to_string(), "operation 1 (update on T table): constraint violation: no");
    assert!(matches!(error, Error::Refused { index: 1, .. }) && !error.is_transient());
    // An operation that cannot even be parsed has no results before it.
    let error = answer(&json!([{ "error": "syntax error" }])).expect_err("refused");
    assert_eq!(error.to_string(), "operation 0 (insert on T table): syntax error");
}

#[test]
fn an_error_at_commit_is_not_overlooked() {
    let end = json!({ "error": "referential integrity violation", "details": "dangling" });
    let reply = json!([{ "uuid": ["uuid", Uuid::nil()] }, { "count": 0 }, { "rows": [] }, {}, end]);
    let error = answer(&reply).expect_err("refused");
    assert_eq!(error.to_string(), "committing: referential integrity violation: dangling");
}

#[test]
fn replies_of_the_wrong_form_are_refused() {
    let good = json!({ "uuid": ["uuid", Uuid::nil()] });
    for reply in [
        json!(null),
        json!({}),
        json!([]),
        json!([good, { "count": 0 }, { "rows": [] }]),
        json!([{}, { "count": 0 }, { "rows": [] }, {}]),
        json!([good, { "count": -1 }, { "rows": [] }, {}]),
        json!([good, { "count": 0 }, { "rows": [{ "name": 5 }] }, {}]),
        json!([good, { "count": 0 }, { "rows": [] }, null]),
    ] {
        assert!(matches!(answer(&reply), Err(Error::Reply { .. })), "{reply}");
    }
}

#[test]
fn operations_have_the_form_of_the_rfc() {
    let uuid = Uuid::from_u128(5);
    let insert = Operation::insert_named("T", "row1", [("name", "a".into())]);
    let where_ = json!([["_uuid", "==", ["uuid", uuid]]]);
    let wait = Operation::Wait {
        table: "T".into(),
        conditions: vec![],
        columns: vec!["name".into()],
        until: Until::NotEqual,
        rows: vec![],
        timeout: Some(Duration::from_millis(1500)),
    };
    let reference: Set = [Atom::named("row1")].into_iter().collect();
    let mutations = vec![Mutation::insert("ports", reference), Mutation::delete_keys("ids", ["k"])];
    for (operation, json) in [
        (insert, json!({ "op": "insert", "table": "T", "row": { "name": "a" }, "uuid-name": "row1" })),
        (
            Operation::select("T", Condition::new("n", Function::Less, 5), &["n"]),
            json!({ "op": "select", "table": "T", "where": [["n", "<", 5]], "columns": ["n"] }),
        ),
        (
            Operation::update("T", Condition::uuid(uuid), [("tag", Some(5).into())]),
            json!({ "op": "update", "table": "T", "where": where_, "row": { "tag": ["set", [5]] } }),
        ),
        (
            Operation::mutate("T", Condition::uuid(uuid), mutations),
            json!({ "op": "mutate", "table": "T", "where": where_, "mutations": [
                ["ports", "insert", ["set", [["named-uuid", "row1"]]]],
                ["ids", "delete", ["set", ["k"]]],
            ] }),
        ),
        (Operation::delete("T", vec![]), json!({ "op": "delete", "table": "T", "where": [] })),
        (
            wait,
            json!({ "op": "wait", "table": "T", "where": [], "columns": ["name"], "until": "!=", "rows": [], "timeout": 1500 }),
        ),
        (
            Operation::verify("T", Condition::uuid(uuid), [("name", "a".into())]),
            json!({ "op": "wait", "table": "T", "where": where_, "columns": ["name"], "until": "==",
                "rows": [{ "name": "a" }], "timeout": 0 }),
        ),
        (Operation::Commit { durable: true }, json!({ "op": "commit", "durable": true })),
        (Operation::Abort, json!({ "op": "abort" })),
        (Operation::comment("x"), json!({ "op": "comment", "comment": "x" })),
        (Operation::Assert { lock: "l".into() }, json!({ "op": "assert", "lock": "l" })),
    ] {
        assert_eq!(operation.to_json(), json);
    }
}
