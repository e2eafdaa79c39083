//! The configuration of a node, read once into checked values and handed to what needs it.
//!
//! Names and defaults are those of Neutron's agents. `ini` reads files, `written` keeps what was written
//! and where, `values` gives it types, `options` knows every option that is used and `catalogue` those
//! that are not.

mod catalogue;
mod files;
mod ini;
mod options;
mod values;
mod written;

#[cfg(test)]
mod oslo_config;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub(crate) use files::Source;
use ini::{Entry, Origin};
use model::Role;
pub(crate) use options::{ApiConfig, DriverChoice, LocalConfig, LogConfig, LogFormat, NodeConfig, roles};
pub(crate) use values::InForce;
use values::{Finished, ValueError, Values};

/// What is to be read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// In the order in which they count.
    pub(crate) sources: Vec<Source>,
    /// Options of `[DEFAULT]` from the command line, which go before all files.
    pub(crate) typed: Vec<(&'static str, String)>,
    /// The one agent that this process stands in for, when it was started by the name of it.
    pub(crate) stand_in: Option<Role>,
}

/// The configuration, and what there is to say about it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) node: NodeConfig,
    pub(crate) in_force: Vec<InForce>,
    /// Options that were written and that nothing is done with, knowingly.
    pub(crate) without_effect: Vec<InForce>,
    /// What an operator should know, one sentence each.
    pub(crate) warnings: Vec<String>,
}

/// Values that do not fit, all of them.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has {} wrong values:\n  {}", .0.len(), list(.0))]
pub(crate) struct WrongValues(Vec<ValueError>);

fn list(errors: &[ValueError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ")
}

/// Reads and checks all files.
pub(crate) fn load(request: &Request) -> anyhow::Result<Loaded> {
    let mut entries = files::read(&sources(request))?;
    entries.push(program_name(request));
    entries.push(command_line(request));
    check(Values::new(entries))
}

/// The files of the request; without any, the usual ones.
fn sources(request: &Request) -> Vec<Source> {
    if let Some(role) = request.stand_in {
        return files::for_agent(&request.sources, roles::binary(role));
    }
    let usual = PathBuf::from("/etc/baryon/baryon.conf");
    if request.sources.is_empty() && usual.exists() {
        return vec![Source::File(usual)];
    }
    request.sources.clone()
}

fn check(mut values: Values) -> anyhow::Result<Loaded> {
    let node = options::node(&mut values);
    let Finished { mut in_force, errors, mut warnings, asked, written } = values.finish();
    in_force.sort_by(|one, other| one.section.cmp(&other.section));
    if !errors.is_empty() {
        return Err(WrongValues(errors).into());
    }
    let verdict = catalogue::judge(&written, &asked);
    warnings.extend(verdict.warnings);
    Ok(Loaded { node, in_force, without_effect: verdict.without_effect, warnings })
}

/// An agent of Neutron's has one role, and a server.
fn program_name(request: &Request) -> Vec<Entry> {
    let Some(role) = request.stand_in else { return Vec::new() };
    let settings = [("roles", roles::name(role)), ("driver", "neutron")];
    let entry = |(key, value): (&str, &str)| Entry {
        section: "baryon".to_owned(),
        key: key.to_owned(),
        value: value.to_owned(),
        origin: Origin::ProgramName,
    };
    settings.into_iter().map(entry).collect()
}

fn command_line(request: &Request) -> Vec<Entry> {
    let entry = |(key, value): &(&str, String)| Entry {
        section: "DEFAULT".to_owned(),
        key: (*key).to_owned(),
        // What the shell passed is meant as it is.
        value: value.replace('$', "$$"),
        origin: Origin::CommandLine,
    };
    request.typed.iter().map(entry).collect()
}
