//! What the server casts about ports and networks: pushed objects, and the older notices that only say
//! that something is to be read again.

use std::time::{Duration, Instant};

use model::{NetworkId, PortId};
use serde_json::Value;

use super::L2;
use crate::neutron::fault::Malformed;
use crate::neutron::role::Message;
use crate::neutron::wire::object::{self, Place};
use crate::neutron::wire::read::Reader;

/// A notice is followed by the object itself, most of the time.
const PATIENCE: Duration = Duration::from_secs(1);

/// Notices that this part hears, all of them with the topic that they come on.
pub(crate) const NOTICES: [(&str, &[&str]); 5] = [
    ("q-agent-notifier-port-update", &["port_update"]),
    ("q-agent-notifier-port-delete", &["port_delete"]),
    ("q-agent-notifier-network-update", &["network_update"]),
    ("q-agent-notifier-binding-activate", &["binding_activate"]),
    ("q-agent-notifier-binding-deactivate", &["binding_deactivate"]),
];

impl L2 {
    pub(crate) fn message(&mut self, message: &Message, now: Instant) {
        let understood = match message.method.as_str() {
            "push" => self.push(message, now),
            "port_update" => self.notice_of_port(message, "port", now),
            "port_delete" | "binding_activate" | "binding_deactivate" => {
                self.notice_of_port(message, "port_id", now)
            }
            "network_update" => self.notice_of_network(message, now),
            // A method for another part, or one that this node lacks.
            _ => Ok(()),
        };
        if let Err(malformed) = understood {
            self.complaints.add(format!("{} on {}: {malformed}", message.method, message.topic));
        }
    }

    /// Objects of the whole cloud: most are none of this node's.
    fn push(&mut self, message: &Message, now: Instant) -> Result<(), Malformed> {
        let reader = Reader::of("push", &message.args);
        let is_deleted = reader.text("event_type")? == Some("deleted");
        for object in reader.values("resource_list")? {
            let kind = object.get("versioned_object.name").and_then(Value::as_str);
            let Some(id) = object::peek_id(object) else {
                self.complaints.add(format!("push on {}: an object without an id", message.topic));
                continue;
            };
            match (kind, is_deleted) {
                (Some("Port"), true) => self.port_buried(PortId(id), now),
                (Some("Port"), false) => self.pushed_port(PortId(id), object, now),
                (Some("Network"), true) => self.network_buried(NetworkId(id)),
                (Some("Network"), false) if self.networks.contains_key(&NetworkId(id)) => {
                    if !self.buried_networks.contains(NetworkId(id))
                        && let Some(network) = self.read_network(object, "push")
                    {
                        self.network_pushed(network);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn pushed_port(&mut self, id: PortId, object: &Value, now: Instant) {
        let is_known = self.ports.contains_key(&id);
        if self.buried_ports.contains(id) || !(is_known || object::may_concern(object, &self.host)) {
            return;
        }
        match object::port(object, &self.host) {
            Ok(port) if is_known || port.place != Place::Elsewhere => self.port_pushed(port, now),
            Ok(_) => {}
            Err(malformed) => self.complaints.add(format!("push: {malformed}")),
        }
    }

    fn notice_of_port(&mut self, message: &Message, field: &str, now: Instant) -> Result<(), Malformed> {
        let reader = Reader::of("arguments", &message.args);
        let (id, revision): (PortId, _) = match field {
            "port" => {
                let port = reader.object("port")?.ok_or_else(|| reader.wrong("port", "is missing"))?;
                (port.required("id")?, port.number("revision_number")?)
            }
            _ => (reader.required(field)?, None),
        };
        let Some(entry) = self.ports.get(&id).filter(|entry| entry.is_needed()) else { return Ok(()) };
        if revision.is_none() || revision > entry.slot.revision() {
            let wait = self.port_hints.entry(id).or_insert((now + PATIENCE, revision));
            // A look after a report may be planned for much later.
            wait.0 = wait.0.min(now + PATIENCE);
            wait.1 = wait.1.max(revision);
        }
        Ok(())
    }

    fn notice_of_network(&mut self, message: &Message, now: Instant) -> Result<(), Malformed> {
        let reader = Reader::of("arguments", &message.args);
        let network = reader.object("network")?.ok_or_else(|| reader.wrong("network", "is missing"))?;
        let id: NetworkId = network.required("id")?;
        let revision = network.number("revision_number")?;
        let Some(entry) = self.networks.get(&id) else { return Ok(()) };
        if revision.is_none() || revision > entry.slot.revision() {
            let wait = self.network_hints.entry(id).or_insert((now + PATIENCE, revision));
            wait.1 = wait.1.max(revision);
        }
        Ok(())
    }
}
