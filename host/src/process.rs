//! Processes that another program started and left: finding one by what proves that it is the one that was meant, and
//! ending it.
//!
//! A number in a file is no proof: it may be old, and the kernel may have given it to somebody else. So the process must
//! also run the right program, with the right argument, in the right namespace; and that is looked at anew before each
//! signal and while waiting for the end.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::netns::{self, Identity};

pub use nix::sys::signal::Signal;

/// What proves that a process is the one that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Holds its number, as the first word.
    pub pid_file: PathBuf,
    /// The name of the network namespace that it is in.
    pub namespace: String,
    /// The name of its program, without folders.
    pub program: &'static str,
    pub argument: Argument,
}

/// An argument that it was started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    pub begins: &'static str,
    pub ends: String,
}

/// Why a process was not ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot send {signal} to process {process}")]
    Signal { process: u32, signal: Signal, source: io::Error },

    #[error("process {process} does not end")]
    Remains { process: u32 },
}

/// The first and the longest pause between two looks at a process that is to end.
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(160);

impl Proof {
    /// The process; None when there is none, or none that is surely the one.
    pub fn find(&self) -> Option<u32> {
        let namespace = netns::identity(&self.namespace).ok()??;
        let text = fs::read_to_string(&self.pid_file).ok()?;
        let process = text.split_whitespace().next()?.parse().ok().filter(|process| *process > 1)?;
        (is_in(process, namespace) && self.fits(&fs::read(of(process, "cmdline")).ok()?)).then_some(process)
    }

    /// Sends one signal after the other, each with the time that the process is given to end after it. One that is gone
    /// already is a success.
    ///
    /// # Errors
    /// When a signal may not be sent, or the process is still there after the last one.
    pub async fn end(&self, process: u32, signals: &[(Signal, Duration)]) -> Result<(), Error> {
        for (signal, patience) in signals {
            if self.find() != Some(process) {
                return Ok(());
            }
            send(process, *signal)?;
            let deadline = Instant::now() + *patience;
            let mut pause = PAUSE;
            while self.find() == Some(process) && Instant::now() < deadline {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        match self.find() == Some(process) {
            true => Err(Error::Remains { process }),
            false => Ok(()),
        }
    }

    /// Whether a command line, with its words ended by zero bytes, is of the program with the argument.
    fn fits(&self, line: &[u8]) -> bool {
        let Argument { begins, ends } = &self.argument;
        let mut words = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let program = words.next().unwrap_or_default();
        program.rsplit('/').next() == Some(self.program)
            && words.any(|word| word.strip_prefix(begins).is_some_and(|rest| rest.ends_with(ends)))
    }
}

/// Sends a signal. A process that is gone is a success.
///
/// # Errors
/// When it may not be sent.
pub fn send(process: u32, signal: Signal) -> Result<(), Error> {
    let failed = |source| Error::Signal { process, signal, source };
    // Zero and negative numbers mean whole groups to the kernel.
    let number = i32::try_from(process).ok().filter(|number| *number > 0);
    let number = number.ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    match kill(Pid::from_raw(number), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(failed(error.into())),
    }
}

fn is_in(process: u32, namespace: Identity) -> bool {
    fs::metadata(of(process, "ns/net")).is_ok_and(|file| namespace.is(file.dev(), file.ino()))
}

fn of(process: u32, file: &str) -> PathBuf {
    Path::new("/proc").join(process.to_string()).join(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof() -> Proof {
        Proof {
            pid_file: PathBuf::from("/var/lib/x/5/pid"),
            namespace: "x-5".to_owned(),
            program: "dnsmasq",
            argument: Argument { begins: "--pid-file=", ends: "/x/5/pid".to_owned() },
        }
    }

    #[test]
    fn program_and_argument_must_both_be_the_right_ones() {
        for (line, expected) in [
            (&b"dnsmasq\0--no-hosts\0--pid-file=/var/lib/x/5/pid\0--port=0\0"[..], true),
            (b"/usr/sbin/dnsmasq\0--pid-file=/var/lib/x/5/pid", true),
            (b"dnsmasq\0--pid-file=/var/lib/x/6/pid\0", false),
            (b"dnsmasq\0--pid-file=/var/lib/x/5/pid.old\0", false),
            (b"dnsmasq\0--other=/var/lib/x/5/pid\0", false),
            (b"less\0--pid-file=/var/lib/x/5/pid\0", false),
            (b"dnsmasq\0", false),
            (b"--pid-file=/var/lib/x/5/pid\0", false),
            (b"\xff\xfe\0", false),
            (b"", false),
        ] {
            assert_eq!(proof().fits(line), expected, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn no_group_of_processes_is_ever_meant() {
        for number in [0, u32::MAX, 1 << 31] {
            assert!(matches!(send(number, Signal::SIGTERM), Err(Error::Signal { .. })), "{number}");
        }
    }
}
