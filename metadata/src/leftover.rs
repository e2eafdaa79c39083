//! The haproxy processes that Neutron's agents leave behind, one for each router and network: which they are, and how
//! they end. Nothing else is ever ended: a process must be named by the agents' file, run haproxy with this very
//! place's configuration, and live in the place's namespace.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use host::netns::{self, Identity};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::place::Place;

const PIDS: &str = "external/pids";
const PID_FILE: &str = ".pid.haproxy";
const CONFIGURATIONS: &str = "ns-metadata-proxy";

/// How long a process may finish what it serves before it is told more firmly, and then killed.
const TO_FINISH: Duration = Duration::from_secs(35);
const TO_END: Duration = Duration::from_secs(5);

/// The process of a place; None when there is none, or none that is surely the agents'.
pub(crate) fn find(state_path: &Path, place: Place) -> Option<u32> {
    let namespace = netns::identity(&place.namespace()).ok()??;
    let text = fs::read_to_string(pid_file(state_path, place)).ok()?;
    let process = text.split_whitespace().next()?.parse().ok().filter(|process| *process > 1)?;
    is_proven(process, place, namespace).then_some(process)
}

/// The places that have a file of the agents.
pub(crate) fn places(state_path: &Path) -> Vec<Place> {
    let Ok(entries) = fs::read_dir(state_path.join(PIDS)) else { return Vec::new() };
    let ids = entries.filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        name.strip_suffix(PID_FILE)?.parse().ok()
    });
    let places = |id| [Place::Network(model::NetworkId(id)), Place::Router(model::RouterId(id))];
    // The name does not tell what it is the id of; the namespace does.
    ids.flat_map(places).filter(|place| netns::exists(&place.namespace())).collect()
}

/// Lets it finish what it serves and end; then cleans up its files. Waits for neither.
pub(crate) fn end(state_path: PathBuf, place: Place, process: u32) {
    info!(%place, process, "ending the haproxy that Neutron's agents left");
    tokio::spawn(async move {
        for (signal, patience) in
            [(Signal::SIGUSR1, TO_FINISH), (Signal::SIGTERM, TO_END), (Signal::SIGKILL, TO_END)]
        {
            // Looked at anew each time: another process may have got the number.
            if find(&state_path, place) != Some(process) {
                break;
            }
            send(process, signal);
            let deadline = Instant::now() + patience;
            while find(&state_path, place) == Some(process) && Instant::now() < deadline {
                sleep(Duration::from_millis(50)).await;
            }
        }
        if find(&state_path, place).is_none() {
            forget(&state_path, place);
        } else {
            warn!(%place, process, "the haproxy that Neutron's agents left does not end");
        }
    });
}

/// Ends it at once, for a socket that cannot be shared with it.
pub(crate) fn end_now(process: u32) {
    send(process, Signal::SIGTERM);
}

fn send(process: u32, signal: Signal) {
    let Ok(pid) = i32::try_from(process) else { return };
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => warn!(process, %signal, %error, "cannot end the haproxy that Neutron's agents left"),
    }
}

fn forget(state_path: &Path, place: Place) {
    let configuration = state_path.join(CONFIGURATIONS).join(format!("{}.conf", place.id()));
    for path in [pid_file(state_path, place), configuration] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                warn!(path = %path.display(), %error, "a file of Neutron's agents stays");
            }
            _ => {}
        }
    }
}

fn pid_file(state_path: &Path, place: Place) -> PathBuf {
    state_path.join(PIDS).join(format!("{}{PID_FILE}", place.id()))
}

fn is_proven(process: u32, place: Place, namespace: Identity) -> bool {
    let folder = PathBuf::from(format!("/proc/{process}"));
    let Ok(line) = fs::read(folder.join("cmdline")) else { return false };
    let here = fs::metadata(folder.join("ns/net")).is_ok_and(|file| namespace.is(file.dev(), file.ino()));
    here && is_haproxy_of(&line, place)
}

/// Whether a command line, with its words ended by zero bytes, is that of the place's haproxy.
fn is_haproxy_of(line: &[u8], place: Place) -> bool {
    let mut words = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let program = words.next().unwrap_or_default();
    let configuration = format!("{CONFIGURATIONS}/{}.conf", place.id());
    program.rsplit('/').next() == Some("haproxy") && words.any(|word| word.ends_with(&configuration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_haproxy_of_the_place_is_one() {
        let id = uuid::Uuid::from_u128(5);
        let place = Place::Router(model::RouterId(id));
        let line = |program: &str, id: uuid::Uuid| {
            format!("{program}\0-f\0/var/lib/neutron/ns-metadata-proxy/{id}.conf\0").into_bytes()
        };
        assert!(is_haproxy_of(&line("haproxy", id), place));
        assert!(is_haproxy_of(&line("/usr/sbin/haproxy", id), place));
        assert!(!is_haproxy_of(&line("haproxy", uuid::Uuid::from_u128(6)), place));
        assert!(!is_haproxy_of(&line("less", id), place));
        assert!(!is_haproxy_of(b"haproxy\0-f\0/etc/haproxy/haproxy.cfg\0", place));
        assert!(!is_haproxy_of(b"", place));
    }
}
