//! The values in force, each with its origin: a default, or a line of a file.
//!
//! Options are asked for by name and type. What nobody asked for is unknown and is warned of; a value
//! that does not fit its type is an error that names the line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;

use super::ini::{Entry, Origin};

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
    pub(crate) section: &'static str,
    pub(crate) option: &'static str,
    pub(crate) value: String,
    pub(crate) origin: String,
    pub(crate) help: &'static str,
}

/// An option: where it stands and what it is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name {
    pub(crate) section: &'static str,
    pub(crate) option: &'static str,
    pub(crate) help: &'static str,
}

/// Everything that was written, and what was asked for so far.
#[derive(Debug, Default)]
pub(crate) struct Values {
    written: BTreeMap<(String, String), Vec<(String, Origin)>>,
    asked: BTreeSet<(String, String)>,
    in_force: Vec<InForce>,
    errors: Vec<ValueError>,
}

impl Values {
    pub(crate) fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut values = Self::default();
        for entry in entries {
            let place = values.written.entry((entry.section, entry.key)).or_default();
            place.push((entry.value, entry.origin));
        }
        values
    }

    /// The value of an option as its type, or the default. The last one written wins. A value that does
    /// not fit is kept as an error, so that all of them can be told at once.
    pub(crate) fn get<T>(&mut self, name: Name, default: T) -> T
    where
        T: FromStr<Err: Display> + Display,
    {
        let Some((text, origin)) = self.raw(name) else {
            self.note(name, default.to_string(), "default".to_owned());
            return default;
        };
        self.note(name, text.clone(), origin.to_string());
        match text.parse() {
            Ok(value) => value,
            Err(error) => {
                self.wrong(name, &text, &origin, &error);
                default
            }
        }
    }

    /// An option that may be absent or empty.
    pub(crate) fn optional<T>(&mut self, name: Name) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        let Some((text, origin)) = self.raw(name).filter(|(text, _)| !text.is_empty()) else {
            self.note(name, String::new(), "default".to_owned());
            return None;
        };
        self.note(name, text.clone(), origin.to_string());
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(name, &text, &origin, &error);
                None
            }
        }
    }

    /// A list, parted by commas or line ends.
    pub(crate) fn list<T>(&mut self, name: Name) -> Vec<T>
    where
        T: FromStr<Err: Display>,
    {
        let Some((text, origin)) = self.raw(name) else {
            self.note(name, String::new(), "default".to_owned());
            return Vec::new();
        };
        self.note(name, text.replace('\n', ""), origin.to_string());
        let mut list = Vec::new();
        for part in text.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty()) {
            match part.parse() {
                Ok(value) => list.push(value),
                Err(error) => self.wrong(name, part, &origin, &error),
            }
        }
        list
    }

    /// oslo.config's booleans.
    pub(crate) fn flag(&mut self, name: Name, default: bool) -> bool {
        self.get(name, Flag(default)).0
    }

    /// Adds an error that a check across options found.
    pub(crate) fn refuse(&mut self, name: Name, value: &str, reason: &str) {
        let origin = self.raw(name).map_or_else(|| "default".to_owned(), |(_, origin)| origin.to_string());
        self.errors.push(ValueError {
            origin,
            option: format!("[{}] {}", name.section, name.option),
            value: value.to_owned(),
            reason: reason.to_owned(),
        });
    }

    /// What was asked for, what does not fit, and what nobody asked for (option and origin).
    pub(crate) fn finish(self) -> (Vec<InForce>, Vec<ValueError>, Vec<(String, Origin)>) {
        let unknown = self.written.into_iter().filter(|(place, _)| !self.asked.contains(place));
        let unknown = unknown.flat_map(|((section, option), values)| {
            values.into_iter().map(move |(_, origin)| (format!("[{section}] {option}"), origin))
        });
        (self.in_force, self.errors, unknown.collect())
    }

    fn raw(&mut self, name: Name) -> Option<(String, Origin)> {
        let place = (name.section.to_lowercase(), name.option.to_owned());
        self.asked.insert(place.clone());
        let (text, origin) = self.written.get(&place)?.last()?.clone();
        Some((self.substitute(&text, 0), origin))
    }

    /// Replaces `$name`, `${name}` and `${section.name}` by what is written for it, as oslo.config does. A
    /// name that is not written stays as it is; `$$` is a dollar.
    fn substitute(&self, text: &str, depth: usize) -> String {
        // Deep enough for any file, and an end to a circle.
        const DEEPEST: usize = 8;
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if let Some(after) = after.strip_prefix('$') {
                out.push('$');
                rest = after;
                continue;
            }
            let (name, after) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
                Some(braced) => braced,
                None => after.split_at(
                    after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len()),
                ),
            };
            let (section, option) = name.split_once('.').unwrap_or(("default", name));
            let written = self.written.get(&(section.to_lowercase(), option.to_owned()));
            match written.and_then(|values| values.last()) {
                Some((value, _)) if depth < DEEPEST => out.push_str(&self.substitute(value, depth + 1)),
                _ => out.push_str(&rest[at..rest.len() - after.len()]),
            }
            rest = after;
        }
        out + rest
    }

    fn note(&mut self, name: Name, value: String, origin: String) {
        let Name { section, option, help } = name;
        self.in_force.push(InForce { section, option, value, origin, help });
    }

    fn wrong(&mut self, name: Name, text: &str, origin: &Origin, error: &impl Display) {
        self.errors.push(ValueError {
            origin: origin.to_string(),
            option: format!("[{}] {}", name.section, name.option),
            value: text.to_owned(),
            reason: error.to_string(),
        });
    }
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::ini;
    use super::*;

    const fn name(section: &'static str, option: &'static str) -> Name {
        Name { section, option, help: "" }
    }

    fn values(text: &str) -> Values {
        Values::new(ini::parse(Path::new("test.conf"), text).unwrap())
    }

    #[test]
    fn the_last_value_wins_and_variables_are_replaced() {
        let mut values = values("state = /var\npath = $state/lib\npath = ${state}/run\nprice = $$5 $none");
        assert_eq!(values.get(name("DEFAULT", "path"), String::new()), "/var/run");
        assert_eq!(values.get(name("DEFAULT", "price"), String::new()), "$5 $none");
    }

    #[test]
    fn a_circle_of_variables_ends() {
        let mut values = values("a = $b\nb = $a");
        assert!(values.get(name("DEFAULT", "a"), String::new()).starts_with('$'));
    }

    #[test]
    fn wrong_and_unknown_options_are_named_with_their_line() {
        let mut values = values("[ovs]\nmtu = big\nwhat = 1");
        assert_eq!(values.get(name("OVS", "mtu"), 1500_u32), 1500);
        let (_, errors, unknown) = values.finish();
        assert!(
            errors[0].to_string().starts_with("test.conf:2: option [OVS] mtu = \"big\""),
            "{}",
            errors[0]
        );
        assert_eq!(unknown[0].0, "[ovs] what");
        assert_eq!(unknown[0].1.line, 3);
    }
}
