//! What the agent offers to placement: bandwidth and packet rates, in the form in which the server takes
//! them with every report. Nothing on the node is done with them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Pair;
use crate::config::values::{Name, Values};

/// The `resource_provider_…` entries of the agent's configurations.
pub(super) fn resources(
    values: &mut Values,
    host: &str,
    mappings: &BTreeMap<String, String>,
) -> Map<String, Value> {
    const BOTH: &[&str] = &["egress", "ingress"];
    let bandwidths =
        option!("ovs", "resource_provider_bandwidths", "kilobits per second, as bridge:egress:ingress,…");
    let with = option!(
        "ovs",
        "resource_provider_packet_processing_with_direction",
        "packets per second, as hypervisor:egress:ingress,…"
    );
    let without = option!(
        "ovs",
        "resource_provider_packet_processing_without_direction",
        "packets per second, as hypervisor:packets,…"
    );
    let of_bandwidth =
        option!("ovs", "resource_provider_inventory_defaults", "inventory of bandwidth, as key:value,…");
    let of_packets = option!(
        "ovs",
        "resource_provider_packet_processing_inventory_defaults",
        "inventory of packets, as key:value,…"
    );
    let entries = [
        (bandwidths.option, rates(values, bandwidths, BOTH, "")),
        (with.option, rates(values, with, BOTH, host)),
        (without.option, rates(values, without, &["any"], host)),
        (of_bandwidth.option, inventory(values, of_bandwidth)),
        (of_packets.option, inventory(values, of_packets)),
        ("resource_provider_hypervisors", hypervisors(values, mappings)),
    ];
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// `key:rate:rate`, where a rate may be left out. An empty key stands for `unnamed`.
fn rates(values: &mut Values, name: Name, directions: &[&str], unnamed: &str) -> Value {
    let mut rates = Map::new();
    for entry in values.list::<String>(name) {
        let mut parts = entry.split(':').map(str::trim);
        let key = parts.next().filter(|key| !key.is_empty()).unwrap_or(unnamed).to_owned();
        let mut rate = Map::new();
        for direction in directions {
            match parts.next().filter(|text| !text.is_empty()).map(str::parse::<u64>) {
                None => _ = rate.insert((*direction).to_owned(), Value::Null),
                Some(Ok(number)) => _ = rate.insert((*direction).to_owned(), json!(number)),
                Some(Err(_)) => values.refuse(name, &entry, "a rate is not a number"),
            }
        }
        if parts.next().is_some() || key.is_empty() || rates.insert(key, Value::Object(rate)).is_some() {
            values.refuse(name, &entry, "has no name, too many parts, or a name that was there before");
        }
    }
    Value::Object(rates)
}

fn inventory(values: &mut Values, name: Name) -> Value {
    let mut inventory = Map::new();
    if !values.is_written(name.section, name.option) {
        inventory.insert("allocation_ratio".to_owned(), json!(1.0));
        inventory.extend(
            [("min_unit", 1), ("step_size", 1), ("reserved", 0)].map(|(key, n)| (key.to_owned(), json!(n))),
        );
    }
    for Pair { key, value } in values.list::<Pair<String>>(name) {
        let number = match key.as_str() {
            "allocation_ratio" => {
                value.parse::<f64>().ok().filter(|ratio| *ratio >= 0.0).map(|ratio| json!(ratio))
            }
            "min_unit" | "max_unit" | "step_size" | "reserved" => value.parse::<u64>().ok().map(|n| json!(n)),
            _ => None,
        };
        match number {
            Some(number) => _ = inventory.insert(key, number),
            None => {
                values.refuse(name, &format!("{key}:{value}"), "not a part of an inventory with its number");
            }
        }
    }
    Value::Object(inventory)
}

/// The hypervisor of every physical bridge, and of what tunnels carry.
fn hypervisors(values: &mut Values, mappings: &BTreeMap<String, String>) -> Value {
    let machine =
        nix::unistd::gethostname().map_or_else(|_| "localhost".into(), |name| name.to_string_lossy().into());
    let usual: String = values
        .optional(option!(
            "ovs",
            "resource_provider_default_hypervisor",
            "hypervisor of bridges without their own"
        ))
        .unwrap_or(machine);
    let tunnelled = values.get(
        option!("ml2", "tunnelled_network_rp_name", "name under which placement knows tunnels"),
        "rp_tunnelled".to_owned(),
    );
    let name =
        option!("ovs", "resource_provider_hypervisors", "hypervisors of bridges, as bridge:hypervisor,…");
    let bridges = mappings.values().cloned().chain([tunnelled]).map(|bridge| (bridge, usual.clone()));
    let named = values.list::<Pair<String>>(name).into_iter().map(|pair| (pair.key, pair.value));
    Value::Object(
        bridges.chain(named).map(|(bridge, hypervisor)| (bridge, Value::String(hypervisor))).collect(),
    )
}
