//! Reads oslo.config's INI syntax into entries, with the place that each came from.
//!
//! No crate is used: those at hand take an indented continuation line for a new key, keep only the last
//! of repeated keys, or cut values at `#` and `;`, which occur in passwords and URLs. What an option
//! means is not known here; see `options`. What oslo.config refuses is refused here too, so that a file
//! that works here works for the Python agents.

use std::fmt;
use std::path::{Path, PathBuf};

/// One `key = value` of a file, or of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// `DEFAULT`, or in lower case, as oslo.config compares sections.
    pub(crate) section: String,
    /// With underscores: oslo.config takes dashes too where an option is registered with them.
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Line {
        file: PathBuf,
        line: usize,
    },
    CommandLine,
    /// The name that the program was started by.
    ProgramName,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line } => write!(f, "{}:{line}", file.display()),
            Self::CommandLine => f.write_str("command line"),
            Self::ProgramName => f.write_str("program name"),
        }
    }
}

/// A line that is neither a section, nor an option, nor a continuation of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {what}: {text:?}")]
pub(crate) struct SyntaxError {
    origin: Origin,
    what: &'static str,
    text: String,
}

/// `[Agent]` is `[agent]`, but `[default]` is not `[DEFAULT]`.
pub(crate) fn section_name(written: &str) -> String {
    if written == "DEFAULT" { written.to_owned() } else { written.to_lowercase() }
}

/// All entries of a file's text, in the order of the file. Repeated keys stay repeated.
pub(crate) fn parse(file: &Path, text: &str) -> Result<Vec<Entry>, SyntaxError> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut section = None;
    // Whether an indented line can belong to the last entry: a blank line, a comment or a header ends it.
    let mut open = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        let origin = Origin::Line { file: file.to_owned(), line: number + 1 };
        let error = |what| SyntaxError { origin: origin.clone(), what, text: line.trim().to_owned() };
        if line.starts_with([' ', '\t']) {
            let last = entries.last_mut().filter(|_| open);
            let last = last.ok_or_else(|| error("an indented line continues no option"))?;
            last.value.push('\n');
            last.value.push_str(line.trim_start());
            continue;
        }
        open = false;
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            let name = header.strip_suffix(']').ok_or_else(|| error("a section header must end with ]"))?;
            if name.is_empty() {
                return Err(error("a section has no name"));
            }
            section = Some(section_name(name));
            continue;
        }
        let (key, value) =
            line.split_once(['=', ':']).ok_or_else(|| error("neither a section nor key = value"))?;
        let key = key.trim().replace('-', "_");
        if key.is_empty() {
            return Err(error("an option has no name"));
        }
        let section = section
            .clone()
            .ok_or_else(|| error("an option before the first section; [DEFAULT] is meant?"))?;
        entries.push(Entry { section, key, value: unquote(value.trim()).to_owned(), origin });
        open = true;
    }
    Ok(entries)
}

/// oslo.config drops one pair of equal quotes around a value, and a quote that stands alone.
fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote) {
            return match inner.strip_suffix(quote) {
                Some(inner) => inner,
                None if inner.is_empty() => inner,
                None => value,
            };
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_text_panics(text: String) {
            let _ = parse(Path::new("test.conf"), &text);
        }
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, place) in [
            ("[ovs\n", "test.conf:1"),
            ("\n nonsense", "test.conf:2"),
            ("[a]\na=b\n\nwhat", "test.conf:4"),
            ("a = b", "test.conf:1"),
        ] {
            let error = parse(Path::new("test.conf"), text).unwrap_err().to_string();
            assert!(error.starts_with(place), "{error}");
        }
    }
}
