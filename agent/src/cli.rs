//! The command line: what can be typed, and nothing of how it is done.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Where the running agent listens when nothing else is said.
pub(crate) const SOCKET: &str = "/run/baryon/baryon.sock";

/// One program for an OpenStack node: switch, DHCP and routers.
#[derive(Debug, Parser)]
#[command(name = "baryon", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Socket of the running agent.
    #[arg(long, global = true, env = "BARYON_SOCKET", default_value = SOCKET)]
    pub(crate) socket: PathBuf,
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the agent on this node.
    Run(ConfigFiles),
    /// Print every option in force, with its value and where it was set.
    Config(ConfigFiles),
    /// Print what would be done now, as commands an operator would type.
    Plan(Plan),
    /// Show the state of every object on this node.
    Show(Show),
    /// Explain one object: what it should be, how far it got, and why.
    Why {
        /// What it is.
        #[arg(value_parser = ["port", "router", "network"])]
        kind: String,
        /// Its id, name, MAC or IP address, or the name of its device or namespace.
        name: String,
    },
    /// Draw the topology, in the terminal or as SVG.
    Topology {
        /// Write an SVG picture to this file.
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
    },
    /// List what the DHCP service leased, or would answer.
    Dhcp {
        #[command(subcommand)]
        what: DhcpList,
    },
    #[command(flatten)]
    Controller(Box<controller::cli::Command>),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigFiles {
    /// Configuration in oslo.config's syntax, with Neutron's names. May be given several times; later ones win.
    #[arg(long = "config-file", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// A folder whose *.conf are read after the files.
    #[arg(long = "config-dir", value_name = "DIR")]
    pub(crate) directories: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Do not ask the running agent: read the node and the stored state as an agent with this
    /// configuration would at its start.
    #[command(flatten)]
    pub(crate) config: ConfigFiles,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Exit with status 1 unless everything is as wanted.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum DhcpList {
    /// What was acknowledged to whom.
    Leases,
    /// What is answered to whom.
    Hosts,
}
