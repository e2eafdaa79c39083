//! What an exchange (DISCOVER, OFFER, REQUEST, ACK) costs, beside dnsmasq and Kea.
//!
//! perfdhcp plays many clients behind a relay, over a veth pair; the server answers in the network's
//! namespace, logs every exchange to a file, and knows every client as a host. Measured is the processor
//! time of the server's process, in the kernel and outside, over the exchanges that were completed: this is
//! independent of how busy the machine is otherwise. The rate is one that each server can do. The peers get
//! fewer hosts than we do unless everything is asked for: dnsmasq takes a minute to load 60,000.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::unistd::Pid;
use tests::wait;

use crate::table::Row;
use crate::{Effort, clock, dhcp_host_change, dhcp_memory, dhcp_peers, dhcp_serve};

const LIMIT: f64 = 0.05;
const FLAT: f64 = 1.2;
const FEW: u32 = 50;
const SOME: u32 = 5_000;
const MANY: u32 = 60_000;
/// The namespace of the clients.
const CLIENTS: &str = "clients";

pub(crate) async fn run(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut ours = Vec::new();
    for hosts in [FEW, SOME, MANY] {
        let cost = cost(Kind::Ours, hosts, effort)?;
        ours.push(cost);
        let name = format!("dhcp: CPU per exchange, {hosts} hosts");
        let row = Row::new(&name, "ms", cost).at_most(LIMIT);
        if hosts < MANY || effort.full {
            rows.push(row.beside("dnsmasq", self::cost(Kind::Dnsmasq, hosts, effort)?));
            rows.push(Row::new(&name, "ms", cost).beside("Kea", self::cost(Kind::Kea, hosts, effort)?));
        } else {
            rows.push(row);
        }
    }
    if let [few, .., many] = ours.as_slice() {
        rows.push(
            Row::new("dhcp: the same with 60,000 hosts", "ms", *many)
                .beside("with 50 hosts", *few)
                .at_most_times(FLAT),
        );
    }
    rows.extend(dhcp_host_change::run(effort, MANY).await?);
    rows.extend(dhcp_memory::run()?);
    Ok(rows)
}

/// Whose server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Dnsmasq,
    Kea,
}

impl Kind {
    /// Exchanges per second that the server manages with ease.
    fn rate(self, hosts: u32) -> u32 {
        match (self, hosts) {
            (Self::Dnsmasq, FEW) => 500,
            (Self::Dnsmasq, SOME) => 50,
            (Self::Dnsmasq, _) => 5,
            _ => 1_000,
        }
    }
}

fn cost(kind: Kind, hosts: u32, effort: Effort) -> anyhow::Result<f64> {
    eprintln!("  {kind:?}, {hosts} hosts");
    prepare(kind)?;
    let server = Server::start(kind, 1, hosts)?;
    let seconds = if effort.quick { 3 } else { 8 };
    // The first exchanges find memory that was never used.
    load(kind.rate(hosts), 1, hosts)?;
    let before = clock::processor_time(server.pid)?;
    let exchanges = load(kind.rate(hosts), seconds, hosts)?;
    let used = clock::processor_time(server.pid)?.saturating_sub(before);
    Ok(clock::milliseconds(used) / f64::from(exchanges))
}

/// A veth pair between the clients and the server. Our server fetches its end by itself.
pub(crate) fn prepare(kind: Kind) -> anyhow::Result<()> {
    let device = dhcp_serve::device(1);
    sh("ip -all netns delete")?;
    sh(&format!(
        "ip netns add {CLIENTS}
         ip link add {device} type veth peer name eth0 netns {CLIENTS}
         ip -n {CLIENTS} address add 10.255.0.1/8 dev eth0
         ip -n {CLIENTS} link set eth0 up"
    ))?;
    if kind != Kind::Ours {
        let namespace = dhcp_serve::namespace(1);
        sh(&format!(
            "ip netns add {namespace}
             ip link set {device} netns {namespace}
             ip -n {namespace} link set lo up
             ip -n {namespace} link set {device} up
             ip -n {namespace} address add 10.0.0.2/8 dev {device}"
        ))?;
    }
    Ok(())
}

/// A server that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) pid: Pid,
}

impl Server {
    pub(crate) fn start(kind: Kind, networks: u32, hosts: u32) -> anyhow::Result<Self> {
        let folder = PathBuf::from(format!("/run/dhcp-{kind:?}"));
        std::fs::create_dir_all(&folder)?;
        let device = dhcp_serve::device(1);
        let command = match kind {
            Kind::Ours => format!(
                "{} serve-dhcp --networks {networks} --hosts {hosts} --log {}/log",
                std::env::current_exe()?.display(),
                folder.display()
            ),
            Kind::Dnsmasq => dhcp_peers::dnsmasq(&folder, &device, hosts)?,
            Kind::Kea => dhcp_peers::kea(&folder, &device, hosts)?,
        };
        let mut words = command.split(' ');
        let program = words.next().unwrap_or_default();
        // ip(8) becomes the program, so the child is the server.
        let mut command = match kind {
            Kind::Ours => Command::new(program),
            _ => {
                let mut ip = Command::new("ip");
                ip.args(["netns", "exec", &dhcp_serve::namespace(1), program]);
                ip
            }
        };
        let mut child = command.args(words).stdout(Stdio::piped()).spawn()?;
        if kind == Kind::Ours {
            let mut line = String::new();
            let stdout = child.stdout.take().context("a pipe")?;
            BufReader::new(stdout).read_line(&mut line)?;
            ensure!(line == "ready\n", "our server is not ready: {line}");
        }
        let pid = Pid::from_raw(child.id().try_into()?);
        let server = Self { child, pid };
        if kind != Kind::Ours {
            server.await_answers();
        }
        Ok(server)
    }

    /// Until an exchange is completed.
    fn await_answers(&self) {
        wait::until(300, "the server answers", || match load(10, 1, 1) {
            Ok(count) if count > 0 => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Plays clients for so many seconds; gives the number of exchanges that were completed.
pub(crate) fn load(rate: u32, seconds: u32, clients: u32) -> anyhow::Result<u32> {
    let period = Duration::from_secs(seconds.into()).as_secs();
    let report = sh(&format!(
        "ip netns exec {CLIENTS} perfdhcp -4 -l eth0 -r {rate} -p {period} -R {clients} -b mac={} -W 500000 || true",
        dhcp_serve::mac(0)
    ))?;
    let acknowledged = report.lines().skip_while(|line| !line.contains("REQUEST-ACK"));
    let received = acknowledged.skip_while(|line| !line.starts_with("received packets:")).next();
    let count = received.and_then(|line| line.rsplit(' ').next()).and_then(|count| count.parse().ok());
    count.with_context(|| format!("perfdhcp reports no exchanges:\n{report}"))
}

/// Runs a shell script, which must succeed; gives what it prints.
pub(crate) fn sh(script: &str) -> anyhow::Result<String> {
    let output = Command::new("sh").args(["-ec", script]).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{script}\n{}\n{errors}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
