//! What the machine looks like from outside: the tools that an operator has.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::process::Command;
use std::time::{Duration, Instant};

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

/// Waits for a condition; it fails the test when it does not come true in time.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "it does not come true that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
