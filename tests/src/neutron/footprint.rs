//! What agents have made of a node, as text lines that can be compared: who exchanged the program must find
//! the same lines, who deleted every network must find those of the beginning.

use crate::Node;
use std::collections::{BTreeMap, BTreeSet};

/// Lines by what they are about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Bridges and their ports with the local VLAN: `br-int tap1 tag=3`.
    pub ports: BTreeSet<String>,
    /// `qrouter-…`, `qdhcp-…`
    pub namespaces: BTreeSet<String>,
    /// `qrouter-… qr-… 10.0.0.1/24`
    pub addresses: BTreeSet<String>,
    /// `qrouter-… default via 203.0.113.1 dev qg-…`
    pub routes: BTreeSet<String>,
    /// How many flows each bridge has.
    pub flows: BTreeMap<String, usize>,
}

impl Footprint {
    /// Reads the node. Guests' own namespaces are left out.
    #[track_caller]
    #[must_use]
    pub fn of(node: &Node) -> Self {
        let mut found = Self::default();
        for bridge in node.sh("ovs-vsctl list-br").lines() {
            let ports = node.sh(&format!(
                "for port in $(ovs-vsctl list-ports {bridge}); do echo $port $(ovs-vsctl --if-exists get Port $port tag); done"
            ));
            for (port, tag) in ports.lines().filter_map(|line| line.split_once(' ')) {
                found.ports.insert(format!("{bridge} {port} tag={tag}"));
            }
            let flows =
                node.sh(&format!("ovs-ofctl -O OpenFlow13 dump-flows {bridge} | grep -c table= || true"));
            found.flows.insert(bridge.to_owned(), flows.trim().parse().unwrap_or(0));
        }
        for namespace in node.sh("ip netns list | sed 's/ .*//'").lines() {
            if namespace.starts_with('q') {
                found.namespaces.insert(namespace.to_owned());
                found.look_into(node, namespace);
            }
        }
        found
    }

    /// A namespace may be gone by the time it is looked into.
    fn look_into(&mut self, node: &Node, namespace: &str) {
        let said = node.try_sh(&format!("ip -n {namespace} -o address")).unwrap_or_default();
        for line in said.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let [_, device, "inet" | "inet6", address, ..] = words[..] {
                self.addresses.insert(format!("{namespace} {device} {address}"));
            }
        }
        let said =
            node.try_sh(&format!("ip -n {namespace} route; ip -n {namespace} -6 route")).unwrap_or_default();
        self.routes.extend(said.lines().map(|line| format!("{namespace} {}", line.trim())));
    }

    /// Lines that only one of the two has; `-` marks those of `self`. Numbers of flows are left out.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let parts = [
            (&self.ports, &other.ports),
            (&self.namespaces, &other.namespaces),
            (&self.addresses, &other.addresses),
            (&self.routes, &other.routes),
        ];
        let mut lines = Vec::new();
        for (mine, theirs) in parts {
            lines.extend(mine.difference(theirs).map(|line| format!("- {line}")));
            lines.extend(theirs.difference(mine).map(|line| format!("+ {line}")));
        }
        lines
    }
}
