//! What a client wants to follow: tables, columns, conditions; and the request that follows from it and the schema.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map as JsonMap, Value as Json, json};

use super::operation::Condition;
use super::schema::{ColumnType, Schema, SchemaError};

/// The tables and columns of one database that a client keeps a replica of.
///
/// ```
/// use ovs::ovsdb::Monitor;
///
/// let monitor = Monitor::new("Open_vSwitch")
///     .table("Bridge", ["name", "ports"])
///     .table("Interface", ["name", "ofport", "external_ids"])
///     .optional("Interface", ["link_state"]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Monitor {
    database: String,
    tables: BTreeMap<String, Wanted>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Wanted {
    required: BTreeSet<String>,
    optional: BTreeSet<String>,
    conditions: Vec<Condition>,
}

impl Monitor {
    pub fn new(database: &str) -> Self {
        Self { database: database.to_owned(), tables: BTreeMap::new() }
    }

    /// Adds a table with columns that must exist; a server without one of them is refused with its name. May be called
    /// again for the same table to add columns. With no columns the rows are followed for their existence only.
    #[must_use]
    pub fn table<'a>(mut self, table: &str, columns: impl IntoIterator<Item = &'a str>) -> Self {
        self.wanted(table).required.extend(columns.into_iter().map(str::to_owned));
        self
    }

    /// Adds columns that are followed where the server's schema has them and left out where not.
    #[must_use]
    pub fn optional<'a>(mut self, table: &str, columns: impl IntoIterator<Item = &'a str>) -> Self {
        self.wanted(table).optional.extend(columns.into_iter().map(str::to_owned));
        self
    }

    /// Follows only rows that meet **one** of the conditions given for the table. Needs a server that knows
    /// `monitor_cond` (Open vSwitch 2.6); with an older one the connection fails with a sentence saying so.
    #[must_use]
    pub fn condition(mut self, table: &str, condition: Condition) -> Self {
        self.wanted(table).conditions.push(condition);
        self
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    pub(crate) fn has_conditions(&self) -> bool {
        self.tables.values().any(|wanted| !wanted.conditions.is_empty())
    }

    /// The columns to ask this server for, or what it lacks.
    pub(crate) fn shapes(&self, schema: &Schema) -> Result<Shapes, SchemaError> {
        let shape = |(table, wanted): (&String, &Wanted)| {
            let shape = wanted.shape(table, schema)?;
            Ok((Arc::from(table.as_str()), shape))
        };
        self.tables.iter().map(shape).collect::<Result<_, _>>().map(Shapes)
    }

    /// The `<monitor-requests>` object for the shapes; the conditions only where the method has them.
    pub(crate) fn request(&self, shapes: &Shapes, with_conditions: bool) -> Json {
        let requests = shapes.0.iter().map(|(table, shape)| {
            let mut request =
                json!({ "columns": shape.names.iter().map(|name| &**name).collect::<Vec<_>>() });
            let conditions = self.tables.get(&**table).map(|wanted| wanted.conditions.as_slice());
            if let Some(conditions @ [_, ..]) = conditions.filter(|_| with_conditions) {
                request["where"] = conditions.iter().map(Condition::to_json).collect();
            }
            (table.to_string(), Json::Array(vec![request]))
        });
        Json::Object(requests.collect::<JsonMap<_, _>>())
    }

    fn wanted(&mut self, table: &str) -> &mut Wanted {
        self.tables.entry(table.to_owned()).or_default()
    }
}

impl Wanted {
    fn shape(&self, table: &str, schema: &Schema) -> Result<Shape, SchemaError> {
        let known = schema.table(table)?;
        let mut columns = BTreeMap::new();
        for column in &self.required {
            columns.insert(Arc::from(column.as_str()), schema.column(table, column)?);
        }
        for column in &self.optional {
            if let Some(of) = known.column(column) {
                columns.insert(Arc::from(column.as_str()), of);
            }
        }
        Ok(Shape { names: columns.keys().cloned().collect(), types: columns.into_values().collect() })
    }
}

/// The monitored columns of every monitored table, as one server has them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shapes(pub(crate) BTreeMap<Arc<str>, Shape>);

/// The monitored columns of one table, sorted by name.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) names: Arc<[Arc<str>]>,
    pub(crate) types: Vec<ColumnType>,
}
