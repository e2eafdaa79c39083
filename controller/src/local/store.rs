//! Where the resources are kept: one redb file, one row per record, the record as JSON.
//!
//! A change is one transaction and is on the disk when [`Store::write`] returns. The file says which
//! format it has; a file of a newer format, or one that cannot be read, is refused and left alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use redb::{
    Database, DatabaseError, ReadOnlyDatabase, ReadableDatabase, ReadableTable, TableDefinition, TableError,
};

use super::state::{Key, Record, State};

/// The version of the rows that this program writes. Goes up whenever `record` changes in a way that
/// an older program would misread.
pub const FORMAT: u64 = 1;

const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");
const FORMAT_ROW: &str = "format";
/// All rows are in memory as well, so the file needs no large cache.
const CACHE_BYTES: usize = 2 << 20;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot make a store in the folder {}", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("cannot {doing} the store {}", path.display())]
    Database { doing: &'static str, path: PathBuf, source: Box<redb::Error> },
    #[error("the store {} has format {found}, this program knows up to {FORMAT}; it was left as it is", path.display())]
    Newer { path: PathBuf, found: u64 },
    #[error("the store {} is not one of ours: it has no format number", path.display())]
    Foreign { path: PathBuf },
    #[error("the store {} is damaged; it was left as it is", path.display())]
    Damaged { path: PathBuf },
    #[error("row {row} of the store {} cannot be read", path.display())]
    Row { row: String, path: PathBuf, source: serde_json::Error },
    #[error("record {key:?} cannot be written as JSON")]
    Encode { key: Key, source: serde_json::Error },
    #[error("the store {} does not hang together: {reason}", path.display())]
    Inconsistent { path: PathBuf, reason: String },
}

/// The open file. It is locked against other processes.
#[derive(Debug)]
pub struct Store {
    database: Database,
    path: PathBuf,
}

impl Store {
    /// Opens the file, or makes it, and reads everything.
    ///
    /// The storage library has assertions on pages that it takes to be whole, so a damaged file can
    /// end in a panic there: caught here, once, where nothing has begun that could be left half done.
    pub fn open(path: &Path) -> Result<(Self, State), StoreError> {
        let damaged = |_| Err(StoreError::Damaged { path: path.to_owned() });
        std::panic::catch_unwind(|| Self::open_sound(path)).unwrap_or_else(damaged)
    }

    fn open_sound(path: &Path) -> Result<(Self, State), StoreError> {
        if path.exists() {
            look(path)?;
        } else {
            make(path)?;
        }
        let database = builder().open(path).map_err(|error| failed("open", path, error))?;
        let store = Self { database, path: path.to_owned() };
        check_format(path, &store.database)?;
        let state = store.read()?;
        Ok((store, state))
    }

    /// Writes down how `touched` records are in `state`: on the disk when this returns.
    pub fn write(&self, state: &State, touched: &BTreeSet<Key>) -> Result<(), StoreError> {
        let rows = touched.iter().map(|key| encode(state, key)).collect::<Result<Vec<_>, _>>()?;
        self.commit(&rows).map_err(|error| failed("write to", &self.path, error))
    }

    fn commit(&self, rows: &[(String, Option<Vec<u8>>)]) -> Result<(), redb::Error> {
        // A transaction's default is to be durable: fsync before commit returns.
        let transaction = self.database.begin_write()?;
        {
            let mut records = transaction.open_table(RECORDS)?;
            for (row, record) in rows {
                match record {
                    Some(record) => drop(records.insert(row.as_str(), record.as_slice())?),
                    None => drop(records.remove(row.as_str())?),
                }
            }
        }
        Ok(transaction.commit()?)
    }

    fn read(&self) -> Result<State, StoreError> {
        let rows = self.rows().map_err(|error| failed("read", &self.path, error))?;
        let mut records = Vec::with_capacity(rows.len());
        for (row, bytes) in rows {
            let record: Record = serde_json::from_slice(&bytes).map_err(|source| StoreError::Row {
                row,
                path: self.path.clone(),
                source,
            })?;
            records.push(record);
        }
        super::load::state(records)
            .map_err(|reason| StoreError::Inconsistent { path: self.path.clone(), reason })
    }

    fn rows(&self) -> Result<Vec<(String, Vec<u8>)>, redb::Error> {
        let transaction = self.database.begin_read()?;
        let records = transaction.open_table(RECORDS)?;
        let mut rows = Vec::new();
        for row in records.iter()? {
            let (row, record) = row?;
            rows.push((row.value().to_owned(), record.value().to_owned()));
        }
        Ok(rows)
    }
}

/// Makes an empty store beside its place and moves it there, so that a crash leaves all or nothing.
fn make(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let on_folder = |source| StoreError::Folder { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(on_folder)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    if beside.exists() {
        std::fs::remove_file(&beside).map_err(on_folder)?;
    }
    let database = builder().create(&beside).map_err(|error| failed("make", path, error))?;
    let write = || -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        transaction.open_table(ABOUT)?.insert(FORMAT_ROW, FORMAT)?;
        transaction.open_table(RECORDS)?;
        Ok(transaction.commit()?)
    };
    write().map_err(|error| failed("make", path, error))?;
    drop(database);
    std::fs::rename(&beside, path).map_err(on_folder)?;
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(on_folder)
}

/// Looks at the format without opening the file for writing, which would already change it. A file
/// that was not closed cannot be looked at in this way; it is checked after it was repaired.
fn look(path: &Path) -> Result<(), StoreError> {
    match ReadOnlyDatabase::open(path) {
        Ok(database) => check_format(path, &database),
        Err(DatabaseError::RepairAborted) => Ok(()),
        Err(error) => Err(failed("open", path, error)),
    }
}

fn check_format(path: &Path, database: &impl ReadableDatabase) -> Result<(), StoreError> {
    let read = || -> Result<Option<u64>, redb::Error> {
        let transaction = database.begin_read()?;
        match transaction.open_table(ABOUT) {
            Ok(about) => Ok(about.get(FORMAT_ROW)?.map(|format| format.value())),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    let path = path.to_owned();
    match read().map_err(|error| failed("read", &path, error))? {
        Some(found) if found > FORMAT => Err(StoreError::Newer { path, found }),
        Some(_) => Ok(()),
        None => Err(StoreError::Foreign { path }),
    }
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

fn encode(state: &State, key: &Key) -> Result<(String, Option<Vec<u8>>), StoreError> {
    let record = state.get(key).map(|record| serde_json::to_vec(&record)).transpose();
    let record = record.map_err(|source| StoreError::Encode { key: key.clone(), source })?;
    Ok((row(key), record))
}

fn row(key: &Key) -> String {
    match key {
        Key::Host(id) => format!("host/{id}"),
        Key::Network(id) => format!("network/{id}"),
        Key::Subnet(id) => format!("subnet/{id}"),
        Key::Port(id) => format!("port/{id}"),
        Key::Router(id) => format!("router/{id}"),
        Key::FloatingIp(id) => format!("floatingip/{id}"),
    }
}

fn failed(doing: &'static str, path: &Path, error: impl Into<redb::Error>) -> StoreError {
    StoreError::Database { doing, path: path.to_owned(), source: Box::new(error.into()) }
}
