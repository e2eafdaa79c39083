//! What became of a transaction: the result array of a `transact` reply (RFC 7047, section 4.1.3).
//!
//! A reply without a JSON-RPC error may still tell of a failed transaction: the failing operation's element is an error
//! object and those after it are null, or one element more than there are operations holds an error met at commit.

use std::sync::Arc;

use serde_json::{Map as JsonMap, Value as Json};
use uuid::Uuid;

use super::decode::{decode_untyped, decode_value, excerpt, uuid};
use super::error::{Error, Refusal};
use super::operation::Operation;
use super::row::Row;
use super::schema::Schema;

/// The result of one operation.
#[derive(Debug, Clone, PartialEq)]
pub enum OpResult {
    /// The identity of the inserted row.
    Inserted(Uuid),
    /// The rows of a select. Unless columns were named they have `_uuid` and `_version` too.
    Rows(Vec<Row>),
    /// How many rows an update, a mutation or a deletion met.
    Count(u64),
    /// The others have no result.
    Done,
}

impl OpResult {
    pub fn uuid(&self) -> Option<Uuid> {
        match self {
            Self::Inserted(uuid) => Some(*uuid),
            _ => None,
        }
    }

    pub fn rows(&self) -> &[Row] {
        match self {
            Self::Rows(rows) => rows,
            _ => &[],
        }
    }

    pub fn count(&self) -> Option<u64> {
        match self {
            Self::Count(count) => Some(*count),
            _ => None,
        }
    }
}

/// The results in the order of the operations, or the first error of the array.
pub(crate) fn results(
    operations: &[Operation],
    schema: &Schema,
    reply: &Json,
) -> Result<Vec<OpResult>, Error> {
    let elements = reply.as_array().ok_or_else(|| unexpected("transact", reply))?;
    if let Some((index, refusal)) =
        elements.iter().enumerate().find_map(|(index, element)| Some((index, refusal(element)?)))
    {
        return Err(match operations.get(index) {
            Some(operation) => Error::Refused {
                index,
                operation: operation.kind(),
                table: operation.table().unwrap_or("no").to_owned(),
                refusal,
            },
            None => Error::Commit { refusal },
        });
    }
    if elements.len() < operations.len() {
        return Err(unexpected("transact", reply));
    }
    operations.iter().zip(elements).map(|(operation, element)| result(operation, schema, element)).collect()
}

/// The error object, if this is one.
pub(crate) fn refusal(json: &Json) -> Option<Refusal> {
    let member = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    match json.get("error")? {
        Json::Null => None,
        Json::String(error) => Some(Refusal { error: error.clone(), details: member("details") }),
        other => Some(Refusal { error: excerpt(other), details: member("details") }),
    }
}

fn result(operation: &Operation, schema: &Schema, element: &Json) -> Result<OpResult, Error> {
    let result = match operation {
        Operation::Insert { .. } => element.get("uuid").and_then(uuid).map(OpResult::Inserted),
        Operation::Update { .. } | Operation::Mutate { .. } | Operation::Delete { .. } => {
            element.get("count").and_then(Json::as_u64).map(OpResult::Count)
        }
        Operation::Select { table, .. } => element
            .get("rows")
            .and_then(Json::as_array)
            .and_then(|rows| rows.iter().map(|json| row(table, schema, json)).collect())
            .map(OpResult::Rows),
        _ => element.is_object().then_some(OpResult::Done),
    };
    result.ok_or_else(|| unexpected(operation.kind(), element))
}

fn row(table: &str, schema: &Schema, json: &Json) -> Option<Row> {
    let columns: &JsonMap<String, Json> = json.as_object()?;
    let mut columns = columns
        .iter()
        .map(|(name, json)| {
            let value = match schema.column(table, name) {
                Ok(of) => decode_value(json, &of),
                Err(_) => decode_untyped(json),
            };
            Some((Arc::<str>::from(name.as_str()), value.ok()?))
        })
        .collect::<Option<Vec<_>>>()?;
    columns.sort_by(|a, b| a.0.cmp(&b.0));
    let (names, values): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    Some(Row::new(names.into(), values))
}

fn unexpected(method: &'static str, found: &Json) -> Error {
    Error::Reply { method, found: excerpt(found) }
}
