//! Looks for the devices of the ports that we make, in the root namespace and in those of the services.
//!
//! A device dies with its namespace, whoever deletes that, and vswitchd does not notice: the row, its
//! number and all other columns stay as they were. So looking is the only way to know. Nothing is looked
//! for unless vswitchd works in this process's namespace, which its integration bridge's device shows.

use std::collections::BTreeSet;

use model::{ObjectRef, PortId, PortOwner, Scope, names};

use crate::index::Index;
use crate::rows::{Ofport, Rows};
use crate::spec::Owner;

/// The internal ports with a number whose device is nowhere, of what is in scope: everything, or the ports
/// of a router or of a network's DHCP service. What cannot be looked at counts as there.
pub(crate) async fn gone(rows: &Rows, index: &Index, bridge: &str, scope: &Scope) -> BTreeSet<PortId> {
    if !is_in_root(bridge) {
        return BTreeSet::new();
    }
    match scope {
        Scope::All => {
            let ports = rows.owned(Owner::Dhcp).chain(rows.owned(Owner::Router));
            let interfaces = ports.flat_map(|port| &port.interfaces);
            let ports = interfaces.filter_map(|uuid| rows.interface_by_uuid(*uuid)?.port);
            let away = away(rows, bridge, ports);
            if away.is_empty() {
                return BTreeSet::new();
            }
            let spaces = host::netns::list().unwrap_or_default().into_iter();
            missing(away, spaces.filter(|name| names::owner_of_namespace(name).is_some()).collect()).await
        }
        Scope::Objects(objects) => {
            let mut gone = BTreeSet::new();
            for object in objects {
                let (ports, space) = match object {
                    ObjectRef::Router(id) => (index.router_ports(*id), names::router_namespace(*id)),
                    ObjectRef::Network(id) => {
                        (index.service_ports(*id, &PortOwner::Dhcp), names::dhcp_namespace(*id))
                    }
                    _ => continue,
                };
                let away = away(rows, bridge, ports.into_iter());
                if !away.is_empty() {
                    gone.extend(missing(away, vec![space]).await);
                }
            }
            gone
        }
    }
}

type Away = Vec<(PortId, String)>;

/// Those of the ports whose device should be somewhere and is not in the root namespace.
fn away(rows: &Rows, bridge: &str, ports: impl Iterator<Item = PortId>) -> Away {
    let mut away = Vec::new();
    for port in ports {
        for plug in rows.plugs(port, bridge) {
            let ours = matches!(plug.port.owner, Some(Owner::Dhcp | Owner::Router));
            let made =
                plug.interface.kind == "internal" && matches!(plug.interface.ofport, Ofport::Number(_));
            if ours && made && !is_in_root(&plug.interface.name) {
                away.push((port, plug.interface.name.clone()));
            }
        }
    }
    away
}

/// Those that are in none of the namespaces. Each namespace is visited once, whatever the number of ports.
async fn missing(mut away: Away, spaces: Vec<String>) -> BTreeSet<PortId> {
    let Ok(visits) = host::netns::visit_each(spaces, host::netns::devices).await else {
        return BTreeSet::new();
    };
    for visit in visits {
        match visit {
            Ok(Ok(devices)) => away.retain(|(_, device)| !devices.contains(device)),
            Err(error) if error.is_absence() => {}
            Ok(Err(_)) | Err(_) => return BTreeSet::new(),
        }
    }
    away.into_iter().map(|(port, _)| port).collect()
}

fn is_in_root(device: &str) -> bool {
    host::netns::has_device(device)
}
