//! Row steps as OVSDB operations. Pure.
//!
//! A row that may be gone by the time of the transaction is named by its UUID, never by its name, so that
//! nothing is brought back and nothing that took the name is hit. Sets and maps that others write to are
//! mutated, never replaced.

use std::collections::BTreeSet;

use model::VlanTag;
use uuid::Uuid;

use crate::ovsdb::{Atom, Columns, Condition, Map, Mutation, Operation, Set, Value};
use crate::rows::{PREDECESSORS, Texts};
use crate::spec::Owner;
use crate::step::{
    BridgeChange, InterfaceChange, NewBridge, NewPort, PortChange, REMEMBERED, Step, cookie_list,
};

/// The operations of one step; `number` tells it from the others of the transaction. The rows that the
/// step needs are verified or counted: see [`must_count`].
pub(super) fn operations(step: &Step, number: usize) -> Vec<Operation> {
    match step {
        Step::MakeBridge(bridge) => make_bridge(bridge, number),
        Step::SetBridge(change) => set_bridge(change),
        Step::MakePort(port) => make_port(port, number),
        Step::RemovePort { bridge, port, .. } => {
            let ports = Mutation::delete("ports", [*port].into_iter().collect::<Set>());
            vec![Operation::mutate("Bridge", Condition::equal("name", bridge), ports)]
        }
        Step::SetPort(change) => set_port(change),
        Step::SetInterface(change) => set_interface(change),
        Step::SetPredecessors { bridge, cookies, .. } => set_predecessors(*bridge, cookies),
        Step::AddFlow { .. } | Step::DeleteFlow { .. } | Step::DeleteCookie { .. } => Vec::new(),
    }
}

/// What a step changes that was there before, for the message when it is not there any more.
pub(super) fn must_count(step: &Step) -> Option<String> {
    match step {
        Step::SetBridge(change) => Some(format!("bridge {}", change.name)),
        Step::SetPredecessors { name, .. } => Some(format!("bridge {name}")),
        Step::SetPort(change) => Some(format!("port {}", change.name)),
        Step::SetInterface(change) => Some(format!("interface {}", change.name)),
        _ => None,
    }
}

fn make_bridge(bridge: &NewBridge, number: usize) -> Vec<Operation> {
    let (row, port, interface) =
        (format!("bridge{number}"), format!("port{number}"), format!("interface{number}"));
    let columns = Columns::new()
        .with("name", &bridge.name)
        .with("datapath_type", bridge.datapath_type.as_str())
        .with("protocols", bridge.protocols.iter().copied().collect::<Set>())
        .with("fail_mode", Some("secure"))
        .with("other_config", map(&bridge.other_config))
        .with("ports", reference(&port));
    vec![
        Operation::insert_named(
            "Interface",
            &interface,
            Columns::new().with("name", &bridge.name).with("type", "internal"),
        ),
        Operation::insert_named(
            "Port",
            &port,
            Columns::new().with("name", &bridge.name).with("interfaces", reference(&interface)),
        ),
        Operation::insert_named("Bridge", &row, columns),
        Operation::mutate("Open_vSwitch", Vec::new(), Mutation::insert("bridges", reference(&row))),
    ]
}

fn set_bridge(change: &BridgeChange) -> Vec<Operation> {
    let mut columns = Columns::new();
    if let Some(datapath_type) = change.datapath_type {
        columns = columns.with("datapath_type", datapath_type.as_str());
    }
    if change.secure {
        columns = columns.with("fail_mode", Some("secure"));
    }
    let row = Condition::uuid(change.bridge);
    let mut mutations = replace_keys("other_config", &change.other_config);
    if !change.protocols.is_empty() {
        let protocols = change.protocols.iter().copied().collect::<Set>();
        mutations.push(Mutation::insert("protocols", protocols));
    }
    write("Bridge", &row, columns, mutations)
}

fn set_predecessors(bridge: Uuid, cookies: &BTreeSet<u64>) -> Vec<Operation> {
    let mut mutations = vec![Mutation::delete_keys("external_ids", [PREDECESSORS])];
    if !cookies.is_empty() {
        let texts = [(PREDECESSORS, cookie_list(cookies))].into_iter().collect::<Map>();
        mutations.push(Mutation::insert("external_ids", texts));
    }
    write("Bridge", &Condition::uuid(bridge), Columns::new(), mutations)
}

