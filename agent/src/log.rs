//! Sets up logging: text for people, JSON for programs, or journald with its fields.

use std::io::IsTerminal as _;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::{LogConfig, LogFormat};

/// Changes the level while the program runs.
#[derive(Debug, Clone)]
pub(crate) struct Level(reload::Handle<EnvFilter, Registry>);

impl Level {
    /// Logs why, or only what. Without a subscriber there is nothing to change.
    pub(crate) fn set(&self, debug: bool) {
        let _ = self.0.reload(filter(debug));
    }
}

/// Starts logging to standard error or journald.
pub(crate) fn start(config: &LogConfig) -> anyhow::Result<Level> {
    let (filter, handle) = reload::Layer::new(filter(config.debug));
    let writer: Box<dyn Layer<_> + Send + Sync> = match config.format {
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal();
            fmt::layer().with_writer(std::io::stderr).with_ansi(colours).boxed()
        }
        LogFormat::Json => fmt::layer().json().with_writer(std::io::stderr).boxed(),
        LogFormat::Journald => tracing_journald::layer()?.boxed(),
    };
    tracing_subscriber::registry().with(filter).with(writer).try_init()?;
    Ok(Level(handle))
}

/// `RUST_LOG` overrides the level of the configuration.
fn filter(debug: bool) -> EnvFilter {
    let level = if debug { "debug,hyper=info,netlink_proto=info" } else { "info" };
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level))
}
