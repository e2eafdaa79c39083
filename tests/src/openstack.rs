//! The command line client `openstack` and openstacksdk, as an operator has them: other people's programs
//! against Baryon's API on loopback. `scripts/openstack-client` installs them.

use crate::Node;
use serde_json::Value;
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// Where the API is, and what the client has to know besides: that nobody asks who it is.
const SURROUNDINGS: [&str; 3] =
    ["OS_AUTH_TYPE=none", "OS_ENDPOINT=http://127.0.0.1:9696/", "PYTHONDONTWRITEBYTECODE=1"];

/// One session of the client on a node: it is loaded once, which takes seconds.
#[derive(Debug)]
pub struct OpenStack<'n> {
    node: &'n Node,
    /// nsenter(1), which waits for the client; the client ends with its standard input.
    _process: Child,
    pipes: RefCell<Pipes>,
}

#[derive(Debug)]
struct Pipes {
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl<'n> OpenStack<'n> {
    /// What has to be in the configuration of the agent: an address that the client can reach.
    pub const LISTEN: &'static str = "[local]\nlisten = 127.0.0.1:9696\n";

    #[track_caller]
    #[must_use]
    pub fn start(node: &'n Node) -> Self {
        let mut process = node
            .command("env")
            .args(SURROUNDINGS)
            .args([program("python"), file("session.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("nsenter(1) starts");
        let commands = process.stdin.take().expect("a pipe was asked for");
        let answers = BufReader::new(process.stdout.take().expect("a pipe was asked for"));
        Self { node, _process: process, pipes: RefCell::new(Pipes { commands, answers }) }
    }

    /// Runs a command that must succeed; gives what it printed.
    #[track_caller]
    pub fn run(&self, command: &str) -> String {
        let (status, out, said) = self.carry_out(command);
        assert!(status == 0, "openstack {command}, on {}: {status}\n{out}{said}", self.node.name());
        out
    }

    /// Runs a command that prints something, as JSON.
    #[track_caller]
    pub fn json(&self, command: &str) -> Value {
        let out = self.run(&format!("{command} -f json"));
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("openstack {command}: {error}: {out}"))
    }

    /// Runs a command that must fail; gives what it said of that.
    #[track_caller]
    pub fn refused(&self, command: &str) -> String {
        let (status, out, said) = self.carry_out(command);
        assert!(status != 0, "openstack {command}, on {}, was not refused: {out}", self.node.name());
        said
    }

    #[track_caller]
    fn carry_out(&self, command: &str) -> (i64, String, String) {
        let Pipes { commands, answers } = &mut *self.pipes.borrow_mut();
        let sent = writeln!(commands, "{command}");
        let mut line = String::new();
        let heard = answers.read_line(&mut line);
        let answer: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("openstack {command}: {sent:?} {heard:?} {error}: {line}"));
        let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
        (answer["status"].as_i64().unwrap_or(-1), text("out"), text("err"))
    }
}

/// Runs a Python program of `tests/openstack-client` with openstacksdk, which must succeed.
#[track_caller]
pub fn run_sdk(node: &Node, name: &str) -> String {
    in_node(node, &program("python"), &file(name).display().to_string())
}

/// Runs the client as from a shell, with the options that the documentation names.
#[track_caller]
pub fn run_openstack(node: &Node, arguments: &str) -> String {
    in_node(node, &program("openstack"), arguments)
}

#[track_caller]
fn in_node(node: &Node, program: &Path, arguments: &str) -> String {
    let bytecode = SURROUNDINGS[2];
    node.sh(&format!("{bytecode} {} {arguments}", program.display()))
}

/// # Panics
/// When the client is not installed.
fn program(name: &str) -> PathBuf {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| checkout.join("target"), PathBuf::from);
    let path = target.join("openstack-client/bin").join(name);
    assert!(path.exists(), "there is no {}: run scripts/openstack-client", path.display());
    path
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("openstack-client").join(name)
}
