//! Processes that Neutron's agents left or still run on this node, recognised by their command lines. They
//! are only read here; nothing is done to them.

use std::path::{Path, PathBuf};

use model::Role;
use serde::Serialize;

use crate::config::roles;

/// One process of Neutron's, and what it means for an agent that takes over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Found {
    pub(crate) pid: u32,
    /// The program, and whose it is: `dnsmasq of network …`.
    pub(crate) what: String,
    /// Systemd's unit, if it is one's.
    pub(crate) unit: Option<String>,
    pub(crate) becomes: Becomes,
}

/// What becomes of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Becomes {
    /// An agent with a role of ours: it has to be stopped first.
    ToStop,
    /// Replaced without a gap, and ended.
    Replaced,
    /// Ends with the agent that started it.
    EndsWithAgent,
    /// Goes on as it is.
    Stays,
    /// This program, in an agent's place already.
    InPlace,
}

/// A process as the kernel shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Process {
    pid: u32,
    arguments: Vec<String>,
    program: PathBuf,
    unit: Option<String>,
}

/// Looks at all processes. `roles` are those that are taken over, `state_path` is where the agents keep
/// their files.
pub(crate) fn find(of: &[Role], state_path: &Path) -> std::io::Result<Vec<Found>> {
    let own = std::process::id();
    let mut found: Vec<Found> = std::fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own)
        // A process that ends meanwhile is none.
        .filter_map(read)
        .filter_map(|process| judge(&process, of, state_path))
        .collect();
    found.sort_by_key(|found| (found.becomes as u8, found.pid));
    Ok(found)
}

fn read(pid: u32) -> Option<Process> {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let text = std::fs::read(folder.join("cmdline")).ok()?;
    let arguments = text.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned());
    let groups = std::fs::read_to_string(folder.join("cgroup")).unwrap_or_default();
    let unit =
        groups.lines().find_map(|line| line.rsplit('/').next().filter(|name| name.ends_with(".service")));
    Some(Process {
        pid,
        arguments: arguments.filter(|argument| !argument.is_empty()).collect(),
        program: std::fs::read_link(folder.join("exe")).unwrap_or_default(),
        unit: unit.map(str::to_owned),
    })
}

fn judge(process: &Process, of: &[Role], state_path: &Path) -> Option<Found> {
    let (what, becomes) =
        agent(process, of).or_else(|| helper(process)).or_else(|| child(process, of, state_path))?;
    Some(Found { pid: process.pid, what, unit: process.unit.clone(), becomes })
}

fn agent(process: &Process, of: &[Role]) -> Option<(String, Becomes)> {
    let role = roles::ALL.into_iter().find(|role| process.is(roles::binary(*role)))?;
    let ours = process.program.file_name().is_some_and(|name| name.to_string_lossy().starts_with("baryon"));
    let becomes = match (ours, of.contains(&role)) {
        (true, _) => Becomes::InPlace,
        (false, true) => Becomes::ToStop,
        (false, false) => Becomes::Stays,
    };
    Some((roles::binary(role).to_owned(), becomes))
}

fn helper(process: &Process) -> Option<(String, Becomes)> {
    if process.is("neutron-rootwrap-daemon") {
        return Some(("neutron-rootwrap-daemon".to_owned(), Becomes::EndsWithAgent));
    }
    // Nova and others have such helpers too.
    let context = process.value_of("--privsep_context").filter(|context| context.starts_with("neutron."));
    let context = context.filter(|_| process.is("privsep-helper"))?;
    Some((format!("privsep-helper of {context}"), Becomes::EndsWithAgent))
}

