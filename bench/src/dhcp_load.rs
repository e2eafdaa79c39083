//! What an exchange (DISCOVER, OFFER, REQUEST, ACK) costs, beside dnsmasq and Kea.
//!
//! perfdhcp plays many clients behind a relay, over a veth pair; the server answers in the network's
//! namespace, logs every exchange to a file, and knows every client as a host. Measured is the processor
//! time of the server's process, in the kernel and outside, over the exchanges that were completed: this is
//! nearly independent of how busy the machine is otherwise. The rate is one that each server can do. The peers get
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

pub(crate) async fn run(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let sizes = [FEW, SOME, MANY];
    let peers: &[u32] = if effort.full { &sizes } else { &[FEW, SOME] };
    let mut rows = costs(&sizes, peers, effort)?;
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
    /// See `dhcp_floor`.
    Floor,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Dnsmasq => "dnsmasq",
            Self::Kea => "Kea",
            Self::Floor => "floor: receive, log, send, nothing else",
        }
    }
}

/// One network of one server.
#[derive(Debug)]
struct Target {
    kind: Kind,
    /// The number of the network.
    number: u32,
    hosts: u32,
    pid: Pid,
    exchanges: u32,
    used: Duration,
}

/// All servers run all the time, ours with a network of each size; they are loaded by turns.
fn costs(sizes: &[u32], peers: &[u32], effort: Effort) -> anyhow::Result<Vec<Row>> {
    sh("ip -all netns delete")?;
    let mut servers = Vec::new();
    let mut targets = Vec::new();
    let target =
        |kind, number, hosts, pid| Target { kind, number, hosts, pid, exchanges: 0, used: Duration::ZERO };
    for number in (1..).take(sizes.len()) {
        wire(Kind::Ours, number)?;
    }
    let ours = Server::start(Kind::Ours, 1, sizes)?;
    targets.extend((1..).zip(sizes).map(|(number, hosts)| target(Kind::Ours, number, *hosts, ours.pid)));
    servers.push(ours);
    let floor = (Kind::Floor, FEW);
    let peers = peers.iter().flat_map(|hosts| [(Kind::Dnsmasq, *hosts), (Kind::Kea, *hosts)]);
    for (kind, hosts) in peers.chain([floor]) {
        eprintln!("  {kind:?} with {hosts} hosts");
        let number = u32::try_from(targets.len())? + 1;
        wire(kind, number)?;
        let server = Server::start(kind, number, &[hosts])?;
        targets.push(target(kind, number, hosts, server.pid));
        servers.push(server);
    }
    // The first exchanges find memory that was never used.
    targets.iter().try_for_each(|target| load(target.rate(), 1, target.hosts, target.number).map(|_| ()))?;
    for _ in 0..effort.rounds(6) {
        targets.iter_mut().try_for_each(Target::measure)?;
    }
    Ok(rows(&targets))
}

impl Target {
    fn measure(&mut self) -> anyhow::Result<()> {
        let before = clock::processor_time(self.pid)?;
        self.exchanges += load(self.rate(), 2, self.hosts, self.number)?;
        self.used += clock::processor_time(self.pid)?.saturating_sub(before);
        Ok(())
    }

    /// Of one exchange, in milliseconds.
    fn cost(&self) -> f64 {
        clock::milliseconds(self.used) / f64::from(self.exchanges)
    }

    /// Exchanges per second that the server manages with ease.
    fn rate(&self) -> u32 {
        match (self.kind, self.hosts) {
            (Kind::Dnsmasq, FEW) => 500,
            (Kind::Dnsmasq, SOME) => 50,
            (Kind::Dnsmasq, _) => 5,
            _ => 1_000,
        }
    }
}

