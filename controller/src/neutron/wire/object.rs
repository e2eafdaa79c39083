//! Versioned objects (oslo.versionedobjects) as the server pushes them and as it answers pulls: ports and
//! networks of every version since Port 1.7 and Network 1.1.
//!
//! A port's object says everything about it, its bindings to nodes included; what of that concerns this
//! node is worked out here, so that nobody else has to know how bindings look.

use std::sync::Arc;

use model::{
    AddressPair, Binding, DhcpOption, FixedIp, HostName, Mac, Network, NetworkId, Port, PortId, Segment,
    TunnelKind, VlanTag,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::read::Reader;
use crate::neutron::fault::Malformed;
use crate::neutron::finding::Sighting;

/// The longest list inside an object that is believed.
const LONGEST_LIST: usize = 4096;

/// The longest JSON inside a text that is read.
const LONGEST_TEXT: usize = 64 * 1024;

const DATA: &str = "versioned_object.data";

/// A port as its object says, seen from one node.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct PortObject {
    /// With a binding when this node is to carry the port.
    pub(crate) sighting: Sighting,
    pub(crate) status: PortStatus,
    pub(crate) place: Place,
    /// `normal`, `direct`, ...
    pub(crate) vnic_type: String,
    /// `ovs`, `vhostuser`, `binding_failed`, `unbound`, ...
    pub(crate) vif_type: String,
}

/// What the server believes of a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PortStatus {
    Active,
    Down,
    /// `BUILD`, `ERROR`, `N/A`: neither up nor down.
    Other,
}

/// Where a port is, seen from one node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// Bound to this node.
    Here,
    /// Bound to another node, from where it is being moved to this one.
    Coming,
    /// Bound to another node, or none of its bindings is active.
    Elsewhere,
}

/// A network as its object says.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct NetworkObject {
    pub(crate) network: Arc<Network>,
    pub(crate) revision: Option<i64>,
}

/// An object's id, read without looking at anything else.
pub(crate) fn peek_id(object: &Value) -> Option<Uuid> {
    object.get(DATA)?.get("id")?.as_str()?.parse().ok()
}

/// Whether a port's object may concern a node, decided without reading the object: a wrong *yes* is possible.
pub(crate) fn may_concern(object: &Value, host: &HostName) -> bool {
    let bindings = object.get(DATA).and_then(|data| data.get("bindings")).and_then(Value::as_array);
    bindings.into_iter().flatten().filter_map(|binding| binding.get(DATA)).any(|binding| {
        let field = |name| binding.get(name).and_then(Value::as_str);
        field("host") == Some(&*host.0)
            || field("profile").is_some_and(|profile| profile.contains("migrating_to"))
    })
}

/// Reads a port's object, seen from `host`.
pub(crate) fn port(object: &Value, host: &HostName) -> Result<PortObject, Malformed> {
    let data = data("Port", object)?;
    let id: PortId = data.required("id")?;
    let bindings = bindings(&data)?;
    let active = bindings.iter().find(|binding| binding.active);
    let place = match active {
        Some(active) if active.host == *host => Place::Here,
        Some(active) if active.migrating_to.as_ref() == Some(host) => Place::Coming,
        _ => Place::Elsewhere,
    };
    let binding = match place {
        Place::Elsewhere => None,
        Place::Here | Place::Coming => {
            let carried = active.is_some_and(PortBinding::is_bound);
            let segment = if carried { bound_segment(&data, host)? } else { None };
            Some(Binding { host: host.clone(), segment })
        }
    };
    let port = Port {
        id,
        network: data.required("network_id")?,
        name: data.text_or_empty("name")?,
        mac: data.required("mac_address")?,
        fixed_ips: list(&data, "fixed_ips", fixed_ip)?,
        owner: data.text("device_owner")?.unwrap_or_default().into(),
        device: data.text_or_empty("device_id")?,
        admin_up: data.flag("admin_state_up", true)?,
        port_security: inner(&data, "security")?
            .map_or(Ok(true), |security| security.flag("port_security_enabled", true))?,
        allowed_pairs: list(&data, "allowed_address_pairs", address_pair)?,
        dhcp_options: list(&data, "dhcp_options", dhcp_option)?,
        host_name: host_name(&data)?,
        binding,
    };
    let bound_to = active.map(|active| active.host.clone()).filter(|host| !host.0.is_empty());
    let text = |of: fn(&PortBinding) -> &String| active.map_or_else(String::new, |active| of(active).clone());
    Ok(PortObject {
        sighting: Sighting {
            port: Arc::new(port),
            host: bound_to,
            revision: data.number("revision_number")?,
        },
        status: match data.text("status")? {
            Some("ACTIVE") => PortStatus::Active,
            Some("DOWN") => PortStatus::Down,
            _ => PortStatus::Other,
        },
        place,
        vnic_type: text(|active| &active.vnic_type),
        vif_type: text(|active| &active.vif_type),
    })
}

