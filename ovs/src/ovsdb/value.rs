//! The data of OVSDB: atoms, sets and maps (RFC 7047, section 5.1), and their JSON form.
//!
//! Decoding is led by the column's type ([`super::ColumnType`]), because the wire form alone is ambiguous: a set of
//! exactly one element travels as the bare element, and a real number may travel as `5`. A decoded column therefore
//! always has the shape of its type: an optional integer is a [`Value::Set`] of none or one.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;
use uuid::Uuid;

/// One indivisible value.
#[derive(Clone)]
pub enum Atom {
    Integer(i64),
    Real(f64),
    Boolean(bool),
    String(Arc<str>),
    Uuid(Uuid),
    /// Stands for the row that another operation of the same transaction inserts under this name. Letters, digits and
    /// underscores, not beginning with a digit. Only in requests: a server never sends it.
    NamedUuid(Arc<str>),
}

/// The value of one column.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Scalar(Atom),
    Set(Set),
    Map(Map),
}

/// A set of atoms, kept sorted.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Set(Vec<Atom>);

/// A map from atoms to atoms, kept sorted by key.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Map(Vec<(Atom, Atom)>);

impl Atom {
    /// See [`Atom::NamedUuid`].
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self::NamedUuid(name.into())
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    pub fn as_real(&self) -> Option<f64> {
        match self {
            Self::Real(number) => Some(*number),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(truth) => Some(*truth),
            _ => None,
        }
    }

    pub fn as_uuid(&self) -> Option<Uuid> {
        match self {
            Self::Uuid(uuid) => Some(*uuid),
            _ => None,
        }
    }

    /// The wire form. A real that is not finite has none and becomes `null`, which the server refuses by name.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Integer(number) => Json::from(*number),
            Self::Real(number) => Json::from(*number),
            Self::Boolean(truth) => Json::from(*truth),
            Self::String(text) => Json::from(&**text),
            Self::Uuid(uuid) => Json::Array(vec!["uuid".into(), uuid.to_string().into()]),
            Self::NamedUuid(name) => Json::Array(vec!["named-uuid".into(), (&**name).into()]),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Integer(_) => 0,
            Self::Real(_) => 1,
            Self::Boolean(_) => 2,
            Self::String(_) => 3,
            Self::Uuid(_) => 4,
            Self::NamedUuid(_) => 5,
        }
    }
}

