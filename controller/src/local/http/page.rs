//! Sorting a list, and cutting it into pages as Neutron's clients ask for them.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use crate::local::Fault;

use super::kind::Kind;

type View = Map<String, Value>;

/// The order and the part of a list that a query asks for.
#[derive(Debug, Default)]
pub(super) struct Page {
    sort: Vec<(String, bool)>,
    limit: Option<usize>,
    marker: Option<String>,
    reverse: bool,
}

impl Page {
    pub(super) fn new(query: &[(String, String)]) -> Result<Self, Fault> {
        let values = |wanted: &str| {
            let matching = query.iter().filter(|(name, _)| name == wanted);
            matching.map(|(_, value)| value.clone()).collect::<Vec<_>>()
        };
        let directions = values("sort_dir");
        let descending = |index: usize| directions.get(index).is_some_and(|direction| direction == "desc");
        let sort = values("sort_key").into_iter().enumerate().map(|(index, key)| (key, descending(index)));
        let limit = match values("limit").pop() {
            Some(limit) => Some(limit.parse().map_err(|error| Fault::invalid("limit", error))?),
            None => None,
        };
        let reverse = values("page_reverse").pop().is_some_and(|value| value.eq_ignore_ascii_case("true"));
        // A limit of nought is none.
        let limit = limit.filter(|limit: &usize| *limit > 0);
        Ok(Self { sort: sort.collect(), limit, marker: values("marker").pop(), reverse })
    }

    /// The part of the list, and whether there is more after it.
    ///
    /// A marker that is not in the list (any more) is refused as Neutron does: to begin anew would have a
    /// client go round and round.
    pub(super) fn cut(&self, kind: Kind, mut views: Vec<View>) -> Result<(Vec<View>, bool), Fault> {
        views.sort_by(|a, b| self.order(a, b));
        if self.reverse {
            views.reverse();
        }
        if let Some(marker) = &self.marker {
            let at = views.iter().position(|view| view.get("id").and_then(Value::as_str) == Some(marker));
            let at = at.ok_or_else(|| kind.not_found(marker))?;
            views.drain(..=at);
        }
        let more = self.limit.is_some_and(|limit| views.len() > limit);
        views.truncate(self.limit.unwrap_or(usize::MAX));
        if self.reverse {
            views.reverse();
        }
        Ok((views, more))
    }

    /// The link to the page after one that ends with `last`.
    pub(super) fn next(&self, path: &str, query: &[(String, String)], last: &str) -> Value {
        let kept = query.iter().filter(|(name, _)| name != "marker");
        let kept: String = kept.map(|(name, value)| format!("{name}={}&", escape(value))).collect();
        json!([{"rel": "next", "href": format!("{path}?{kept}marker={last}")}])
    }

    fn order(&self, a: &View, b: &View) -> Ordering {
        let orders = self.sort.iter().map(|(key, descending)| {
            let order = compare(a.get(key), b.get(key));
            if *descending { order.reverse() } else { order }
        });
        orders.fold(Ordering::Equal, Ordering::then)
    }
}

fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => a.as_u64().cmp(&b.as_u64()),
        (Some(Value::String(a)), Some(Value::String(b))) => a.cmp(b),
        (Some(a), Some(b)) => a.to_string().cmp(&b.to_string()),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

/// Percent-encodes what is not plain (RFC 3986, 2.3).
fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