/// Processes that serve one network or router, by the file of the agents that they run with.
fn child(process: &Process, of: &[Role], state_path: &Path) -> Option<(String, Becomes)> {
    let has = |role| if of.contains(&role) { Becomes::Replaced } else { Becomes::Stays };
    let below = |value: Option<&str>, folder: &str| {
        let rest = Path::new(value?).strip_prefix(state_path.join(folder)).ok()?.to_str()?.to_owned();
        let id = rest.split(['/', '.']).next()?.to_owned();
        id.parse::<uuid::Uuid>().ok()
    };
    if process.is("dnsmasq") {
        let network = below(process.value_of("--pid-file"), "dhcp")?;
        return Some((format!("dnsmasq of network {network}"), has(Role::Dhcp)));
    }
    if process.is("haproxy") {
        let place = below(process.value_of("-f"), "ns-metadata-proxy")?;
        return Some((format!("haproxy of router or network {place}"), has(Role::Metadata)));
    }
    if process.is("keepalived") {
        let router = below(process.value_of("-f"), "ha_confs")?;
        return Some((format!("keepalived of router {router}"), Becomes::Stays));
    }
    if process.is("radvd") {
        let router = below(process.value_of("-C"), "ra")?;
        return Some((format!("radvd of router {router}"), Becomes::Stays));
    }
    process.is("neutron-keepalived-state-change").then(|| {
        let router = process.value_of("--router_id").unwrap_or("unknown");
        (format!("neutron-keepalived-state-change of router {router}"), Becomes::Stays)
    })
}

impl Process {
    /// Whether this is a program, started directly or by an interpreter. The Python agents rewrite their
    /// first argument to their name and what they do.
    fn is(&self, program: &str) -> bool {
        let name = |argument: &String| {
            let first = argument.split([' ', ':']).next().unwrap_or_default();
            Path::new(first).file_name().is_some_and(|name| name == program)
        };
        self.arguments.iter().take(3).any(name)
    }

    /// The value of an option, after `=` or as the next argument.
    fn value_of(&self, option: &str) -> Option<&str> {
        let mut arguments = self.arguments.iter();
        while let Some(argument) = arguments.next() {
            if argument == option {
                return arguments.next().map(String::as_str);
            }
            if let Some(value) = argument.strip_prefix(option).and_then(|rest| rest.strip_prefix('=')) {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "24d0a689-81b3-4c1e-9f10-3c2b5a4e6d7f";

    fn judged(line: &str) -> Option<(String, Becomes)> {
        let arguments = line.split(' ').map(|word| word.replace('_', " ").replace('#', "_")).collect();
        let process = Process { pid: 7, arguments, ..Process::default() };
        let found = judge(&process, &[Role::Dhcp, Role::Metadata], Path::new("/var/lib/neutron"))?;
        Some((found.what, found.becomes))
    }

    #[test]
    fn processes_of_the_agents_are_recognised() {
        for (line, what, becomes) in [
            (
                "/usr/bin/python3 /usr/bin/neutron-dhcp-agent --config-file /x",
                "neutron-dhcp-agent",
                Becomes::ToStop,
            ),
            ("neutron-l3-agent:_master_process", "neutron-l3-agent", Becomes::Stays),
            (
                "/usr/bin/python3 /usr/bin/neutron-rootwrap-daemon /x",
                "neutron-rootwrap-daemon",
                Becomes::EndsWithAgent,
            ),
            (
                "/usr/bin/python3 /usr/bin/privsep-helper --privsep#context neutron.privileged.default",
                "privsep-helper of neutron.privileged.default",
                Becomes::EndsWithAgent,
            ),
            (
                &format!("dnsmasq --no-hosts --pid-file=/var/lib/neutron/dhcp/{ID}/pid"),
                &format!("dnsmasq of network {ID}"),
                Becomes::Replaced,
            ),
            (
                &format!("haproxy -f /var/lib/neutron/ns-metadata-proxy/{ID}.conf"),
                &format!("haproxy of router or network {ID}"),
                Becomes::Replaced,
            ),
            (
                &format!("keepalived -P -f /var/lib/neutron/ha#confs/{ID}/keepalived.conf"),
                &format!("keepalived of router {ID}"),
                Becomes::Stays,
            ),
        ] {
            assert_eq!(judged(line), Some((what.to_owned(), becomes)), "{line}");
        }
    }

    #[test]
    fn processes_of_others_are_not() {
        for line in [
            "dnsmasq --pid-file=/run/libvirt/default.pid",
            "haproxy -f /etc/haproxy/haproxy.cfg",
            "/usr/bin/python3 /usr/bin/privsep-helper --privsep#context vif#plug#ovs.privsep.vif#plug",
            "vi /etc/neutron/neutron-dhcp-agent.conf",
            &format!("dnsmasq --pid-file=/var/lib/other/dhcp/{ID}/pid"),
            "dnsmasq --pid-file",
            "",
        ] {
            assert_eq!(judged(line), None, "{line}");
        }
    }
}
