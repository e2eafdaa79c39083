//! Benchmarks: what the product costs beside what the same work costs without it.
//!
//! Every figure is a ratio: ours and a peer's, measured in one run on one machine, by turns, so that what
//! disturbs one disturbs the other. Each file is one benchmark and says at its head what is compared with
//! what. `scripts/bench` builds this program and runs it in a sandbox; `docs/performance.md` says how to
//! read the table.

#![allow(clippy::print_stdout, clippy::print_stderr)] // a table is what this program is for

mod agent;
mod change;
mod clock;
mod dhcp_floor;
mod dhcp_host_change;
mod dhcp_load;
mod dhcp_memory;
mod dhcp_peers;
mod dhcp_serve;
mod flows;
mod http;
mod memory;
mod neutron;
mod plug;
mod read_state;
mod restart;
mod routers;
mod scale;
mod switch;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::scale::Scale;
use crate::table::Row;

/// Measures the product beside what the same work costs without it, and prints a table.
#[derive(Debug, Parser)]
#[command(name = "bench", args_conflicts_with_subcommands = true)]
struct Cli {
    /// The benchmarks to run; all of them but `neutron` if none is named.
    #[arg(value_parser = NAMES)]
    names: Vec<String>,
    /// Print JSON, one object for each row.
    #[arg(long)]
    json: bool,
    /// End with status 1 when a figure misses its limit.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    effort: Effort,
    #[command(subcommand)]
    part: Option<Part>,
}

/// How long to measure.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Effort {
    /// Fewer rounds and shorter loads: a look, not a measurement.
    #[arg(long)]
    quick: bool,
    /// Give the DHCP peers as many hosts as our server, and Neutron's agents 500 ports: minutes each.
    #[arg(long)]
    full: bool,
}

impl Effort {
    /// So many rounds, or a quarter of them.
    fn rounds(self, usual: usize) -> usize {
        if self.quick { usual.div_ceil(4) } else { usual }
    }
}

/// What this program starts itself as, in other namespaces.
#[derive(Debug, Subcommand)]
enum Part {
    /// The DHCP server alone, for load.
    #[command(hide = true)]
    ServeDhcp(dhcp_serve::Options),
    /// Answers without thinking.
    #[command(hide = true)]
    DhcpFloor { log: PathBuf },
    /// Reads what an agent has to read at its start, and nothing else.
    #[command(hide = true)]
    ReadState { host: String, store: PathBuf },
}

/// The last runs only when it is named: it needs a server of its own, and minutes.
const NAMES: [&str; 8] = ["plug", "flows", "routers", "restart", "change", "memory", "dhcp", "neutron"];

#[tokio::main(flavor = "multi_thread", worker_threads = 4)]
async fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    match &cli.part {
        Some(Part::ServeDhcp(options)) => return dhcp_serve::run(options).await.map(|()| ExitCode::SUCCESS),
        Some(Part::DhcpFloor { log }) => return dhcp_floor::run(log).map(|()| ExitCode::SUCCESS),
        Some(Part::ReadState { host, store }) => {
            return read_state::run(host, store).await.map(|()| ExitCode::SUCCESS);
        }
        None => {}
    }
    let rows = measure(&cli).await?;
    if cli.json {
        table::print_json(&rows)?;
    } else {
        table::print(&rows);
    }
    let missed = rows.iter().any(|row| row.is_within() == Some(false));
    Ok(if cli.check && missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn measure(cli: &Cli) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut scale = Scale::default();
    let usual = |name: &str| cli.names.is_empty() && name != "neutron";
    for name in NAMES.iter().filter(|name| usual(name) || cli.names.iter().any(|n| n == *name)) {
        eprintln!("{name} ...");
        rows.extend(match *name {
            "plug" => plug::run(cli.effort).await?,
            "flows" => flows::run(cli.effort).await?,
            "routers" => routers::run(cli.effort).await?,
            "restart" => restart::run(cli.effort, &mut scale).await?,
            "change" => change::run(cli.effort, &mut scale).await?,
            "memory" => memory::run(&mut scale)?,
            "neutron" => neutron::run(cli.effort)?,
            _ => dhcp_load::run(cli.effort).await?,
        });
    }
    Ok(rows)
}
