//! Neutron's rules, each with the refusal that clients know.

use model::PortOwner;

use super::super::record::Port;
use super::*;

/// A network with a subnet of its own prefix.
fn tenant(bench: &mut Bench, cidr: &str) -> (model::NetworkId, model::SubnetId) {
    let network = bench.network(json!({"name": "tenant"})).unwrap();
    let subnet = bench.subnet(json!({"network_id": network, "cidr": cidr})).unwrap();
    (network, subnet)
}

fn outside(bench: &mut Bench) -> (model::NetworkId, model::SubnetId) {
    let body = json!({"router:external": true, "provider:network_type": "flat", "provider:physical_network": "public"});
    let network = bench.network(body).unwrap();
    let body = json!({"network_id": network, "cidr": "203.0.113.0/24", "enable_dhcp": false});
    (network, bench.subnet(body).unwrap())
}

fn addresses(bench: &Bench, port: model::PortId) -> Vec<String> {
    bench.state.ports()[&port].fixed_ips.iter().map(|fixed| fixed.ip_address.to_string()).collect()
}

fn refusal<T: std::fmt::Debug>(result: Result<T, Fault>) -> (u16, String, String) {
    let fault = result.unwrap_err();
    (fault.status(), fault.type_name(), fault.to_string())
}

#[track_caller]
fn invalid<T: std::fmt::Debug>(result: Result<T, Fault>, field: &str) {
    let (status, _, text) = refusal(result);
    assert_eq!(status, 400, "{text}");
    assert!(text.contains(field), "{text} does not name {field}");
}

#[track_caller]
fn conflict<T: std::fmt::Debug>(result: Result<T, Fault>, kind: &str) {
    let (status, found, text) = refusal(result);
    assert_eq!((status, found.as_str()), (409, kind), "{text}");
}

#[test]
fn segments_are_the_lowest_free() {
    let mut bench = Bench::new();
    let first = bench.network(json!({})).unwrap();
    let taken =
        bench.network(json!({"provider:network_type": "vxlan", "provider:segmentation_id": 2})).unwrap();
    let third = bench.network(json!({})).unwrap();
    let number = |id| bench.state.networks()[&id].provider.segmentation_id;
    assert_eq!([number(first), number(taken), number(third)], [Some(1), Some(2), Some(3)]);
    let vlan = json!({"provider:network_type": "vlan"});
    bench.network(vlan.clone()).unwrap();
    bench.network(vlan.clone()).unwrap();
    conflict(bench.network(vlan), "NoNetworkAvailable");
    let same = json!({"provider:network_type": "vxlan", "provider:segmentation_id": 2});
    conflict(bench.network(same), "TunnelIdInUse");
    bench.check();
}

#[test]
fn networks_name_what_is_wrong_with_them() {
    let mut bench = Bench::new();
    invalid(bench.network(json!({"mtu": 1451})), "mtu");
    invalid(bench.network(json!({"mtu": 67})), "mtu");
    invalid(bench.network(json!({"admin_state_up": "perhaps"})), "admin_state_up");
    invalid(bench.network(json!({"provider:network_type": "flat"})), "provider:physical_network");
    invalid(bench.network(json!({"provider:segmentation_id": 1 << 24})), "provider:segmentation_id");
    invalid(bench.network(json!({"nam": "x"})), "perhaps name is meant");
    assert!(Fields::new("network", json!([])).is_err());
    assert!(bench.kinds().is_empty());
}

#[test]
fn dhcp_ports_come_and_go_with_subnets() {
    let mut bench = Bench::new();
    let (network, subnet) = tenant(&mut bench, "10.0.0.0/24");
    let second = bench.subnet(json!({"network_id": network, "cidr": "10.0.1.0/24"})).unwrap();
    let port = |bench: &Bench| bench.state.ports_of(network).next().cloned();
    let dhcp = port(&bench).unwrap();
    assert_eq!(dhcp.device_owner.as_str(), "network:dhcp");
    assert_eq!(dhcp.host.as_ref().unwrap().0, "node1");
    assert_eq!(addresses(&bench, dhcp.id), ["10.0.0.2", "10.0.1.2"]);
    bench.change(|draft| super::super::subnets::delete(draft, second)).unwrap();
    assert_eq!(addresses(&bench, dhcp.id), ["10.0.0.2"]);
    let off = fields(json!({"enable_dhcp": false}));
    bench.change(|draft| super::super::subnets::update(draft, subnet, off)).unwrap();
    assert_eq!(port(&bench), None);
    bench.check();
}

