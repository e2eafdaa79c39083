//! Seeing packets on an interface, with tcpdump(8).

use crate::{Space, wait};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

static NUMBER: AtomicU32 = AtomicU32::new(0);

#[derive(Debug)]
pub struct Capture<'s> {
    space: &'s Space,
    tcpdump: Child,
    /// The file's name inside the space, without ending.
    file: String,
}

impl<'s> Capture<'s> {
    /// Starts to record what `filter` selects; returns when packets are being seen. An empty `netns`
    /// means the space's own namespace.
    #[track_caller]
    #[must_use]
    pub fn start(space: &'s Space, netns: &str, interface: &str, filter: &str) -> Self {
        let file = format!("/run/capture-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let enter = if netns.is_empty() { String::new() } else { format!("ip netns exec {netns}") };
        let script = format!(
            "echo $$ > {file}.pid; exec {enter} tcpdump -Z root -U -n -i {interface} -w {file}.pcap '{filter}' 2> {file}.log"
        );
        let tcpdump = space
            .command("sh")
            .args(["-c", &script])
            .stdout(Stdio::null())
            .spawn()
            .expect("nsenter(1) starts");
        wait::until(10, &format!("tcpdump on {interface}"), || {
            let said = std::fs::read_to_string(space.path(&format!("{file}.log"))).unwrap_or_default();
            if said.contains("listening on") { Ok(()) } else { Err(said) }
        });
        Self { space, tcpdump, file }
    }

    /// What has been seen so far: one line per packet, with link addresses.
    #[track_caller]
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let text = self.space.try_sh(&format!("tcpdump -Z root -nne -r {}.pcap 2> /dev/null", self.file));
        text.unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Waits for a packet whose line holds `needle`; gives the line.
    #[track_caller]
    pub fn await_line(&self, seconds: u64, needle: &str) -> String {
        wait::until(seconds, &format!("a packet with {needle:?}"), || {
            let lines = self.lines();
            lines.iter().find(|line| line.contains(needle)).cloned().ok_or_else(|| lines.join("\n"))
        })
    }
}

impl Drop for Capture<'_> {
    fn drop(&mut self) {
        let _ = self.space.try_sh(&format!("kill $(cat {}.pid)", self.file));
        let _ = self.tcpdump.wait();
    }
}
