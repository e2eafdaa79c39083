//! From the table updates of a monitor to changes of the replica. Pure; any input gives changes or an error.
//!
//! There are two forms. The first (RFC 7047, section 4.1.6, `update`) carries the old and the new row, whole. The second
//! (ovsdb-server(7), sections 4.1.12 to 4.1.16, `update2` and `update3`) leaves out columns that have their default, and
//! in `modify` gives for sets and maps the *difference*: an element or a pair that is there already is to be removed.
//! Columns that hold at most one element, optional ones included, are given by their new value.

use std::sync::Arc;

use serde_json::{Map as JsonMap, Value as Json};
use uuid::Uuid;

use super::decode::{ValueError, decode_value, excerpt};
use super::monitor::{Shape, Shapes};
use super::replica::{Replica, RowChange};
use super::row::Row;
use super::schema::ColumnType;
use super::value::Value;

/// Which form table updates have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `update`: old and new rows.
    Whole,
    /// `update2` and `update3`: defaults left out, differences.
    Difference,
}

/// Why a table update cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    #[error("malformed {what}: {found}")]
    Malformed { what: &'static str, found: String },
    #[error("an update of table {0}, which was not asked for")]
    UnknownTable(String),
    #[error("a change of row {uuid} of table {table}, which was never announced")]
    UnknownRow { table: String, uuid: Uuid },
    #[error("column {table}.{column} of row {uuid}")]
    Column {
        table: String,
        column: String,
        uuid: Uuid,
        #[source]
        source: ValueError,
    },
}

/// Applies a `<table-updates>` object. On an error the replica is half changed and must be thrown away.
pub(crate) fn apply(
    replica: &mut Replica,
    shapes: &Shapes,
    form: Form,
    updates: &Json,
) -> Result<Vec<RowChange>, UpdateError> {
    let mut changes = Vec::new();
    for (name, rows) in object(updates, "table updates")? {
        let (table, shape) =
            shapes.0.get_key_value(name.as_str()).ok_or_else(|| UpdateError::UnknownTable(name.clone()))?;
        for (id, update) in object(rows, "table update")? {
            let uuid = id.parse().map_err(|_| malformed("row identity", &Json::from(id.as_str())))?;
            let target = Target { table, shape, uuid };
            let new = match form {
                Form::Whole => target.whole(update)?,
                Form::Difference => target.difference(replica, update)?,
            };
            changes.extend(replica.set(table, uuid, new.map(Arc::new)));
        }
    }
    Ok(changes)
}

/// The row that an update is about.
struct Target<'a> {
    table: &'a Arc<str>,
    shape: &'a Shape,
    uuid: Uuid,
}

impl Target<'_> {
    /// The row after an update of the first form; none when it is gone.
    fn whole(&self, update: &Json) -> Result<Option<Row>, UpdateError> {
        match object(update, "row update")?.get("new") {
            None | Some(Json::Null) => Ok(None),
            Some(columns) => self.filled(columns).map(Some),
        }
    }

    /// The row after an update of the second form; none when it is gone.
    fn difference(&self, replica: &Replica, update: &Json) -> Result<Option<Row>, UpdateError> {
        let members = object(update, "row update")?;
        if members.contains_key("delete") {
            return Ok(None);
        }
        if let Some(columns) = members.get("initial").or_else(|| members.get("insert")) {
            return self.filled(columns).map(Some);
        }
        let difference = members.get("modify").ok_or_else(|| malformed("row update", update))?;
        let old = replica
            .row(self.table, self.uuid)
            .ok_or_else(|| UpdateError::UnknownRow { table: self.table.to_string(), uuid: self.uuid })?;
        self.modified(old, difference).map(Some)
    }

    /// The row from what is told of it; what is left out has its default.
    fn filled(&self, columns: &Json) -> Result<Row, UpdateError> {
        let columns = object(columns, "row")?;
        let value = |(name, of): (&Arc<str>, &ColumnType)| match columns.get(&**name) {
            Some(json) => self.column(name, json, of),
            None => Ok(of.default_value()),
        };
        let values = self.shape.names.iter().zip(&self.shape.types).map(value);
        Ok(Row::new(self.shape.names.clone(), values.collect::<Result<_, _>>()?))
    }

    fn modified(&self, old: &Row, columns: &Json) -> Result<Row, UpdateError> {
        let columns = object(columns, "row")?;
        let mut values = Vec::with_capacity(self.shape.types.len());
        for ((name, of), old) in self.shape.names.iter().zip(&self.shape.types).zip(old.values()) {
            values.push(match columns.get(&**name) {
                Some(json) => change(old, self.column(name, json, of)?, of),
                None => old.clone(),
            });
        }
        Ok(Row::new(self.shape.names.clone(), values))
    }

    fn column(&self, name: &str, json: &Json, of: &ColumnType) -> Result<Value, UpdateError> {
        decode_value(json, of).map_err(|source| UpdateError::Column {
            table: self.table.to_string(),
            column: name.to_owned(),
            uuid: self.uuid,
            source,
        })
    }
}

fn change(old: &Value, given: Value, of: &ColumnType) -> Value {
    match (old, given) {
        (Value::Set(old), Value::Set(difference)) if of.max > 1 => {
            Value::Set(old.symmetric_difference(&difference))
        }
        (Value::Map(old), Value::Map(difference)) if of.max > 1 => {
            Value::Map(old.apply_difference(&difference))
        }
        (_, new) => new,
    }
}

fn object<'a>(json: &'a Json, what: &'static str) -> Result<&'a JsonMap<String, Json>, UpdateError> {
    json.as_object().ok_or_else(|| malformed(what, json))
}

fn malformed(what: &'static str, found: &Json) -> UpdateError {
    UpdateError::Malformed { what, found: excerpt(found) }
}
