//! nftables rulesets: text in, through the `nft` program inside the namespace. One load is one transaction
//! of the kernel: all of it happens or nothing.
//!
//! The text is made elsewhere. What it should hold to replace a table whole: `add table`, `delete table`,
//! then the full definition.

use std::io;
use std::os::fd::AsFd;
use std::process::Stdio;

use nix::sched::{CloneFlags, setns};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use crate::{Error, Namespace, Result};

/// A process each: more than the machine has processors would only take memory.
static RUNNING: Semaphore = Semaphore::const_new(4);

/// Loads a ruleset text. The error of a bad ruleset holds what `nft` says about it, with line and column.
pub async fn load(namespace: &Namespace, ruleset: &str) -> Result<()> {
    let failed = |source| Error::RunNft { namespace: namespace.to_string(), source };
    let _permit = RUNNING.acquire().await.map_err(|error| failed(io::Error::other(error)))?;
    let child = spawn(namespace).map_err(failed)?;
    let output = feed(child, ruleset).await.map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let message = if message.is_empty() { output.status.to_string() } else { message };
    Err(Error::Ruleset { namespace: namespace.to_string(), message })
}

fn spawn(namespace: &Namespace) -> io::Result<Child> {
    let mut command = Command::new("nft");
    command.args(["-f", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let file = namespace.file().clone();
    let enter = move || Ok(setns(file.as_fd(), CloneFlags::CLONE_NEWNET)?);
    // SAFETY: the closure runs in the child between fork and exec, where only async-signal-safe calls are
    // allowed. It makes one system call on a file descriptor that is open already; it does not allocate.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(enter);
    }
    command.spawn()
}

/// Writes and reads at the same time: a long complaint of `nft` must not block while it still reads.
async fn feed(mut child: Child, ruleset: &str) -> io::Result<std::process::Output> {
    let stdin = child.stdin.take();
    let write = async {
        let Some(mut stdin) = stdin else { return Ok(()) };
        match stdin.write_all(ruleset.as_bytes()).await {
            // It gave up reading; its own message says why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    };
    let (written, output) = tokio::join!(write, child.wait_with_output());
    written?;
    output
}
