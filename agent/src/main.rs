//! The `baryon` program: reads the command line and hands over. Everything is done elsewhere: `run` is
//! the agent, the other commands ask a running one.

mod api;
mod backoff;
mod cli;
mod commands;
mod config;
mod dirty;
mod domains;
mod driver;
mod engine;
mod event;
mod inspect;
mod log;
mod lookup;
mod processes;
mod question;
mod rehearsal;
mod rotation;
mod run;
mod signal;
mod socket;
mod sources;
mod stand_in;
mod status;
mod takeover;
mod topology;
mod why;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match start() {
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn start() -> anyhow::Result<ExitCode> {
    let stand_in = stand_in::role(std::env::args_os().next());
    // Two workers: the engine decides in one task, the DHCP service of busy networks uses the other.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match stand_in {
        Some(role) => runtime.block_on(run::run(&stand_in::request(role))).map(|()| ExitCode::SUCCESS),
        None => runtime.block_on(commands::carry_out(cli::Cli::parse())),
    }
}

#[expect(clippy::print_stderr, reason = "the one place that tells a person at a terminal of a failure")]
fn complain(error: &anyhow::Error) {
    eprintln!("baryon: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because {cause}");
    }
}
