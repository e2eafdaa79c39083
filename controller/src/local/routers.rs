//! Routers: making, changing and removing them in a draft, with Neutron's rules. Their interfaces are
//! in `interfaces`.

use std::net::IpAddr;
use std::sync::Arc;

use model::{HostName, NetworkId, PortId, PortOwner, RouterId};

use super::addresses::{self, Holder, Wish};
use super::draft::Draft;
use super::fault::Fault;
use super::fields::Fields;
use super::networks::set;
use super::ports::{self, Service};
use super::record::{Gateway, Port, Route, Router, Subnet};
use super::state::Key;
use super::{describe, interfaces, subnets};

/// Neutron's limit (`max_routes`).
const MOST_ROUTES: usize = 30;

pub fn create(draft: &mut Draft<'_>, id: Option<RouterId>, mut fields: Fields) -> Result<RouterId, Fault> {
    let id = id.unwrap_or_else(|| RouterId(draft.chance.id()));
    let mut router = Router {
        id,
        name: String::new(),
        meta: draft.meta(),
        admin_state_up: true,
        gateway: None,
        routes: Vec::new(),
        host: draft.local_host(),
    };
    let change = settings(&mut router, &mut fields)?;
    fields.finish()?;
    change_gateway(draft, &mut router, change.gateway)?;
    if let Some(routes) = change.routes {
        check_routes(draft, &router, &routes)?;
        router.routes = routes;
    }
    draft.put_router(router);
    Ok(id)
}

pub fn update(draft: &mut Draft<'_>, id: RouterId, mut fields: Fields) -> Result<(), Fault> {
    let mut router = Router::clone(draft.router(id)?);
    let old_host = router.host.clone();
    let change = settings(&mut router, &mut fields)?;
    fields.finish()?;
    change_gateway(draft, &mut router, change.gateway)?;
    if let Some(routes) = change.routes {
        router.routes = routes;
    }
    check_routes(draft, &router, &router.routes)?;
    if router.host != old_host {
        move_ports(draft, &router);
    }
    draft.put_router(router);
    Ok(())
}

/// Removes a router with its gateway; refused while it has interfaces.
pub fn delete(draft: &mut Draft<'_>, id: RouterId) -> Result<(), Fault> {
    let router = draft.router(id)?.clone();
    if let Some(port) = interfaces::of(draft, id).first() {
        let reason = format!("Router {id} still has ports, {} for one.", port.id);
        return Err(Fault::conflict("RouterInUse", reason));
    }
    if let Some(gateway) = &router.gateway {
        refuse_if_floating(draft, &router)?;
        ports::discard(draft, gateway.port);
    }
    draft.remove(Key::Router(id));
    Ok(())
}

/// The ports of a router: interfaces and gateway.
pub(super) fn ports_of(draft: &Draft<'_>, id: RouterId) -> Vec<Arc<Port>> {
    let device = id.to_string();
    let ports = draft.state.ports_of_device(&device);
    let of_routers = |port: &&Arc<Port>| {
        matches!(port.device_owner, PortOwner::RouterInterface | PortOwner::RouterGateway)
    };
    ports.filter(of_routers).cloned().collect()
}

/// What a request changes beyond the router's own fields.
struct Change {
    /// `None`: not mentioned; `Some(None)`: no gateway.
    gateway: Option<Option<Wanted>>,
    routes: Option<Vec<Route>>,
}

/// `external_gateway_info` of a request.
struct Wanted {
    network: NetworkId,
    enable_snat: Option<bool>,
    addresses: Option<Vec<Wish>>,
}

fn settings(router: &mut Router, fields: &mut Fields) -> Result<Change, Fault> {
    describe::settings(&mut router.name, &mut router.meta, fields)?;
    set(&mut router.admin_state_up, fields.flag("admin_state_up")?);
    set(&mut router.host, fields.text("baryon:host")?.map(HostName));
    let gateway = match fields.take("external_gateway_info") {
        None => None,
        Some(serde_json::Value::Null) => Some(None),
        Some(value) => Some(wanted(value).map_err(|fault| fault.under("external_gateway_info"))?),
    };
    for unsupported in ["ha", "distributed"] {
        if fields.flag(unsupported)? == Some(true) {
            return Err(Fault::invalid(unsupported, "such routers are not there yet"));
        }
    }
    fields.tolerate(&["availability_zone_hints", "flavor_id", "enable_ndp_proxy", "service_type_id"]);
    Ok(Change { gateway, routes: fields.objects("routes", subnets::route)? })
}

fn wanted(value: serde_json::Value) -> Result<Option<Wanted>, Fault> {
    let mut fields = Fields::new("", value)?;
    let network = fields.parse("network_id")?;
    let enable_snat = fields.flag("enable_snat")?;
    let addresses = fields.objects("external_fixed_ips", Wish::read)?;
    fields.tolerate(&["qos_policy_id"]);
    fields.finish()?;
    match network {
        Some(network) => Ok(Some(Wanted { network, enable_snat, addresses })),
        None if enable_snat.is_none() && addresses.is_none() => Ok(None),
        None => Err(Fault::invalid("network_id", "it is required")),
    }
}