/// Reads a network's object. Segments of kinds that this program does not know are complained of one by one and
/// left out: no port of theirs can be bound here.
pub(crate) fn network(object: &Value) -> Result<(NetworkObject, Vec<Malformed>), Malformed> {
    let data = data("Network", object)?;
    let id: NetworkId = data.required("id")?;
    let mut complaints = Vec::new();
    let mut segments = Vec::new();
    for reader in bounded(&data, "segments")? {
        match reader.and_then(|reader| segment(&inside(&reader)?)) {
            Ok(segment) => segments.push(segment),
            Err(malformed) => complaints.push(malformed),
        }
    }
    let network = Network {
        id,
        name: data.text_or_empty("name")?,
        admin_up: data.flag("admin_state_up", true)?,
        mtu: data.number("mtu")?.unwrap_or(0),
        external: false, // not said by this object
        segments,
    };
    let revision = data.number("revision_number")?;
    Ok((NetworkObject { network: Arc::new(network), revision }, complaints))
}

/// One binding of a port to a node.
struct PortBinding {
    host: HostName,
    active: bool,
    vif_type: String,
    vnic_type: String,
    migrating_to: Option<HostName>,
}

impl PortBinding {
    fn is_bound(&self) -> bool {
        !matches!(self.vif_type.as_str(), "binding_failed" | "unbound" | "")
    }
}

fn bindings(data: &Reader<'_>) -> Result<Vec<PortBinding>, Malformed> {
    list(data, "bindings", |reader| {
        let migrating_to = json_text(reader, "profile")?
            .and_then(|profile| profile.get("migrating_to")?.as_str().map(HostName::from));
        Ok(PortBinding {
            host: HostName(reader.text_or_empty("host")?),
            // Servers that know of one binding only do not say that it is active.
            active: reader.text("status")?.is_none_or(|status| status == "ACTIVE"),
            vif_type: reader.text_or_empty("vif_type")?,
            vnic_type: reader.text_or_empty("vnic_type")?,
            migrating_to,
        })
    })
}

/// The segment that carries the port here: that of the last binding level, of this node's when there are levels
/// of several nodes.
fn bound_segment(data: &Reader<'_>, host: &HostName) -> Result<Option<Segment>, Malformed> {
    let mut last: Option<(bool, i64, Option<Segment>)> = None;
    for reader in bounded(data, "binding_levels")? {
        let level = inside(&reader?)?;
        let rank = (level.text("host")? == Some(&*host.0), level.number("level")?.unwrap_or(0));
        if last.as_ref().is_some_and(|(here, number, _)| (*here, *number) > rank) {
            continue;
        }
        let carrier = inner(&level, "segment")?.map(|reader| segment(&reader)).transpose()?;
        last = Some((rank.0, rank.1, carrier));
    }
    Ok(last.and_then(|(_, _, segment)| segment))
}

/// A `NetworkSegment`.
fn segment(reader: &Reader<'_>) -> Result<Segment, Malformed> {
    let physical = || -> Result<String, Malformed> { reader.required("physical_network") };
    let tunnel = |kind, widest: u32| {
        let key = reader.number("segmentation_id")?;
        let key = key.filter(|key| *key <= widest);
        let key = key.ok_or_else(|| reader.wrong("segmentation_id", "is missing or too large"))?;
        Ok(Segment::Tunnel { kind, key })
    };
    match reader.text("network_type")? {
        Some("local") => Ok(Segment::Local),
        Some("flat") => Ok(Segment::Flat { physical_network: physical()? }),
        Some("vlan") => {
            let vlan = reader.number("segmentation_id")?.filter(|vlan| (1..=4094).contains(vlan));
            let vlan = vlan.ok_or_else(|| reader.wrong("segmentation_id", "is not a VLAN id"))?;
            Ok(Segment::Vlan { physical_network: physical()?, vlan: VlanTag(vlan) })
        }
        Some("vxlan") => tunnel(TunnelKind::Vxlan, 0x00ff_ffff),
        Some("geneve") => tunnel(TunnelKind::Geneve, 0x00ff_ffff),
        Some("gre") => tunnel(TunnelKind::Gre, u32::MAX),
        Some(other) => {
            Err(reader.wrong("network_type", format_args!("{other:?} is not a type that is known")))
        }
        None => Err(reader.wrong("network_type", "is missing")),
    }
}

