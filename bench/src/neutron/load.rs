//! What the processes of a node cost, read from `/proc`: all of its pid namespace without the switch and the
//! harness.
//!
//! Processor time is that of the living and of the children they have waited for; who is orphaned is waited for by
//! process 1. So nothing is missed, however short a command lived.

use std::collections::VecDeque;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tests::{Node, wait};

/// Ticks of `/proc/PID/stat` in a second, on every Linux that is in use.
const TICKS: f64 = 100.0;

/// Not the agents': the switch, and what the harness runs.
const OTHERS: [&str; 4] = ["ovs-vswitchd", "ovsdb-server", "sleep", "monitor"];

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memory {
    /// MiB
    pub(super) resident: f64,
    pub(super) proportional: f64,
}

/// The seconds of processor time that were used by now.
pub(super) fn processor_time(node: &Node) -> anyhow::Result<f64> {
    let mut ticks = 0.0;
    for process in processes(node)? {
        let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { continue };
        let Some((head, rest)) = stat.rsplit_once(") ") else { continue };
        if OTHERS.iter().any(|name| head.ends_with(&format!("({name}"))) {
            continue;
        }
        // utime, stime, cutime, cstime
        ticks += rest.split(' ').skip(11).take(4).filter_map(|word| word.parse::<f64>().ok()).sum::<f64>();
    }
    Ok(ticks / TICKS)
}

pub(super) fn memory(node: &Node) -> anyhow::Result<Memory> {
    let mut sum = Memory::default();
    for process in processes(node)? {
        let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        if process == node.pid() || OTHERS.contains(&name.trim()) {
            continue;
        }
        let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
        let field = |name: &str| {
            let line = rollup.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
        };
        sum.resident += field("Rss:");
        sum.proportional += field("Pss:");
    }
    Ok(sum)
}

/// Waits until a node does little for a while: an agent that polls is never quite still. Gives the time from `start`
/// until the last moment at which it was at work, with what it used from the processor since `before`.
pub(super) fn await_rest(node: &Node, start: Instant, before: f64) -> anyhow::Result<(f64, f64)> {
    const WINDOW: Duration = Duration::from_millis(100);
    const QUIET: Duration = Duration::from_secs(5);
    // Two ticks in a window are a fifth of a processor; to poll hundreds of ports takes less than a tenth of a second.
    let (busy, loud) = (0.015, 0.1);
    let mut second = VecDeque::from([before; 10]);
    let (mut last_busy, mut last, mut heard) = (start, start, start);
    loop {
        wait::pass(WINDOW);
        let now = processor_time(node)?;
        if second.back().is_some_and(|used| now - used > busy) {
            last_busy = Instant::now();
        }
        if second.pop_front().is_some_and(|used| now - used > loud) {
            (last, heard) = (last_busy, Instant::now());
        }
        second.push_back(now);
        if heard.elapsed() > QUIET && start.elapsed() > QUIET {
            return Ok(((last - start).as_secs_f64(), now - before));
        }
    }
}

/// By their numbers in the sandbox.
fn processes(node: &Node) -> anyhow::Result<Vec<u32>> {
    let namespace = |process: u32| fs::read_link(format!("/proc/{process}/ns/pid"));
    let own = namespace(node.pid()).context("the node lives")?;
    let all = fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(all.filter(|process| namespace(*process).is_ok_and(|other| other == own)).collect())
}
