//! What was acknowledged is there after a restart, however the process ended; what cannot be read is
//! left alone.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use controller::Local;
use controller::local::fields::Fields;
use controller::local::{Config, Fault, StoreError, networks};
use serde_json::json;

/// A folder of its own for each test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("baryon-store-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn store(&self) -> PathBuf {
        self.0.join("deep").join("store.redb")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(path: &Path) -> Result<Local, Fault> {
    Local::open(path, Config::new("node1")).map(|(local, _, _)| local)
}

fn make_network(local: &Local, name: &str) {
    let body = Fields::new("network", json!({"name": name})).unwrap();
    local.change(|draft| networks::create(draft, None, body)).unwrap();
}

fn names(local: &Local) -> Vec<String> {
    let mut names: Vec<_> =
        local.snapshot().state.networks().values().map(|network| network.name.clone()).collect();
    names.sort();
    names
}

#[test]
fn a_restart_finds_everything() {
    let folder = Folder::new("restart");
    let path = folder.store();
    let local = open(&path).unwrap();
    make_network(&local, "one");
    make_network(&local, "two");
    let before = local.desired().borrow().clone();
    drop(local);
    let local = open(&path).unwrap();
    assert_eq!(names(&local), ["one", "two"]);
    assert_eq!(*local.desired().borrow(), before);
}

#[test]
fn a_refused_change_leaves_no_trace() {
    let folder = Folder::new("refused");
    let local = open(&folder.store()).unwrap();
    let refused = local.change(|draft| {
        networks::create(draft, None, Fields::new("network", json!({"name": "half"}))?)?;
        networks::create(draft, None, Fields::new("network", json!({"mtu": 1}))?)
    });
    assert!(matches!(refused, Err(Fault::Invalid { .. })));
    assert_eq!(names(&local), Vec::<String>::new());
    drop(local);
    assert_eq!(names(&open(&folder.store()).unwrap()), Vec::<String>::new());
}

#[test]
fn two_processes_do_not_share_a_store() {
    let folder = Folder::new("locked");
    let _local = open(&folder.store()).unwrap();
    assert!(matches!(open(&folder.store()), Err(Fault::Store(StoreError::Database { doing: "open", .. }))));
}

#[test]
fn a_newer_store_is_left_alone() {
    let folder = Folder::new("newer");
    let path = folder.store();
    drop(open(&path).unwrap());
    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let about = redb::TableDefinition::<&str, u64>::new("about");
    transaction.open_table(about).unwrap().insert("format", 99).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let before = std::fs::read(&path).unwrap();
    let refused = open(&path).unwrap_err();
    let said = std::error::Error::source(&refused).unwrap().to_string();
    assert!(said.contains("has format 99, this program knows up to 1"), "{said}");
    assert!(std::fs::read(&path).unwrap() == before, "the file was changed");
}

#[test]
fn what_is_no_store_is_left_alone() {
    let folder = Folder::new("foreign");
    let path = folder.0.join("notes");
    for content in ["", "dear diary", &"x".repeat(100_000)] {
        std::fs::write(&path, content).unwrap();
        let refused = open(&path).unwrap_err();
        assert!(matches!(refused, Fault::Store(StoreError::Database { .. })), "{refused:?}");
        assert!(std::fs::read_to_string(&path).unwrap() == content, "the file was changed");
    }
    let path = folder.0.join("other.redb");
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let table = redb::TableDefinition::<&str, &str>::new("somebody else's");
    transaction.open_table(table).unwrap().insert("a", "b").unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(open(&path), Err(Fault::Store(StoreError::Foreign { .. }))));
}

/// Bits that rot in the file are an error or unnoticed padding, never a panic and never other names.
#[test]
fn rot_is_noticed() {
    let folder = Folder::new("rot");
    let path = folder.store();
    let local = open(&path).unwrap();
    (0..20).for_each(|number| make_network(&local, &format!("network {number:02}")));
    let expected = names(&local);
    drop(local);
    let whole = std::fs::read(&path).unwrap();
    let mut refused = 0;
    for at in (0..whole.len() as u64).step_by(whole.len() / 64) {
        std::fs::write(&path, &whole).unwrap();
        let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(&[0x5a; 512]).unwrap();
        drop(file);
        match open(&path) {
            Ok(local) => assert_eq!(names(&local), expected, "rot at {at}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0, "no rot was noticed");
}

/// The process that [`killed_at_any_moment`] kills: makes networks and says the name of each that was
/// acknowledged.
#[test]
#[ignore = "started by killed_at_any_moment"]
fn writes_until_killed() {
    let Some(path) = std::env::var_os("BARYON_TEST_STORE") else { return };
    let local = open(Path::new(&path)).unwrap();
    let from = names(&local).len();
    let mut out = std::io::stdout().lock();
    for number in from.. {
        let name = format!("network {number:06}");
        make_network(&local, &name);
        writeln!(out, "made {name}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn killed_at_any_moment_it_loses_nothing_acknowledged() {
    let folder = Folder::new("killed");
    let path = folder.store();
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writes_until_killed", "--ignored", "--nocapture"])
            .env("BARYON_TEST_STORE", &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        // Killed after a different number of acknowledgements each time, while it goes on writing.
        for _ in 0..(3 + round * 5) {
            let name = next_name(&mut output).expect("the writer makes networks");
            acknowledged.push(name);
        }
        child.kill().unwrap();
        while let Some(name) = next_name(&mut output) {
            acknowledged.push(name);
        }
        child.wait().unwrap();
        let found = names(&open(&path).unwrap());
        assert!(found.starts_with(&acknowledged), "acknowledged {acknowledged:?}, found {found:?}");
        assert!(found.len() <= acknowledged.len() + 1, "more than the one that was under way");
        acknowledged = found;
    }
}

fn next_name(output: &mut impl BufRead) -> Option<String> {
    for line in output.by_ref().lines() {
        // The test harness writes a line of its own before ours, without an end.
        if let Some((_, name)) = line.ok()?.split_once("made ") {
            return Some(name.to_owned());
        }
    }
    None
}
