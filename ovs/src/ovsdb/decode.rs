//! From the JSON form of a value to the value, led by the column's type. Pure; any input gives a value or an error.
//!
//! Counts are not checked against the type's minimum and maximum: a difference of two sets may hold more elements than
//! either, and what a server stores is the server's affair.

use serde_json::Value as Json;
use uuid::Uuid;

use super::schema::{AtomType, ColumnType};
use super::value::{Atom, Map, Set, Value};

/// Why a piece of JSON is not the value that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    #[error("expected {expected}, found {found}")]
    Mismatch { expected: &'static str, found: String },
}

/// The value of a column of the given type.
pub fn decode_value(json: &Json, of: &ColumnType) -> Result<Value, ValueError> {
    if let Some(value) = of.value {
        return map(json, of.key, value).map(Value::Map);
    }
    if of.is_scalar() {
        let bare = match tagged(json, "set") {
            Some([single]) => single,
            _ => json,
        };
        return decode_atom(bare, of.key).map(Value::Scalar);
    }
    set(json, of.key).map(Value::Set)
}

/// The value of a column whose type is not known: a bare atom is a scalar, numbers without a fraction are integers.
pub fn decode_untyped(json: &Json) -> Result<Value, ValueError> {
    if let Some(elements) = tagged(json, "set") {
        return elements.iter().map(untyped_atom).collect::<Result<Set, _>>().map(Value::Set);
    }
    if let Some(pairs) = tagged(json, "map") {
        return pairs
            .iter()
            .map(|json| pair(json, untyped_atom, untyped_atom))
            .collect::<Result<Map, _>>()
            .map(Value::Map);
    }
    untyped_atom(json).map(Value::Scalar)
}

/// One atom of the given type.
pub fn decode_atom(json: &Json, of: AtomType) -> Result<Atom, ValueError> {
    match of {
        AtomType::Integer => json.as_i64().map(Atom::Integer),
        // Adding zero turns -0.0 into 0.0: the database holds them for equal, our total order does not.
        AtomType::Real => json.as_f64().map(|number| Atom::Real(number + 0.0)),
        AtomType::Boolean => json.as_bool().map(Atom::Boolean),
        AtomType::String => json.as_str().map(Atom::from),
        AtomType::Uuid => uuid(json).map(Atom::Uuid),
    }
    .ok_or_else(|| mismatch(of.name(), json))
}

/// A `["uuid", "…"]` pair.
pub(crate) fn uuid(json: &Json) -> Option<Uuid> {
    match json.as_array()?.as_slice() {
        [tag, text] if tag == "uuid" => text.as_str()?.parse().ok(),
        _ => None,
    }
}

fn set(json: &Json, of: AtomType) -> Result<Set, ValueError> {
    match tagged(json, "set") {
        Some(elements) => elements.iter().map(|json| decode_atom(json, of)).collect(),
        None => decode_atom(json, of).map(|atom| Set::from_iter([atom])),
    }
}

fn map(json: &Json, key: AtomType, value: AtomType) -> Result<Map, ValueError> {
    tagged(json, "map")
        .ok_or_else(|| mismatch("a map", json))?
        .iter()
        .map(|json| pair(json, |json| decode_atom(json, key), |json| decode_atom(json, value)))
        .collect()
}

fn pair(
    json: &Json,
    key: impl Fn(&Json) -> Result<Atom, ValueError>,
    value: impl Fn(&Json) -> Result<Atom, ValueError>,
) -> Result<(Atom, Atom), ValueError> {
    match json.as_array().map(Vec::as_slice) {
        Some([k, v]) => Ok((key(k)?, value(v)?)),
        _ => Err(mismatch("a pair of key and value", json)),
    }
}

fn untyped_atom(json: &Json) -> Result<Atom, ValueError> {
    match json {
        Json::Bool(truth) => Ok(Atom::Boolean(*truth)),
        Json::String(text) => Ok(Atom::from(text)),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Ok(Atom::Integer(integer)),
            (None, Some(real)) => Ok(Atom::Real(real + 0.0)),
            (None, None) => Err(mismatch("a number", json)),
        },
        _ => uuid(json).map(Atom::Uuid).ok_or_else(|| mismatch("an atom", json)),
    }
}

/// The elements of `[tag, [elements]]`.
fn tagged<'a>(json: &'a Json, tag: &str) -> Option<&'a [Json]> {
    match json.as_array()?.as_slice() {
        [first, Json::Array(elements)] if first == tag => Some(elements),
        _ => None,
    }
}

fn mismatch(expected: &'static str, found: &Json) -> ValueError {
    ValueError::Mismatch { expected, found: excerpt(found) }
}

/// The beginning of a JSON text, short enough for an error message.
pub(crate) fn excerpt(json: &Json) -> String {
    let text = json.to_string();
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
