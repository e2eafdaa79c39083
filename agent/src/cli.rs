//! The command line: what can be typed, and nothing of how it is done.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::Request;
use crate::sources::SourceArguments;

/// One program for an OpenStack node: switch, DHCP, routers and metadata.
#[derive(Debug, Parser)]
#[command(name = "baryon", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Socket of the running agent; without it the one that answers is found.
    #[arg(long, global = true, env = "BARYON_SOCKET")]
    pub(crate) socket: Option<PathBuf>,
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the agent on this node.
    Run(Settings),
    /// Print every option in force, with its value and where it was set.
    Config(Settings),
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
    /// Say what would become of a node where Neutron's own agents run or ran.
    Takeover(Takeover),
    #[command(flatten)]
    Controller(Box<controller::cli::Command>),
}

/// What a Python agent takes on its command line, for when the program is started by the name of one.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct StandIn {
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// The settings of an agent: files, and options that go before them. Names are those of the Python agents.
#[derive(Debug, Clone, Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    sources: SourceArguments,
    /// Log why, not only what.
    #[arg(long, short = 'd', overrides_with = "nodebug")]
    debug: bool,
    #[arg(long, hide = true)]
    nodebug: bool,
    /// Log to this file; below --log-dir when it is not absolute.
    #[arg(long, alias = "logfile", value_name = "PATH")]
    log_file: Option<String>,
    /// Log to a file in this folder.
    #[arg(long, alias = "logdir", value_name = "DIR")]
    log_dir: Option<String>,
    /// Open the log file anew when it was moved away.
    #[arg(long)]
    watch_log_file: bool,
    /// Log to syslog.
    #[arg(long, overrides_with = "nouse_syslog")]
    use_syslog: bool,
    #[arg(long, hide = true)]
    nouse_syslog: bool,
    /// Facility of what is sent to syslog.
    #[arg(long, value_name = "FACILITY")]
    syslog_log_facility: Option<String>,
    /// Log to the journal, with fields.
    #[arg(long, overrides_with = "nouse_journal")]
    use_journal: bool,
    #[arg(long, hide = true)]
    nouse_journal: bool,
    /// Log JSON, one object a line.
    #[arg(long, overrides_with = "nouse_json")]
    use_json: bool,
    #[arg(long, hide = true)]
    nouse_json: bool,
    /// Folder of everything that is kept.
    #[arg(long = "state_path", alias = "state-path", value_name = "DIR")]
    state_path: Option<String>,
    /// Taken for the sake of existing unit files; has no effect.
    #[arg(long, alias = "log-config", alias = "log_config", value_name = "PATH", hide = true)]
    log_config_append: Option<String>,
    /// Taken for the sake of existing unit files; has no effect.
    #[arg(long, value_name = "FORMAT", hide = true)]
    log_date_format: Option<String>,
}

impl Settings {
    /// What there is to read: files, and on top of them the options typed.
    pub(crate) fn request(&self) -> Request {
        let mut typed = Vec::new();
        let flags = [
            ("debug", self.debug, self.nodebug),
            ("use_syslog", self.use_syslog, self.nouse_syslog),
            ("use_journal", self.use_journal, self.nouse_journal),
            ("use_json", self.use_json, self.nouse_json),
            ("watch_log_file", self.watch_log_file, false),
        ];
        for (option, yes, no) in flags {
            if yes || no {
                typed.push((option, yes.to_string()));
            }
        }
        let texts = [
            ("log_file", &self.log_file),
            ("log_dir", &self.log_dir),
            ("syslog_log_facility", &self.syslog_log_facility),
            ("state_path", &self.state_path),
            ("log_config_append", &self.log_config_append),
            ("log_date_format", &self.log_date_format),
        ];
        typed.extend(texts.into_iter().filter_map(|(option, text)| Some((option, text.clone()?))));
        Request { sources: self.sources.0.clone(), typed, stand_in: None }
    }

    /// Whether anything at all was said.
    pub(crate) fn is_empty(&self) -> bool {
        self.sources.0.is_empty()
    }
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Do not ask the running agent: read the node and what is wanted as an agent with this configuration
    /// would at its start.
    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[derive(Debug, Args)]
pub(crate) struct Takeover {
    /// Only look, and change nothing; the agent itself takes over when it is run. Exits with status 1 if
    /// anything would change.
    #[arg(long, required = true)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) settings: Settings,
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
