//! What of the configuration is about the log, in the words of the log. How lines are made and written is
//! in the crate `diary`.

use diary::{Control, Diary, Format, Target};
use tracing::warn;

use crate::config::{LogConfig, LogFormat};

/// The log of the agent: all of it is written when this is dropped.
#[derive(Debug)]
pub(crate) struct Log(Diary);

/// Changes the level while the program runs, and looks for a file that was rotated.
#[derive(Debug, Clone)]
pub(crate) struct Level(Control);

/// Starts logging to standard error, to a file or to journald, and to syslog besides.
pub(crate) fn start(config: &LogConfig) -> anyhow::Result<Log> {
    let format = match config.format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
        LogFormat::Journald => Format::Journald,
    };
    let syslog = config.syslog.as_ref();
    let target = config.file.clone().map_or(Target::StandardError, Target::File);
    // A level that cannot be read is no reason not to start.
    let chosen = from_environment();
    let usual = filter(config.debug);
    let log = match chosen.as_deref().map(|chosen| diary::start(format, &target, syslog, chosen)) {
        None | Some(Err(diary::Error::Filter { .. })) => diary::start(format, &target, syslog, usual)?,
        Some(started) => started?,
    };
    Ok(Log(log))
}

impl Log {
    pub(crate) fn level(&self) -> Level {
        Level(self.0.control())
    }
}

impl Level {
    /// Logs why, or only what, from now on.
    pub(crate) fn set(&self, debug: bool) {
        let chosen = from_environment().filter(|chosen| self.0.set_filter(chosen).is_ok());
        if chosen.is_none()
            && let Err(error) = self.0.set_filter(filter(debug))
        {
            warn!(error = &error as &dyn std::error::Error, "the level of the log stays");
        }
    }

    /// Turns to a new file where the old one was moved away.
    pub(crate) fn reopen(&self) {
        if let Err(error) = self.0.reopen() {
            warn!(error = &error as &dyn std::error::Error, "the log goes on in the old file");
        }
    }
}

fn filter(debug: bool) -> &'static str {
    if debug { "debug,hyper=info,lapin=info,netlink_proto=info" } else { "info" }
}

/// `RUST_LOG` overrides the level of the configuration.
fn from_environment() -> Option<String> {
    std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty())
}
