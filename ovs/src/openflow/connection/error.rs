//! What can go wrong between us and a bridge, apart from changes of flows that it refuses.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::super::codec::DecodeError;
use super::super::refusal::OfError;

/// No connection to a bridge could be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("cannot connect to the switch at {}", path.display())]
    Socket { path: PathBuf, source: io::Error },
    #[error(
        "the bridge at {} does not speak OpenFlow 1.4 ({said}); add OpenFlow14 to its column protocols",
        path.display()
    )]
    Version { path: PathBuf, said: String },
    #[error("the switch at {} did not say hello", path.display())]
    Hello { path: PathBuf, source: Cause },
}

/// A request over a connection came to nothing.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} over {}", path.display())]
pub struct RequestError {
    pub doing: &'static str,
    pub path: PathBuf,
    pub source: Cause,
}

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    #[error("the connection is closed: {0}")]
    Closed(Closed),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the answer cannot be read")]
    Malformed(#[source] DecodeError),
    #[error("the request was refused")]
    Refused(#[source] OfError),
    #[error("the answer belongs to another question")]
    Unexpected,
}

/// Why a connection ended.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Closed {
    #[error("the switch closed it")]
    BySwitch,
    #[error("the switch did not answer a probe")]
    Silent,
    #[error("it broke ({0:?})")]
    Broken(io::ErrorKind),
    #[error("the switch does not keep to the protocol")]
    Malformed(#[source] DecodeError),
    #[error("we closed it")]
    ByUs,
}
