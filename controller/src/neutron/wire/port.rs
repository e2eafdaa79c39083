//! A port as the server's dictionaries have it: in a network's DHCP information, as a part of a router, in
//! events, in the answers about DHCP ports. The bound form is another.

use std::net::IpAddr;
use std::sync::Arc;

use model::{AddressPair, DhcpOption, FixedIp, HostName, PortOwner};

use super::read::Reader;
use crate::neutron::fault::Malformed;
use crate::neutron::finding::Sighting;

/// More addresses, pairs or options than any port has.
const MOST: usize = 4096;

/// What one dictionary says of a port. Its sighting has no binding.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct PortDict {
    pub(crate) sighting: Sighting,
    /// `ACTIVE`, `DOWN`, `BUILD`, `ERROR`, `N/A`; empty when it is not said.
    pub(crate) status: String,
}

/// Reads a port. It fails as a whole: half of a port's addresses are not the port.
pub(crate) fn read(port: &Reader<'_>) -> Result<PortDict, Malformed> {
    let word = model::Port {
        id: port.required("id")?,
        network: port.required("network_id")?,
        name: port.text_or_empty("name")?,
        mac: port.required("mac_address")?,
        fixed_ips: list(port, "fixed_ips", fixed_ip)?,
        owner: owner(port)?,
        device: port.text_or_empty("device_id")?,
        admin_up: port.flag("admin_state_up", true)?,
        port_security: port.flag("port_security_enabled", true)?,
        allowed_pairs: list(port, "allowed_address_pairs", pair)?,
        dhcp_options: list(port, "extra_dhcp_opts", option)?.into_iter().flatten().collect(),
        host_name: host_name(port)?,
        binding: None,
    };
    let host = port.text("binding:host_id")?.filter(|host| !host.is_empty());
    let sighting = Sighting {
        port: Arc::new(word),
        host: host.map(HostName::from),
        revision: port.number("revision_number")?,
    };
    Ok(PortDict { sighting, status: port.text_or_empty("status")? })
}

/// Whose port it is, without reading the rest.
pub(crate) fn owner(port: &Reader<'_>) -> Result<PortOwner, Malformed> {
    Ok(port.text("device_owner")?.unwrap_or_default().into())
}

