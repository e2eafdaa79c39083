//! What the machine looks like from outside: the tools that an operator has.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::process::Command;

use serde_json::Value;

/// Runs a command line, without a shell, and gives what it printed. A command that fails fails the test.
pub fn run(line: &str) -> String {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// `ip …`
pub fn ip(arguments: &str) -> String {
    run(&format!("ip {arguments}"))
}

/// `ip -j …`
pub fn ip_json(arguments: &str) -> Value {
    serde_json::from_str(&ip(&format!("-j {arguments}"))).unwrap()
}

/// The address of an `addr_info` entry, with its prefix length.
pub fn address(entry: &Value) -> String {
    format!("{}/{}", entry["local"].as_str().unwrap(), entry["prefixlen"])
}

/// The network namespace of the calling thread.
pub fn own_namespace() -> std::path::PathBuf {
    std::fs::read_link("/proc/thread-self/ns/net").unwrap()
}
