//! Everything that can be seen of a node, as lines.

use crate::parity::normal::{self, LocalVlans};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tests::neutron::{Request, text};
use tests::{Capture, Guest, Lease, Node, Space, WORLD, wait};

/// Lines such as `flow br-int: table=0,priority=0 actions=resubmit(,58)`, each beginning with what it is about.
#[derive(Debug, Default)]
pub(crate) struct State {
    lines: BTreeSet<String>,
}

impl State {
    /// Looks until nothing changes any more: an IPv6 address is tried out for a second, and a server's last words
    /// come late.
    pub(crate) fn of(node: &Node, ports: &[Value]) -> Self {
        let mut last = Self::default();
        wait::until(60, "two looks see the same", || {
            wait::pass(Duration::from_secs(2));
            let now = Self::look(node, ports);
            let same = now.lines == last.lines && !now.lines.iter().any(|line| line.contains(" tentative"));
            let differences = last.differences(&now);
            last = now;
            if same { Ok(()) } else { Err(differences.join("\n")) }
        });
        last
    }

    fn look(node: &Node, ports: &[Value]) -> Self {
        let mut state = Self::default();
        let vlans = local_vlans(node, ports);
        state.read_switch(node, &vlans);
        for namespace in node.sh("ip netns list | sed 's/ .*//'").lines().filter(|name| name.starts_with('q'))
        {
            state.read_namespace(node, namespace);
        }
        state
    }

    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let theirs = self.lines.difference(&other.lines).map(|line| format!("- {line}"));
        let ours = other.lines.difference(&self.lines).map(|line| format!("+ {line}"));
        let mut all: Vec<String> = theirs.chain(ours).collect();
        // What is about the same thing stands together.
        all.sort_by(|one, other| one[2..].cmp(&other[2..]));
        all
    }

    pub(crate) fn same(&self, other: &Self) -> usize {
        self.lines.intersection(&other.lines).count()
    }

    fn add(&mut self, about: &str, line: &str) {
        self.lines.insert(format!("{about}: {line}"));
    }

    fn read_switch(&mut self, node: &Node, vlans: &LocalVlans) {
        for bridge in node.sh("ovs-vsctl list-br").lines() {
            let dump = node.sh(&format!("ovs-ofctl -O OpenFlow13 --names --no-stats dump-flows {bridge}"));
            for flow in dump.lines().filter_map(|line| normal::flow(line, vlans)) {
                self.add(&format!("flow {bridge}"), &flow);
            }
            self.rows(node, vlans, "Bridge", bridge, "datapath_type,fail_mode,protocols,other_config,external_ids,mcast_snooping_enable,stp_enable");
            for port in node.sh(&format!("ovs-vsctl list-ports {bridge}")).lines() {
                self.rows(node, vlans, "Port", port, "tag,trunks,vlan_mode,other_config,external_ids");
                self.rows(
                    node,
                    vlans,
                    "Interface",
                    port,
                    "type,options,external_ids,mtu_request,other_config",
                );
            }
        }
    }

    /// One line for each column that holds something.
    fn rows(&mut self, node: &Node, vlans: &LocalVlans, table: &str, name: &str, columns: &str) {
        // A pair of patch ports, or a port that has just gone, is no reason to stop.
        let said =
            node.try_sh(&format!("ovs-vsctl --columns={columns} list {table} {name}")).unwrap_or_default();
        for (column, value) in said.lines().filter_map(|line| line.split_once(':')) {
            let (column, value) = (column.trim(), value.trim());
            if !matches!(value, "[]" | "{}" | "\"\"") {
                self.add(
                    &format!("ovsdb {table} {name}"),
                    &normal::words(&format!("{column}={value}"), vlans),
                );
            }
        }
    }

    fn read_namespace(&mut self, node: &Node, namespace: &str) {
        let sh = |script: &str| node.try_sh_in(namespace, script).unwrap_or_default();
        for line in sh("ip -o address; ip -o link").lines() {
            // Without the number of the device, and of its peer.
            let words: Vec<&str> = line.split_whitespace().skip(1).collect();
            let line = words.join(" ");
            let line = line
                .split("\\ ")
                .next()
                .unwrap_or_default()
                .replace(" valid_lft forever preferred_lft forever", "");
            self.add(&format!("address {namespace}"), line.trim());
        }
        for line in sh("ip route show table all; ip -6 route show table all; ip rule; ip -6 rule").lines() {
            self.add(&format!("route {namespace}"), line.trim());
        }
        for line in sh("sysctl -a 2> /dev/null").lines() {
            let network = line.starts_with("net.ipv4.conf")
                || line.starts_with("net.ipv6.conf")
                || line.starts_with("net.ipv4.ip_");
            // Secrets and what the kernel counts.
            let own = ["stable_secret", "ip_local_reserved", "tcp_fastopen_key"]
                .iter()
                .any(|word| line.contains(word));
            if network && !own {
                self.add(&format!("sysctl {namespace}"), line);
            }
        }
        let listening = sh("ss -Hltun | awk '{ print $1, $5 }' | sort -u");
        for line in listening.lines() {
            self.add(&format!("listens {namespace}"), line);
        }
    }

    /// What a DHCP client was told.
    pub(crate) fn lease(&mut self, who: &str, lease: &Lease) {
        for (key, value) in &lease.values {
            // Variables of the shell, and what depends on the moment.
            let fleeting = [
                "pid",
                "new_expiry",
                "PWD",
                "PPID",
                "IFS",
                "OPTIND",
                "PATH",
                "expiry",
                "LEASE",
                "SHLVL",
                "_",
                "PS1",
                "PS2",
                "PS4",
                "numbers",
            ];
            let old = key.starts_with("old_") || key.starts_with("cur_");
            if !old && !fleeting.contains(&key.as_str()) && !key.starts_with("interface_order") {
                self.add(&format!("lease {who}"), &format!("{key}={value}"));
            }
        }
    }

    /// What arrived at the compute service.
    pub(crate) fn metadata(&mut self, who: &str, heard: &[Request]) {
        for request in heard {
            self.add(
                &format!("metadata {who}"),
                &format!("{} {} trusted={}", request.method, request.path, request.trusted),
            );
            for (name, value) in &request.headers {
                self.add(&format!("metadata {who}"), &format!("{name}={value}"));
            }
        }
    }

    /// Under which address the world outside sees a guest.
    pub(crate) fn seen_outside(&mut self, who: &str, outside: &Space, guest: &Guest<'_>) {
        let capture = Capture::start(outside, "", "br-ext", "icmp[icmptype] == icmp-echo");
        guest.sh(&format!("ping -n -c 1 -W 2 {WORLD}"));
        let line = capture.await_line(5, "ICMP echo request");
        let from =
            line.split(" > ").nth(1).and_then(|text| text.split_whitespace().last()).unwrap_or_default();
        self.add(&format!("outside {who}"), from);
    }

    /// What the agents have made in the server: the ports of the node's services.
    pub(crate) fn services(&mut self, ports: &[Value]) {
        for port in ports {
            let of = |field: &str| port[field].to_string();
            let line =
                ["device_id", "status", "fixed_ips", "binding:host_id", "binding:vif_type", "name"].map(of);
            self.add(&format!("server {}", text(port, "device_owner")), &line.join(" "));
        }
    }

    pub(crate) fn silence(&mut self, what: &str, silent: bool) {
        self.add("silent", &format!("{what}: {silent}"));
    }
}

/// Which local VLAN each network has on this node, by the ports of its guests.
fn local_vlans(node: &Node, ports: &[Value]) -> LocalVlans {
    let tag = |port: &Value| {
        let said = node.sh(&format!("ovs-vsctl get Port tap{} tag", &text(port, "id")[..11]));
        said.trim().parse().ok()
    };
    // Named after the first guest on it.
    let of = |port: &Value| Some((tag(port)?, format!("guest {}", text(port, "name"))));
    let mut vlans: LocalVlans = ports.iter().rev().filter_map(of).collect();
    // The gateway's network has no guest here.
    let gateway = node.sh("for port in $(ovs-vsctl list-ports br-int); do case $port in qg-*) ovs-vsctl get Port $port tag;; esac; done");
    vlans.extend(
        gateway.lines().filter_map(|line| line.trim().parse().ok()).map(|tag| (tag, "public".to_owned())),
    );
    vlans
}