/// Everything of a list, or what is wrong with it.
pub(super) fn list<T>(
    object: &Reader<'_>,
    field: &str,
    read: impl Fn(&Reader<'_>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = object.values(field)?.len();
    if count > MOST {
        return Err(
            object.wrong(field, format_args!("{count} entries are more than the {MOST} that are taken"))
        );
    }
    object.objects(field)?.map(|item| read(&item?)).collect()
}

fn fixed_ip(fixed: &Reader<'_>) -> Result<FixedIp, Malformed> {
    Ok(FixedIp { subnet: fixed.required("subnet_id")?, address: fixed.required("ip_address")? })
}

/// An address without a prefix stands for itself.
fn pair(pair: &Reader<'_>) -> Result<AddressPair, Malformed> {
    let text: String = pair.required("ip_address")?;
    let address = match text.parse::<IpAddr>() {
        Ok(address) => address.into(),
        Err(_) => pair.parse("ip_address", &text)?,
    };
    Ok(AddressPair { address, mac: pair.parsed("mac_address")? })
}

/// An option without a value says nothing.
fn option(option: &Reader<'_>) -> Result<Option<DhcpOption>, Malformed> {
    let Some(value) = option.text("opt_value")? else { return Ok(None) };
    let ip_version = option.number("ip_version")?.unwrap_or(4);
    Ok(Some(DhcpOption { name: option.required("opt_name")?, value: value.to_owned(), ip_version }))
}

/// The name that somebody gave the port. Every address has an assigned name; one that is just made of the
/// address is no name.
fn host_name(port: &Reader<'_>) -> Result<Option<String>, Malformed> {
    let assigned = list(port, "dns_assignment", assigned)?.into_iter().flatten().next();
    let given = port.text("dns_name")?.filter(|name| !name.is_empty());
    Ok(assigned.or_else(|| given.map(str::to_owned)))
}

fn assigned(assignment: &Reader<'_>) -> Result<Option<String>, Malformed> {
    let name = assignment.text_or_empty("hostname")?;
    let made = format!("host-{}", assignment.text_or_empty("ip_address")?.replace(['.', ':'], "-"));
    Ok((!name.is_empty() && name != made).then_some(name))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn port() -> Value {
        json!({"id": "c4e51b13-15c3-4b7e-b41b-deddf256ba6b", "name": "p1",
            "network_id": "902efc6f-d3e8-4219-a9e1-a973bcfa1650", "project_id": "p", "mac_address": "fa:16:3e:a8:f4:13",
            "admin_state_up": true, "status": "ACTIVE", "device_id": "vm1", "device_owner": "compute:lab",
            "fixed_ips": [{"subnet_id": "0a227220-9f14-4d2f-add7-121493893220", "ip_address": "10.10.1.115"}],
            "allowed_address_pairs": [{"mac_address": "fa:16:3e:a8:f4:13", "ip_address": "10.10.1.250"},
                {"mac_address": "fa:16:3e:a8:f4:13", "ip_address": "10.20.0.0/16"}],
            "extra_dhcp_opts": [{"opt_name": "bootfile-name", "opt_value": "x", "ip_version": 4},
                {"opt_name": "66", "opt_value": null, "ip_version": 4}],
            "binding:host_id": "n1", "port_security_enabled": false, "dns_name": "alpha",
            "dns_assignment": [{"ip_address": "10.10.1.115", "hostname": "alpha", "fqdn": "alpha.lab.example."}],
            "unknown": {"x": 1}, "revision_number": 7})
    }

    fn read(value: &Value) -> Result<PortDict, String> {
        Reader::new("port", value).and_then(|port| super::read(&port)).map_err(|error| error.to_string())
    }

    #[test]
    fn every_field_arrives() {
        let dict = read(&port()).unwrap();
        let word = &dict.sighting.port;
        assert_eq!(dict.status, "ACTIVE");
        assert_eq!(dict.sighting.host, Some(HostName::from("n1")));
        assert_eq!(dict.sighting.revision, Some(7));
        assert_eq!(word.mac.to_string(), "fa:16:3e:a8:f4:13");
        assert_eq!(word.fixed_ips[0].address.to_string(), "10.10.1.115");
        let pairs: Vec<_> = word.allowed_pairs.iter().map(|pair| pair.address.to_string()).collect();
        assert_eq!(pairs, ["10.10.1.250/32", "10.20.0.0/16"]);
        assert_eq!(word.dhcp_options.len(), 1);
        assert_eq!(word.host_name.as_deref(), Some("alpha"));
        assert_eq!((word.binding.clone(), word.port_security), (None, false));
    }

    #[test]
    fn a_name_that_is_made_of_the_address_is_none() {
        let mut value = port();
        value["dns_name"] = json!("");
        value["dns_assignment"][0]["hostname"] = json!("host-10-10-1-115");
        assert_eq!(read(&value).unwrap().sighting.port.host_name, None);
    }

    #[test]
    fn little_is_enough() {
        let value = json!({"id": "c4e51b13-15c3-4b7e-b41b-deddf256ba6b", "mac_address": "fa:16:3e:a8:f4:13",
            "network_id": "902efc6f-d3e8-4219-a9e1-a973bcfa1650", "fixed_ips": null, "binding:host_id": ""});
        let dict = read(&value).unwrap();
        assert_eq!((dict.sighting.host, dict.sighting.revision), (None, None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let mut value = port();
        value["fixed_ips"][0]["ip_address"] = json!(7);
        assert_eq!(read(&value).unwrap_err(), "port.fixed_ips[0].ip_address: a number instead of a text");
        value["fixed_ips"] = json!({"0": 1});
        assert_eq!(read(&value).unwrap_err(), "port.fixed_ips: an object instead of a list");
        value["fixed_ips"] = Value::Array(vec![json!({}); 5000]);
        assert!(read(&value).unwrap_err().contains("5000 entries"));
    }
}
