//! Which tables and columns of the switch's database are followed, and how a row becomes a value. Columns that
//! are not named here are somebody else's.

use std::collections::BTreeSet;

use model::VlanTag;
use uuid::Uuid;

use super::{BridgeRow, InterfaceRow, Ofport, PREDECESSORS, PortRow, Texts};
use crate::ovsdb::{Monitor, Row};
use crate::spec::Owner;

/// What is followed in the database.
pub fn monitor() -> Monitor {
    Monitor::new("Open_vSwitch")
        .table("Open_vSwitch", ["bridges", "other_config"])
        .optional("Open_vSwitch", ["datapath_types", "iface_types"])
        .optional("Bridge", ["external_ids"])
        .table(
            "Bridge",
            ["name", "ports", "datapath_type", "datapath_id", "protocols", "fail_mode", "other_config"],
        )
        .table("Port", ["name", "interfaces", "tag", "vlan_mode", "trunks", "other_config", "external_ids"])
        .table("Interface", ["name", "type", "ofport", "external_ids", "options"])
        .optional("Interface", ["error", "mtu_request"])
}

/// Cookies as we write them: `0x1f,0x2e`.
fn cookies(text: &str) -> BTreeSet<u64> {
    let cookie = |text: &str| u64::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok();
    text.split(',').filter_map(cookie).collect()
}

fn texts(row: &Row, column: &str) -> Texts {
    row.map(column).strings().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

pub(super) fn bridge_row(uuid: Uuid, row: &Row) -> BridgeRow {
    BridgeRow {
        uuid,
        name: row.string("name").to_owned(),
        ports: row.uuids("ports").collect(),
        datapath_type: row.string("datapath_type").to_owned(),
        datapath_id: row.optional_string("datapath_id").map(str::to_owned),
        protocols: row.strings("protocols").map(str::to_owned).collect(),
        fail_mode: row.optional_string("fail_mode").map(str::to_owned),
        other_config: texts(row, "other_config"),
        predecessors: row.key("external_ids", PREDECESSORS).map(cookies).unwrap_or_default(),
    }
}

pub(super) fn port_row(uuid: Uuid, row: &Row) -> PortRow {
    PortRow {
        uuid,
        name: row.string("name").to_owned(),
        interfaces: row.uuids("interfaces").collect(),
        tag: row.optional_integer("tag").and_then(|tag| u16::try_from(tag).ok()).map(VlanTag),
        vlan_mode: row.optional_string("vlan_mode").map(str::to_owned),
        has_trunks: row.integers("trunks").next().is_some(),
        other_config: texts(row, "other_config"),
        owner: row.key("external_ids", Owner::KEY).and_then(Owner::parse),
    }
}

pub(super) fn interface_row(uuid: Uuid, row: &Row) -> InterfaceRow {
    let ofport = match row.optional_integer("ofport") {
        None => Ofport::Unassigned,
        Some(number) => u32::try_from(number).map_or(Ofport::Failed, Ofport::Number),
    };
    InterfaceRow {
        uuid,
        name: row.string("name").to_owned(),
        kind: row.string("type").to_owned(),
        ofport,
        error: row.optional_string("error").map(str::to_owned),
        port: row.key("external_ids", "iface-id").and_then(|id| id.parse().ok()),
        mac: row.key("external_ids", "attached-mac").map(str::to_owned),
        options: texts(row, "options"),
        mtu_request: row.optional_integer("mtu_request").and_then(|mtu| u32::try_from(mtu).ok()),
    }
}
