//! Reading of one JSON object with its place kept, so that a complaint can say where.

use std::fmt::Display;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::neutron::fault::Malformed;

/// A JSON object and where it is, as `networks[2].ports[0]`.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    at: String,
    fields: &'a Map<String, Value>,
}

impl<'a> Reader<'a> {
    /// Reads `value`, which is called `name` in complaints.
    pub(crate) fn new(name: &str, value: &'a Value) -> Result<Self, Malformed> {
        match value {
            Value::Object(fields) => Ok(Self { at: name.to_owned(), fields }),
            other => {
                Err(Malformed { at: name.to_owned(), why: format!("{} instead of an object", kind(other)) })
            }
        }
    }

    pub(crate) fn of(name: &str, fields: &'a Map<String, Value>) -> Self {
        Self { at: name.to_owned(), fields }
    }

    /// A complaint about a field.
    pub(crate) fn wrong(&self, field: &str, why: impl Display) -> Malformed {
        Malformed { at: format!("{}.{field}", self.at), why: why.to_string() }
    }

    /// A field that is there and not null.
    pub(crate) fn value(&self, field: &str) -> Option<&'a Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&self, field: &str) -> Result<Option<&'a str>, Malformed> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(field, format_args!("{} instead of a text", kind(other)))),
        }
    }

    /// A text, empty when it is absent.
    pub(crate) fn text_or_empty(&self, field: &str) -> Result<String, Malformed> {
        Ok(self.text(field)?.unwrap_or_default().to_owned())
    }

    /// A text that means something: an id, an address, a network.
    pub(crate) fn parsed<T>(&self, field: &str) -> Result<Option<T>, Malformed>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.text(field)?.map(|text| self.parse(field, text)).transpose()
    }

    /// The same, and it has to be there.
    pub(crate) fn required<T>(&self, field: &str) -> Result<T, Malformed>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.parsed(field)?.ok_or_else(|| self.wrong(field, "is missing"))
    }

    pub(crate) fn parse<T>(&self, field: &str, text: &str) -> Result<T, Malformed>
    where
        T: FromStr,
        T::Err: Display,
    {
        text.parse().map_err(|error| self.wrong(field, format_args!("{text:?}: {error}")))
    }

    /// A truth value, `usual` when it is absent.
    pub(crate) fn flag(&self, field: &str, usual: bool) -> Result<bool, Malformed> {
        match self.value(field) {
            None => Ok(usual),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong(field, format_args!("{} instead of true or false", kind(other)))),
        }
    }

    /// A whole number. Texts of digits are numbers too: some come from databases as texts.
    pub(crate) fn number<T: TryFrom<i64>>(&self, field: &str) -> Result<Option<T>, Malformed> {
        let number = match self.value(field) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        let fits = number.and_then(|number| T::try_from(number).ok());
        fits.map(Some).ok_or_else(|| self.wrong(field, "is not a whole number in range"))
    }

    /// An object inside.
    pub(crate) fn object(&self, field: &str) -> Result<Option<Reader<'a>>, Malformed> {
        let Some(value) = self.value(field) else { return Ok(None) };
        Reader::new(&format!("{}.{field}", self.at), value).map(Some)
    }

    /// The values of a list; none when it is absent.
    pub(crate) fn values(&self, field: &str) -> Result<&'a [Value], Malformed> {
        match self.value(field) {
            None => Ok(&[]),
            Some(Value::Array(values)) => Ok(values),
            Some(other) => Err(self.wrong(field, format_args!("{} instead of a list", kind(other)))),
        }
    }

    /// The objects of a list. One that is no object is a complaint of its own.
    pub(crate) fn objects(
        &self,
        field: &str,
    ) -> Result<impl Iterator<Item = Result<Reader<'a>, Malformed>> + use<'a>, Malformed> {
        let at = format!("{}.{field}", self.at);
        let values = self.values(field)?;
        Ok(values.iter().enumerate().map(move |(index, value)| Reader::new(&format!("{at}[{index}]"), value)))
    }

    /// The texts of a list that mean something.
    pub(crate) fn parsed_list<T>(&self, field: &str) -> Result<Vec<T>, Malformed>
    where
        T: FromStr,
        T::Err: Display,
    {
        let each = |value: &Value| match value {
            Value::String(text) => self.parse(field, text),
            other => Err(self.wrong(field, format_args!("{} instead of a text", kind(other)))),
        };
        self.values(field)?.iter().map(each).collect()
    }

    /// All fields with their names.
    pub(crate) fn fields(&self) -> &'a Map<String, Value> {
        self.fields
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn complaints_name_the_place() {
        let value = json!({"ports": [{"mtu": 1}, {"mtu": "x"}, 7]});
        let reader = Reader::new("network", &value).unwrap();
        let found: Vec<_> = reader
            .objects("ports")
            .unwrap()
            .map(|port| port.and_then(|port| port.number::<u32>("mtu")).map_err(|error| error.to_string()))
            .collect();
        assert_eq!(found[0], Ok(Some(1)));
        assert_eq!(found[1], Err("network.ports[1].mtu: is not a whole number in range".to_owned()));
        assert_eq!(found[2], Err("network.ports[2]: a number instead of an object".to_owned()));
    }

    #[test]
    fn null_is_absent() {
        let value = json!({"name": null});
        let reader = Reader::new("x", &value).unwrap();
        assert_eq!(reader.text("name").unwrap(), None);
        assert_eq!(reader.required::<String>("name").unwrap_err().to_string(), "x.name: is missing");
    }
}
