//! What is logged, and where to: oslo.log's options. How a log is written is not known here.

use std::path::PathBuf;

use crate::config::values::Values;

#[derive(Debug, Clone)]
pub(crate) struct LogConfig {
    pub(crate) debug: bool,
    pub(crate) format: LogFormat,
    /// Instead of standard error.
    pub(crate) file: Option<PathBuf>,
    /// The file is opened anew when it was moved away.
    pub(crate) watch: bool,
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
    let syslog =
        option!("DEFAULT", "use_syslog", "log to syslog; systemd passes on what is logged without it");
    if values.flag(syslog, false) {
        values.warn(syslog, "there is no syslog output; the log goes where it goes without this option");
    }
    let format = match (json, journald) {
        (_, true) => LogFormat::Journald,
        (true, false) => LogFormat::Json,
        (false, false) => LogFormat::Text,
    };
    let watch =
        option!("DEFAULT", "watch_log_file", "open the log file anew when it was moved away; a HUP does too");
    LogConfig { debug, format, watch: values.flag(watch, false), file: file(values, program) }
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