#[test]
fn no_guest_is_taken_for_the_dhcp_service() {
    let mut bench = Bench::new();
    let (network, _) = tenant(&mut bench, "10.0.0.0/24");
    let service = bench.state.ports_of(network).next().cloned().unwrap();
    let claim = json!({"network_id": network, "device_owner": "network:dhcp", "device_id": "mine"});
    invalid(bench.port(claim), "device_owner");
    let guest = bench.port(json!({"network_id": network, "binding:host_id": "node1"})).unwrap();
    let mut set = |port, body| bench.change(|draft| super::super::ports::update(draft, port, fields(body)));
    invalid(set(guest, json!({"device_owner": "network:dhcp"})), "device_owner");
    invalid(set(service.id, json!({"device_owner": ""})), "device_owner");
    invalid(set(service.id, json!({"device_id": "mine"})), "device_id");
    set(service.id, json!({"name": "server"})).unwrap();
    // One from an import stays as it is, and is nobody's but its user's.
    let imported = Port { device_owner: PortOwner::Dhcp, ..Port::clone(&bench.state.ports()[&guest]) };
    bench
        .change(|draft| {
            draft.put_port(imported);
            Ok(())
        })
        .unwrap();
    let mut set = |port, body| bench.change(|draft| super::super::ports::update(draft, port, fields(body)));
    set(guest, json!({"name": "own", "device_owner": "network:dhcp"})).unwrap();
    set(guest, json!({"device_owner": ""})).unwrap();
    bench.check();
}

#[test]
fn a_full_subnet_stays_without_dhcp() {
    let mut bench = Bench::new();
    let network = bench.network(json!({})).unwrap();
    bench.subnet(json!({"network_id": network, "cidr": "10.0.0.0/24", "allocation_pools": []})).unwrap();
    bench.check();
    let (status, kind, _) = refusal(bench.port(json!({"network_id": network})));
    assert_eq!((status, kind.as_str()), (409, "IpAddressGenerationFailure"));
}

#[test]
fn addresses_are_given_once() {
    let mut bench = Bench::new();
    let (network, subnet) = tenant(&mut bench, "10.0.0.0/29");
    let port = bench.port(json!({"network_id": network})).unwrap();
    assert_eq!(addresses(&bench, port), ["10.0.0.3"]);
    let same = json!({"network_id": network, "fixed_ips": [{"ip_address": "10.0.0.3"}]});
    conflict(bench.port(same), "IpAddressInUse");
    let broadcast = json!({"network_id": network, "fixed_ips": [{"ip_address": "10.0.0.7"}]});
    invalid(bench.port(broadcast), "fixed_ips[0].ip_address");
    let twice = json!([{"subnet_id": subnet}, {"ip_address": "10.0.0.4"}, {"subnet_id": subnet}]);
    let port = bench.port(json!({"network_id": network, "fixed_ips": twice})).unwrap();
    assert_eq!(addresses(&bench, port), ["10.0.0.4", "10.0.0.5", "10.0.0.6"]);
    conflict(bench.port(json!({"network_id": network})), "IpAddressGenerationFailure");
    bench.change(|draft| super::super::ports::delete(draft, port)).unwrap();
    let port = bench.port(json!({"network_id": network})).unwrap();
    assert_eq!(addresses(&bench, port), ["10.0.0.4"]);
    bench.check();
}

#[test]
fn ports_derive_ipv6_addresses_from_their_macs() {
    let mut bench = Bench::new();
    let network = bench.network(json!({})).unwrap();
    let body = json!({
        "network_id": network, "cidr": "2001:db8::/64", "ip_version": 6,
        "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"
    });
    bench.subnet(body).unwrap();
    let body = json!({"network_id": network, "mac_address": "fa:16:3e:00:00:01"});
    let port = bench.port(body).unwrap();
    assert_eq!(addresses(&bench, port), ["2001:db8::f816:3eff:fe00:1"]);
    let mac = fields(json!({"mac_address": "fa:16:3e:00:00:02"}));
    bench.change(|draft| super::super::ports::update(draft, port, mac)).unwrap();
    assert_eq!(addresses(&bench, port), ["2001:db8::f816:3eff:fe00:2"]);
    bench.check();
}

