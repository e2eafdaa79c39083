//! The dnsmasq processes that Neutron's DHCP agent leaves behind, one for each network: which they are, and
//! how they end. Nothing else is ever ended: a process must be named by the agent's file, run dnsmasq with
//! this very network's files, and live in the network's namespace.
//!
//! Ours listens beside it first, so no request is lost between the two. What guests asked such a dnsmasq as
//! their name server is not answered any more: this service has no names.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use host::netns::{self, Identity};
use model::{NetworkId, names};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::sleep;
use tracing::{info, warn};

/// How long it may take to end before it is killed.
const TO_END: Duration = Duration::from_secs(5);

/// The process of a network; None when there is none, or none that is surely the agent's.
pub(crate) fn find(state_path: &Path, network: NetworkId) -> Option<u32> {
    let namespace = netns::identity(&names::dhcp_namespace(network)).ok()??;
    let text = fs::read_to_string(folder(state_path, network).join("pid")).ok()?;
    let process = text.trim().parse().ok().filter(|process| *process > 1)?;
    is_proven(process, network, namespace).then_some(process)
}

/// Ends it, and waits until it has.
pub(crate) async fn end(state_path: &Path, network: NetworkId) {
    let Some(process) = find(state_path, network) else { return };
    info!(%network, process, "ending the dnsmasq that Neutron's DHCP agent left; DHCP is served by this agent now");
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        send(process, signal);
        let deadline = Instant::now() + TO_END;
        // Looked at anew each time: another process may have got the number.
        while find(state_path, network) == Some(process) && Instant::now() < deadline {
            sleep(Duration::from_millis(10)).await;
        }
        if find(state_path, network) != Some(process) {
            let _ = fs::remove_file(folder(state_path, network).join("pid"));
            return;
        }
    }
    warn!(%network, process, "the dnsmasq that Neutron's DHCP agent left does not end");
}

fn send(process: u32, signal: Signal) {
    let Ok(pid) = i32::try_from(process) else { return };
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => {
            warn!(process, %signal, %error, "cannot end the dnsmasq that Neutron's DHCP agent left");
        }
    }
}

fn folder(state_path: &Path, network: NetworkId) -> PathBuf {
    state_path.join("dhcp").join(network.to_string())
}

fn is_proven(process: u32, network: NetworkId, namespace: Identity) -> bool {
    let folder = PathBuf::from(format!("/proc/{process}"));
    let Ok(line) = fs::read(folder.join("cmdline")) else { return false };
    let here = fs::metadata(folder.join("ns/net")).is_ok_and(|file| namespace.is(file.dev(), file.ino()));
    here && is_dnsmasq_of(&line, network)
}

/// Whether a command line, with its words ended by zero bytes, is that of the network's dnsmasq.
fn is_dnsmasq_of(line: &[u8], network: NetworkId) -> bool {
    let mut words = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let program = words.next().unwrap_or_default();
    let file = format!("/dhcp/{network}/");
    program.rsplit('/').next() == Some("dnsmasq")
        && words.any(|word| word.starts_with("--pid-file=") && word.contains(&file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_dnsmasq_of_the_network_is_one() {
        let network = |number| NetworkId(uuid::Uuid::from_u128(number));
        let line = |program: &str, number| {
            let id = network(number);
            format!("{program}\0--no-hosts\0--pid-file=/var/lib/neutron/dhcp/{id}/pid\0--port=0\0")
                .into_bytes()
        };
        assert!(is_dnsmasq_of(&line("dnsmasq", 5), network(5)));
        assert!(is_dnsmasq_of(&line("/usr/sbin/dnsmasq", 5), network(5)));
        assert!(!is_dnsmasq_of(&line("dnsmasq", 6), network(5)));
        assert!(!is_dnsmasq_of(&line("less", 5), network(5)));
        assert!(!is_dnsmasq_of(b"dnsmasq\0--pid-file=/run/dnsmasq.pid\0", network(5)));
        assert!(!is_dnsmasq_of(b"", network(5)));
    }
}
