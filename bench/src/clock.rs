//! Time as the wall has it and as the processor has it, and what is made of many of them.

use std::time::Duration;

use anyhow::Context as _;
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// The processor time that a process has used, with all its threads, those that have ended too.
pub(crate) fn processor_time(pid: Pid) -> anyhow::Result<Duration> {
    let clock = clock_getcpuclockid(pid).with_context(|| format!("no clock of process {pid}"))?;
    Ok(clock.now().with_context(|| format!("process {pid} has ended"))?.into())
}

/// The memory of a process that is resident, in MiB.
pub(crate) fn resident(pid: Pid) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes: f64 = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?.parse()?;
    Ok(kibibytes / 1024.0)
}

/// The one in the middle, in milliseconds.
pub(crate) fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).copied().map_or(f64::NAN, milliseconds)
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
