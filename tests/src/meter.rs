//! What a guest feels while something is restarted: the program `meter` of this crate, run in two guests.

use crate::baryon::program_beside_tests;
use crate::{Guest, wait};
use serde::Deserialize;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Measures from its start until [`Meter::finish`].
#[derive(Debug)]
pub struct Meter {
    server: Child,
    client: Child,
}

/// What was lost between two guests.
#[derive(Debug, Clone, Deserialize)]
pub struct Losses {
    /// Datagrams, one every 5 ms.
    pub sent: u64,
    /// Those that did not come back.
    pub lost: u64,
    /// The longest time without an answer.
    pub longest_gap_ms: u64,
    /// Bytes of the TCP stream that came back.
    pub tcp_bytes: u64,
    /// The longest time without progress of the TCP stream.
    pub tcp_stall_ms: u64,
    /// Why the TCP connection ended before the measurement; absent when it lived through it.
    pub tcp_broken: Option<String>,
}

const PORT: &str = "5400";

impl Meter {
    /// Starts the echo in one guest and the sender in the other; returns when answers come.
    #[track_caller]
    #[must_use]
    pub fn start(from: &Guest<'_>, to: &Guest<'_>, address: &str) -> Self {
        let log = format!("/run/meter-{}", from.netns());
        from.node().write(&log, "");
        let server = spawn(meter(to, &["serve", PORT]).stdin(Stdio::piped()));
        let client =
            spawn(meter(from, &["run", address, PORT, &log]).stdin(Stdio::piped()).stdout(Stdio::piped()));
        wait::until(20, "the first answers to the meter", || {
            let seen = std::fs::read_to_string(from.node().path(&log)).unwrap_or_default();
            if seen.contains("running") { Ok(()) } else { Err(seen) }
        });
        Self { server, client }
    }

    /// Goes on measuring for a while.
    pub fn last(&self, seconds: u64) {
        wait::pass(Duration::from_secs(seconds));
    }

    /// Ends the measurement.
    #[track_caller]
    #[must_use]
    pub fn finish(mut self) -> Losses {
        // Both programs run until their standard input ends.
        drop(self.client.stdin.take());
        let output = self.client.wait_with_output().expect("the meter ends");
        drop(self.server.stdin.take());
        let _ = self.server.wait();
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("the meter said {text:?}, {}: {error}", output.status))
    }
}

/// Sends `bytes` over TCP from one guest to an echo in the other and reads them back at the same time:
/// full-sized segments both ways. Gives the milliseconds it took.
#[track_caller]
pub fn transfer(from: &Guest<'_>, to: &Guest<'_>, address: &str, bytes: u64) -> u64 {
    let mut server = spawn(meter(to, &["serve", PORT]).stdin(Stdio::piped()));
    let output = meter(from, &["pour", address, PORT, &bytes.to_string()]).output().expect("the meter ends");
    drop(server.stdin.take());
    let _ = server.wait();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "TCP from {} to {address}: {text}{}",
        from.netns(),
        String::from_utf8_lossy(&output.stderr)
    );
    text.trim().parse().unwrap_or_else(|error| panic!("the meter said {text:?}: {error}"))
}

fn meter(guest: &Guest<'_>, arguments: &[&str]) -> Command {
    let program = program_beside_tests("meter");
    let mut command = guest.node().command("ip");
    command.args(["netns", "exec", guest.netns()]).arg(program).args(arguments);
    command
}

fn spawn(command: &mut Command) -> Child {
    command.spawn().expect("nsenter(1) starts")
}
