//! Reads oslo.config's INI syntax into entries, with the place that each came from.
//!
//! No crate is used: those at hand take an indented continuation line for a new key, keep only the last
//! of repeated keys, or cut values at `#` and `;`, which occur in passwords and URLs. What an option
//! means is not known here; see `options`.

use std::fmt;
use std::path::{Path, PathBuf};

/// One `key = value` of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Lower case, as oslo.config compares sections; `default` before the first header.
    pub(crate) section: String,
    /// With underscores, as oslo.config reads dashes.
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
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

/// All entries of a file's text, in the order of the file. Repeated keys stay repeated.
pub(crate) fn parse(file: &Path, text: &str) -> Result<Vec<Entry>, SyntaxError> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut section = String::from("default");
    // Whether an indented line can belong to the last entry: a blank line or a header ends it.
    let mut open = false;
    for (number, line) in text.lines().enumerate() {
        let origin = Origin { file: file.to_owned(), line: number + 1 };
        let error = |what| SyntaxError { origin: origin.clone(), what, text: line.trim().to_owned() };
        let trimmed = line.trim();
        if trimmed.is_empty() {
            open = false;
        } else if line.starts_with(['#', ';']) {
            // A comment does not end a continuation.
        } else if line.starts_with([' ', '\t']) {
            let last = entries.last_mut().filter(|_| open);
            let last = last.ok_or_else(|| error("an indented line continues no option"))?;
            last.value.push('\n');
            last.value.push_str(trimmed);
        } else if let Some(header) = trimmed.strip_prefix('[') {
            let name = header.strip_suffix(']').ok_or_else(|| error("a section header lacks its ]"))?;
            if name.trim().is_empty() {
                return Err(error("a section has no name"));
            }
            section = name.trim().to_lowercase();
            open = false;
        } else {
            let (key, value) =
                trimmed.split_once(['=', ':']).ok_or_else(|| error("neither a section nor key = value"))?;
            let key = key.trim().replace('-', "_");
            if key.is_empty() {
                return Err(error("an option has no name"));
            }
            entries.push(Entry { section: section.clone(), key, value: unquote(value.trim()), origin });
            open = true;
        }
    }
    Ok(entries)
}

/// oslo.config drops one pair of equal quotes around a value.
fn unquote(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner.to_owned();
        }
    }
    value.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String, String)> {
        let entries = parse(Path::new("test.conf"), text).unwrap();
        entries.into_iter().map(|entry| (entry.section, entry.key, entry.value)).collect()
    }

    fn entry(section: &str, key: &str, value: &str) -> (String, String, String) {
        (section.into(), key.into(), value.into())
    }

    #[test]
    fn reads_what_operators_write() {
        let text = "\
debug = True
# a comment
[OVS]
bridge_mappings = public:br-ex,
    physnet1:br-one
local-ip: 192.0.2.1

[database]
connection = mysql://user:pa#ss;word@host/neutron
name = \"quoted\"
";
        assert_eq!(
            read(text),
            [
                entry("default", "debug", "True"),
                entry("ovs", "bridge_mappings", "public:br-ex,\nphysnet1:br-one"),
                entry("ovs", "local_ip", "192.0.2.1"),
                entry("database", "connection", "mysql://user:pa#ss;word@host/neutron"),
                entry("database", "name", "quoted"),
            ]
        );
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, place) in
            [("[ovs\n", "test.conf:1"), ("\n nonsense", "test.conf:2"), ("a=b\n\nwhat", "test.conf:3")]
        {
            let error = parse(Path::new("test.conf"), text).unwrap_err().to_string();
            assert!(error.starts_with(place), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text: String) {
            let _ = parse(Path::new("test.conf"), &text);
        }
    }
}
