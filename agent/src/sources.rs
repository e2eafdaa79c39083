//! `--config-file` and `--config-dir` of the command line, in the order in which they were typed: what
//! comes later wins, whichever of the two it is. A derived parser would part them.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches, value_parser};

use crate::config::Source;

const FILE: &str = "config-file";
const DIRECTORY: &str = "config-dir";

/// Files and folders of configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct SourceArguments(pub(crate) Vec<Source>);

impl Args for SourceArguments {
    fn augment_args(command: Command) -> Command {
        let repeated =
            |name| Arg::new(name).long(name).action(ArgAction::Append).value_parser(value_parser!(PathBuf));
        command
            .arg(repeated(FILE).value_name("FILE").help(
                "Configuration in oslo.config's syntax, with Neutron's names. May be given several times; later ones win",
            ))
            .arg(repeated(DIRECTORY).value_name("DIR").help("A folder whose *.conf are read, in the order of their names"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SourceArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut sources = Self::default();
        sources.update_from_arg_matches(matches)?;
        Ok(sources)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        let mut typed: Vec<(usize, Source)> = Vec::new();
        for (name, source) in [(FILE, Source::File as fn(PathBuf) -> Source), (DIRECTORY, Source::Directory)]
        {
            let paths = matches.get_many::<PathBuf>(name).unwrap_or_default();
            let places = matches.indices_of(name).unwrap_or_default();
            typed.extend(places.zip(paths.cloned().map(source)));
        }
        typed.sort_by_key(|(place, _)| *place);
        self.0 = typed.into_iter().map(|(_, source)| source).collect();
        Ok(())
    }
}
