//! `baryon why`: one object explained in sentences, with the commands that stand between what is and
//! what is wanted. Pure: it is handed everything it knows.

use std::collections::BTreeSet;

use model::{Desired, HostName, NetworkId, ObjectRef, Outcome, Port, PortId, PortOwner, RouterId, names};
use serde::{Deserialize, Serialize};

use crate::domains::Rehearsal;
use crate::status::Statuses;

/// What there is to say about one object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Explanation {
    pub(crate) object: String,
    pub(crate) name: String,
    /// The short answer.
    pub(crate) verdict: String,
    /// The facts behind it, most telling first.
    pub(crate) facts: Vec<String>,
    /// What would be done about it now.
    pub(crate) commands: Vec<String>,
}

/// The name given does not lead to one object.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FindError {
    #[error("{kind:?} is not a kind of object that can be explained: port, router or network")]
    Kind { kind: String },
    #[error(
        "there is no {kind} with the id, name or device {name:?}: the controller does not want it, \
         or it was never made"
    )]
    None { kind: String, name: String },
    #[error("{count} objects of kind {kind} are called {name:?}; give the id")]
    Several { kind: String, name: String, count: usize },
}

/// Finds an object by its id, by its beginning (as device names have it), or by its name.
pub(crate) fn find(desired: &Desired, kind: &str, name: &str) -> Result<ObjectRef, FindError> {
    let found: BTreeSet<ObjectRef> = match kind {
        "port" => {
            let ports = desired.ports().values();
            ports.filter(|port| is_port(port, name)).map(|port| ObjectRef::Port(port.id)).collect()
        }
        "network" => {
            let networks = desired.networks().values().filter(|network| {
                network.name == name
                    || network.id.to_string() == name
                    || names::dhcp_namespace(network.id) == name
            });
            networks.map(|network| ObjectRef::Network(network.id)).collect()
        }
        "router" => {
            let routers = desired.routers().values().filter(|router| {
                router.name == name
                    || router.id.to_string() == name
                    || names::router_namespace(router.id) == name
            });
            routers.map(|router| ObjectRef::Router(router.id)).collect()
        }
        _ => return Err(FindError::Kind { kind: kind.to_owned() }),
    };
    let (kind, name) = (kind.to_owned(), name.to_owned());
    match found.len() {
        0 => Err(FindError::None { kind, name }),
        1 => found.first().copied().ok_or(FindError::None { kind, name }),
        count => Err(FindError::Several { kind, name, count }),
    }
}

fn is_port(port: &Port, name: &str) -> bool {
    let id = port.id;
    let devices = [
        names::tap(id),
        names::hybrid(id),
        names::vhost_user(id),
        names::dhcp_veth(id),
        names::router_interface(id),
        names::router_gateway(id),
    ];
    port.name == name
        || id.to_string() == name
        || port.mac.to_string() == name
        || devices.iter().any(|device| device == name)
        || port.fixed_ips.iter().any(|fixed| fixed.address.to_string() == name)
}

/// The name that people gave to an object; empty when they gave none.
pub(crate) fn name_of(desired: &Desired, object: ObjectRef) -> String {
    let name = match object {
        ObjectRef::Network(id) => desired.networks().get(&id).map(|network| network.name.clone()),
        ObjectRef::Port(id) => desired.ports().get(&id).map(|port| port.name.clone()),
        ObjectRef::Router(id) => desired.routers().get(&id).map(|router| router.name.clone()),
        ObjectRef::Node | ObjectRef::Endpoint(_) | ObjectRef::RemoteMac(..) => None,
    };
    name.unwrap_or_default()
}

/// The object and those that it cannot do without.
pub(crate) fn related(desired: &Desired, object: ObjectRef) -> Vec<ObjectRef> {
    let mut related = vec![object, ObjectRef::Node];
    match object {
        ObjectRef::Port(id) => {
            related.extend(desired.ports().get(&id).map(|port| ObjectRef::Network(port.network)));
        }
        ObjectRef::Router(id) => {
            let legs = desired.routers().get(&id).into_iter().flat_map(|router| {
                router.interfaces.iter().chain(router.gateway.iter().map(|gateway| &gateway.interface))
            });
            related.extend(legs.flat_map(|leg| [ObjectRef::Port(leg.port), ObjectRef::Network(leg.network)]));
        }
        ObjectRef::Network(id) => {
            let service = desired.ports_of(id).filter(|port| port.owner == PortOwner::Dhcp);
            related.extend(service.map(|port| ObjectRef::Port(port.id)));
        }
        ObjectRef::Node | ObjectRef::Endpoint(_) | ObjectRef::RemoteMac(..) => {}
    }
    related
}

