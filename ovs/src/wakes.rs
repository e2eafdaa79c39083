//! Whom a change of rows concerns. Pure.
//!
//! A plug concerns its Neutron port, a tunnel port its endpoint; a bridge that comes or goes, and a patch
//! port that gets another number, concern everything, because every object may have flows there.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{ObjectRef, Scope};
use uuid::Uuid;

use crate::plan::patches;
use crate::rows::{BridgeRow, Change, InterfaceRow, PortRow, Rows};
use crate::spec::NodeSpec;

/// The objects to look at after `changes`. `rows` has the changes already.
pub fn wakes(changes: &[Change], rows: &Rows, node: &NodeSpec) -> Scope {
    let mut objects = BTreeSet::new();
    for change in changes {
        let everything = match change {
            Change::Bridge(old, new) => bridge(old.as_deref(), new.as_deref(), rows, node, &mut objects),
            Change::Port(old, new) => {
                for row in [old, new].into_iter().flatten() {
                    port(row, rows, &mut objects);
                }
                false
            }
            Change::Interface(old, new) => interface(old.as_ref(), new.as_ref(), node, &mut objects),
        };
        if everything {
            return Scope::All;
        }
    }
    Scope::Objects(objects)
}

/// Returns whether everything is concerned.
fn bridge(
    old: Option<&BridgeRow>,
    new: Option<&BridgeRow>,
    rows: &Rows,
    node: &NodeSpec,
    objects: &mut BTreeSet<ObjectRef>,
) -> bool {
    let name = new.or(old).map_or("", |row| &row.name);
    let ours = name == node.integration || node.bridges().any(|bridge| bridge == name);
    match (old, new) {
        (Some(old), Some(new)) => {
            // A port that went took its own rows along; one that came may have had its rows before.
            let come = new.ports.iter().filter(|port| old.ports.binary_search(port).is_err());
            come.for_each(|uuid| port_by_uuid(*uuid, rows, objects));
            let ports = Vec::new();
            let others = |row: &BridgeRow| BridgeRow { ports: ports.clone(), ..row.clone() };
            if ours && others(old) != others(new) {
                objects.insert(ObjectRef::Node);
            }
            false
        }
        _ => ours,
    }
}

fn port_by_uuid(uuid: Uuid, rows: &Rows, objects: &mut BTreeSet<ObjectRef>) {
    if let Some(row) = rows.port_by_uuid(uuid) {
        port(row, rows, objects);
    }
}

fn port(row: &PortRow, rows: &Rows, objects: &mut BTreeSet<ObjectRef>) {
    let interfaces = row.interfaces.iter().filter_map(|uuid| rows.interface_by_uuid(*uuid));
    objects.extend(interfaces.filter_map(object));
}

/// Returns whether everything is concerned.
fn interface(
    old: Option<&Arc<InterfaceRow>>,
    new: Option<&Arc<InterfaceRow>>,
    node: &NodeSpec,
    objects: &mut BTreeSet<ObjectRef>,
) -> bool {
    let sides = || [old, new].into_iter().flatten();
    objects.extend(sides().filter_map(|row| object(row)));
    sides().any(|row| patches(node).any(|patch| patch == row.name))
}

fn object(row: &InterfaceRow) -> Option<ObjectRef> {
    row.plugged_as().map(ObjectRef::Port).or_else(|| row.remote().map(ObjectRef::Endpoint))
}