impl Ord for Atom {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(b),
            (Self::Real(a), Self::Real(b)) => a.total_cmp(b),
            (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
            (Self::String(a), Self::String(b)) | (Self::NamedUuid(a), Self::NamedUuid(b)) => a.cmp(b),
            (Self::Uuid(a), Self::Uuid(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Atom {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Atom {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Atom {}

impl Value {
    /// The single atom: of a scalar, or of a set that has exactly one element.
    pub fn single(&self) -> Option<&Atom> {
        match self {
            Self::Scalar(atom) => Some(atom),
            Self::Set(set) => match set.0.as_slice() {
                [atom] => Some(atom),
                _ => None,
            },
            Self::Map(_) => None,
        }
    }

    /// All atoms: the scalar, the elements of the set, the keys of the map.
    pub fn atoms(&self) -> impl Iterator<Item = &Atom> {
        let (atoms, pairs): (&[Atom], &[(Atom, Atom)]) = match self {
            Self::Scalar(atom) => (std::slice::from_ref(atom), &[]),
            Self::Set(set) => (&set.0, &[]),
            Self::Map(map) => (&[], &map.0),
        };
        atoms.iter().chain(pairs.iter().map(|(key, _)| key))
    }

    /// The wire form. Sets always travel as `["set", …]`, which servers accept for any count.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Scalar(atom) => atom.to_json(),
            Self::Set(set) => {
                Json::Array(vec!["set".into(), Json::Array(set.iter().map(Atom::to_json).collect())])
            }
            Self::Map(map) => {
                let pairs = map.iter().map(|(key, value)| Json::Array(vec![key.to_json(), value.to_json()]));
                Json::Array(vec!["map".into(), Json::Array(pairs.collect())])
            }
        }
    }
}

impl Set {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, atom: &Atom) -> bool {
        self.0.binary_search(atom).is_ok()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Atom> {
        self.0.iter()
    }

    /// What is in exactly one of the two: how `update2` and `update3` change a set.
    pub(crate) fn symmetric_difference(&self, other: &Self) -> Self {
        let (mine, theirs): (BTreeSet<_>, BTreeSet<_>) = (self.iter().collect(), other.iter().collect());
        Self(mine.symmetric_difference(&theirs).map(|atom| (*atom).clone()).collect())
    }
}

impl Map {
    pub(crate) const EMPTY: Self = Self(Vec::new());

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, key: &Atom) -> Option<&Atom> {
        let place = self.0.binary_search_by(|(have, _)| have.cmp(key)).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    /// The text under a text key: nearly every map of the Open_vSwitch schema is one of strings.
    pub fn string(&self, key: &str) -> Option<&str> {
        let order = |have: &Atom| match have {
            Atom::String(text) => (**text).cmp(key),
            other => other.rank().cmp(&Atom::String(Arc::default()).rank()),
        };
        let place = self.0.binary_search_by(|(have, _)| order(have)).ok()?;
        self.0.get(place).and_then(|(_, value)| value.as_str())
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Atom, &Atom)> + ExactSizeIterator {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// The pairs whose key and value are both text.
    pub fn strings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter_map(|(key, value)| Some((key.as_str()?, value.as_str()?)))
    }

    /// How `update2` and `update3` change a map: an unknown key is added, a key with the value it has already is
    /// removed, a key with another value is changed.
    pub(crate) fn apply_difference(&self, difference: &Self) -> Self {
        let mut pairs = self.0.clone();
        for (key, value) in difference.iter() {
            match pairs.binary_search_by(|(have, _)| have.cmp(key)) {
                Ok(place) if pairs[place].1 == *value => {
                    pairs.remove(place);
                }
                Ok(place) => pairs[place].1 = value.clone(),
                Err(place) => pairs.insert(place, (key.clone(), value.clone())),
            }
        }
        Self(pairs)
    }
}

impl<A: Into<Atom>> FromIterator<A> for Set {
    fn from_iter<I: IntoIterator<Item = A>>(atoms: I) -> Self {
        let mut atoms: Vec<Atom> = atoms.into_iter().map(Into::into).collect();
        atoms.sort();
        atoms.dedup();
        Self(atoms)
    }
}

/// Of two pairs with the same key the last one stays.
impl<K: Into<Atom>, V: Into<Atom>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut pairs: Vec<(Atom, Atom)> =
            pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        pairs.reverse();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, first| later.0 == first.0);
        Self(pairs)
    }
}

impl<'a> IntoIterator for &'a Set {
    type Item = &'a Atom;
    type IntoIter = std::slice::Iter<'a, Atom>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

macro_rules! atom_from {
    ($($from:ty => |$value:ident| $atom:expr),* $(,)?) => {$(
        impl From<$from> for Atom {
            fn from($value: $from) -> Self {
                $atom
            }
        }

        impl From<$from> for Value {
            fn from($value: $from) -> Self {
                Self::Scalar($atom)
            }
        }
    )*};
}

atom_from! {
    i64 => |value| Atom::Integer(value),
    i32 => |value| Atom::Integer(value.into()),
    u32 => |value| Atom::Integer(value.into()),
    u16 => |value| Atom::Integer(value.into()),
    f64 => |value| Atom::Real(value),
    bool => |value| Atom::Boolean(value),
    &str => |value| Atom::String(value.into()),
    &String => |value| Atom::String(value.as_str().into()),
    String => |value| Atom::String(value.into()),
    Arc<str> => |value| Atom::String(value),
    Uuid => |value| Atom::Uuid(value),
}

impl From<Atom> for Value {
    fn from(atom: Atom) -> Self {
        Self::Scalar(atom)
    }
}

impl From<Set> for Value {
    fn from(set: Set) -> Self {
        Self::Set(set)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

/// An optional column: the empty set or the set of one.
impl<A: Into<Atom>> From<Option<A>> for Value {
    fn from(value: Option<A>) -> Self {
        Self::Set(value.into_iter().collect())
    }
}

impl fmt::Debug for Atom {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => number.fmt(out),
            Self::Real(number) => number.fmt(out),
            Self::Boolean(truth) => truth.fmt(out),
            Self::String(text) => text.fmt(out),
            Self::Uuid(uuid) => write!(out, "{uuid}"),
            Self::NamedUuid(name) => write!(out, "@{name}"),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(atom) => atom.fmt(out),
            Self::Set(set) => set.fmt(out),
            Self::Map(map) => map.fmt(out),
        }
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self.iter()).finish()
    }
}
