//! The values in force, each with its origin: a default, a line of a file, or the command line.
//!
//! Options are asked for by name and type. A value that does not fit its type is an error that names the
//! line; what nobody asked for is left for `catalogue` to judge. What was written is in `written`.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use model::Role;

use super::ini::{Entry, Origin, section_name};
use super::written::{Place, Value, Written};

/// A value that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: option {option} = {value:?}: {reason}")]
pub(crate) struct ValueError {
    origin: String,
    option: String,
    value: String,
    reason: String,
}

/// One value in force, for `baryon config`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct InForce {
    pub(crate) section: String,
    pub(crate) option: String,
    pub(crate) value: String,
    pub(crate) origin: String,
    pub(crate) help: String,
}

/// An option: where it stands and what it is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name {
    pub(crate) section: &'static str,
    pub(crate) option: &'static str,
    pub(crate) help: &'static str,
    /// Its value is not shown to anybody.
    pub(crate) secret: bool,
}

impl Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}] {}", self.section, self.option)
    }
}

/// Everything that was written, and what was asked for so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values {
    written: Written,
    asked: BTreeSet<Place>,
    in_force: Vec<InForce>,
    errors: Vec<ValueError>,
    warnings: Vec<String>,
}

/// What is left when every option was asked for.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) in_force: Vec<InForce>,
    pub(crate) errors: Vec<ValueError>,
    pub(crate) warnings: Vec<String>,
    pub(crate) asked: BTreeSet<Place>,
    pub(crate) written: Written,
}

impl Values {
    /// Takes the entries of every file, in the order in which they were read.
    pub(crate) fn new(files: impl IntoIterator<Item = Vec<Entry>>) -> Self {
        Self { written: Written::new(files), ..Self::default() }
    }

    /// The value of an option as its type, or the default. A value that does not fit is kept as an error,
    /// so that all of them can be told at once.
    pub(crate) fn get<T>(&mut self, name: Name, default: T) -> T
    where
        T: FromStr<Err: Display> + Display,
    {
        self.read(None, name, default)
    }

    /// The same as one agent reads it, who does not see the files of the others.
    pub(crate) fn get_for<T>(&mut self, role: Role, name: Name, default: T) -> T
    where
        T: FromStr<Err: Display> + Display,
    {
        self.read(Some(role), name, default)
    }

