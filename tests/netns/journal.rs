//! The log in a real journal: fields that can be searched for, levels as syslog has them, and a journal that
//! is away for a while.

use serde_json::Value;
use tests::{Baryon, DhcpClient, Node, ONE_NODE, Plug, Settings, Underlay, wait};

/// systemd's journal keeper, which wants to find itself in a control group; volatile, and of nobody else's log.
const START: &str = "[ $(stat -f -c %T /sys/fs/cgroup) = cgroup2fs ] || mount -t cgroup2 -o ro cgroup2 /sys/fs/cgroup
    mkdir -p /run/systemd/journal /run/systemd/journald.conf.d /run/log/journal
    printf '[Journal]\\nStorage=volatile\\nReadKMsg=no\\nAudit=no\\nRateLimitBurst=0\\n' > /run/systemd/journald.conf.d/test.conf
    SYSTEMD_LOG_TARGET=console setsid /lib/systemd/systemd-journald > /run/journald.log 2>&1 & echo $! > /run/journald.pid";

fn start(node: &Node) {
    node.sh(START);
    wait::until(20, "journald answers", || {
        node.try_sh("journalctl --sync 2>&1 || { cat /run/journald.log; false; }")
    });
}

/// The entries that `journalctl` finds, in the order in which they came.
fn find(node: &Node, search: &str) -> Vec<Value> {
    let text = node.sh(&format!("journalctl --sync; journalctl -q --no-pager -o json {search}"));
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn what_happened_to_one_port_is_found_by_its_id() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    start(&node);
    let settings = Settings { more: "[DEFAULT]\nuse_journal = true\n".to_owned(), ..Settings::default() };
    let baryon = Baryon::start(&node, &settings);
    baryon.apply(ONE_NODE);
    let begun = &find(&node, "SYSLOG_IDENTIFIER=baryon F_HOST=node1")[0];
    assert!(begun["MESSAGE"].as_str().is_some_and(|said| said.starts_with("starting ")), "{begun}");
    assert_eq!((&begun["PRIORITY"], &begun["TARGET"]), (&Value::from("6"), &Value::from("baryon::run")));
    assert_eq!(baryon.log(), "", "nothing is logged beside the journal");

    let guest = baryon.plug("a1", Plug::Veth);
    let _ = DhcpClient::Udhcpc.lease(&guest);
    let port = baryon.field("ports", "a1", "id");
    let of_port = find(&node, &format!("F_PORT={port}"));
    let acknowledged = |entry: &&Value| entry["MESSAGE"].to_string().contains("ACK");
    let entry = of_port.iter().find(acknowledged).unwrap_or_else(|| panic!("no ACK in {of_port:?}"));
    assert!(entry["MESSAGE"].to_string().contains("10.1.0.11"), "a person sees the fields too: {entry}");

    // A journal that is away for a moment is no reason to stop, and neither is it when the next one comes.
    node.sh("kill -KILL $(cat /run/journald.pid)");
    let _ = DhcpClient::Udhcpc.lease(&guest);
    start(&node);
    let _ = DhcpClient::Udhcpc.lease(&guest);
    let entries = find(&node, "SYSLOG_IDENTIFIER=baryon");
    let lost = entries.iter().position(|entry| entry["F_LOST"].is_string());
    assert!(lost.is_some_and(|at| entries[at + 1..].iter().any(|entry| acknowledged(&entry))), "{lost:?}");
    let warned = find(&node, "-p warning SYSLOG_IDENTIFIER=baryon");
    assert!(!warned.is_empty() && warned.len() < entries.len(), "{} of {}", warned.len(), entries.len());
}
