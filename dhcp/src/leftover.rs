//! The dnsmasq processes that Neutron's DHCP agent leaves behind, one for each network: what proves that one is, and how
//! long it may take to end. Nothing else is ever ended.
//!
//! Ours listens beside it first, so no request is lost between the two. What guests asked such a dnsmasq as
//! their name server is not answered any more: this service has no names.

use std::error::Error as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use host::process::{Argument, Proof, Signal};
use model::{NetworkId, names};
use tracing::{info, warn};

/// How it is told to end, and how long that may take.
const SIGNALS: [(Signal, Duration); 2] =
    [(Signal::SIGTERM, Duration::from_secs(5)), (Signal::SIGKILL, Duration::from_secs(5))];

/// Ends the process of a network, if there is one that is surely the agent's, and waits until it has.
pub(crate) async fn end(state_path: &Path, network: NetworkId) {
    let proof = proof(state_path, network);
    let Some(process) = proof.find() else { return };
    info!(%network, process, "ending the dnsmasq that Neutron's DHCP agent left; DHCP is served by this agent now");
    match proof.end(process, &SIGNALS).await {
        Ok(()) => {
            // It may have taken its file along.
            let _ = fs::remove_file(&proof.pid_file);
        }
        Err(error) => {
            warn!(%network, %error, cause = error.source(), "the dnsmasq that Neutron's DHCP agent left stays");
        }
    }
}

fn proof(state_path: &Path, network: NetworkId) -> Proof {
    let file = format!("dhcp/{network}/pid");
    Proof {
        pid_file: state_path.join(&file),
        namespace: names::dhcp_namespace(network),
        program: "dnsmasq",
        argument: Argument { begins: "--pid-file=", ends: format!("/{file}") },
    }
}
