//! The whole receiving side as one pure function, for fuzzing: bytes are cut into messages, the messages decoded, and
//! each taken for everything it could be in a real conversation.

use std::sync::LazyLock;

use serde_json::{Value as Json, json};

use super::error::Error;
use super::framer::Framer;
use super::message::Message;
use super::monitor::{Monitor, Shapes};
use super::operation::{Condition, Operation};
use super::outcome;
use super::replica::Replica;
use super::schema::{Schema, SchemaError};
use super::update::{self, Form};

/// Takes the bytes that a server might send, in pieces of `piece` bytes (at least one), and gives how many messages they
/// were. Never panics, whatever the bytes are, and the result does not depend on the size of the pieces.
///
/// The database has two small tables, `Row` with a column of each kind and `Other`.
pub fn digest(bytes: &[u8], piece: usize) -> Result<usize, Error> {
    let Fixture { schema, shapes } = FIXTURE.as_ref().map_err(Clone::clone)?;
    let mut framer = Framer::new(1 << 20);
    let mut replica = Replica::default();
    let mut messages = 0;
    for chunk in bytes.chunks(piece.max(1)) {
        framer.room().extend_from_slice(chunk);
        while let Some(frame) = framer.next()? {
            let message = Message::decode(&frame)?;
            messages += 1;
            take(schema, shapes, &mut replica, message);
        }
    }
    Ok(messages)
}

struct Fixture {
    schema: Schema,
    shapes: Shapes,
}

static FIXTURE: LazyLock<Result<Fixture, SchemaError>> = LazyLock::new(|| {
    let any = json!({ "min": 0, "max": "unlimited", "key": "string" });
    let map = json!({ "min": 0, "max": "unlimited", "key": "string", "value": "string" });
    let schema = Schema::from_json(&json!({ "name": "Fuzz", "version": "1.0.0", "tables": {
        "Row": { "columns": {
            "text": { "type": "string" }, "real": { "type": "real" }, "truth": { "type": "boolean" },
            "maybe": { "type": { "min": 0, "key": "integer" } }, "texts": { "type": any }, "pairs": { "type": map },
            "others": { "type": { "min": 0, "max": 4, "key": { "type": "uuid", "refTable": "Other" } } },
        }},
        "Other": { "columns": { "number": { "type": "integer" } } },
    }}))?;
    let shapes = Monitor::new("Fuzz")
        .table("Row", ["text", "real", "truth", "maybe", "texts", "pairs", "others"])
        .table("Other", ["number"])
        .shapes(&schema)?;
    Ok(Fixture { schema, shapes })
});

/// The results are of no interest here: what counts is that every path is walked and comes back.
fn take(schema: &Schema, shapes: &Shapes, replica: &mut Replica, message: Message) {
    let json = match message {
        Message::Response { outcome: Ok(json), .. } => json,
        Message::Response { outcome: Err(json), .. } => {
            drop(outcome::refusal(&json));
            return;
        }
        Message::Notification { params, .. } | Message::Request { params, .. } => params,
    };
    let operations = [
        Operation::insert("Row", [("text", "x".into())]),
        Operation::select("Row", Condition::equal("text", "x"), &[]),
        Operation::delete("Other", vec![]),
        Operation::comment("x"),
    ];
    drop(Schema::from_json(&json));
    drop(outcome::results(&operations, schema, &json));
    let updates = json.as_array().and_then(|params| params.last()).unwrap_or(&Json::Null);
    for form in [Form::Whole, Form::Difference] {
        let mut next = replica.clone();
        if let Ok(changes) = update::apply(&mut next, shapes, form, updates) {
            debug_assert!(replica.changes_to(&next).len() <= changes.len());
            *replica = next;
        }
    }
}
