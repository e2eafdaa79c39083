//! The configuration of a node, read once into checked values and handed to what needs it.
//!
//! Names and defaults are those of Neutron's agents. `ini` reads files, `values` keeps what was written
//! and where, `options` knows every option.

mod files;
mod ini;
mod options;
mod values;

use std::path::PathBuf;

pub(crate) use options::{ApiConfig, LogConfig, LogFormat, NodeConfig};
pub(crate) use values::InForce;
use values::{ValueError, Values};

/// The configuration, and what there is to say about it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) node: NodeConfig,
    pub(crate) in_force: Vec<InForce>,
    /// Options that nobody knows, one sentence each.
    pub(crate) warnings: Vec<String>,
}

/// Values that do not fit, all of them.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has {} wrong values:\n  {}", .0.len(), list(.0))]
pub(crate) struct WrongValues(Vec<ValueError>);

fn list(errors: &[ValueError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ")
}

/// Reads and checks all files. Without any, `/etc/baryon/baryon.conf` is read if it is there.
pub(crate) fn load(files: &[PathBuf], directories: &[PathBuf]) -> anyhow::Result<Loaded> {
    let usual = PathBuf::from("/etc/baryon/baryon.conf");
    let files = if files.is_empty() && directories.is_empty() && usual.exists() {
        vec![usual]
    } else {
        files.to_vec()
    };
    let mut values = Values::new(files::read(&files, directories)?);
    let node = options::node(&mut values);
    let (mut in_force, errors, unknown) = values.finish();
    in_force.sort_by_key(|value| value.section);
    if !errors.is_empty() {
        return Err(WrongValues(errors).into());
    }
    let warnings = unknown
        .into_iter()
        .map(|(option, origin)| format!("{origin}: {option} is not an option that is known here; ignored"))
        .collect();
    Ok(Loaded { node, in_force, warnings })
}
