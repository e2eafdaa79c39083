//! What the server tells L3 agents.

use model::{NetworkId, RouterId};
use serde_json::Value;

use super::port_forwarding::{self, Push};
use super::read::Reader;
use super::router;
use crate::neutron::fault::Malformed;
use crate::neutron::role::Message;

/// The topic that agents name in their reports.
pub(crate) const TOPIC: &str = "l3_agent";

pub(crate) const VERSION: (u32, u32) = (1, 4);

pub(crate) const METHODS: &[&str] = &[
    "routers_updated",
    "router_deleted",
    "router_added_to_agent",
    "router_removed_from_agent",
    "agent_updated",
    "add_arp_entry",
    "del_arp_entry",
    "fipnamespace_delete_on_ext_net",
];

/// Changes of networks, sent to the agents of every kind.
pub(crate) const NETWORKS: &str = "q-agent-notifier-network-update";

pub(crate) const NETWORKS_VERSION: (u32, u32) = (1, 4);

pub(crate) const NETWORKS_METHODS: &[&str] = &["network_update"];

/// More routers than one change concerns.
const MOST: usize = 4096;

/// A cast, as far as it concerns us.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Cast {
    /// Something of these routers changed, or they were given to this node.
    Changed(Vec<RouterId>),
    /// A router is gone, from the cloud or from this node.
    Gone(RouterId),
    /// A network changed; its MTU, if the server says it.
    Network(NetworkId, Option<u32>),
    Forwardings(Push),
    /// An administrator changed this agent: everything may be different.
    AgentUpdated,
    /// Nothing to do with us.
    Nothing,
}

pub(crate) fn read(message: &Message) -> Result<Cast, Malformed> {
    let args = Reader::of(&message.method, &message.args);
    let payload = || args.object("payload")?.ok_or_else(|| args.wrong("payload", "is missing"));
    Ok(match message.method.as_str() {
        "routers_updated" => Cast::Changed(routers(&args, "routers")?),
        "router_added_to_agent" => Cast::Changed(routers(&args, "payload")?),
        "router_deleted" => Cast::Gone(args.required("router_id")?),
        "router_removed_from_agent" => Cast::Gone(payload()?.required("router_id")?),
        "network_update" => {
            let network = args.object("network")?.ok_or_else(|| args.wrong("network", "is missing"))?;
            let (id, mtu) = router::network(&network)?;
            Cast::Network(id, mtu)
        }
        "agent_updated" => Cast::AgentUpdated,
        "push" => Cast::Forwardings(port_forwarding::push(&args)?),
        // Of distributed routers.
        "add_arp_entry" | "del_arp_entry" | "fipnamespace_delete_on_ext_net" => Cast::Nothing,
        method => {
            let shown: String = method.chars().take(64).collect();
            let why = format!("{shown:?} is a method that is not known here");
            return Err(Malformed { at: message.topic.clone(), why });
        }
    })
}

/// Ids; or, from ancient servers, whole routers.
fn routers(args: &Reader<'_>, field: &str) -> Result<Vec<RouterId>, Malformed> {
    let values = args.values(field)?;
    if values.len() > MOST {
        return Err(args.wrong(field, format_args!("{} routers at once are too many", values.len())));
    }
    let id = |value: &Value| {
        let text = value.as_str().or_else(|| value.get("id")?.as_str());
        text.and_then(|text| text.parse().ok())
            .ok_or_else(|| args.wrong(field, "has something that is no id"))
    };
    values.iter().map(id).collect()
}
