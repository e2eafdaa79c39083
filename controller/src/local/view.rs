//! The resources as the Neutron v2.0 API shows them. Pure.

use ipnet::IpNet;
use model::HostName;
use serde_json::{Map, Value, json};

use super::record::{AddressPair, FloatingIp, Host, Meta, Network, Port, Route, Router, Subnet};
use super::state::State;
use super::status::Statuses;
use super::subnets::ip_version;
use crate::clock;

/// Everything that a resource's picture is made of.
#[derive(Clone, Copy, Debug)]
pub struct Viewer<'a> {
    pub state: &'a State,
    pub(super) statuses: &'a Statuses,
    pub local: &'a HostName,
}

impl Viewer<'_> {
    pub fn network(&self, network: &Network) -> Map<String, Value> {
        let subnets: Vec<_> = self.state.subnets_of(network.id).map(|subnet| subnet.id).collect();
        let provider = &network.provider;
        with_meta(
            &network.meta,
            &network.name,
            json!({
                "id": network.id,
                "status": "ACTIVE",
                "admin_state_up": network.admin_state_up,
                "mtu": network.mtu,
                "shared": network.shared,
                "router:external": network.external,
                "is_default": false,
                "port_security_enabled": network.port_security_enabled,
                "provider:network_type": provider.network_type,
                "provider:physical_network": provider.physical_network,
                "provider:segmentation_id": provider.segmentation_id,
                "subnets": subnets,
                "availability_zone_hints": [],
                "availability_zones": [],
                "vlan_transparent": null,
                "qos_policy_id": null,
                "dns_domain": "",
                "ipv4_address_scope": null,
                "ipv6_address_scope": null,
                "baryon:dhcp_host": network.dhcp_host,
            }),
        )
    }

    pub fn subnet(&self, subnet: &Subnet) -> Map<String, Value> {
        with_meta(
            &subnet.meta,
            &subnet.name,
            json!({
                "id": subnet.id,
                "network_id": subnet.network,
                "ip_version": ip_version(subnet.cidr),
                "cidr": subnet.cidr,
                "gateway_ip": subnet.gateway_ip,
                "enable_dhcp": subnet.enable_dhcp,
                "dns_nameservers": subnet.dns_nameservers,
                "host_routes": subnet.host_routes.iter().map(route).collect::<Vec<_>>(),
                "allocation_pools": subnet.allocation_pools,
                "ipv6_ra_mode": subnet.ipv6_ra_mode,
                "ipv6_address_mode": subnet.ipv6_address_mode,
                "subnetpool_id": null,
                "service_types": [],
                "segment_id": null,
                "dns_publish_fixed_ip": false,
            }),
        )
    }

    pub fn port(&self, port: &Port) -> Map<String, Value> {
        let host = port.host.as_ref().map(|host| host.0.as_str()).unwrap_or_default();
        let details = if host.is_empty() {
            json!({})
        } else {
            json!({"port_filter": false, "ovs_hybrid_plug": false, "bridge_name": "br-int", "connectivity": "l2"})
        };
        with_meta(
            &port.meta,
            &port.name,
            json!({
                "id": port.id,
                "network_id": port.network,
                "status": self.statuses.port(port, self.local),
                "mac_address": port.mac_address,
                "fixed_ips": port.fixed_ips,
                "device_owner": port.device_owner.as_str(),
                "device_id": port.device_id,
                "admin_state_up": port.admin_state_up,
                "port_security_enabled": port.port_security_enabled,
                "allowed_address_pairs": port.allowed_address_pairs.iter().map(|p| pair(p, port)).collect::<Vec<_>>(),
                "extra_dhcp_opts": port.extra_dhcp_opts,
                "security_groups": [],
                "dns_name": port.dns_name,
                "dns_assignment": [],
                "binding:host_id": host,
                "binding:vif_type": if host.is_empty() { "unbound" } else { "ovs" },
                "binding:vif_details": details,
                "binding:vnic_type": port.vnic_type,
                "binding:profile": {},
                "qos_policy_id": null,
                "propagate_uplink_status": null,
            }),
        )
    }

    pub fn router(&self, router: &Router) -> Map<String, Value> {
        with_meta(
            &router.meta,
            &router.name,
            json!({
                "id": router.id,
                "status": self.statuses.router(router),
                "admin_state_up": router.admin_state_up,
                "external_gateway_info": self.gateway(router),
                "routes": router.routes.iter().map(route).collect::<Vec<_>>(),
                "ha": false,
                "distributed": false,
                "availability_zone_hints": [],
                "availability_zones": [],
                "flavor_id": null,
                "baryon:host": router.host,
            }),
        )
    }

    fn gateway(&self, router: &Router) -> Value {
        let Some(gateway) = &router.gateway else { return Value::Null };
        let fixed_ips = self.state.ports().get(&gateway.port).map(|port| port.fixed_ips.clone());
        json!({
            "network_id": gateway.network,
            "enable_snat": gateway.enable_snat,
            "external_fixed_ips": fixed_ips.unwrap_or_default(),
        })
    }

    pub fn floating_ip(&self, floating: &FloatingIp) -> Map<String, Value> {
        let target = floating.target.as_ref();
        let router = target.and_then(|target| self.state.routers().get(&target.router));
        let is_local = router.is_some_and(|router| router.host == *self.local);
        let port = target.and_then(|target| self.state.ports().get(&target.port));
        let details = port.map(|port| {
            json!({
                "name": port.name,
                "network_id": port.network,
                "mac_address": port.mac_address,
                "admin_state_up": port.admin_state_up,
                "status": self.statuses.port(port, self.local),
                "device_id": port.device_id,
                "device_owner": port.device_owner.as_str(),
            })
        });
        let mut view = with_meta(
            &floating.meta,
            "",
            json!({
                "id": floating.id,
                "status": self.statuses.floating_ip(floating, is_local),
                "floating_network_id": floating.network,
                "floating_ip_address": floating.address,
                "port_id": target.map(|target| target.port),
                "fixed_ip_address": target.map(|target| target.fixed),
                "router_id": target.map(|target| target.router),
                "port_details": details,
                "port_forwardings": [],
                "qos_policy_id": null,
                "dns_name": "",
                "dns_domain": "",
                "baryon:name": floating.name,
            }),
        );
        view.remove("name");
        view
    }

    pub fn host(&self, host: &Host) -> Map<String, Value> {
        object(json!({"name": host.name, "tunnel_ip": host.tunnel_ip, "local": host.name == *self.local}))
    }
}

fn with_meta(meta: &Meta, name: &str, own: Value) -> Map<String, Value> {
    let mut view = object(json!({
        "name": name,
        "description": meta.description,
        "project_id": meta.project_id,
        "tenant_id": meta.project_id,
        "created_at": clock::text(meta.created_at),
        "updated_at": clock::text(meta.updated_at),
        "revision_number": meta.revision,
        "tags": meta.tags,
    }));
    view.extend(object(own));
    view
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn route(route: &Route) -> Value {
    json!({"destination": route.destination, "nexthop": route.nexthop})
}

/// A single address without its prefix length, as people write it; without a MAC, the port's.
fn pair(pair: &AddressPair, port: &Port) -> Value {
    let address = &pair.ip_address;
    let single = address.prefix_len() == address.max_prefix_len();
    let address = if single { IpNet::addr(address).to_string() } else { address.to_string() };
    json!({"ip_address": address, "mac_address": pair.mac_address.unwrap_or(port.mac_address)})
}
