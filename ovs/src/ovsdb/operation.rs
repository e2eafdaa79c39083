//! The operations of a transaction (RFC 7047, section 5.2) and their wire form.
//!
//! Building one does no I/O and checks nothing: the server knows the schema best, and its refusal comes back with the
//! operation's place in the list ([`super::Error::Refused`]).

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::value::{Set, Value};

/// One operation of a transaction. All of them take effect, or none.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Adds a row. Under `name` the other operations of the transaction can refer to it ([`super::Atom::NamedUuid`]).
    /// In most tables a row that nothing refers to when the transaction ends is silently dropped by the server.
    Insert { table: String, row: Columns, name: Option<String> },
    /// Reads rows. `columns` none: all of them.
    Select { table: String, conditions: Vec<Condition>, columns: Option<Vec<String>> },
    /// Sets columns of all rows that meet the conditions.
    Update { table: String, conditions: Vec<Condition>, row: Columns },
    /// Changes columns of all rows that meet the conditions, starting from what they hold.
    Mutate { table: String, conditions: Vec<Condition>, mutations: Vec<Mutation> },
    /// Removes all rows that meet the conditions.
    Delete { table: String, conditions: Vec<Condition> },
    /// Waits until the given columns of the rows that meet the conditions are (or are not) as in `rows`. `timeout` none:
    /// for ever. With a zero timeout this is a precondition: not met, the transaction fails with `timed out`.
    Wait {
        table: String,
        conditions: Vec<Condition>,
        columns: Vec<String>,
        until: Until,
        rows: Vec<Columns>,
        timeout: Option<Duration>,
    },
    /// `durable`: the reply comes only when the transaction is on stable storage.
    Commit { durable: bool },
    /// Makes the transaction fail with `aborted`.
    Abort,
    /// Text for the database's log.
    Comment(String),
    /// Fails unless this client holds the lock. A lock's name is made of letters, digits and underscores.
    Assert { lock: String },
}

/// Values by column name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Columns(BTreeMap<String, Value>);

/// A condition on a column. A row must meet all conditions of an operation; with no conditions every row does.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    pub column: String,
    pub function: Function,
    pub value: Value,
}

/// How a condition compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
    /// The column has all elements of the value.
    Includes,
    /// The column has no element of the value.
    Excludes,
}

/// A change to a column that starts from what it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Mutation {
    pub column: String,
    pub mutator: Mutator,
    pub value: Value,
}

/// How a mutation changes its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    /// Adds the elements of a set, or the pairs of a map whose key is not there.
    Insert,
    /// Removes the elements of a set; of a map the pairs given, or (with a set) the keys given.
    Delete,
}

/// What a wait waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    Equal,
    NotEqual,
}

impl Operation {
    pub fn insert(table: &str, row: impl Into<Columns>) -> Self {
        Self::Insert { table: table.to_owned(), row: row.into(), name: None }
    }

    /// An insertion that others can refer to; see [`Operation::Insert`].
    pub fn insert_named(table: &str, name: &str, row: impl Into<Columns>) -> Self {
        Self::Insert { table: table.to_owned(), row: row.into(), name: Some(name.to_owned()) }
    }

    /// Reads the given columns; without any, all of them.
    pub fn select(table: &str, conditions: impl Into<Vec<Condition>>, columns: &[&str]) -> Self {
        let columns = (!columns.is_empty()).then(|| columns.iter().map(ToString::to_string).collect());
        Self::Select { table: table.to_owned(), conditions: conditions.into(), columns }
    }

    pub fn update(table: &str, conditions: impl Into<Vec<Condition>>, row: impl Into<Columns>) -> Self {
        Self::Update { table: table.to_owned(), conditions: conditions.into(), row: row.into() }
    }

    pub fn mutate(
        table: &str,
        conditions: impl Into<Vec<Condition>>,
        mutations: impl Into<Vec<Mutation>>,
    ) -> Self {
        Self::Mutate { table: table.to_owned(), conditions: conditions.into(), mutations: mutations.into() }
    }

    pub fn delete(table: &str, conditions: impl Into<Vec<Condition>>) -> Self {
        Self::Delete { table: table.to_owned(), conditions: conditions.into() }
    }

    /// The precondition that exactly one row meets the conditions and has these columns at the transaction's start.
    pub fn verify(table: &str, conditions: impl Into<Vec<Condition>>, row: impl Into<Columns>) -> Self {
        let row = row.into();
        Self::Wait {
            table: table.to_owned(),
            conditions: conditions.into(),
            columns: row.0.keys().cloned().collect(),
            until: Until::Equal,
            rows: vec![row],
            timeout: Some(Duration::ZERO),
        }
    }

    pub fn comment(text: impl Into<String>) -> Self {
        Self::Comment(text.into())
    }

