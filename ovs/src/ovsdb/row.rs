//! A row with typed access to its columns.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use super::value::{Map, Value};

/// One row: the columns that were asked for, and no others.
///
/// The readers by type ([`Row::string`], [`Row::uuids`], …) give the type's empty value when the row does not have the
/// column or it is of another type. For a monitored row that means a column that was not requested: requests are
/// checked against the schema, so a requested column is always there. [`Row::get`] tells the two apart.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// Sorted; shared by all rows of a table.
    names: Arc<[Arc<str>]>,
    /// In the order of `names`.
    values: Box<[Value]>,
}

impl Row {
    /// `names` must be sorted and as many as `values`; surplus ones of either are cut off.
    pub(crate) fn new(names: Arc<[Arc<str>]>, values: Vec<Value>) -> Self {
        debug_assert!(names.is_sorted() && names.len() == values.len());
        Self { names, values: values.into() }
    }

    pub fn get(&self, column: &str) -> Option<&Value> {
        let place = self.names.binary_search_by(|name| (**name).cmp(column)).ok()?;
        self.values.get(place)
    }

    /// The columns with their values, in the order of the names.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.names.iter().map(|name| &**name).zip(self.values.iter())
    }

    /// A string column; `""` without one.
    pub fn string(&self, column: &str) -> &str {
        self.optional_string(column).unwrap_or_default()
    }

    pub fn optional_string(&self, column: &str) -> Option<&str> {
        self.get(column)?.single()?.as_str()
    }

    /// An integer column; 0 without one.
    pub fn integer(&self, column: &str) -> i64 {
        self.optional_integer(column).unwrap_or_default()
    }

    pub fn optional_integer(&self, column: &str) -> Option<i64> {
        self.get(column)?.single()?.as_integer()
    }

    pub fn optional_real(&self, column: &str) -> Option<f64> {
        self.get(column)?.single()?.as_real()
    }

    /// A boolean column; `false` without one.
    pub fn boolean(&self, column: &str) -> bool {
        self.optional_boolean(column).unwrap_or_default()
    }

    pub fn optional_boolean(&self, column: &str) -> Option<bool> {
        self.get(column)?.single()?.as_bool()
    }

    pub fn optional_uuid(&self, column: &str) -> Option<Uuid> {
        self.get(column)?.single()?.as_uuid()
    }

    /// The references of a set (or of a single reference), in ascending order.
    pub fn uuids(&self, column: &str) -> impl Iterator<Item = Uuid> {
        self.get(column).into_iter().flat_map(Value::atoms).filter_map(super::Atom::as_uuid)
    }

    /// The texts of a set, in ascending order.
    pub fn strings(&self, column: &str) -> impl Iterator<Item = &str> {
        self.get(column).into_iter().flat_map(Value::atoms).filter_map(super::Atom::as_str)
    }

    /// The integers of a set, in ascending order.
    pub fn integers(&self, column: &str) -> impl Iterator<Item = i64> {
        self.get(column).into_iter().flat_map(Value::atoms).filter_map(super::Atom::as_integer)
    }

    /// A map column; the empty map without one.
    pub fn map(&self, column: &str) -> &Map {
        static EMPTY: Map = Map::EMPTY;
        match self.get(column) {
            Some(Value::Map(map)) => map,
            _ => &EMPTY,
        }
    }

    /// The text under `key` of a map of strings, such as `external_ids`.
    pub fn key(&self, column: &str, key: &str) -> Option<&str> {
        self.map(column).string(key)
    }

    pub(crate) fn values(&self) -> &[Value] {
        &self.values
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self.columns()).finish()
    }
}
