//! The rules of ARCHITECTURE.md and STYLE.md that a program can check: who may depend on whom, what
//! planning code may not touch, that every file says what it is, and how long a file may be.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::{Path, PathBuf};

/// Whom each crate may depend on, of ours.
const MAY_USE: [(&str, &[&str]); 13] = [
    ("model", &[]),
    ("diary", &[]),
    ("host", &["model"]),
    ("tls", &[]),
    ("ovs", &["model", "host", "tls"]),
    ("dhcp", &["model", "host"]),
    ("router", &["model", "host"]),
    ("metadata", &["model", "host", "tls"]),
    // Its tests need a broker.
    ("messaging", &["tls", "tests"]),
    ("controller", &["model", "messaging"]),
    ("agent", &["model", "host", "ovs", "dhcp", "router", "metadata", "messaging", "controller", "diary"]),
    ("tests", &["model"]),
    ("bench", &["model", "host", "ovs", "dhcp", "router", "controller", "diary", "tests"]),
];

/// Longest file, tests left out.
const LONGEST: usize = 600;

/// Beginnings of the paths of code that only decides.
const PURE: [&str; 29] = [
    "model/src",
    "ovs/src/compile",
    "ovs/src/plan",
    "ovs/src/pipeline",
    "ovs/src/local_vlan",
    "dhcp/src/compile",
    "dhcp/src/plan",
    "dhcp/src/server/reply",
    "router/src/compile",
    "router/src/plan",
    "router/src/parts",
    "metadata/src/compile",
    "metadata/src/plan",
    "metadata/src/request",
    "metadata/src/answer",
    "metadata/src/rate",
    "controller/src/neutron/wire",
    "controller/src/neutron/l2",
    "controller/src/neutron/l3",
    "controller/src/neutron/dhcp",
    "controller/src/neutron/tunnels",
    "controller/src/neutron/wiring.rs",
    "controller/src/neutron/picture",
    "controller/src/neutron/heartbeat",
    "controller/src/neutron/batches",
    "controller/src/neutron/queue",
    "agent/src/dirty",
    "agent/src/why",
    "agent/src/topology",
];

/// What deciding code may not contain. `model/src/domain.rs` declares the async contract.
const IMPURE: [&str; 10] = [
    "async ",
    ".await",
    "tokio::",
    "std::fs",
    "std::process",
    "Instant::now",
    "SystemTime::now",
    "UdpSocket",
    "rand::",
    "new_v4",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    for (name, _) in MAY_USE {
        walk(&root().join(name).join("src"), &mut paths);
    }
    assert!(paths.len() > 50, "only {} files found", paths.len());
    let name = |path: &Path| path.strip_prefix(root()).unwrap().display().to_string();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// The part of a file before its tests.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

fn complain(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn crates_depend_in_one_direction() {
    let mut wrong = Vec::new();
    for (name, allowed) in MAY_USE {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        for (other, _) in MAY_USE {
            let uses = manifest.lines().any(|line| line.starts_with(&format!("{other}.")));
            if uses && !allowed.contains(&other) {
                wrong.push(format!("{name} depends on {other}"));
            }
        }
    }
    complain("dependencies that ARCHITECTURE.md rules out", &wrong);
}

#[test]
fn versions_and_lints_are_those_of_the_workspace() {
    let mut wrong = Vec::new();
    for (name, _) in MAY_USE {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        if !manifest.contains("[lints]\nworkspace = true") {
            wrong.push(format!("{name} does not take the lints of the workspace"));
        }
        let own = manifest
            .lines()
            .skip_while(|line| *line != "[dependencies]")
            .filter(|line| line.contains(" = \"") && !line.starts_with("path") && !line.starts_with("name"));
        wrong.extend(own.map(|line| format!("{name} names a version of its own: {line}")));
    }
    complain("manifests", &wrong);
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| text.lines().take_while(|line| line.starts_with("//!")).count() == 0)
        .map(|(name, _)| name)
        .collect();
    complain("files that do not open with //!", &silent);
}

#[test]
fn deciding_code_does_nothing() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let pure = PURE.iter().any(|beginning| name.starts_with(beginning));
        let is_test = name.contains("/tests/") || name.ends_with("/tests.rs");
        if !pure || is_test || name == "model/src/domain.rs" {
            continue;
        }
        for (number, line) in production(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap();
            for word in IMPURE.iter().filter(|word| has(code, word)) {
                wrong.push(format!("{name}:{}: {word}", number + 1));
            }
        }
    }
    complain("deciding code that does something", &wrong);
}

/// Whether a word is in a line, and not only the beginning of another one.
fn has(line: &str, word: &str) -> bool {
    let goes_on =
        |at: usize| line[at + word.len()..].starts_with(|next: char| next.is_alphanumeric() || next == '_');
    let is_word = word.ends_with(|last: char| last.is_alphanumeric());
    line.match_indices(word).any(|(at, _)| !is_word || !goes_on(at))
}

#[test]
fn files_stay_short() {
    let long: Vec<String> = sources()
        .into_iter()
        .map(|(name, text)| (name, production(&text).lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(name, lines)| format!("{name}: {lines} lines"))
        .collect();
    complain("files that hold more than one idea, by their length", &long);
}

#[test]
fn there_is_no_drawer() {
    let drawers: Vec<String> = sources()
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| {
            let stem = name.rsplit('/').next().unwrap();
            ["util", "common", "helper", "manager", "misc"].iter().any(|word| stem.contains(word))
        })
        .collect();
    complain("files named as drawers", &drawers);
}
