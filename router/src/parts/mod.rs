//! What each feature of a router adds to its namespace, one file per feature. Pure.
//!
//! The order of [`build`] is the order of rules within a chain, so a part that must come first in
//! a chain comes first here.

mod floating_ip;
mod forwarding;
mod gateway_nat;
mod interfaces;
mod metadata;
mod port_forwarding;
mod routes;

use model::Router;

use crate::config::Config;
use crate::spec::RouterSpec;

pub use forwarding::{DEVICE_SYSCTLS, NAMESPACE_SYSCTLS, device_key};

/// Everything that a router consists of on this node.
pub fn build(router: &Router, config: &Config) -> RouterSpec {
    let mut spec = RouterSpec::default();
    interfaces::add(router, &mut spec);
    forwarding::add(router, config, &mut spec);
    routes::add(router, config, &mut spec);
    metadata::add(router, config, &mut spec);
    floating_ip::add(router, config, &mut spec);
    port_forwarding::add(router, &mut spec);
    gateway_nat::add(router, config, &mut spec);
    spec
}

/// The gateway, unless its port is down.
fn gateway(router: &Router) -> Option<&model::Gateway> {
    router.gateway.as_ref().filter(|gateway| gateway.interface.admin_up)
}

/// The end of every rule that sets a source.
fn randomly(config: &Config) -> &'static str {
    if config.use_random_fully { " fully-random" } else { "" }
}
