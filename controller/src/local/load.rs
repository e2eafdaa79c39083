//! A state from a heap of records, out of the store or out of an import: checked for what the rest of
//! the program takes for granted. Pure.

use super::state::{Key, Record, State};

/// The state that the records make, or why they make none.
pub(super) fn state(mut records: Vec<Record>) -> Result<State, String> {
    // Subnets go before ports, so that the ports' addresses are taken from the subnets' pools.
    records.sort_by_key(Record::key);
    let mut state = State::default();
    for record in records {
        check(&state, &record)?;
        state.put(record);
    }
    for floating in state.floating_ips().values() {
        let target = floating.target.as_ref();
        if target.is_some_and(|target| !state.routers().contains_key(&target.router)) {
            return Err(format!("floating IP {} leads through a router that is not there", floating.id));
        }
    }
    Ok(state)
}

/// `Key`'s order puts what is referred to before what refers to it.
fn check(state: &State, record: &Record) -> Result<(), String> {
    let key = record.key();
    if state.get(&key).is_some() {
        return Err(format!("{key:?} is there twice"));
    }
    match record {
        Record::Host(_) => Ok(()),
        Record::Network(network) => match state.network_on(&network.provider) {
            Some(other) => Err(format!("networks {other} and {} have the same segment", network.id)),
            None => Ok(()),
        },
        Record::Subnet(subnet) => has(state, &key, &Key::Network(subnet.network)),
        Record::Port(port) => {
            has(state, &key, &Key::Network(port.network))?;
            if let Some(other) = state.port_with_mac(port.network, port.mac_address) {
                return Err(format!("ports {other} and {} have the same MAC address", port.id));
            }
            for fixed in &port.fixed_ips {
                has(state, &key, &Key::Subnet(fixed.subnet_id))?;
                if let Some(other) = state.port_with_address(fixed.subnet_id, fixed.ip_address) {
                    return Err(format!("ports {other} and {} have the same address", port.id));
                }
            }
            Ok(())
        }
        Record::Router(router) => match &router.gateway {
            Some(gateway) => has(state, &key, &Key::Port(gateway.port)),
            None => Ok(()),
        },
        Record::FloatingIp(floating) => {
            has(state, &key, &Key::Port(floating.own_port))?;
            match &floating.target {
                Some(target) => has(state, &key, &Key::Port(target.port)),
                None => Ok(()),
            }
        }
    }
}

fn has(state: &State, of: &Key, wanted: &Key) -> Result<(), String> {
    match state.get(wanted) {
        Some(_) => Ok(()),
        None => Err(format!("{of:?} refers to {wanted:?}, which is not there")),
    }
}
