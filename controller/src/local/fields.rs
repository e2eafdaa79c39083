//! Reads the fields of a request's body one by one, so that a refusal can name the field and a field
//! that nobody asked for can be answered with the one that was probably meant.
//!
//! `None` is "not given". Where a field may be null and null means something, the reader is called
//! `nullable_…` and gives `Some(None)` for it; elsewhere null is the same as not given.

use std::fmt::Display;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::fault::Fault;

/// The fields of a JSON object that were not read yet.
#[derive(Debug)]
pub struct Fields {
    map: Map<String, Value>,
    asked: Vec<&'static str>,
}

impl Fields {
    /// `kind` names the object in the refusal of something that is none.
    pub fn new(kind: &str, value: Value) -> Result<Self, Fault> {
        match value {
            Value::Object(map) => Ok(Self { map, asked: Vec::new() }),
            other => Err(Fault::invalid(kind, format!("{} is not an object", short(&other)))),
        }
    }

    /// The raw value, null included.
    pub fn take(&mut self, name: &'static str) -> Option<Value> {
        self.asked.push(name);
        self.map.remove(name)
    }

    fn given(&mut self, name: &'static str) -> Option<Value> {
        self.take(name).filter(|value| !value.is_null())
    }

    pub fn text(&mut self, name: &'static str) -> Result<Option<String>, Fault> {
        self.given(name).map(|value| text_of(name, value)).transpose()
    }

    pub fn nullable_text(&mut self, name: &'static str) -> Result<Option<Option<String>>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(value) => text_of(name, value).map(|text| Some(Some(text))),
        }
    }

    /// A truth value, also in the spellings that Neutron takes.
    pub fn flag(&mut self, name: &'static str) -> Result<Option<bool>, Fault> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let spelt = match &value {
            Value::Bool(flag) => return Ok(Some(*flag)),
            Value::String(text) => text.to_ascii_lowercase(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        match spelt.as_str() {
            "true" | "1" => Ok(Some(true)),
            "false" | "0" => Ok(Some(false)),
            _ => Err(Fault::invalid(name, format!("{} is neither true nor false", short(&value)))),
        }
    }

    /// A whole number, as a number or as text.
    pub fn number<T: TryFrom<u64>>(&mut self, name: &'static str) -> Result<Option<T>, Fault> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let number = match &value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.and_then(|number| T::try_from(number).ok());
        number.map(Some).ok_or_else(|| {
            Fault::invalid(name, format!("{} is not a whole number in the valid range", short(&value)))
        })
    }

    /// Anything that is written as text: an id, an address, a prefix.
    pub fn parse<T>(&mut self, name: &'static str) -> Result<Option<T>, Fault>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.text(name)?.map(|text| parse_text(name, &text)).transpose()
    }

    pub fn nullable_parse<T>(&mut self, name: &'static str) -> Result<Option<Option<T>>, Fault>
    where
        T: FromStr,
        T::Err: Display,
    {
        match self.nullable_text(name)? {
            None => Ok(None),
            // The command line clients write an empty text where they mean null.
            Some(None) => Ok(Some(None)),
            Some(Some(text)) if text.is_empty() => Ok(Some(None)),
            Some(Some(text)) => parse_text(name, &text).map(|value| Some(Some(value))),
        }
    }

    /// A field that has to be there.
    pub fn required<T>(&mut self, name: &'static str) -> Result<T, Fault>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.parse(name)?.ok_or_else(|| Fault::invalid(name, "it is required"))
    }

    /// A field that cannot be changed: it may be given, but only as it is.
    pub fn must_be<T>(&mut self, name: &'static str, current: &T) -> Result<(), Fault>
    where
        T: FromStr + PartialEq + Display,
        T::Err: Display,
    {
        match self.parse::<T>(name)? {
            Some(given) if given != *current => {
                Err(Fault::invalid(name, format!("it is {current} and cannot be changed to {given}")))
            }
            _ => Ok(()),
        }
    }

    /// A list whose entries are read by `entry`. Null empties it.
    pub fn list<T>(
        &mut self,
        name: &'static str,
        mut entry: impl FnMut(Value) -> Result<T, Fault>,
    ) -> Result<Option<Vec<T>>, Fault> {
        let entries = match self.take(name) {
            None => return Ok(None),
            Some(Value::Null) => Vec::new(),
            Some(Value::Array(entries)) => entries,
            Some(other) => return Err(Fault::invalid(name, format!("{} is not a list", short(&other)))),
        };
        let read = entries
            .into_iter()
            .enumerate()
            .map(|(index, value)| entry(value).map_err(|fault| fault.under(&format!("{name}[{index}]"))));
        read.collect::<Result<_, _>>().map(Some)
    }

    /// A list of objects, each with fields of its own.
    pub fn objects<T>(
        &mut self,
        name: &'static str,
        mut entry: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<Option<Vec<T>>, Fault> {
        self.list(name, |value| {
            let mut fields = Self::new("", value)?;
            let read = entry(&mut fields)?;
            fields.finish()?;
            Ok(read)
        })
    }

    /// A list of texts, each parsed.
    pub fn texts<T>(&mut self, name: &'static str) -> Result<Option<Vec<T>>, Fault>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.list(name, |value| parse_text("", &text_of("", value)?))
    }

    /// Reads and forgets fields that clients send along and that mean nothing here.
    pub fn tolerate(&mut self, names: &[&'static str]) {
        for name in names {
            self.take(name);
        }
    }

    /// Refuses what was not asked for.
    pub fn finish(self) -> Result<(), Fault> {
        let Some(unknown) = self.map.keys().next() else { return Ok(()) };
        let reason = match nearest(unknown, &self.asked) {
            Some(meant) => format!("there is no such attribute, perhaps {meant} is meant"),
            None => "there is no such attribute".to_owned(),
        };
        Err(Fault::invalid(unknown, reason))
    }
}

/// The known name that is most like the given one, if any is.
pub fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let score = |name: &str| strsim::normalized_damerau_levenshtein(given, name);
    let best = known.iter().max_by(|a, b| score(a).total_cmp(&score(b)))?;
    (score(best) > 0.6).then_some(*best)
}

fn text_of(name: &str, value: Value) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(Fault::invalid(name, format!("{} is not a text", short(&other)))),
    }
}

fn parse_text<T>(name: &str, text: &str) -> Result<T, Fault>
where
    T: FromStr,
    T::Err: Display,
{
    text.trim().parse().map_err(|error| Fault::invalid(name, format!("{text:?}: {error}")))
}

/// The value for an error message, cut when it is long.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        Fields::new("port", value).unwrap()
    }

    #[test]
    fn the_probable_name_is_suggested() {
        let mut read = fields(json!({"admin_state": true}));
        read.flag("admin_state_up").unwrap();
        let said = read.finish().unwrap_err().to_string();
        assert!(said.contains("perhaps admin_state_up is meant"), "{said}");
    }

    #[test]
    fn null_is_kept_apart_where_it_means_something() {
        let mut read = fields(json!({"gateway_ip": null}));
        assert_eq!(read.nullable_parse::<std::net::IpAddr>("gateway_ip").unwrap(), Some(None));
        assert_eq!(read.nullable_parse::<std::net::IpAddr>("gateway_ip").unwrap(), None);
    }

    #[test]
    fn entries_of_lists_are_named() {
        let mut read = fields(json!({"dns_nameservers": ["10.0.0.1", "ten"]}));
        let said = read.texts::<std::net::IpAddr>("dns_nameservers").unwrap_err().to_string();
        assert!(said.contains("dns_nameservers[1]"), "{said}");
    }
}
