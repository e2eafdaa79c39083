//! A database's schema as `get_schema` gives it (RFC 7047, section 3.2), as far as a client needs it: which tables and
//! columns there are and of what type. Constraints (enumerations, ranges, reference strength) are left to the server.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;
use uuid::Uuid;

use super::decode::excerpt;
use super::value::{Atom, Map, Set, Value};

/// The tables of one database. Tables and columns the program does not know are kept and do no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    pub name: String,
    /// As the server states it, such as `8.3.1`; empty when it states none.
    pub version: String,
    pub tables: BTreeMap<String, TableSchema>,
}

/// The columns of one table, without the implied `_uuid` and `_version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    pub columns: BTreeMap<Arc<str>, ColumnType>,
}

/// The type of a column: a scalar, a set, or (with `value`) a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnType {
    pub key: AtomType,
    /// The type of a map's values; none for scalars and sets.
    pub value: Option<AtomType>,
    /// The least number of elements, 0 or 1.
    pub min: u8,
    /// The greatest number of elements; `u64::MAX` for "unlimited".
    pub max: u64,
}

/// The type of an atom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtomType {
    Integer,
    Real,
    Boolean,
    String,
    Uuid,
}

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    #[error("database {database} (schema {version}) has no table {table}")]
    NoTable { database: String, version: String, table: String },
    #[error("database {database} (schema {version}) has no column {table}.{column}")]
    NoColumn { database: String, version: String, table: String, column: String },
    #[error("the schema is malformed: {what}, found {found}")]
    Malformed { what: String, found: String },
}

impl Schema {
    /// Reads the reply of `get_schema`.
    pub fn from_json(json: &Json) -> Result<Self, SchemaError> {
        let tables = json
            .get("tables")
            .and_then(Json::as_object)
            .ok_or_else(|| malformed("expected an object with tables", json))?;
        Ok(Self {
            name: text(json, "name"),
            version: text(json, "version"),
            tables: tables
                .iter()
                .map(|(name, json)| Ok((name.clone(), TableSchema::from_json(name, json)?)))
                .collect::<Result<_, SchemaError>>()?,
        })
    }

    pub fn table(&self, table: &str) -> Result<&TableSchema, SchemaError> {
        self.tables.get(table).ok_or_else(|| SchemaError::NoTable {
            database: self.name.clone(),
            version: self.version.clone(),
            table: table.to_owned(),
        })
    }

    /// The type of a column, the implied ones included.
    pub fn column(&self, table: &str, column: &str) -> Result<ColumnType, SchemaError> {
        self.table(table)?.column(column).ok_or_else(|| SchemaError::NoColumn {
            database: self.name.clone(),
            version: self.version.clone(),
            table: table.to_owned(),
            column: column.to_owned(),
        })
    }
}

impl TableSchema {
    pub fn column(&self, column: &str) -> Option<ColumnType> {
        match column {
            "_uuid" | "_version" => Some(ColumnType::scalar(AtomType::Uuid)),
            _ => self.columns.get(column).copied(),
        }
    }

    fn from_json(table: &str, json: &Json) -> Result<Self, SchemaError> {
        let columns = json
            .get("columns")
            .and_then(Json::as_object)
            .ok_or_else(|| malformed(&format!("table {table} has no columns"), json))?;
        let columns = columns.iter().map(|(name, json)| {
            let of = json.get("type").and_then(ColumnType::from_json);
            let of =
                of.ok_or_else(|| malformed(&format!("column {table}.{name} has no usable type"), json))?;
            Ok((Arc::from(name.as_str()), of))
        });
        Ok(Self { columns: columns.collect::<Result<_, SchemaError>>()? })
    }
}

impl ColumnType {
    /// Exactly one atom.
    pub const fn scalar(key: AtomType) -> Self {
        Self { key, value: None, min: 1, max: 1 }
    }

    /// None or one atom.
    pub const fn optional(key: AtomType) -> Self {
        Self { key, value: None, min: 0, max: 1 }
    }

    /// Any number of atoms.
    pub const fn set(key: AtomType) -> Self {
        Self { key, value: None, min: 0, max: u64::MAX }
    }

    /// Any number of pairs.
    pub const fn map(key: AtomType, value: AtomType) -> Self {
        Self { key, value: Some(value), min: 0, max: u64::MAX }
    }

    pub const fn is_scalar(&self) -> bool {
        self.value.is_none() && self.min == 1 && self.max == 1
    }

    /// What a column holds when nobody has set it, and what an `update2` insertion leaves out.
    pub fn default_value(&self) -> Value {
        let one = |of: AtomType| of.default_atom();
        match (self.value, self.min) {
            (None, _) if self.is_scalar() => Value::Scalar(one(self.key)),
            (None, 0) => Value::Set(Set::default()),
            (None, _) => Value::Set(Set::from_iter([one(self.key)])),
            (Some(_), 0) => Value::Map(Map::default()),
            (Some(value), _) => Value::Map(Map::from_iter([(one(self.key), one(value))])),
        }
    }

    fn from_json(json: &Json) -> Option<Self> {
        if let Some(name) = json.as_str() {
            return AtomType::from_name(name).map(Self::scalar);
        }
        let limit = |name: &str| match json.get(name) {
            None => Some(1),
            Some(limit) if limit == "unlimited" => Some(u64::MAX),
            Some(limit) => limit.as_u64(),
        };
        Some(Self {
            key: AtomType::from_json(json.get("key")?)?,
            value: match json.get("value") {
                Some(value) => Some(AtomType::from_json(value)?),
                None => None,
            },
            min: u8::try_from(limit("min")?).ok().filter(|min| *min <= 1)?,
            max: limit("max")?,
        })
    }
}

impl AtomType {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Uuid => "uuid",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Integer, Self::Real, Self::Boolean, Self::String, Self::Uuid]
            .into_iter()
            .find(|of| of.name() == name)
    }

    /// A base type is either its bare name or an object whose member `type` has the name.
    fn from_json(json: &Json) -> Option<Self> {
        json.as_str().or_else(|| json.get("type")?.as_str()).and_then(Self::from_name)
    }

    fn default_atom(self) -> Atom {
        match self {
            Self::Integer => Atom::Integer(0),
            Self::Real => Atom::Real(0.0),
            Self::Boolean => Atom::Boolean(false),
            Self::String => Atom::String(Arc::default()),
            Self::Uuid => Atom::Uuid(Uuid::nil()),
        }
    }
}

fn text(json: &Json, member: &str) -> String {
    json.get(member).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn malformed(what: &str, found: &Json) -> SchemaError {
    SchemaError::Malformed { what: what.to_owned(), found: excerpt(found) }
}
