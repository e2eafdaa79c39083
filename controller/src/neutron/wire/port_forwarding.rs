//! Port forwardings as versioned objects: pulled by floating IP, and pushed when they change.

use std::net::Ipv4Addr;

use model::{FloatingIpId, PortForwardingId, PortRange, RouterId, RouterPortForwarding, TransportProtocol};
use serde_json::{Value, json};

use super::read::Reader;
use crate::neutron::fault::Malformed;
use crate::neutron::role::Request;

/// The version that every supported server has.
pub(crate) const VERSION: &str = "1.3";

/// Where changes are pushed to.
pub(crate) const TOPIC: &str = "neutron-vo-PortForwarding-1.3";

pub(crate) const PUSH_VERSION: (u32, u32) = (1, 1);

pub(crate) const METHODS: &[&str] = &["push"];

/// A forwarding and whose it is.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Forwarding {
    pub(crate) rule: RouterPortForwarding,
    pub(crate) floating_ip: FloatingIpId,
    /// The router that does it.
    pub(crate) router: Option<RouterId>,
    pub(crate) revision: Option<i64>,
}

/// What a push says.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Push {
    pub(crate) gone: bool,
    pub(crate) forwardings: Vec<Forwarding>,
    /// Those of which no more than the floating IP could be read.
    pub(crate) unread: Vec<FloatingIpId>,
    pub(crate) why: Vec<Malformed>,
}

/// All forwardings of some floating IPs. Never of none: that would be all of the cloud.
pub(crate) fn pull(floating_ips: &[FloatingIpId]) -> Request {
    let args = json!({
        "resource_type": "PortForwarding",
        "version": VERSION,
        "filter_kwargs": {"floatingip_id": floating_ips},
    });
    Request::call("q-plugin", "bulk_pull", (1, 1), args)
}

/// The answer to [`pull`].
pub(crate) fn pulled(answer: &Value) -> Result<Push, Malformed> {
    match answer {
        Value::Array(values) => Ok(objects("forwardings", values, false)),
        _ => Err(Malformed { at: "forwardings".to_owned(), why: "is no list".to_owned() }),
    }
}

pub(super) fn push(args: &Reader<'_>) -> Result<Push, Malformed> {
    let gone = args.text("event_type")? == Some("deleted");
    Ok(objects("resource_list", args.values("resource_list")?, gone))
}

fn objects(name: &str, values: &[Value], gone: bool) -> Push {
    let mut push = Push { gone, forwardings: Vec::new(), unread: Vec::new(), why: Vec::new() };
    for (index, value) in values.iter().enumerate() {
        match object(&format!("{name}[{index}]"), value) {
            Ok(forwarding) => push.forwardings.push(forwarding),
            Err(why) => {
                push.unread.extend(floating_ip(value));
                push.why.push(why);
            }
        }
    }
    push
}

fn floating_ip(value: &Value) -> Option<FloatingIpId> {
    value.get("versioned_object.data")?.get("floatingip_id")?.as_str()?.parse().ok()
}

fn object(name: &str, value: &Value) -> Result<Forwarding, Malformed> {
    let object = Reader::new(name, value)?;
    let kind = object.text("versioned_object.name")?;
    if kind != Some("PortForwarding") {
        return Err(object.wrong("versioned_object.name", format_args!("{kind:?} is another kind of object")));
    }
    let data = object.object("versioned_object.data")?;
    let data = data.ok_or_else(|| object.wrong("versioned_object.data", "is missing"))?;
    let external = ports(&data, "external_port_range", "external_port")?;
    let internal = ports(&data, "internal_port_range", "internal_port")?;
    if internal.count() != external.count() && internal.count() != 1 {
        return Err(data.wrong("internal_port_range", format_args!("{internal} does not go with {external}")));
    }
    let rule = RouterPortForwarding {
        id: data.required::<PortForwardingId>("id")?,
        protocol: data.required::<TransportProtocol>("protocol")?,
        floating: data.required::<Ipv4Addr>("floating_ip_address")?,
        external,
        fixed: data.required::<Ipv4Addr>("internal_ip_address")?,
        internal,
    };
    Ok(Forwarding {
        rule,
        floating_ip: data.required("floatingip_id")?,
        router: data.parsed("router_id")?,
        revision: data.number("revision_number")?,
    })
}

/// A range as `first:last`; older objects have just one port.
fn ports(data: &Reader<'_>, range: &str, single: &str) -> Result<PortRange, Malformed> {
    let Some(text) = data.text(range)? else {
        let port: Option<u16> = data.number(single)?;
        return port.map(PortRange::from).ok_or_else(|| data.wrong(single, "is missing"));
    };
    let (first, last) = text.split_once(':').unwrap_or((text, text));
    let ports = PortRange { first: data.parse(range, first)?, last: data.parse(range, last)? };
    match ports.count() {
        0 => Err(data.wrong(range, format_args!("{text:?} has its ends swapped"))),
        _ => Ok(ports),
    }
}
