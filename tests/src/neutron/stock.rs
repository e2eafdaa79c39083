//! Neutron's own Python agents on a node.

use crate::neutron::host::STATE;
use crate::neutron::{Host, Release};
use crate::{Node, wait};
use std::process::Stdio;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Agent {
    OpenVswitch,
    Dhcp,
    L3,
    Metadata,
}

impl Agent {
    pub const ALL: [Self; 4] = [Self::OpenVswitch, Self::Dhcp, Self::L3, Self::Metadata];

    /// As in the list of agents of the API.
    #[must_use]
    pub fn binary(self) -> &'static str {
        match self {
            Self::OpenVswitch => "neutron-openvswitch-agent",
            Self::Dhcp => "neutron-dhcp-agent",
            Self::L3 => "neutron-l3-agent",
            Self::Metadata => "neutron-metadata-agent",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::OpenVswitch => "openvswitch_agent",
            Self::Dhcp => "dhcp_agent",
            Self::L3 => "l3_agent",
            Self::Metadata => "metadata_agent",
        }
    }

    fn log(self) -> String {
        format!("/run/neutron/log/{}", self.file())
    }

    fn pid_file(self) -> String {
        format!("{STATE}/{}.pid", self.file())
    }
}

/// Running agents. Dropping it kills them; what they started besides (dnsmasq, haproxy) lives as long as the
/// node, as in production.
#[derive(Debug)]
pub struct Stock<'n> {
    node: &'n Node,
    release: Release,
    running: Vec<Agent>,
}

impl<'n> Stock<'n> {
    /// Starts agents; [`crate::neutron::Agents`] tells when they have reported.
    #[track_caller]
    #[must_use]
    pub fn start(host: &Host<'n>, release: Release, agents: &[Agent]) -> Self {
        let mut stock = Self { node: host.node, release, running: Vec::new() };
        for agent in agents {
            stock.start_agent(*agent);
        }
        stock
    }

    /// Starts one more, or one that was stopped.
    #[track_caller]
    pub fn start_agent(&mut self, agent: Agent) {
        assert!(!self.running.contains(&agent), "{} runs already", agent.binary());
        let bin = self.release.folder().join("bin");
        let script = format!(
            "export PYTHONWARNINGS=ignore PATH={bin}:$PATH:/usr/sbin:/sbin
             setsid {bin}/{binary}{files} --log-file {log} >> {log}.out 2>&1 < /dev/null &
             echo $! > {pid}",
            bin = bin.display(),
            binary = agent.binary(),
            files = Host::files(&["neutron", agent.file()]),
            log = agent.log(),
            pid = agent.pid_file(),
        );
        let started = self.node.command("sh").args(["-e", "-c", &script]).stdout(Stdio::null()).status();
        assert!(started.as_ref().is_ok_and(std::process::ExitStatus::success), "{agent:?}: {started:?}");
        self.running.push(agent);
    }

    /// SIGTERM, and waits for the end. The Open vSwitch agent does not always come to it; then it is killed, as a
    /// service manager would.
    #[track_caller]
    pub fn stop_agent(&mut self, agent: Agent) {
        let index = self.running.iter().position(|running| *running == agent);
        let index = index.unwrap_or_else(|| panic!("{} does not run", agent.binary()));
        self.running.remove(index);
        let pid = self.node.read(&agent.pid_file());
        let pid = pid.trim();
        self.node.sh(&format!(
            "kill -TERM {pid}; timeout {} tail --pid={pid} -s 0.1 -f /dev/null || kill -KILL -{pid}",
            15 * wait::patience()
        ));
    }

    #[track_caller]
    pub fn stop(mut self) {
        for agent in self.running.clone() {
            self.stop_agent(agent);
        }
    }
}

impl Drop for Stock<'_> {
    fn drop(&mut self) {
        for agent in &self.running {
            if std::thread::panicking() {
                let complaints = self.node.try_sh(&format!(
                    "tail -n 10 {log}.out; grep -E ' (ERROR|WARNING|CRITICAL) ' {log} | tail -n 20",
                    log = agent.log()
                ));
                eprintln!(
                    "--- {} on {}: {}",
                    agent.binary(),
                    self.node.name(),
                    complaints.unwrap_or_else(|said| said)
                );
            }
            let _ = self.node.try_sh(&format!("kill -KILL -$(cat {})", agent.pid_file()));
        }
    }
}