    /// The operation's name on the wire.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Insert { .. } => "insert",
            Self::Select { .. } => "select",
            Self::Update { .. } => "update",
            Self::Mutate { .. } => "mutate",
            Self::Delete { .. } => "delete",
            Self::Wait { .. } => "wait",
            Self::Commit { .. } => "commit",
            Self::Abort => "abort",
            Self::Comment(_) => "comment",
            Self::Assert { .. } => "assert",
        }
    }

    pub fn table(&self) -> Option<&str> {
        match self {
            Self::Insert { table, .. }
            | Self::Select { table, .. }
            | Self::Update { table, .. }
            | Self::Mutate { table, .. }
            | Self::Delete { table, .. }
            | Self::Wait { table, .. } => Some(table),
            Self::Commit { .. } | Self::Abort | Self::Comment(_) | Self::Assert { .. } => None,
        }
    }

    /// Whether the reply may take longer than the server needs to do the work.
    pub(crate) fn may_wait(&self) -> bool {
        matches!(self, Self::Wait { timeout, .. } if *timeout != Some(Duration::ZERO))
    }

    /// The wire form.
    pub fn to_json(&self) -> Json {
        let mut json = json!({ "op": self.kind() });
        if let Some(table) = self.table() {
            json["table"] = table.into();
        }
        match self {
            Self::Insert { row, name, .. } => {
                json["row"] = row.to_json();
                if let Some(name) = name {
                    json["uuid-name"] = name.as_str().into();
                }
            }
            Self::Select { conditions, columns, .. } => {
                json["where"] = conditions_to_json(conditions);
                if let Some(columns) = columns {
                    json["columns"] = columns.as_slice().into();
                }
            }
            Self::Update { conditions, row, .. } => {
                json["where"] = conditions_to_json(conditions);
                json["row"] = row.to_json();
            }
            Self::Mutate { conditions, mutations, .. } => {
                json["where"] = conditions_to_json(conditions);
                json["mutations"] = mutations.iter().map(Mutation::to_json).collect();
            }
            Self::Delete { conditions, .. } => json["where"] = conditions_to_json(conditions),
            Self::Wait { conditions, columns, until, rows, timeout, .. } => {
                json["where"] = conditions_to_json(conditions);
                json["columns"] = columns.as_slice().into();
                json["until"] = until.name().into();
                json["rows"] = rows.iter().map(Columns::to_json).collect();
                if let Some(timeout) = timeout {
                    json["timeout"] = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).into();
                }
            }
            Self::Commit { durable } => json["durable"] = (*durable).into(),
            Self::Abort => {}
            Self::Comment(text) => json["comment"] = text.as_str().into(),
            Self::Assert { lock } => json["lock"] = lock.as_str().into(),
        }
        json
    }
}

impl Columns {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a column.
    #[must_use]
    pub fn with(mut self, column: &str, value: impl Into<Value>) -> Self {
        self.0.insert(column.to_owned(), value.into());
        self
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn to_json(&self) -> Json {
        self.0.iter().map(|(column, value)| (column.clone(), value.to_json())).collect()
    }
}

impl<const N: usize> From<[(&str, Value); N]> for Columns {
    fn from(columns: [(&str, Value); N]) -> Self {
        columns.into_iter().map(|(column, value)| (column.to_owned(), value)).collect()
    }
}

impl FromIterator<(String, Value)> for Columns {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(columns: I) -> Self {
        Self(columns.into_iter().collect())
    }
}

impl Condition {
    pub fn new(column: &str, function: Function, value: impl Into<Value>) -> Self {
        Self { column: column.to_owned(), function, value: value.into() }
    }

    pub fn equal(column: &str, value: impl Into<Value>) -> Self {
        Self::new(column, Function::Equal, value)
    }

    /// The row with this identity.
    pub fn uuid(uuid: Uuid) -> Self {
        Self::equal("_uuid", uuid)
    }

    pub fn includes(column: &str, value: impl Into<Value>) -> Self {
        Self::new(column, Function::Includes, value)
    }

    pub(crate) fn to_json(&self) -> Json {
        json!([self.column, self.function.name(), self.value.to_json()])
    }
}

/// So that one condition can be given where a list is asked for.
impl From<Condition> for Vec<Condition> {
    fn from(condition: Condition) -> Self {
        vec![condition]
    }
}

impl Function {
    const fn name(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">",
            Self::Includes => "includes",
            Self::Excludes => "excludes",
        }
    }
}

impl Mutation {
    pub fn new(column: &str, mutator: Mutator, value: impl Into<Value>) -> Self {
        Self { column: column.to_owned(), mutator, value: value.into() }
    }

    /// Adds elements of a set or pairs of a map. A pair whose key is there already changes nothing: to replace it,
    /// remove the key first (mutations of one operation happen in their order).
    pub fn insert(column: &str, value: impl Into<Value>) -> Self {
        Self::new(column, Mutator::Insert, value)
    }

    /// Removes elements of a set or pairs of a map.
    pub fn delete(column: &str, value: impl Into<Value>) -> Self {
        Self::new(column, Mutator::Delete, value)
    }

    /// Removes the pairs with these keys from a map.
    pub fn delete_keys<'a>(column: &str, keys: impl IntoIterator<Item = &'a str>) -> Self {
        Self::delete(column, keys.into_iter().collect::<Set>())
    }

    fn to_json(&self) -> Json {
        json!([self.column, self.mutator.name(), self.value.to_json()])
    }
}

impl From<Mutation> for Vec<Mutation> {
    fn from(mutation: Mutation) -> Self {
        vec![mutation]
    }
}

impl Mutator {
    const fn name(self) -> &'static str {
        match self {
            Self::Add => "+=",
            Self::Subtract => "-=",
            Self::Multiply => "*=",
            Self::Divide => "/=",
            Self::Remainder => "%=",
            Self::Insert => "insert",
            Self::Delete => "delete",
        }
    }
}

impl Until {
    const fn name(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }
}

fn conditions_to_json(conditions: &[Condition]) -> Json {
    conditions.iter().map(Condition::to_json).collect()
}