fn make_port(port: &NewPort, number: usize) -> Vec<Operation> {
    let (row, interface_row) = (format!("port{number}"), format!("interface{number}"));
    let mut interface =
        Columns::new().with("name", &port.name).with("type", &port.kind).with("options", map(&port.options));
    if let Some(mtu) = port.mtu {
        interface = interface.with("mtu_request", Some(mtu));
    }
    if let Some((id, mac)) = port.plugged {
        let ids = [
            ("iface-id", id.to_string()),
            ("attached-mac", mac.to_string()),
            ("iface-status", "active".to_owned()),
        ];
        interface = interface.with("external_ids", ids.into_iter().collect::<Map>());
    }
    let columns = Columns::new()
        .with("name", &port.name)
        .with("interfaces", reference(&interface_row))
        .with("tag", tag(port.tag))
        .with("other_config", map(&port.other_config))
        .with("external_ids", [(Owner::KEY, port.owner.as_str())].into_iter().collect::<Map>());
    let bridge = || Condition::equal("name", &port.bridge);
    vec![
        // Without the bridge the port would be dropped by the server without a word.
        Operation::verify("Bridge", bridge(), Columns::new().with("name", &port.bridge)),
        Operation::insert_named("Interface", &interface_row, interface),
        Operation::insert_named("Port", &row, columns),
        Operation::mutate("Bridge", bridge(), Mutation::insert("ports", reference(&row))),
    ]
}

fn set_port(change: &PortChange) -> Vec<Operation> {
    let mut columns = Columns::new().with("tag", tag(Some(change.tag)));
    if change.access {
        columns = columns.with("vlan_mode", None::<&str>).with("trunks", Set::default());
    }
    let mut mutations = Vec::new();
    if let Some(texts) = &change.remember {
        mutations.push(Mutation::delete_keys("other_config", REMEMBERED));
        mutations.push(Mutation::insert("other_config", map(texts)));
    }
    if let Some(owner) = change.owner {
        let mark = [(Owner::KEY.to_owned(), owner.as_str().to_owned())].into();
        mutations.extend(replace_keys("external_ids", &mark));
    }
    write("Port", &Condition::uuid(change.port), columns, mutations)
}

fn set_interface(change: &InterfaceChange) -> Vec<Operation> {
    let mut columns = Columns::new();
    if let Some(kind) = &change.kind {
        columns = columns.with("type", kind);
    }
    if let Some(options) = &change.options {
        columns = columns.with("options", map(options));
    }
    if let Some(mtu) = change.mtu {
        columns = columns.with("mtu_request", Some(mtu));
    }
    if let Some(number) = change.number {
        columns = columns.with("ofport_request", Some(number));
    }
    let mac = change.mac.map(|mac| [("attached-mac".to_owned(), mac.to_string())].into());
    let mutations = mac.map_or_else(Vec::new, |mac| replace_keys("external_ids", &mac));
    write("Interface", &Condition::uuid(change.interface), columns, mutations)
}

fn write(table: &str, row: &Condition, columns: Columns, mutations: Vec<Mutation>) -> Vec<Operation> {
    let mut operations = Vec::new();
    if !columns.is_empty() {
        operations.push(Operation::update(table, row.clone(), columns));
    }
    if !mutations.is_empty() {
        operations.push(Operation::mutate(table, row.clone(), mutations));
    }
    operations
}

/// Sets keys of a map, whatever they had before.
fn replace_keys(column: &str, texts: &Texts) -> Vec<Mutation> {
    if texts.is_empty() {
        return Vec::new();
    }
    vec![
        Mutation::delete_keys(column, texts.keys().map(String::as_str)),
        Mutation::insert(column, map(texts)),
    ]
}

fn map(texts: &Texts) -> Map {
    texts.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

fn reference(name: &str) -> Value {
    Value::Set([Atom::named(name)].into_iter().collect())
}

fn tag(tag: Option<VlanTag>) -> Option<i64> {
    tag.map(|tag| i64::from(tag.0))
}
