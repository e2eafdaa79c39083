//! What was written, by option: which of several values counts, under which old names an option is
//! found, and what `$name` in a value stands for. All as oslo.config has it. Types are not known here.

use std::collections::BTreeMap;

use model::Role;

use super::catalogue;
use super::ini::{Entry, Origin, section_name};
use super::options::roles;

/// One value, where it was written, and in the how many-th file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) text: String,
    pub(crate) origin: Origin,
    file: usize,
}

/// A value names an option that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SubstitutionError {
    #[error("${0} is no option that is set; a dollar itself is written $$")]
    Unknown(String),
    #[error("${0} leads back to itself")]
    Circle(String),
}

/// A section and an option.
pub(crate) type Place = (String, String);

/// Everything that was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    values: BTreeMap<Place, Vec<Value>>,
}

impl Written {
    /// Takes the entries of every file, in the order in which they were read.
    pub(crate) fn new(files: impl IntoIterator<Item = Vec<Entry>>) -> Self {
        let mut written = Self::default();
        for (file, entries) in files.into_iter().enumerate() {
            for Entry { section, key, value, origin } in entries {
                let place = written.values.entry((section, key)).or_default();
                place.push(Value { text: value, origin, file });
            }
        }
        written
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Place, &Value)> {
        self.values.iter().flat_map(|(place, values)| values.iter().map(move |value| (place, value)))
    }

    /// The value that counts: of the last file that has the option; there the current name goes before
    /// older ones, and a later line before an earlier. For a role, files of other agents do not count.
    pub(crate) fn find(&self, section: &str, option: &str, role: Option<Role>) -> Option<&Value> {
        let mut best: Option<&Value> = None;
        for place in names(section, option) {
            let mut values = self.values.get(&place).into_iter().flatten();
            let last = values.rfind(|value| role.is_none_or(|role| value.origin.may_be_of(role)));
            best = match (best, last) {
                (Some(best), Some(last)) if last.file <= best.file => Some(best),
                (best, last) => last.or(best),
            };
        }
        best
    }

    /// Replaces `$name`, `${name}` and `$section.name` by their values. `known` gives the value of an
    /// option that is not written: its default. A name without a section is looked for in the section of
    /// the option first.
    pub(crate) fn substitute(
        &self,
        text: &str,
        section: &str,
        known: &dyn Fn(&str, &str) -> Option<String>,
    ) -> Result<String, SubstitutionError> {
        Substitution { written: self, known }.of(text, section, 0)
    }
}

/// The names by which an option is found, the current one first.
fn names(section: &str, option: &str) -> Vec<Place> {
    let section = section_name(section);
    let old = catalogue::old_names(&section, option);
    let old: Vec<Place> = old.map(|(section, option)| (section.to_owned(), option.to_owned())).collect();
    std::iter::once((section, option.to_owned())).chain(old).collect()
}

struct Substitution<'a> {
    written: &'a Written,
    known: &'a dyn Fn(&str, &str) -> Option<String>,
}

impl Substitution<'_> {
    fn of(&self, text: &str, section: &str, depth: usize) -> Result<String, SubstitutionError> {
        // A backslash hides a dollar as another dollar does.
        let text = text.replace("\\$", "$$");
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if let Some(after) = after.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else if let Some((name, after)) = name(after) {
                out.push_str(&self.value(name, section, depth)?);
                rest = after;
            } else {
                out.push('$');
                rest = after;
            }
        }
        Ok(out + rest)
    }

    fn value(&self, name: &str, section: &str, depth: usize) -> Result<String, SubstitutionError> {
        // Deep enough for any file, and an end to a circle.
        const DEEPEST: usize = 16;
        if depth == DEEPEST {
            return Err(SubstitutionError::Circle(name.to_owned()));
        }
        let places = match name.split_once('.') {
            Some(place) => vec![place],
            None => vec![(section, name), ("DEFAULT", name)],
        };
        for (section, option) in places {
            if let Some(value) = self.written.find(section, option, None) {
                return self.of(&value.text, section, depth + 1);
            }
            if let Some(value) = (self.known)(section, option) {
                return Ok(value);
            }
        }
        Err(SubstitutionError::Unknown(name.to_owned()))
    }
}

/// The name that a dollar is followed by, in braces or not, and what comes after it.
fn name(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('{').unwrap_or(text);
    let braced = inner.len() < text.len();
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').unwrap_or(inner.len());
    let (name, after) = inner.split_at(end);
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return None;
    }
    let after = if braced { after.strip_prefix('}')? } else { after };
    Some((name, after))
}

impl Origin {
    /// Whether a value from here concerns a role. The Python agents share `neutron.conf`, and each has a
    /// file of its own, in which some options of the same name mean another thing.
    fn may_be_of(&self, role: Role) -> bool {
        let Self::Line { file, .. } = self else { return true };
        let mut parts = file.iter().rev().filter_map(|part| part.to_str());
        let own = parts.next().and_then(roles::of_file_name);
        // Some distributions have a folder for each agent.
        let folder =
            || parts.next().filter(|name| name.starts_with("neutron-")).and_then(roles::of_file_name);
        own.or_else(folder).is_none_or(|owner| owner == role)
    }
}
