//! Which objects differ between two states of the controller's will. Pure, and as cheap as the
//! difference: what two states share is not visited.
//!
//! This says what changed, not what has to be looked at again because of it; see `agent`'s `dirty`.

use std::collections::BTreeSet;

use imbl::ordmap::DiffItem;
use imbl::{OrdMap, OrdSet};

use crate::{Desired, ObjectRef};

/// The objects that are in one state and not in the other, or differ between them. A subnet's change
/// counts as its network's.
pub fn changes(old: &Desired, new: &Desired) -> BTreeSet<ObjectRef> {
    let mut changed = BTreeSet::new();
    differ(old.networks(), new.networks(), |id, _| _ = changed.insert(ObjectRef::Network(*id)));
    differ(old.subnets(), new.subnets(), |_, subnet| _ = changed.insert(ObjectRef::Network(subnet.network)));
    differ(old.ports(), new.ports(), |id, _| _ = changed.insert(ObjectRef::Port(*id)));
    differ(old.routers(), new.routers(), |id, _| _ = changed.insert(ObjectRef::Router(*id)));
    let differently = old.left_alone.clone().symmetric_difference(new.left_alone.clone());
    changed.extend(differently);
    differ(old.remote_ports(), new.remote_ports(), |(network, mac), _| {
        changed.insert(ObjectRef::RemoteMac(*network, *mac));
    });
    differ(old.floods(), new.floods(), |network, _| _ = changed.insert(ObjectRef::Network(*network)));
    for endpoint in endpoints_that_differ(old, new) {
        changed.insert(ObjectRef::Endpoint(endpoint));
    }
    changed
}

/// Calls `seen` with the key and value of every difference; of a changed value with both.
pub fn differ<K, V>(old: &OrdMap<K, V>, new: &OrdMap<K, V>, mut seen: impl FnMut(&K, &V))
where
    K: Ord + Clone,
    V: PartialEq + Clone,
{
    for item in old.diff(new) {
        match item {
            DiffItem::Add(key, value) | DiffItem::Remove(key, value) => seen(key, value),
            DiffItem::Update { old, new } => {
                seen(old.0, old.1);
                seen(new.0, new.1);
            }
        }
    }
}

fn endpoints_that_differ(old: &Desired, new: &Desired) -> OrdSet<std::net::IpAddr> {
    let mut seen = OrdSet::new();
    differ(old.floods(), new.floods(), |_, endpoints| seen = seen.clone().union(endpoints.clone()));
    differ(old.remote_ports(), new.remote_ports(), |_, port| _ = seen.insert(port.endpoint));
    seen
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Mac, Port, PortId, PortOwner};

    /// A guest's port on the network with the id 1.
    pub(crate) fn port(id: u128) -> Port {
        Port {
            id: PortId(uuid::Uuid::from_u128(id)),
            network: "00000000-0000-0000-0000-000000000001".parse().unwrap(),
            name: String::new(),
            mac: Mac::ZERO,
            fixed_ips: Vec::new(),
            owner: PortOwner::from("compute:nova"),
            device: String::new(),
            admin_up: true,
            port_security: true,
            allowed_pairs: Vec::new(),
            dhcp_options: Vec::new(),
            host_name: None,
            binding: None,
        }
    }

    #[test]
    fn equal_states_have_no_changes() {
        let mut old = Desired::default();
        (0..100).for_each(|id| old.set_port(port(id)));
        let mut new = Desired::default();
        (0..100).for_each(|id| new.set_port(port(id)));
        assert_eq!(changes(&old, &new), BTreeSet::new());
    }

    #[test]
    fn one_port_is_one_change() {
        let mut old = Desired::default();
        (0..5_000).for_each(|id| old.set_port(port(id)));
        let mut new = old.clone();
        let changed = Port { admin_up: false, ..port(77) };
        let id = changed.id;
        new.set_port(Arc::new(changed));
        assert_eq!(changes(&old, &new), BTreeSet::from([ObjectRef::Port(id)]));
        new.drop_port(id);
        assert_eq!(changes(&old, &new), BTreeSet::from([ObjectRef::Port(id)]));
    }
}
