//! Whether the service that a port of ours was made for runs on this node. Pure.
//!
//! A service that stops takes its namespace along, and the namespace its devices: the switch would be
//! left with a row whose device is dead and never made again. So the row goes when the service goes, and
//! comes when it comes. A service is stopped only when the picture of its role is complete, and so here.

use model::{Desired, HostName, Port, PortOwner, Role, Router, RouterId};

/// Whether the port's device has a use. A port of anybody else's has its own.
pub fn is_wanted(desired: &Desired, host: &HostName, port: &Port) -> bool {
    match port.owner {
        PortOwner::Dhcp => !desired.complete.contains(&Role::Dhcp) || is_served(desired, port),
        PortOwner::RouterInterface | PortOwner::RouterGateway => {
            !desired.complete.contains(&Role::L3) || is_routed(desired, host, port)
        }
        PortOwner::FloatingIp | PortOwner::Other(_) => true,
    }
}

/// A network that is down, or has no subnet with DHCP, is not served.
fn is_served(desired: &Desired, port: &Port) -> bool {
    desired.networks().get(&port.network).is_some_and(|network| network.admin_up)
        && desired.subnets_of(port.network).any(|subnet| subnet.dhcp)
}

fn is_routed(desired: &Desired, host: &HostName, port: &Port) -> bool {
    let router = port.device.parse().ok().and_then(|id: RouterId| desired.routers().get(&id));
    let here = |router: &&std::sync::Arc<Router>| router.admin_up && router.host.as_ref() == Some(host);
    router.filter(here).is_some_and(|router| {
        let gateway = router.gateway.iter().map(|gateway| &gateway.interface);
        let mut interfaces = router.interfaces.iter().chain(gateway);
        interfaces.any(|interface| interface.port == port.id && interface.admin_up)
    }) && port.admin_up
}
