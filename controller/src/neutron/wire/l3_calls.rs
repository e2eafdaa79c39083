//! What an L3 agent asks of the server, and tells it.

use std::collections::BTreeMap;

use model::{FloatingIpId, HostName, RouterId};
use serde_json::{Map, Value, json};

use crate::neutron::fault::Malformed;
use crate::neutron::role::Request;

const TOPIC: &str = "q-l3-plugin";

/// What became of a floating IP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Status {
    Active,
    Down,
    Error,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Down => "DOWN",
            Self::Error => "ERROR",
        }
    }
}

/// The ids of all routers of this node. The server may choose it for further routers on the occasion.
pub(crate) fn router_ids(host: &HostName) -> Request {
    Request::call(TOPIC, "get_router_ids", (1, 9), json!({"host": host}))
}

/// These routers, as far as they are this node's. Their ports are bound to it on the occasion.
pub(crate) fn routers(host: &HostName, ids: &[RouterId]) -> Request {
    Request::call(TOPIC, "sync_routers", (1, 0), json!({"host": host, "router_ids": ids}))
}

pub(crate) fn statuses(router: RouterId, statuses: &BTreeMap<FloatingIpId, Status>) -> Request {
    let statuses = statuses.iter().map(|(id, status)| (id.to_string(), json!(status.as_str())));
    let statuses: Map<String, Value> = statuses.collect();
    let args = json!({"router_id": router, "fip_statuses": statuses});
    Request::call(TOPIC, "update_floatingip_statuses", (1, 1), args)
}

/// The answer to [`router_ids`]. Ids that cannot be read are complained of.
pub(crate) fn ids(answer: &Value) -> Result<(Vec<RouterId>, Vec<Malformed>), Malformed> {
    let wrong = |at: String, why: &str| Malformed { at, why: why.to_owned() };
    let Value::Array(values) = answer else {
        return Err(wrong("router_ids".to_owned(), "is no list"));
    };
    let mut ids = Vec::new();
    let mut unread = Vec::new();
    for (index, value) in values.iter().enumerate() {
        match value.as_str().and_then(|id| id.parse().ok()) {
            Some(id) => ids.push(id),
            None => unread.push(wrong(format!("router_ids[{index}]"), "is no id")),
        }
    }
    Ok((ids, unread))
}
