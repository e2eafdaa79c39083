//! What the server tells DHCP agents.

use model::{NetworkId, PortId, PortOwner, SubnetId};
use serde_json::Value;

use super::port;
use super::read::Reader;
use crate::neutron::fault::Malformed;
use crate::neutron::finding::Sighting;
use crate::neutron::role::Message;

/// The topic that agents name in their reports.
pub(crate) const TOPIC: &str = "dhcp_agent";

pub(crate) const VERSION: (u32, u32) = (1, 0);

pub(crate) const METHODS: &[&str] = &[
    "network_create_end",
    "network_update_end",
    "network_delete_end",
    "subnet_create_end",
    "subnet_update_end",
    "subnet_delete_end",
    "port_create_end",
    "port_update_end",
    "port_delete_end",
    "agent_updated",
];

/// A cast, as far as it concerns us.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Cast {
    /// A network was given to this node.
    Given(NetworkId),
    /// Something of a network changed.
    Changed(NetworkId),
    /// The same, from a server that does not say of which network.
    SubnetGone(SubnetId),
    /// A network is gone, from the cloud or from this node.
    Taken(NetworkId),
    /// A port was made or changed.
    Port(Box<Sighting>),
    PortGone(PortId, Option<NetworkId>),
    /// An administrator changed this agent: everything may be different.
    AgentUpdated,
    /// Nothing to do with us.
    Nothing,
}

pub(crate) fn read(message: &Message) -> Result<Cast, Malformed> {
    let args = Reader::of(&message.method, &message.args);
    let payload = args.object("payload")?.ok_or_else(|| args.wrong("payload", "is missing"))?;
    let inner = |field| payload.object(field)?.ok_or_else(|| payload.wrong(field, "is missing"));
    Ok(match message.method.as_str() {
        "network_create_end" => Cast::Given(inner("network")?.required("id")?),
        "network_update_end" => Cast::Changed(inner("network")?.required("id")?),
        "network_delete_end" => Cast::Taken(payload.required("network_id")?),
        "subnet_create_end" | "subnet_update_end" => Cast::Changed(inner("subnet")?.required("network_id")?),
        "subnet_delete_end" => match payload.parsed("network_id")? {
            Some(network) => Cast::Changed(network),
            None => Cast::SubnetGone(payload.required("subnet_id")?),
        },
        "port_create_end" | "port_update_end" => a_port(&inner("port")?)?,
        "port_delete_end" => Cast::PortGone(payload.required("port_id")?, payload.parsed("network_id")?),
        "agent_updated" => Cast::AgentUpdated,
        _ => return Err(Malformed { at: message.topic.clone(), why: unknown(&message.method) }),
    })
}

fn a_port(reader: &Reader<'_>) -> Result<Cast, Malformed> {
    match port::owner(reader)? {
        PortOwner::FloatingIp => Ok(Cast::Nothing),
        _ => Ok(Cast::Port(Box::new(port::read(reader)?.sighting))),
    }
}

/// The network that a message names, when the rest of it could not be read: it is read again then.
pub(crate) fn network(message: &Message) -> Option<NetworkId> {
    let payload = message.args.get("payload")?;
    let id = |value: Option<&Value>| value?.as_str()?.parse().ok();
    id(payload.get("network_id")).or_else(|| id(payload.get("port")?.get("network_id")))
}

fn unknown(method: &str) -> String {
    let shown: String = method.chars().take(64).collect();
    format!("{shown:?} is a method that is not known here")
}
