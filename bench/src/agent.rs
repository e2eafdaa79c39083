//! The program under measurement: the release binary, running on a node of the harness. Started so that
//! the moment at which it has converged is known exactly: it tells, as it tells systemd.

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::unistd::Pid;
use serde_json::Value;
use tests::{Node, wait};

use crate::{clock, http};

const CONFIG: &str = "/run/baryon.conf";
const LOG: &str = "/run/baryon.log";
const NOTIFY: &str = "/run/ready";
/// The store of the embedded controller.
pub(crate) const STORE: &str = "/var/lib/baryon/controller.redb";

/// A process on a node that said when it was ready.
#[derive(Debug)]
pub(crate) struct Started {
    /// nsenter(1), which waits for the process.
    child: Child,
    pub(crate) pid: Pid,
    /// From the start of the process until it said that it was ready.
    pub(crate) wall: Duration,
    /// Processor time until then.
    pub(crate) processor: Duration,
}

/// Starts a program on a node and waits until it is ready.
pub(crate) fn start(node: &Node, command: &str) -> anyhow::Result<Started> {
    node.sh(&format!("rm -f {NOTIFY}"));
    let socket = UnixDatagram::bind(node.path(NOTIFY))?;
    socket.set_read_timeout(Some(Duration::from_secs(120)))?;
    let begin = Instant::now();
    let child = node
        .command("env")
        .args([&format!("NOTIFY_SOCKET={NOTIFY}"), "sh", "-c", &format!("exec {command} >> {LOG} 2>&1")])
        .stdout(Stdio::null())
        .spawn()?;
    let heard = socket.recv(&mut [0; 64]);
    let wall = begin.elapsed();
    let pid = only_child(&child)?;
    let processor = clock::processor_time(pid)?;
    heard.with_context(|| format!("{command} is not ready:\n{}", node.read(LOG)))?;
    Ok(Started { child, pid, wall, processor })
}

impl Started {
    /// SIGTERM, and waits for the end.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        nix::sys::signal::kill(self.pid, nix::sys::signal::Signal::SIGTERM)?;
        self.child.wait()?;
        Ok(())
    }
}

/// The agent of a node.
#[derive(Debug)]
pub(crate) struct Agent<'n> {
    node: &'n Node,
    pub(crate) started: Started,
}

impl<'n> Agent<'n> {
    /// Writes a configuration and starts the agent with it.
    pub(crate) fn configure(node: &'n Node) -> anyhow::Result<Self> {
        node.write(
            CONFIG,
            &format!(
                "[DEFAULT]\nhost = {host}\nstate_path = /var/lib/baryon\n\
                 [ovs]\nbridge_mappings = public:br-ex\ndatapath_type = {datapath}\nlocal_ip = {tunnel}\n\
                 [agent]\ntunnel_types = vxlan\nl2_population = true\narp_responder = true\n\
                 [local]\naudit_interval = 86400\n",
                host = node.name(),
                datapath = node.datapath().name(),
                tunnel = node.tunnel_address(),
            ),
        );
        Self::start(node)
    }

    /// Starts the agent with the configuration that it had.
    pub(crate) fn start(node: &'n Node) -> anyhow::Result<Self> {
        let started = start(node, &format!("{} run --config-file {CONFIG}", program()?))?;
        Ok(Self { node, started })
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        nix::sys::signal::kill(self.started.pid, nix::sys::signal::Signal::SIGTERM)?;
        self.started.child.wait()?;
        Ok(())
    }

    pub(crate) fn api(&self, method: &str, path: &str, body: &str) -> anyhow::Result<Value> {
        http::request(&self.node.path("/run/baryon/baryon.sock"), method, path, body)
    }

    /// Applies a topology and waits until there is nothing left to do.
    pub(crate) fn apply(&self, topology: &str) -> anyhow::Result<()> {
        self.api("PUT", "/baryon/v1/topology", topology)?;
        self.await_converged(300);
        Ok(())
    }

    /// Waits until every object is as wanted, and a pass over everything would do nothing.
    pub(crate) fn await_converged(&self, seconds: u64) {
        wait::until(seconds, "the agent converges", || {
            let show = self.api("GET", "/baryon/v1/show", "")?;
            let plan = self.api("GET", "/baryon/v1/plan", "")?;
            let idle = plan["steps"].as_array().is_some_and(Vec::is_empty);
            if show["converged"] == true && idle {
                return Ok(());
            }
            let summary = |key: &str| show[key].to_string();
            bail!(
                "{} as wanted, {} waiting, {} failed, plan {:.2000}\n{}",
                summary("done"),
                summary("waiting"),
                summary("failed"),
                plan.to_string(),
                self.node.try_sh(&format!("tail -5 {LOG}")).unwrap_or_default()
            )
        });
    }

    /// Waits until the agent does nothing in the background either: what it announced is repeated for a
    /// while.
    pub(crate) fn await_idle(&self) -> anyhow::Result<()> {
        let mut before = self.processor_time()?;
        for _ in 0..60 {
            std::thread::sleep(Duration::from_secs(1));
            let now = self.processor_time()?;
            if now.saturating_sub(before) < Duration::from_millis(1) {
                return Ok(());
            }
            before = now;
        }
        bail!("the agent does not come to rest:\n{}", self.node.read(LOG))
    }

    /// The processor time used so far.
    pub(crate) fn processor_time(&self) -> anyhow::Result<Duration> {
        clock::processor_time(self.started.pid)
    }

    /// The plan that an agent which starts now would carry out: stage and command of every step.
    pub(crate) fn rehearse(node: &Node) -> anyhow::Result<Vec<String>> {
        let text = node.sh(&format!("{} plan --json --config-file {CONFIG} 2> /dev/null", program()?));
        let plan: Value = serde_json::from_str(&text)?;
        let steps = plan["steps"].as_array().context("a plan has steps")?;
        Ok(steps.iter().filter_map(|step| step["command"].as_str()).map(str::to_owned).collect())
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        // An agent that has been stopped is gone already.
        if matches!(self.started.child.try_wait(), Ok(None)) {
            let _ = nix::sys::signal::kill(self.started.pid, nix::sys::signal::Signal::SIGKILL);
            let _ = self.started.child.wait();
        }
    }
}

fn program() -> anyhow::Result<String> {
    let path = std::env::var("BARYON").context("BARYON is to be the path of the agent's program")?;
    let path = std::fs::canonicalize(&path).with_context(|| path.clone())?;
    Ok(path.display().to_string())
}

/// nsenter(1) has one: the program, which is to be measured.
fn only_child(child: &Child) -> anyhow::Result<Pid> {
    let id = child.id();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
    let pid = children.trim().parse().with_context(|| format!("nsenter(1) has no child: {children:?}"))?;
    Ok(Pid::from_raw(pid))
}
