//! A machine made of namespaces: network, mounts, processes and host name of its own.
//!
//! A process 1 holds the namespaces; every command enters them through nsenter(1). The kernel ends
//! the rest with process 1, so dropping a `Space` leaves neither process nor mount nor link.

use std::fmt::{Debug, Formatter};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

pub struct Space {
    name: String,
    /// unshare(1), whose only child is process 1 of the space.
    holder: Child,
    /// Process 1, as it is numbered in the sandbox.
    pid: u32,
}

impl Space {
    /// # Panics
    /// Outside of a sandbox: nothing here may ever happen to a real machine.
    #[must_use]
    pub fn new(name: &str) -> Self {
        assert!(
            Path::new("/run/sandbox").exists(),
            "start the tests through scripts/sandbox, as cargo test does"
        );
        let mut holder = Command::new("unshare")
            .args([
                "--net",
                "--mount",
                "--uts",
                "--pid",
                "--fork",
                "--kill-child",
                "--propagation",
                "private",
            ])
            .args(["--", "sh", "-c", include_str!("space.sh"), name])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare(1) starts");
        let mut line = String::new();
        let said = holder.stdout.take().map(|stdout| BufReader::new(stdout).read_line(&mut line));
        assert!(line == "ready\n", "the namespaces of {name} are not ready: {said:?} {line:?}");
        let pid = only_child(holder.id());
        Self { name: name.to_owned(), holder, pid }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Process 1 of the space, for `ip link set … netns PID` outside of it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Where a file of the space is reached from the test. Also good for unix sockets.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.pid))
    }

    /// Writes a file of the space, with its folder.
    pub fn write(&self, inside: &str, text: &str) {
        let path = self.path(inside);
        let folder = path.parent().unwrap_or(&path);
        std::fs::create_dir_all(folder)
            .unwrap_or_else(|error| panic!("{}: mkdir {}: {error}", self.name, folder.display()));
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: write {inside}: {error}", self.name));
    }

    #[track_caller]
    #[must_use]
    pub fn read(&self, inside: &str) -> String {
        match std::fs::read_to_string(self.path(inside)) {
            Ok(text) => text,
            Err(error) => panic!("{}: read {inside}: {error}", self.name),
        }
    }

    /// A command that will run in the space. Killing it kills nsenter(1) only, not the program.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["-t", &self.pid.to_string(), "-m", "-u", "-n", "-p", "-w/", "--", program])
            .stdin(Stdio::null());
        command
    }

    /// Runs a shell script; gives its output, or what it said when it failed.
    pub fn try_sh(&self, script: &str) -> Result<String, String> {
        outcome(&mut self.command("sh"), script)
    }

    /// Runs a shell script that must succeed; gives its output without the last line end.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        match self.try_sh(script) {
            Ok(output) => output,
            Err(said) => panic!("on {}: {script}\n{said}", self.name),
        }
    }

    /// Runs a shell script in a network namespace that was made in the space by name.
    pub fn try_sh_in(&self, netns: &str, script: &str) -> Result<String, String> {
        outcome(self.command("ip").args(["netns", "exec", netns, "sh"]), script)
    }

    #[track_caller]
    pub fn sh_in(&self, netns: &str, script: &str) -> String {
        match self.try_sh_in(netns, script) {
            Ok(output) => output,
            Err(said) => panic!("in {netns} on {}: {script}\n{said}", self.name),
        }
    }

    /// Feeds lines to `ip -batch -`, in the network namespace only, so that process ids in the lines
    /// are those of the sandbox.
    #[track_caller]
    pub fn ip_batch(&self, lines: &str) {
        let mut child = Command::new("nsenter")
            .args(["-t", &self.pid.to_string(), "-n", "ip", "-batch", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nsenter(1) starts");
        let fed = child.stdin.take().map(|mut stdin| stdin.write_all(lines.as_bytes()));
        let output = child.wait_with_output().expect("ip(8) ends");
        assert!(output.status.success(), "on {}: ip -batch: {fed:?} {}", self.name, text(&output.stderr));
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // --kill-child makes the end of unshare(1) the end of process 1.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

impl Debug for Space {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.name)
    }
}

/// Runs `shell -e -c script`.
fn outcome(shell: &mut Command, script: &str) -> Result<String, String> {
    let output = shell.args(["-e", "-c", script]).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(text(&output.stdout).trim_end().to_owned())
    } else {
        Err(account(&output))
    }
}

fn account(output: &Output) -> String {
    format!("{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn only_child(parent: u32) -> u32 {
    let children =
        std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    children.trim().parse().unwrap_or_else(|_| panic!("unshare(1) has one child, not {children:?}"))
}