    /// An option that may be absent or empty.
    pub(crate) fn optional<T>(&mut self, name: Name) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        let Some((text, origin)) = self.raw(None, name).filter(|(text, _)| !text.is_empty()) else {
            self.note(name, String::new(), "default".to_owned());
            return None;
        };
        self.note(name, text.clone(), origin.to_string());
        self.parse(name, &text, &origin)
    }

    /// A list, parted by commas.
    pub(crate) fn list<T>(&mut self, name: Name) -> Vec<T>
    where
        T: FromStr<Err: Display>,
    {
        self.read_list(None, name)
    }

    /// The same as one agent reads it, who does not see the files of the others.
    pub(crate) fn list_for<T>(&mut self, role: Role, name: Name) -> Vec<T>
    where
        T: FromStr<Err: Display>,
    {
        self.read_list(Some(role), name)
    }

    /// oslo.config's booleans.
    pub(crate) fn flag(&mut self, name: Name, default: bool) -> bool {
        self.get(name, Flag(default)).0
    }

    /// Whether somebody wrote a value, be it empty.
    pub(crate) fn is_written(&self, section: &str, option: &str) -> bool {
        self.written.find(section, option, None).is_some()
    }

    /// Adds an error that a check across options found.
    pub(crate) fn refuse(&mut self, name: Name, value: &str, reason: &str) {
        let origin = self.origin(None, name);
        let value = if name.secret { MASK } else { value };
        self.errors.push(ValueError {
            origin,
            option: name.to_string(),
            value: value.to_owned(),
            reason: reason.to_owned(),
        });
    }

    /// Adds a sentence about an option that an operator should read at every start.
    pub(crate) fn warn(&mut self, name: Name, sentence: &str) {
        let origin = self.origin(None, name);
        self.warnings.push(format!("{origin}: {name}: {sentence}"));
    }

    /// The same about an option as one agent reads it.
    pub(crate) fn warn_for(&mut self, role: Role, name: Name, sentence: &str) {
        let origin = self.origin(Some(role), name);
        self.warnings.push(format!("{origin}: {name}: {sentence}"));
    }

    /// Takes note of options that belong to a part that is not in use, so that they are not unknown.
    pub(crate) fn know(&mut self, ask: impl FnOnce(&mut Self)) {
        let mut copy = self.clone();
        ask(&mut copy);
        self.asked = copy.asked;
    }

    pub(crate) fn finish(self) -> Finished {
        let Self { in_force, errors, warnings, asked, written } = self;
        Finished { in_force, errors, warnings, asked, written }
    }

    fn read<T>(&mut self, role: Option<Role>, name: Name, default: T) -> T
    where
        T: FromStr<Err: Display> + Display,
    {
        let Some((text, origin)) = self.raw(role, name) else {
            let usual = self.substituted(&default.to_string(), name);
            self.note(name, usual.clone(), "default".to_owned());
            // Defaults have variables too.
            return usual.parse().unwrap_or(default);
        };
        self.note(name, text.clone(), origin.to_string());
        self.parse(name, &text, &origin).unwrap_or(default)
    }

    fn read_list<T>(&mut self, role: Option<Role>, name: Name) -> Vec<T>
    where
        T: FromStr<Err: Display>,
    {
        let Some((text, origin)) = self.raw(role, name) else {
            self.note(name, String::new(), "default".to_owned());
            return Vec::new();
        };
        self.note(name, text.replace('\n', ""), origin.to_string());
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.filter_map(|part| self.parse(name, part, &origin)).collect()
    }

    fn parse<T: FromStr<Err: Display>>(&mut self, name: Name, text: &str, origin: &Origin) -> Option<T> {
        match text.trim().parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(name, text, origin, &error);
                None
            }
        }
    }

    fn raw(&mut self, role: Option<Role>, name: Name) -> Option<(String, Origin)> {
        self.asked.insert((section_name(name.section), name.option.to_owned()));
        let Value { text, origin, .. } = self.written.find(name.section, name.option, role)?.clone();
        match self.substitute(&text, name) {
            Ok(text) => Some((text, origin)),
            Err(error) => {
                self.wrong(name, &text, &origin, &error);
                None
            }
        }
    }

    fn substituted(&self, text: &str, name: Name) -> String {
        if text.contains('$') {
            self.substitute(text, name).unwrap_or(text.to_owned())
        } else {
            text.to_owned()
        }
    }

    fn substitute(&self, text: &str, name: Name) -> Result<String, super::written::SubstitutionError> {
        let known = |section: &str, option: &str| {
            let mut known =
                self.in_force.iter().filter(|value| section_name(&value.section) == section_name(section));
            known.find(|value| value.option == option).map(|value| value.value.clone())
        };
        self.written.substitute(text, name.section, &known)
    }

    fn origin(&self, role: Option<Role>, name: Name) -> String {
        let value = self.written.find(name.section, name.option, role);
        value.map_or_else(|| "default".to_owned(), |value| value.origin.to_string())
    }

    /// Some options are of use in two places; what is said of them is the same.
    fn note(&mut self, name: Name, value: String, origin: String) {
        let noted = InForce {
            section: name.section.to_owned(),
            option: name.option.to_owned(),
            value: if name.secret { masked(&value) } else { value },
            origin,
            help: name.help.to_owned(),
        };
        if !self.in_force.contains(&noted) {
            self.in_force.push(noted);
        }
    }

    fn wrong(&mut self, name: Name, text: &str, origin: &Origin, error: &impl Display) {
        let value = if name.secret { MASK } else { text };
        let error = ValueError {
            origin: origin.to_string(),
            option: name.to_string(),
            value: value.to_owned(),
            reason: error.to_string(),
        };
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }
}

const MASK: &str = "***";

/// A secret for people: nothing of it, or of a URL all but the passwords.
pub(crate) fn masked(secret: &str) -> String {
    let Some((scheme, rest)) = secret.split_once("://") else {
        return if secret.is_empty() { String::new() } else { MASK.to_owned() };
    };
    let (hosts, path) = rest
        .split_at(rest.rfind('@').map_or(0, |at| rest[at..].find('/').map_or(rest.len(), |end| at + end)));
    let hosts = hosts.split(',').map(|host| match host.rsplit_once('@') {
        Some((user, host)) => format!("{}:{MASK}@{host}", user.split(':').next().unwrap_or_default()),
        // Part of a password that has a comma, if anything.
        None if hosts.contains('@') && !host.contains(':') => MASK.to_owned(),
        None => host.to_owned(),
    });
    format!("{scheme}://{}{path}", hosts.collect::<Vec<_>>().join(","))
}

/// A boolean as oslo.config spells it.
struct Flag(bool);

impl FromStr for Flag {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_lowercase().as_str() {
            "true" | "1" | "on" | "yes" => Ok(Self(true)),
            "false" | "0" | "off" | "no" => Ok(Self(false)),
            _ => Err("not a boolean: true or false"),
        }
    }
}

impl Display for Flag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