fn rows(targets: &[Target]) -> Vec<Row> {
    let mut rows = Vec::new();
    let of = |kind| targets.iter().filter(move |target| target.kind == kind);
    for ours in of(Kind::Ours) {
        let name = format!("dhcp: CPU per exchange, {} hosts", ours.hosts);
        let row = Row::new(&name, "ms", ours.cost());
        let beside = |row: &Row, kind: Kind| {
            let peer = of(kind).find(|peer| peer.hosts == ours.hosts);
            peer.map(|peer| row.clone().beside(kind.name(), peer.cost()))
        };
        rows.push(beside(&row, Kind::Dnsmasq).unwrap_or_else(|| row.clone()).at_most(LIMIT));
        rows.extend(beside(&row, Kind::Kea));
        rows.extend(beside(&row, Kind::Floor));
    }
    let mut ours = of(Kind::Ours);
    if let (Some(few), Some(many)) = (ours.next(), ours.next_back()) {
        rows.push(
            Row::new(format!("dhcp: the same with {} hosts", many.hosts), "ms", many.cost())
                .beside(format!("with {} hosts", few.hosts), few.cost())
                .at_most_times(FLAT),
        );
    }
    rows
}

/// Clients in a namespace of their own, and a veth pair from them to the server. Our server fetches its end
/// by itself.
pub(crate) fn wire(kind: Kind, number: u32) -> anyhow::Result<()> {
    let (device, clients) = (dhcp_serve::device(number), clients(number));
    sh(&format!(
        "ip netns add {clients}
         ip link add {device} type veth peer name eth0 netns {clients}
         ip -n {clients} address add 10.255.0.1/8 dev eth0
         ip -n {clients} link set eth0 up"
    ))?;
    if kind != Kind::Ours {
        let namespace = dhcp_serve::namespace(number);
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

fn clients(number: u32) -> String {
    format!("clients{number}")
}

/// A server that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) pid: Pid,
}

impl Server {
    /// Our server serves networks from 1 on, with so many hosts each; a peer serves one.
    pub(crate) fn start(kind: Kind, number: u32, hosts: &[u32]) -> anyhow::Result<Self> {
        let folder = PathBuf::from(format!("/run/dhcp-{number}"));
        std::fs::create_dir_all(&folder)?;
        let device = dhcp_serve::device(number);
        let most = hosts.iter().copied().max().unwrap_or(0);
        let command = match kind {
            Kind::Ours => format!(
                "{} serve-dhcp --log {}/log --hosts {}",
                std::env::current_exe()?.display(),
                folder.display(),
                hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
            ),
            Kind::Dnsmasq => dhcp_peers::dnsmasq(&folder, &device, most)?,
            Kind::Kea => dhcp_peers::kea(&folder, &device, most)?,
            Kind::Floor => {
                format!("{} dhcp-floor {}/log", std::env::current_exe()?.display(), folder.display())
            }
        };
        let mut words = command.split_whitespace();
        let program = words.next().unwrap_or_default();
        // ip(8) becomes the program, so the child is the server.
        let mut command = match kind {
            Kind::Ours => Command::new(program),
            _ => {
                let mut ip = Command::new("ip");
                ip.args(["netns", "exec", &dhcp_serve::namespace(number), program]);
                ip
            }
        };
        // Two of Kea need a place each.
        command.env("KEA_PIDFILE_DIR", &folder).env("KEA_LOCKFILE_DIR", &folder);
        let mut child = command.args(words).stdout(Stdio::piped()).spawn()?;
        if kind == Kind::Ours {
            let mut line = String::new();
            let stdout = child.stdout.take().context("a pipe")?;
            BufReader::new(stdout).read_line(&mut line)?;
            ensure!(line == "ready\n", "our server is not ready: {line}");
        }
        let pid = Pid::from_raw(child.id().try_into()?);
        let mut server = Self { child, pid };
        if kind != Kind::Ours {
            server.await_answers(number);
        }
        Ok(server)
    }

    /// Until an exchange is completed.
    fn await_answers(&mut self, number: u32) {
        wait::until(300, "the server answers", || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the server of network {number} has ended, {status}");
            }
            match load(10, 1, 1, number) {
                Ok(count) if count > 0 => Ok(()),
                other => Err(format!("{other:?}")),
            }
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
pub(crate) fn load(rate: u32, seconds: u32, hosts: u32, number: u32) -> anyhow::Result<u32> {
    let report = sh(&format!(
        "ip netns exec {} perfdhcp -4 -l eth0 -r {rate} -p {seconds} -R {hosts} -b mac={} -W 500000 || true",
        clients(number),
        dhcp_serve::mac(0)
    ))?;
    let mut acknowledged = report.lines().skip_while(|line| !line.contains("REQUEST-ACK"));
    let received = acknowledged.find(|line| line.starts_with("received packets:"));
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
