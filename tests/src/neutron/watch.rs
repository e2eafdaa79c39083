//! A program of `tests/neutron-lab` that answers line by line, in the server's space.

use crate::neutron::Server;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// Ends with this value.
#[derive(Debug)]
pub struct Watch {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Watch {
    pub(super) fn start(server: &Server, program: &str, argument: &str) -> Self {
        let python = server.release().folder().join("bin/python");
        let mut child = server
            .space()
            .command(&python.display().to_string())
            .args([format!("{}/neutron-lab/{program}", env!("CARGO_MANIFEST_DIR")), argument.to_owned()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("nsenter(1) starts");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, stdin, stdout }
    }

    /// Sends a line.
    #[track_caller]
    pub fn ask(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("open until the end");
        writeln!(stdin, "{line}").expect("the program reads");
    }

    /// Waits for the number that answers it.
    #[track_caller]
    #[must_use]
    pub fn number(&mut self) -> f64 {
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line);
        line.trim().parse().unwrap_or_else(|error| panic!("{read:?} {line:?}: {error}"))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}
