//! The haproxy processes that Neutron's agents leave behind, one for each router and network: what proves that one is,
//! and how long it may take to end. Nothing else is ever ended.

use std::error::Error as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use host::netns;
use host::process::{self, Argument, Proof, Signal};
use tracing::{info, warn};

use crate::place::Place;

const PIDS: &str = "external/pids";
const PID_FILE: &str = ".pid.haproxy";
const CONFIGURATIONS: &str = "ns-metadata-proxy";

/// It may finish what it serves, for as long as a request may take, before it is told more firmly.
const SIGNALS: [(Signal, Duration); 3] = [
    (Signal::SIGUSR1, Duration::from_secs(35)),
    (Signal::SIGTERM, Duration::from_secs(5)),
    (Signal::SIGKILL, Duration::from_secs(5)),
];

/// The process of a place; None when there is none, or none that is surely the agents'.
pub(crate) fn find(state_path: &Path, place: Place) -> Option<u32> {
    proof(state_path, place).find()
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
        let proof = proof(&state_path, place);
        if let Err(error) = proof.end(process, &SIGNALS).await {
            warn!(%place, %error, cause = error.source(), "the haproxy that Neutron's agents left stays");
        } else if proof.find().is_none() {
            forget(&state_path, place);
        }
    });
}

/// Ends it at once, for a socket that cannot be shared with it.
pub(crate) fn end_now(process: u32) {
    if let Err(error) = process::send(process, Signal::SIGTERM) {
        warn!(%error, cause = error.source(), "the haproxy that Neutron's agents left stays");
    }
}

fn forget(state_path: &Path, place: Place) {
    for path in [pid_file(state_path, place), state_path.join(configuration(place))] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                warn!(path = %path.display(), %error, "a file of Neutron's agents stays");
            }
            _ => {}
        }
    }
}

fn proof(state_path: &Path, place: Place) -> Proof {
    Proof {
        pid_file: pid_file(state_path, place),
        namespace: place.namespace(),
        program: "haproxy",
        argument: Argument { begins: "", ends: format!("/{}", configuration(place)) },
    }
}

fn pid_file(state_path: &Path, place: Place) -> PathBuf {
    state_path.join(PIDS).join(format!("{}{PID_FILE}", place.id()))
}

/// Below the agents' folder.
fn configuration(place: Place) -> String {
    format!("{CONFIGURATIONS}/{}.conf", place.id())
}
