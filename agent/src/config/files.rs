//! Which files are read, in which order: every `--config-file` and every `*.conf` of a `--config-dir` as
//! they stand on the command line. Later files win. Without any, the files that oslo.config would find.

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

/// A file, or a folder of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    File(PathBuf),
    Directory(PathBuf),
}

/// The entries of every file, file by file.
pub(crate) fn read(sources: &[Source]) -> Result<Vec<Vec<Entry>>, FileError> {
    let mut read = Vec::new();
    for source in sources {
        match source {
            Source::File(path) => read.push(read_one(&at_home(path))?),
            Source::Directory(path) => {
                for path in inside(&at_home(path))? {
                    read.push(read_one(&path)?);
                }
            }
        }
    }
    Ok(read)
}

/// The sources for a program of the project `neutron`, as oslo.config has it: those that were named, and
/// where no file or no folder was named the first of each usual name in `~/.neutron`, `~`,
/// `/etc/neutron` and `/etc`. Distributions have their defaults in `/usr/share/neutron` besides.
pub(crate) fn for_agent(named: &[Source], program: &str) -> Vec<Source> {
    let found = |ending| ["neutron", program].into_iter().filter_map(move |name| find(name, ending));
    let mut sources = Vec::new();
    if !named.iter().any(|source| matches!(source, Source::File(_))) {
        let distribution = PathBuf::from("/usr/share/neutron/neutron-dist.conf");
        sources.extend(Some(Source::File(distribution.clone())).filter(|_| distribution.exists()));
        sources.extend(found(".conf").map(Source::File));
    }
    if !named.iter().any(|source| matches!(source, Source::Directory(_))) {
        sources.extend(found(".conf.d").map(Source::Directory));
    }
    sources.extend_from_slice(named);
    sources
}

fn find(name: &str, ending: &str) -> Option<PathBuf> {
    let home = std::env::home_dir();
    let homes = home.into_iter().flat_map(|home| [home.join(".neutron"), home]);
    let mut folders = homes.chain([PathBuf::from("/etc/neutron"), PathBuf::from("/etc")]);
    folders.find_map(|folder| Some(folder.join(format!("{name}{ending}"))).filter(|path| path.exists()))
}

fn inside(directory: &Path) -> Result<Vec<PathBuf>, FileError> {
    let failed = |source| FileError::Read { path: directory.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // As a shell's *.conf, which leaves hidden files out.
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "conf") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn at_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

fn read_one(path: &Path) -> Result<Vec<Entry>, FileError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| FileError::Read { path: path.to_owned(), source })?;
    ini::parse(path, &text).map_err(FileError::Syntax)
}
