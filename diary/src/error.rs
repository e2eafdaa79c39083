//! Why there is no log.

use std::io;
use std::path::PathBuf;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::TryInitError;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("opening the log file {}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("connecting to journald")]
    Journald(#[source] io::Error),
    #[error("starting the thread that writes the log")]
    Thread(#[source] io::Error),
    #[error("reading the filter {filter:?} of the log")]
    Filter { filter: String, source: ParseError },
    #[error("beginning to log")]
    Twice(#[from] TryInitError),
}
