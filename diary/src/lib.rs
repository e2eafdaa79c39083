//! The log: events of `tracing` (and of `log`) as lines of text, as JSON or in journald, on standard error or
//! in a file that may be rotated, and besides to the system's log daemon.
//!
//! ```text
//!   any thread:  event ──> one line in the thread's own buffer ──> one buffer for all
//!   one thread:  one buffer for all ──> written, a hundred times a second at the most
//! ```
//!
//! A busy DHCP service writes thousands of lines a second, and a system call for each would cost it more
//! than making its answers does. So a line waits for others, [`lines::Lines`] says how long; nothing waits
//! longer than that, and nothing is left when the [`Diary`] is dropped or a thread panics. When what the
//! log goes to takes nothing (a full disk, a stuck reader), the program goes on and lines are lost; the
//! log says how many.
//!
//! What is worth a line is decided where it happens, and which lines are written by the filter; not here.
//! Spans are not shown.

mod clock;
mod error;
mod journald;
mod json;
mod layer;
pub mod lines;
pub mod syslog;
#[cfg(test)]
mod tests;
mod text;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

pub use crate::error::Error;
use crate::journald::Journald;
use crate::layer::{Form, LineLayer};
use crate::lines::{Lines, Output};
use crate::syslog::{Syslog, SyslogLayer};

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people: `2026-11-20T10:25:57.427653Z  INFO dhcp::apply: DHCP server listens network=…`, in
    /// colours on a terminal.
    Text,
    /// For programs: `{"timestamp":…,"level":…,"fields":{"message":…,…},"target":…}`.
    Json,
    /// Not lines but journald's own protocol, which has fields.
    Journald,
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    StandardError,
    /// Appended to; made if it is not there. [`Control::reopen`] is for when it was moved away.
    File(PathBuf),
}

/// The log of this process. Dropping it writes what is still to be written; what is logged after that is
/// written at once.
#[derive(Debug)]
pub struct Diary(Control);

/// What may change while the log is written.
#[derive(Debug, Clone)]
pub struct Control {
    filter: reload::Handle<EnvFilter, Registry>,
    /// Journald has none.
    lines: Option<Arc<Lines>>,
    file: Option<PathBuf>,
}

/// Begins to log. Once in a process.
///
/// `filter` has the form of `RUST_LOG`: `info`, `debug,hyper=info`. Journald takes no [`Target`]. What goes to `syslog`
/// goes there besides.
///
/// # Errors
///
/// When the file cannot be opened, journald is not there, the filter is none, or a log was begun before.
pub fn start(format: Format, target: &Target, syslog: Option<&Syslog>, filter: &str) -> Result<Diary, Error> {
    let (filter, handle) = reload::Layer::new(parse(filter)?);
    let file = match target {
        Target::File(path) if format != Format::Journald => Some(path.clone()),
        _ => None,
    };
    let form = match format {
        Format::Text => Form::Text { colours: file.is_none() && std::io::stderr().is_terminal() },
        Format::Json => Form::Json,
        Format::Journald => {
            let journald = Journald::connect(Path::new(journald::SOCKET)).map_err(Error::Journald)?;
            let syslog = syslog.map(|to| SyslogLayer::new(to.clone(), Form::Text { colours: false }));
            tracing_subscriber::registry().with(filter).with(journald).with(syslog).try_init()?;
            return Ok(Diary(Control { filter: handle, lines: None, file }));
        }
    };
    let output = file.as_deref().map_or(Ok(Output::StandardError), open)?;
    let lines = Lines::start(output, move |lost| form.complaint(lost)).map_err(Error::Thread)?;
    let layer = LineLayer { form, lines: lines.clone() };
    let syslog = syslog.map(|to| SyslogLayer::new(to.clone(), form.plain()));
    tracing_subscriber::registry().with(filter).with(layer).with(syslog).try_init()?;
    flush_at_panics(lines.clone());
    Ok(Diary(Control { filter: handle, lines: Some(lines), file }))
}

impl Diary {
    /// For whoever hears that something is to change.
    #[must_use]
    pub fn control(&self) -> Control {
        self.0.clone()
    }
}

impl Drop for Diary {
    fn drop(&mut self) {
        if let Some(lines) = &self.0.lines {
            lines.end();
        }
    }
}

impl Control {
    /// Changes which events are logged.
    ///
    /// # Errors
    ///
    /// When the filter is none; the one before stays.
    pub fn set_filter(&self, filter: &str) -> Result<(), Error> {
        let filter = parse(filter)?;
        // Fails only when nobody logs any more.
        let _ = self.filter.reload(filter);
        Ok(())
    }

    /// Opens the file by its name again, after it was moved away. What was logged before is in the old one.
    /// Without a file it does nothing.
    ///
    /// # Errors
    ///
    /// When it cannot be opened; the log goes on in the old one.
    pub fn reopen(&self) -> Result<(), Error> {
        if let (Some(lines), Some(file)) = (&self.lines, &self.file) {
            lines.turn_to(open(file)?);
        }
        Ok(())
    }

    /// Returns when all that was logged before is written.
    pub fn flush(&self) {
        if let Some(lines) = &self.lines {
            lines.flush();
        }
    }
}

fn parse(filter: &str) -> Result<EnvFilter, Error> {
    EnvFilter::try_new(filter).map_err(|source| Error::Filter { filter: filter.to_owned(), source })
}

fn open(path: &Path) -> Result<Output, Error> {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    file.map(Output::File).map_err(|source| Error::Open { path: path.to_owned(), source })
}

/// What led to a panic is in the log when the process dies of it.
fn flush_at_panics(lines: Arc<Lines>) {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        usual(panic);
        lines.flush();
    }));
}
