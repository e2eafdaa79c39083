//! A subnet as the server's dictionaries have it.

use model::{Route, Subnet};

use super::port::list;
use super::read::Reader;
use crate::neutron::fault::Malformed;

/// Reads a subnet. A dictionary that does not speak of DHCP comes from a list of those that have it.
pub(crate) fn read(subnet: &Reader<'_>) -> Result<Subnet, Malformed> {
    Ok(Subnet {
        id: subnet.required("id")?,
        network: subnet.required("network_id")?,
        name: subnet.text_or_empty("name")?,
        cidr: subnet.required("cidr")?,
        gateway: subnet.parsed("gateway_ip")?,
        dhcp: subnet.flag("enable_dhcp", true)?,
        dns_servers: subnet.parsed_list("dns_nameservers")?,
        host_routes: list(subnet, "host_routes", route)?,
    })
}

pub(super) fn route(route: &Reader<'_>) -> Result<Route, Malformed> {
    Ok(Route { destination: route.required("destination")?, nexthop: route.required("nexthop")? })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_arrives() {
        let value = json!({"id": "0a227220-9f14-4d2f-add7-121493893220", "name": "red4",
            "network_id": "902efc6f-d3e8-4219-a9e1-a973bcfa1650", "ip_version": 4, "enable_dhcp": true,
            "gateway_ip": null, "cidr": "10.10.1.0/24", "allocation_pools": [{"start": "10.10.1.2", "end": "10.10.1.254"}],
            "host_routes": [{"destination": "198.18.0.0/15", "nexthop": "10.10.1.1"}],
            "dns_nameservers": ["198.51.100.53", "2001:db8::53"], "revision_number": 0});
        let subnet = read(&Reader::new("subnet", &value).unwrap()).unwrap();
        assert_eq!(subnet.cidr.to_string(), "10.10.1.0/24");
        assert_eq!((subnet.gateway, subnet.dhcp, subnet.dns_servers.len()), (None, true, 2));
        assert_eq!(subnet.host_routes[0].destination.to_string(), "198.18.0.0/15");
    }

    #[test]
    fn a_wrong_prefix_is_named() {
        let value = json!({"id": "0a227220-9f14-4d2f-add7-121493893220", "cidr": "10.10.1.0/99",
            "network_id": "902efc6f-d3e8-4219-a9e1-a973bcfa1650"});
        let error = read(&Reader::new("subnet", &value).unwrap()).unwrap_err();
        assert_eq!(error.at, "subnet.cidr");
    }
}
