//! The copy of the monitored rows that a client holds in memory, and the difference of two copies.

use std::fmt;
use std::sync::Arc;

use imbl::OrdMap;
use uuid::Uuid;

use super::row::Row;

/// The rows of one table by their identity.
pub type Table = OrdMap<Uuid, Arc<Row>>;

/// The monitored rows at one moment. Cloning is cheap (the maps are persistent) and a clone never changes.
///
/// It always shows whole transactions: a server reports each one in a single message.
#[derive(Clone, Default, PartialEq)]
pub struct Replica {
    tables: OrdMap<Arc<str>, Table>,
}

/// One row before and after. At least one side is there; both are there for a changed row, and then they differ.
#[derive(Debug, Clone, PartialEq)]
pub struct RowChange {
    pub table: Arc<str>,
    pub uuid: Uuid,
    /// None for a row that is new.
    pub old: Option<Arc<Row>>,
    /// None for a row that is gone.
    pub new: Option<Arc<Row>>,
}

impl Replica {
    /// None for a table that is not monitored or has no row.
    pub fn table(&self, table: &str) -> Option<&Table> {
        self.tables.get(table)
    }

    pub fn row(&self, table: &str, uuid: Uuid) -> Option<&Arc<Row>> {
        self.tables.get(table)?.get(&uuid)
    }

    /// The rows of a table in the order of their identities; none for an unknown table.
    pub fn rows(&self, table: &str) -> impl Iterator<Item = (Uuid, &Arc<Row>)> {
        self.tables.get(table).into_iter().flatten().map(|(uuid, row)| (*uuid, row))
    }

    /// The first row whose string column has this text, for columns that are unique, such as `name`.
    pub fn find(&self, table: &str, column: &str, text: &str) -> Option<(Uuid, &Arc<Row>)> {
        self.rows(table).find(|(_, row)| row.optional_string(column) == Some(text))
    }

    /// How many rows there are in all tables.
    pub fn len(&self) -> usize {
        self.tables.values().map(OrdMap::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.tables.values().all(OrdMap::is_empty)
    }

    /// Puts or removes a row and says what that changed; none when nothing did.
    pub(crate) fn set(&mut self, table: &Arc<str>, uuid: Uuid, new: Option<Arc<Row>>) -> Option<RowChange> {
        let rows = self.tables.entry(table.clone()).or_default();
        let old = match &new {
            Some(row) => rows.insert(uuid, row.clone()),
            None => rows.remove(&uuid),
        };
        (old != new).then(|| RowChange { table: table.clone(), uuid, old, new })
    }

    /// What must change to get from this copy to `other`.
    pub(crate) fn changes_to(&self, other: &Self) -> Vec<RowChange> {
        let mut changes = Vec::new();
        let empty = Table::new();
        for (name, old) in &self.tables {
            let new = other.tables.get(name).unwrap_or(&empty);
            table_changes(name, old, new, &mut changes);
        }
        for (name, new) in &other.tables {
            if !self.tables.contains_key(name) {
                table_changes(name, &empty, new, &mut changes);
            }
        }
        changes
    }
}

fn table_changes(name: &Arc<str>, old: &Table, new: &Table, changes: &mut Vec<RowChange>) {
    let change = |uuid: &Uuid, old: Option<&Arc<Row>>, new: Option<&Arc<Row>>| RowChange {
        table: name.clone(),
        uuid: *uuid,
        old: old.cloned(),
        new: new.cloned(),
    };
    for (uuid, row) in old {
        let after = new.get(uuid);
        if after != Some(row) {
            changes.push(change(uuid, Some(row), after));
        }
    }
    for (uuid, row) in new {
        if !old.contains_key(uuid) {
            changes.push(change(uuid, None, Some(row)));
        }
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self.tables.iter()).finish()
    }
}