/// Everything there is to say about an object.
pub(crate) fn explain(
    desired: &Desired,
    statuses: &Statuses,
    host: &HostName,
    object: ObjectRef,
    rehearsal: &Rehearsal,
) -> Explanation {
    let mut facts = facts(desired, host, object);
    for other in related(desired, object) {
        let status = statuses.get(other).map(|status| &status.outcome);
        if let Some(outcome @ (Outcome::Waiting { .. } | Outcome::Failed { .. })) = status {
            facts.insert(0, format!("{other} {outcome}"));
        }
    }
    let commands: Vec<String> = rehearsal.steps.iter().map(|step| step.command.clone()).collect();
    let outcome = statuses.get(object).map(|status| &status.outcome);
    let verdict = match outcome {
        Some(Outcome::Done) if commands.is_empty() && facts.iter().all(|fact| !fact.contains("failed")) => {
            "as wanted".to_owned()
        }
        Some(Outcome::Done) => "as wanted when last looked at; something differs now".to_owned(),
        Some(outcome) => outcome.to_string(),
        None => "not on this node".to_owned(),
    };
    Explanation { object: object.to_string(), name: name_of(desired, object), verdict, facts, commands }
}

fn facts(desired: &Desired, host: &HostName, object: ObjectRef) -> Vec<String> {
    match object {
        ObjectRef::Port(id) => port_facts(desired, host, id),
        ObjectRef::Network(id) => network_facts(desired, host, id),
        ObjectRef::Router(id) => router_facts(desired, host, id),
        ObjectRef::Node | ObjectRef::Endpoint(_) | ObjectRef::RemoteMac(..) => Vec::new(),
    }
}

fn port_facts(desired: &Desired, host: &HostName, id: PortId) -> Vec<String> {
    let Some(port) = desired.ports().get(&id) else { return Vec::new() };
    let mut facts = Vec::new();
    if !port.admin_up {
        facts.push("its admin state is down: it is on the dead VLAN 4095 and passes nothing".to_owned());
    }
    match &port.binding {
        None => facts.push("it is bound to no node: set its binding:host_id".to_owned()),
        Some(binding) if binding.host != *host => {
            facts.push(format!("it is bound to node {}; this is node {host}", binding.host));
        }
        Some(binding) => match &binding.segment {
            None => facts.push("its binding failed: no segment of its network reaches this node".to_owned()),
            Some(segment) => {
                let id = segment.segmentation_id().map_or_else(String::new, |id| format!(" {id}"));
                facts.push(format!("it is bound to this node on a {}{id} segment", segment.network_type()));
            }
        },
    }
    match desired.networks().get(&port.network) {
        None => facts.push(format!("its network {} is not known", port.network)),
        Some(network) if !network.admin_up => {
            facts.push(format!("the admin state of its network {} is down", network.name));
        }
        Some(network) => facts.push(format!("it is on network {} ({})", network.name, network.id)),
    }
    let addresses: Vec<String> = port.fixed_ips.iter().map(|fixed| fixed.address.to_string()).collect();
    facts.push(format!("MAC {}, addresses {}", port.mac, addresses.join(", ")));
    facts
}

fn network_facts(desired: &Desired, host: &HostName, id: NetworkId) -> Vec<String> {
    let Some(network) = desired.networks().get(&id) else { return Vec::new() };
    let mut facts = Vec::new();
    if !network.admin_up {
        facts.push("its admin state is down: no DHCP service runs for it".to_owned());
    }
    let here = desired.ports_of(id).filter(|port| port.is_on(host)).count();
    facts.push(format!("{here} of its {} ports are bound to this node", desired.ports_of(id).count()));
    let service = desired.ports_of(id).find(|port| port.owner == PortOwner::Dhcp);
    facts.push(match service {
        Some(port) if port.is_on(host) => {
            format!("its DHCP service runs here, in {}", names::dhcp_namespace(id))
        }
        Some(port) => match &port.binding {
            Some(binding) => format!("its DHCP service runs on node {}", binding.host),
            None => "its DHCP port is bound to no node".to_owned(),
        },
        None => "it has no DHCP port: no subnet with DHCP".to_owned(),
    });
    facts.extend(desired.subnets_of(id).map(|subnet| {
        let dhcp = if subnet.dhcp { "with DHCP" } else { "without DHCP" };
        format!("subnet {} {} {dhcp}", subnet.name, subnet.cidr)
    }));
    facts
}

fn router_facts(desired: &Desired, host: &HostName, id: RouterId) -> Vec<String> {
    let Some(router) = desired.routers().get(&id) else { return Vec::new() };
    let mut facts = Vec::new();
    if !router.admin_up {
        facts.push("its admin state is down: it has no namespace".to_owned());
    }
    match &router.host {
        None => facts.push("it is on no node".to_owned()),
        Some(at) if at != host => facts.push(format!("it runs on node {at}; this is node {host}")),
        Some(_) => facts.push(format!("it runs here, in {}", names::router_namespace(id))),
    }
    if router.gateway.is_none() {
        facts.push("it has no gateway: nothing leaves through it".to_owned());
    }
    facts.push(format!(
        "{} interfaces, {} floating IPs, {} extra routes",
        router.interfaces.len(),
        router.floating_ips.len(),
        router.routes.len()
    ));
    facts
}
