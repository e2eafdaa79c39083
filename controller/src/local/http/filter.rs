//! Which resources of a collection a query is about, and which fields of them.
//!
//! A parameter is the name of a field and a value that it should have; the same parameter twice means
//! either value. A parameter that is no field of the resource is refused rather than passed over, so
//! that a misspelt filter does not answer with everything.

use serde_json::{Map, Value};

use crate::local::Fault;
use crate::local::state::State;

use super::kind::Kind;

/// The parameters of a query that are no field's name.
const NO_FILTERS: [&str; 7] =
    ["fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir", "verbose"];

/// The conditions of a query.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// Field name and the values of which it should have one.
    conditions: Vec<(String, Vec<String>)>,
    fields: Vec<String>,
}

impl Filter {
    pub(super) fn new(query: &[(String, String)]) -> Self {
        let mut filter = Self::default();
        for (name, value) in query {
            if name == "fields" {
                filter.fields.push(value.clone());
            } else if !NO_FILTERS.contains(&name.as_str()) {
                filter.condition(name, value);
            }
        }
        filter
    }

    fn condition(&mut self, name: &str, value: &str) {
        match self.conditions.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push(value.to_owned()),
            None => self.conditions.push((name.to_owned(), vec![value.to_owned()])),
        }
    }

    /// The ids that can match at all, found through an index where there is one.
    pub(super) fn candidates(&self, kind: Kind, state: &State) -> Vec<String> {
        if let Some(ids) = self.values("id") {
            return ids.to_vec();
        }
        if kind == Kind::Port {
            if let Some(devices) = self.values("device_id") {
                let ports = devices.iter().flat_map(|device| state.ports_of_device(device));
                return ports.map(|port| port.id.to_string()).collect();
            }
            if let Some(networks) = self.values("network_id") {
                let networks = networks.iter().filter_map(|id| id.parse().ok());
                return networks.flat_map(|id| state.ports_of(id)).map(|port| port.id.to_string()).collect();
            }
        }
        kind.ids(state)
    }

    fn values(&self, name: &str) -> Option<&[String]> {
        self.conditions.iter().find(|(known, _)| known == name).map(|(_, values)| values.as_slice())
    }

    pub(super) fn matches(&self, view: &Map<String, Value>) -> Result<bool, Fault> {
        for (name, wanted) in &self.conditions {
            let matches = match name.as_str() {
                "fixed_ips" => wanted.iter().all(|wanted| has_fixed_ip(view, wanted)),
                "tags" => wanted.iter().flat_map(|list| list.split(',')).all(|tag| has_tag(view, tag)),
                "tags-any" => wanted.iter().flat_map(|list| list.split(',')).any(|tag| has_tag(view, tag)),
                "not-tags" => !wanted.iter().flat_map(|list| list.split(',')).all(|tag| has_tag(view, tag)),
                "not-tags-any" => {
                    !wanted.iter().flat_map(|list| list.split(',')).any(|tag| has_tag(view, tag))
                }
                _ => {
                    let Some(value) = view.get(name) else {
                        return Err(Fault::invalid("filters", format!("there is no attribute {name}")));
                    };
                    wanted.iter().any(|wanted| is(value, wanted))
                }
            };
            if !matches {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Leaves only the fields that were asked for.
    pub(super) fn project(&self, view: &mut Map<String, Value>) {
        if !self.fields.is_empty() {
            view.retain(|name, _| self.fields.iter().any(|field| field == name));
        }
    }
}

/// Whether a value is what a query wrote: without regard to case for truth values and addresses.
fn is(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted || (text.len() == 17 && text.eq_ignore_ascii_case(wanted)),
        Value::Bool(flag) => {
            matches!((flag, wanted), (true, "True" | "true" | "1") | (false, "False" | "false" | "0"))
        }
        Value::Null => wanted.is_empty() || wanted == "null" || wanted == "None",
        Value::Array(values) => values.iter().any(|value| is(value, wanted)),
        Value::Number(number) => number.to_string() == wanted,
        Value::Object(_) => false,
    }
}

/// `ip_address=10.0.0.1` or `subnet_id=…`, as Neutron's clients write it.
fn has_fixed_ip(view: &Map<String, Value>, wanted: &str) -> bool {
    let Some((name, value)) = wanted.split_once('=') else { return false };
    let fixed_ips = view.get("fixed_ips").and_then(Value::as_array);
    fixed_ips.into_iter().flatten().any(|fixed| fixed.get(name).is_some_and(|own| is(own, value)))
}

fn has_tag(view: &Map<String, Value>, tag: &str) -> bool {
    view.get("tags").and_then(Value::as_array).into_iter().flatten().any(|own| is(own, tag))
}
