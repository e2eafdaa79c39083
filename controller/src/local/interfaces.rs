//! The interfaces of routers: `add_router_interface` and `remove_router_interface`, with Neutron's
//! rules.

use std::sync::Arc;

use model::{PortId, PortOwner, RouterId, SubnetId};

use super::addresses::Wish;
use super::draft::Draft;
use super::fault::Fault;
use super::fields::Fields;
use super::ports::{self, Service};
use super::record::{Port, Router, Subnet};
use super::{routers, subnets};

/// What a request names: a subnet, a port or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    pub subnet: Option<SubnetId>,
    pub port: Option<PortId>,
}

impl Named {
    pub fn read(mut fields: Fields) -> Result<Self, Fault> {
        let named = Self { subnet: fields.parse("subnet_id")?, port: fields.parse("port_id")? };
        fields.finish()?;
        match named {
            Self { subnet: None, port: None } => {
                Err(Fault::BadRequest("Either subnet_id or port_id must be specified.".to_owned()))
            }
            named => Ok(named),
        }
    }
}

/// The interface ports of a router, without its gateway.
pub fn of(draft: &Draft<'_>, router: RouterId) -> Vec<Arc<Port>> {
    let mut ports = routers::ports_of(draft, router);
    ports.retain(|port| port.device_owner == PortOwner::RouterInterface);
    ports
}

/// Connects a router: to a subnet with a new port that has the subnet's gateway address, or with a
/// port that is there already.
pub fn add(draft: &mut Draft<'_>, router: RouterId, named: Named) -> Result<PortId, Fault> {
    let router = Router::clone(draft.router(router)?);
    match named {
        Named { subnet: Some(_), port: Some(_) } => {
            Err(Fault::BadRequest("Cannot specify both subnet-id and port-id.".to_owned()))
        }
        Named { port: Some(port), .. } => add_port(draft, &router, port),
        Named { subnet: Some(subnet), .. } => add_subnet(draft, &router, subnet),
        Named { .. } => Err(Fault::BadRequest("Either subnet_id or port_id must be specified.".to_owned())),
    }
}

/// Disconnects a router and removes the port. Gives the port as it was.
pub fn remove(draft: &mut Draft<'_>, router: RouterId, named: Named) -> Result<Arc<Port>, Fault> {
    let router = draft.router(router)?.clone();
    let matching = |port: &&Arc<Port>| {
        named.port.is_none_or(|id| id == port.id)
            && named.subnet.is_none_or(|id| port.fixed_ips.iter().any(|fixed| fixed.subnet_id == id))
    };
    let found = of(draft, router.id).iter().find(matching).cloned();
    let Some(port) = found else {
        let what = named.port.map(|id| id.to_string()).or(named.subnet.map(|id| id.to_string()));
        return Err(Fault::NotFound {
            kind: "Router Interface",
            id: format!("of router {} on {}", router.id, what.unwrap_or_default()),
        });
    };
    check_unused(draft, &router, &port)?;
    ports::discard(draft, port.id);
    Ok(port)
}

fn add_subnet(draft: &mut Draft<'_>, router: &Router, id: SubnetId) -> Result<PortId, Fault> {
    let subnet = draft.subnet(id)?.clone();
    let Some(gateway) = subnet.gateway_ip else {
        return Err(Fault::BadRequest(format!(
            "Subnet for router interface must have a gateway IP, {id} has none."
        )));
    };
    check_overlap(draft, router, std::slice::from_ref(&subnet))?;
    let port = draft.derived_port_id(&format!("interface/{}/{id}", router.id));
    let service = Service {
        id: port,
        network: subnet.network,
        owner: PortOwner::RouterInterface,
        device: router.id.to_string(),
        host: Some(router.host.clone()),
        project: router.meta.project_id.clone(),
    };
    ports::make(draft, service, &[Wish::exactly(id, gateway)])?;
    Ok(port)
}

fn add_port(draft: &mut Draft<'_>, router: &Router, id: PortId) -> Result<PortId, Fault> {
    let mut port = Port::clone(draft.port(id)?);
    if !port.device_id.is_empty() {
        let reason = format!(
            "Unable to complete operation on port {id} for network {}. Port already has an attached device {}.",
            port.network, port.device_id
        );
        return Err(Fault::conflict("PortInUse", reason));
    }
    if port.fixed_ips.is_empty() {
        return Err(Fault::BadRequest("Router port must have at least one fixed IP.".to_owned()));
    }
    let subnets = routers::connected(draft, &[Arc::new(port.clone())]);
    check_overlap(draft, router, &subnets)?;
    port.device_owner = PortOwner::RouterInterface;
    port.device_id = router.id.to_string();
    port.host = Some(router.host.clone());
    port.port_security_enabled = false;
    draft.put_port(port);
    Ok(id)
}

fn check_overlap(draft: &Draft<'_>, router: &Router, new: &[Arc<Subnet>]) -> Result<(), Fault> {
    let own = routers::connected(draft, &routers::ports_of(draft, router.id));
    for new in new {
        if own.iter().any(|own| own.id == new.id) {
            return Err(Fault::BadRequest(format!("Router already has a port on subnet {}.", new.id)));
        }
        if let Some(other) = own.iter().find(|own| subnets::overlap(own.cidr, new.cidr)) {
            return Err(Fault::BadRequest(format!(
                "Cidr {} of subnet {} overlaps with cidr {} of subnet {}.",
                new.cidr, new.id, other.cidr, other.id
            )));
        }
    }
    Ok(())
}

fn check_unused(draft: &Draft<'_>, router: &Router, port: &Port) -> Result<(), Fault> {
    let left: Vec<_> =
        routers::ports_of(draft, router.id).into_iter().filter(|other| other.id != port.id).collect();
    let connected = routers::connected(draft, &left);
    let stays = |nexthop: &std::net::IpAddr| connected.iter().any(|subnet| subnet.cidr.contains(nexthop));
    for subnet in routers::connected(draft, &[Arc::new(port.clone())]) {
        let needs = |floating: &&Arc<super::record::FloatingIp>| {
            floating.target.as_ref().is_some_and(|target| {
                let target = draft.state.port_with_address(subnet.id, target.fixed);
                target.is_some() && target == floating.target.as_ref().map(|target| target.port)
            })
        };
        if draft.state.floating_ips_of(router.id).find(needs).is_some() {
            let reason = format!(
                "Router interface for subnet {} on router {} cannot be deleted, as it is required by one or more floating IPs.",
                subnet.id, router.id
            );
            return Err(Fault::conflict("RouterInterfaceInUseByFloatingIP", reason));
        }
        let routed = |nexthop: &std::net::IpAddr| subnet.cidr.contains(nexthop) && !stays(nexthop);
        if router.routes.iter().any(|route| routed(&route.nexthop)) {
            let reason = format!(
                "Router interface for subnet {} on router {} cannot be deleted, as it is required by one or more routes.",
                subnet.id, router.id
            );
            return Err(Fault::conflict("RouterInterfaceInUseByRoute", reason));
        }
    }
    Ok(())
}
