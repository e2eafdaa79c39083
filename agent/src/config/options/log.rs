//! What is logged, and where to: oslo.log's options. How a log is written is not known here.

use std::path::PathBuf;

use diary::syslog::{self, Facility, Syslog};

use crate::config::values::Values;

#[derive(Debug, Clone)]
pub(crate) struct LogConfig {
    pub(crate) debug: bool,
    pub(crate) format: LogFormat,
    /// Instead of standard error.
    pub(crate) file: Option<PathBuf>,
    /// The file is opened anew when it was moved away.
    pub(crate) watch: bool,
    /// Besides.
    pub(crate) syslog: Option<Syslog>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
    Journald,
}

/// `program` names the file when only a folder is given, as oslo.log has it.
pub(super) fn log(values: &mut Values, program: &str) -> LogConfig {
    let debug = values.flag(option!("DEFAULT", "debug", "log why, not only what"), false);
    let json = values.flag(option!("DEFAULT", "use_json", "log JSON, one object a line"), false);
    let journald = values.flag(option!("DEFAULT", "use_journal", "log to journald, with fields"), false);
    let format = match (json, journald) {
        (_, true) => LogFormat::Journald,
        (true, false) => LogFormat::Json,
        (false, false) => LogFormat::Text,
    };
    let watch =
        option!("DEFAULT", "watch_log_file", "open the log file anew when it was moved away; a HUP does too");
    let watch = values.flag(watch, false);
    LogConfig { debug, format, watch, file: file(values, program), syslog: syslog(values, program) }
}

fn syslog(values: &mut Values, program: &str) -> Option<Syslog> {
    let wanted = values.flag(option!("DEFAULT", "use_syslog", "log to the system's log daemon too"), false);
    let facility = option!("DEFAULT", "syslog_log_facility", "as what kind of program the daemon is told");
    let facility = values.get(facility, Facility::USER);
    wanted.then(|| Syslog { socket: PathBuf::from(syslog::SOCKET), name: program.to_owned(), facility })
}

fn file(values: &mut Values, program: &str) -> Option<PathBuf> {
    let file: Option<PathBuf> =
        values.optional(option!("DEFAULT", "log_file", "file to log to, below log_dir unless absolute"));
    let folder: Option<PathBuf> = values.optional(option!("DEFAULT", "log_dir", "folder of log files"));
    match (folder, file) {
        (Some(folder), Some(file)) => Some(folder.join(file)),
        (None, Some(file)) => Some(file),
        (Some(folder), None) => Some(folder.join(format!("{program}.log"))),
        (None, None) => None,
    }
}