#[test]
fn subnets_name_what_is_wrong_with_them() {
    let mut bench = Bench::new();
    let (network, _) = tenant(&mut bench, "10.0.0.0/24");
    let mut subnet = |more: Value| {
        let mut body = json!({"network_id": network, "cidr": "10.1.0.0/24"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        bench.subnet(body)
    };
    invalid(subnet(json!({"cidr": "10.0.0.128/25"})), "cidr");
    invalid(subnet(json!({"cidr": "10.1.0.1/24"})), "cidr");
    invalid(subnet(json!({"cidr": "ten"})), "cidr");
    invalid(subnet(json!({"ip_version": 6})), "ip_version");
    invalid(subnet(json!({"gateway_ip": "2001:db8::1"})), "gateway_ip");
    invalid(subnet(json!({"gateway_ip": "10.1.0.255"})), "gateway_ip");
    invalid(subnet(json!({"dns_nameservers": ["10.0.0.1", "::1"]})), "dns_nameservers[1]");
    invalid(subnet(json!({"host_routes": [{"destination": "10.9.0.0/16"}]})), "host_routes[0].nexthop");
    let pools =
        json!([{"start": "10.1.0.10", "end": "10.1.0.20"}, {"start": "10.1.0.20", "end": "10.1.0.30"}]);
    invalid(subnet(json!({"allocation_pools": pools})), "allocation_pools[1]");
    let pools = json!([{"start": "10.1.0.1", "end": "10.1.0.20"}]);
    conflict(subnet(json!({"allocation_pools": pools})), "GatewayConflictWithAllocationPools");
    invalid(subnet(json!({"ipv6_ra_mode": "slaac"})), "ipv6_ra_mode");
}

#[test]
fn what_is_in_use_stays() {
    let mut bench = Bench::new();
    let (network, subnet) = tenant(&mut bench, "10.0.0.0/24");
    let port = bench.port(json!({"network_id": network})).unwrap();
    let router = bench.router(json!({})).unwrap();
    let interface = bench.interface(router, subnet).unwrap();
    conflict(bench.change(|draft| super::super::networks::delete(draft, network)), "NetworkInUse");
    conflict(bench.change(|draft| super::super::subnets::delete(draft, subnet)), "SubnetInUse");
    conflict(bench.change(|draft| super::super::routers::delete(draft, router)), "RouterInUse");
    conflict(bench.change(|draft| super::super::ports::delete(draft, interface)), "ServicePortInUse");
    let gateway = fields(json!({"gateway_ip": null}));
    conflict(bench.change(|draft| super::super::subnets::update(draft, subnet, gateway)), "GatewayIpInUse");
    bench.change(|draft| super::super::ports::delete(draft, port)).unwrap();
    let named = super::super::interfaces::Named { subnet: Some(subnet), port: None };
    bench.change(|draft| super::super::interfaces::remove(draft, router, named)).unwrap();
    bench.change(|draft| super::super::routers::delete(draft, router)).unwrap();
    bench.change(|draft| super::super::networks::delete(draft, network)).unwrap();
    assert!(bench.kinds().is_empty());
    bench.check();
}

#[test]
fn floating_ips_need_a_way_in() {
    let mut bench = Bench::new();
    let (network, subnet) = tenant(&mut bench, "10.0.0.0/24");
    let (external, _) = outside(&mut bench);
    let port = bench.port(json!({"network_id": network})).unwrap();
    let body = json!({"floating_network_id": external, "port_id": port});
    assert_eq!(refusal(bench.floating_ip(body.clone())).1, "ExternalGatewayForFloatingIPNotFound");
    invalid(bench.floating_ip(json!({"floating_network_id": network})), "external");
    let router = bench.router(json!({"external_gateway_info": {"network_id": external}})).unwrap();
    let interface = bench.interface(router, subnet).unwrap();
    let floating = bench.floating_ip(body.clone()).unwrap();
    bench.check();
    conflict(bench.floating_ip(body), "FloatingIPPortAlreadyAssociated");
    let no_gateway = || fields(json!({"external_gateway_info": null}));
    let cleared = bench.change(|draft| super::super::routers::update(draft, router, no_gateway()));
    conflict(cleared, "RouterExternalGatewayInUseByFloatingIp");
    let named = super::super::interfaces::Named { subnet: None, port: Some(interface) };
    let removed = bench.change(|draft| super::super::interfaces::remove(draft, router, named));
    conflict(removed, "RouterInterfaceInUseByFloatingIP");
    bench.change(|draft| super::super::ports::delete(draft, port)).unwrap();
    assert_eq!(bench.state.floating_ips()[&floating].target, None);
    bench.change(|draft| super::super::interfaces::remove(draft, router, named)).unwrap();
    bench.change(|draft| super::super::routers::update(draft, router, no_gateway())).unwrap();
    bench.check();
}

#[test]
fn parts_of_routers_are_the_routers_business() {
    let mut bench = Bench::new();
    let (network, subnet) = tenant(&mut bench, "10.0.0.0/24");
    let router = bench.router(json!({})).unwrap();
    let interface = bench.interface(router, subnet).unwrap();
    let guest = bench.port(json!({"network_id": network})).unwrap();
    let mut set = |port, body| bench.change(|draft| super::super::ports::update(draft, port, fields(body)));
    invalid(set(interface, json!({"binding:host_id": "node2"})), "binding:host_id");
    invalid(set(interface, json!({"fixed_ips": []})), "fixed_ips");
    invalid(set(interface, json!({"device_owner": ""})), "device_owner");
    invalid(set(guest, json!({"device_owner": "network:floatingip"})), "device_owner");
    set(interface, json!({"name": "leg", "admin_state_up": false})).unwrap();
    let claim =
        json!({"network_id": network, "device_owner": "network:router_interface", "device_id": router});
    invalid(bench.port(claim), "device_owner");
    bench.check();
}

#[test]
fn routes_lead_to_neighbours() {
    let mut bench = Bench::new();
    let (_, subnet) = tenant(&mut bench, "10.0.0.0/24");
    let router = bench.router(json!({})).unwrap();
    bench.interface(router, subnet).unwrap();
    let mut route = |nexthop: &str| {
        let body = fields(json!({"routes": [{"destination": "10.9.0.0/16", "nexthop": nexthop}]}));
        bench.change(|draft| super::super::routers::update(draft, router, body))
    };
    invalid(route("10.1.0.1"), "routes[0].nexthop");
    invalid(route("10.0.0.1"), "routes[0].nexthop");
    route("10.0.0.9").unwrap();
    let named = super::super::interfaces::Named { subnet: Some(subnet), port: None };
    let removed = bench.change(|draft| super::super::interfaces::remove(draft, router, named));
    conflict(removed, "RouterInterfaceInUseByRoute");
}

#[test]
fn interfaces_do_not_overlap() {
    let mut bench = Bench::new();
    let (_, one) = tenant(&mut bench, "10.0.0.0/24");
    let (_, other) = tenant(&mut bench, "10.0.0.0/25");
    let router = bench.router(json!({})).unwrap();
    bench.interface(router, one).unwrap();
    invalid(bench.interface(router, other), "overlaps");
    invalid(bench.interface(router, one), "already has a port");
}

#[test]
fn device_names_do_not_collide() {
    let mut bench = Bench::new();
    let (network, _) = tenant(&mut bench, "10.0.0.0/24");
    let with_id = |bench: &mut Bench, id: &str| {
        let id = Some(id.parse().unwrap());
        let body = fields(json!({"network_id": network}));
        bench.change(|draft| super::super::ports::create(draft, id, body)).unwrap()
    };
    let one = with_id(&mut bench, "24d0a689-81b3-4c1e-9f10-3c2b5a4e6d7f");
    let other = with_id(&mut bench, "24d0a689-8100-4c1e-9f10-3c2b5a4e6d7f");
    assert_ne!(model::names::tap(one), model::names::tap(other));
}

#[test]
fn extra_options_are_merged_as_in_neutron() {
    let mut bench = Bench::new();
    let (network, _) = tenant(&mut bench, "10.0.0.0/24");
    let options =
        json!([{"opt_name": "mtu", "opt_value": "1400"}, {"opt_name": "tftp-server", "opt_value": "x"}]);
    let port = bench.port(json!({"network_id": network, "extra_dhcp_opts": options})).unwrap();
    let change =
        json!([{"opt_name": "mtu", "opt_value": "1300"}, {"opt_name": "tftp-server", "opt_value": null}]);
    let change = fields(json!({"extra_dhcp_opts": change}));
    bench.change(|draft| super::super::ports::update(draft, port, change)).unwrap();
    let options = &bench.state.ports()[&port].extra_dhcp_opts;
    assert_eq!(options.len(), 1);
    assert_eq!((options[0].opt_name.as_str(), options[0].opt_value.as_str()), ("mtu", "1300"));
}