fn change_gateway(
    draft: &mut Draft<'_>,
    router: &mut Router,
    wanted: Option<Option<Wanted>>,
) -> Result<(), Fault> {
    let Some(wanted) = wanted else { return Ok(()) };
    let old = router.gateway.take();
    let Some(wanted) = wanted else {
        if let Some(old) = old {
            refuse_if_floating(draft, router)?;
            ports::discard(draft, old.port);
        }
        return Ok(());
    };
    if !draft.network(wanted.network)?.external {
        let reason = format!("network {} is not external (router:external)", wanted.network);
        return Err(Fault::invalid("external_gateway_info.network_id", reason));
    }
    let enable_snat = wanted.enable_snat.or(old.as_ref().map(|old| old.enable_snat)).unwrap_or(true);
    let port = match old {
        Some(old) if old.network == wanted.network => {
            readdress(draft, old.port, wanted.addresses)?;
            old.port
        }
        old => {
            if let Some(old) = old {
                refuse_if_floating(draft, router)?;
                ports::discard(draft, old.port);
            }
            make_port(draft, router, &wanted)?
        }
    };
    router.gateway = Some(Gateway { network: wanted.network, port, enable_snat });
    Ok(())
}

fn make_port(draft: &mut Draft<'_>, router: &Router, wanted: &Wanted) -> Result<PortId, Fault> {
    let wishes = match &wanted.addresses {
        Some(wishes) if !wishes.is_empty() => wishes.clone(),
        _ => addresses::usual(draft, wanted.network)?,
    };
    let id = draft.derived_port_id(&format!("gateway/{}/{}", router.id, wanted.network));
    let service = Service {
        id,
        network: wanted.network,
        owner: PortOwner::RouterGateway,
        device: router.id.to_string(),
        host: Some(router.host.clone()),
        // Neutron's gateway ports belong to no project, so that tenants do not see them.
        project: String::new(),
    };
    ports::make(draft, service, &wishes).map_err(|fault| fault.under("external_gateway_info"))?;
    Ok(id)
}

/// Gives the gateway port other addresses, when the request names some.
fn readdress(draft: &mut Draft<'_>, port: PortId, wishes: Option<Vec<Wish>>) -> Result<(), Fault> {
    let Some(wishes) = wishes.filter(|wishes| !wishes.is_empty()) else { return Ok(()) };
    let mut port = Port::clone(draft.port(port)?);
    let holder = Holder {
        port: port.id,
        network: port.network,
        mac: port.mac_address,
        owner: port.device_owner.clone(),
    };
    port.fixed_ips = addresses::grant(draft, &holder, &wishes, &port.fixed_ips)
        .map_err(|fault| fault.under("external_gateway_info"))?;
    draft.put_port(port);
    Ok(())
}

fn refuse_if_floating(draft: &Draft<'_>, router: &Router) -> Result<(), Fault> {
    match draft.state.floating_ips_of(router.id).next() {
        None => Ok(()),
        Some(floating) => {
            let reason = format!(
                "Gateway cannot be updated for router {}, since a gateway to the external network is required by one or more floating IPs, {} for one.",
                router.id, floating.address
            );
            Err(Fault::conflict("RouterExternalGatewayInUseByFloatingIp", reason))
        }
    }
}

fn move_ports(draft: &mut Draft<'_>, router: &Router) {
    for port in ports_of(draft, router.id) {
        draft.put_port(Port { host: Some(router.host.clone()), ..Port::clone(&port) });
    }
}

/// A next hop has to be a neighbour of the router, and not the router itself.
pub(super) fn check_routes(draft: &Draft<'_>, router: &Router, routes: &[Route]) -> Result<(), Fault> {
    if routes.len() > MOST_ROUTES {
        return Err(Fault::invalid("routes", format!("more than {MOST_ROUTES} entries")));
    }
    if routes.is_empty() {
        return Ok(());
    }
    let ports = ports_of(draft, router.id);
    let connected = connected(draft, &ports);
    let own: Vec<IpAddr> =
        ports.iter().flat_map(|port| &port.fixed_ips).map(|fixed| fixed.ip_address).collect();
    for (index, route) in routes.iter().enumerate() {
        let refuse = |reason: String| Err(Fault::invalid(format!("routes[{index}].nexthop"), reason));
        if !connected.iter().any(|subnet| subnet.cidr.contains(&route.nexthop)) {
            return refuse(format!("the nexthop {} is not connected with router", route.nexthop));
        }
        if own.contains(&route.nexthop) {
            return refuse(format!("the nexthop {} is used by router", route.nexthop));
        }
        if routes[..index].contains(route) {
            return Err(Fault::invalid(format!("routes[{index}]"), "it is there twice"));
        }
    }
    Ok(())
}

/// The subnets that ports have addresses on.
pub(super) fn connected(draft: &Draft<'_>, ports: &[Arc<Port>]) -> Vec<Arc<Subnet>> {
    let ids = ports.iter().flat_map(|port| &port.fixed_ips).map(|fixed| fixed.subnet_id);
    ids.filter_map(|id| draft.state.subnets().get(&id).cloned()).collect()
}
