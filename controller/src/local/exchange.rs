//! Export and import of everything, as one JSON document: the way out of an old store and into a new
//! one, and the way to give a second node the same picture.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::draft::Draft;
use super::fault::Fault;
use super::fields::Fields;
use super::load;
use super::record::Host;
use super::state::{Key, Record, State};
use super::store::FORMAT;

/// Every record, in the store's format.
pub(super) fn export(state: &State) -> Value {
    let records: Vec<Record> = state.keys().filter_map(|key| state.get(&key)).collect();
    json!({"format": FORMAT, "records": records})
}

/// The state in a document that [`export`] made.
pub(super) fn read(document: Value) -> Result<State, Fault> {
    let mut fields = Fields::new("body", document)?;
    let format: u64 = fields.number("format")?.ok_or_else(|| Fault::invalid("format", "it is required"))?;
    if format != FORMAT {
        return Err(Fault::invalid("format", format!("it is {format}, this program knows {FORMAT}")));
    }
    let records = fields.list("records", |record| {
        serde_json::from_value::<Record>(record).map_err(|error| Fault::invalid("", error))
    })?;
    fields.finish()?;
    load::state(records.unwrap_or_default()).map_err(|reason| Fault::invalid("records", reason))
}

/// Makes the imported state the draft's. This node itself stays among the hosts.
pub(super) fn replace(draft: &mut Draft<'_>, imported: State) -> Result<(), Fault> {
    let keys: BTreeSet<Key> = draft.state.keys().chain(imported.keys()).collect();
    let differ = |key: &Key| draft.state.get(key) != imported.get(key);
    let changed: Vec<Key> = keys.into_iter().filter(differ).collect();
    draft.touched.extend(changed);
    draft.state = imported;
    draft.put_host(Host { name: draft.local_host(), tunnel_ip: draft.config.tunnel_ip });
    Ok(())
}
