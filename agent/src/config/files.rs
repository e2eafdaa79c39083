//! Which files are read, in which order: every `--config-file` as given, then the `*.conf` of every
//! `--config-dir` by name. Later files win.

use std::path::{Path, PathBuf};

use super::ini::{self, Entry, SyntaxError};

/// A file cannot be read or understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("cannot read the configuration {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot understand the configuration")]
    Syntax(#[source] SyntaxError),
}

/// The entries of all files.
pub(crate) fn read(files: &[PathBuf], directories: &[PathBuf]) -> Result<Vec<Entry>, FileError> {
    let mut paths = files.to_vec();
    for directory in directories {
        let listing = std::fs::read_dir(directory)
            .map_err(|source| FileError::Read { path: directory.clone(), source })?;
        let mut inside: Vec<PathBuf> = listing
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
            .collect();
        inside.sort();
        paths.extend(inside);
    }
    let mut entries = Vec::new();
    for path in &paths {
        entries.extend(read_one(path)?);
    }
    Ok(entries)
}

fn read_one(path: &Path) -> Result<Vec<Entry>, FileError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| FileError::Read { path: path.to_owned(), source })?;
    ini::parse(path, &text).map_err(FileError::Syntax)
}
