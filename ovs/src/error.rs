//! What can go wrong between this domain and the switch. Every error says what was being done, and keeps
//! its cause as its source.

use std::path::PathBuf;

use crate::config::ConfigError;
use crate::openflow::{BundleError, ConnectError, Refusal, RequestError};
use crate::ovsdb;

/// Why the switch cannot be read. Nothing is assumed gone then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the switch's configuration cannot be used")]
    Config(#[from] ConfigError),
    #[error("the address of the switch's database cannot be used")]
    Remote(#[source] ovsdb::Error),
    #[error("the switch's database is away")]
    Database(#[source] std::sync::Arc<ovsdb::Error>),
    #[error("the switch is away: no OpenFlow connection to bridge {bridge}")]
    Bridge {
        bridge: String,
        #[source]
        source: std::sync::Arc<LinkError>,
    },
    #[error("what follows the switch has ended")]
    Ended,
}

/// Why there is no connection to a bridge.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("connecting")]
    Connect(#[source] ConnectError),
    #[error("reading its flows")]
    Dump(#[source] RequestError),
}

/// Why a step could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("changing rows of the switch's database")]
    Rows(#[source] std::sync::Arc<ovsdb::Error>),
    #[error("changing flows of bridge {bridge}: {flow}")]
    Flow {
        bridge: String,
        flow: String,
        #[source]
        source: Refusal,
    },
    #[error("changing flows of bridge {bridge}")]
    Flows {
        bridge: String,
        #[source]
        source: std::sync::Arc<BundleError>,
    },
    #[error("changing flows of bridge {bridge}, to which there is no OpenFlow connection")]
    NoConnection { bridge: String },
    #[error("no answer within {0:?}")]
    Timeout(std::time::Duration),
}

/// Where a bridge's socket is.
pub(crate) fn socket(rundir: &std::path::Path, bridge: &str) -> PathBuf {
    rundir.join(format!("{bridge}.mgmt"))
}