fn fixed_ip(reader: &Reader<'_>) -> Result<FixedIp, Malformed> {
    Ok(FixedIp { subnet: reader.required("subnet_id")?, address: reader.required("ip_address")? })
}

fn address_pair(reader: &Reader<'_>) -> Result<AddressPair, Malformed> {
    let text: String = reader.required("ip_address")?;
    // One address or a range of them.
    let address = match text.parse::<std::net::IpAddr>() {
        Ok(address) => address.into(),
        Err(_) => reader.parse("ip_address", &text)?,
    };
    Ok(AddressPair { address, mac: reader.parsed::<Mac>("mac_address")? })
}

fn dhcp_option(reader: &Reader<'_>) -> Result<DhcpOption, Malformed> {
    Ok(DhcpOption {
        name: reader.required("opt_name")?,
        value: reader.text_or_empty("opt_value")?,
        ip_version: reader.number("ip_version")?.unwrap_or(4),
    })
}

/// The name that the port has for DNS now; an empty one is none.
fn host_name(data: &Reader<'_>) -> Result<Option<String>, Malformed> {
    let Some(dns) = inner(data, "dns")? else { return Ok(None) };
    Ok(dns.text("dns_name")?.filter(|name| !name.is_empty()).map(str::to_owned))
}

/// The fields of an object, with its own id as its place.
fn data<'a>(kind: &str, object: &'a Value) -> Result<Reader<'a>, Malformed> {
    let place = match peek_id(object) {
        Some(id) => format!("{kind} {id}"),
        None => kind.to_owned(),
    };
    let outer = Reader::new(&place, object)?;
    if let Some(name) = outer.text("versioned_object.name")?
        && name != kind
    {
        return Err(outer.wrong("versioned_object.name", format_args!("{name:?} instead of {kind:?}")));
    }
    let Some(Value::Object(fields)) = outer.value(DATA) else {
        return Err(outer.wrong(DATA, "is missing or no object"));
    };
    Ok(Reader::of(&place, fields))
}

/// The fields of an object inside another.
fn inside<'a>(outer: &Reader<'a>) -> Result<Reader<'a>, Malformed> {
    outer.object(DATA)?.ok_or_else(|| outer.wrong(DATA, "is missing"))
}

fn inner<'a>(outer: &Reader<'a>, field: &str) -> Result<Option<Reader<'a>>, Malformed> {
    outer.object(field)?.map(|reader| inside(&reader)).transpose()
}

fn bounded<'a>(
    reader: &Reader<'a>,
    field: &str,
) -> Result<impl Iterator<Item = Result<Reader<'a>, Malformed>> + use<'a>, Malformed> {
    if reader.values(field)?.len() > LONGEST_LIST {
        return Err(reader.wrong(field, format_args!("has more than {LONGEST_LIST} entries")));
    }
    reader.objects(field)
}

fn list<T>(
    reader: &Reader<'_>,
    field: &str,
    each: impl Fn(&Reader<'_>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    bounded(reader, field)?.map(|entry| each(&inside(&entry?)?)).collect()
}

/// A field that holds JSON in a text, as fields without a fixed shape do.
fn json_text(reader: &Reader<'_>, field: &str) -> Result<Option<Map<String, Value>>, Malformed> {
    let parsed = match reader.value(field) {
        None => return Ok(None),
        Some(Value::Object(fields)) => return Ok(Some(fields.clone())),
        Some(Value::String(text)) if text.len() > LONGEST_TEXT => {
            return Err(reader.wrong(field, format_args!("is longer than {LONGEST_TEXT} bytes")));
        }
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::String(text)) => serde_json::from_str(text),
        Some(_) => return Err(reader.wrong(field, "is not JSON in a text")),
    };
    match parsed {
        Ok(Value::Object(fields)) => Ok(Some(fields)),
        Ok(Value::Null) => Ok(None),
        Ok(_) => Err(reader.wrong(field, "holds JSON that is no object")),
        Err(error) => Err(reader.wrong(field, error)),
    }
}

#[cfg(test)]
mod tests;
